"""The forward record: fires on events that came after the candidate had been written down."""

from dataclasses import replace

import numpy as np

from tests.results.ledgers import N_BINS, trial, view_of
from vpharness.promotion.forward_record import forward_record

START_NS = view_of("north", "").span[0]
END_NS = START_NS + N_BINS * 100_000_000


def test_what_came_after_the_first_row_counts_and_what_lies_before_it_or_in_the_future_does_not() -> None:
    """A run of later events, of which the first half was there already; the first run has none after itself."""
    middle_ns = START_NS + N_BINS // 2 * 100_000_000
    first = replace(trial("north", "x", 3, knows=True), created_ns=middle_ns)
    later = replace(trial("south", "x", 4, knows=True), created_ns=END_NS)
    record = forward_record([first, later], view_of)
    after = later.fires.bins >= N_BINS // 2
    assert (record.since_ns, record.n_fires) == (middle_ns, int(np.sum(after)))
    assert record.judgement is not None
    assert record.judgement.figures.n_fires == record.n_fires
    assert record.judgement.figures.net_pnl_ticks > 0
    dated_ahead = replace(later, created_ns=middle_ns + 1)
    assert forward_record([first, dated_ahead], view_of).n_fires == 0
