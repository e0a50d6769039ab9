"""Opening the test part: whoever does it, the store counts it."""

import dataclasses
import time
from collections import Counter
from collections.abc import Sequence

from vpharness.results.judging import ViewOf
from vpharness.results.ranking import Ranked, open_test
from vpharness.results.records import VIEWS_SCHEMA
from vpharness.results.store import VIEWS, Rows, Store, append, read


def open_and_count(ranked: Sequence[Ranked], store: Store, view_of: ViewOf) -> list[Ranked]:
    """Open the test part of some candidates, and count in the store that it has been opened.

    Raises ResultsError where the store cannot be written.
    """
    opened = open_test(ranked, view_of)
    ids = sorted({each.candidate.candidate_id for each in opened if each.test is not None})
    now_ns = time.time_ns()
    rows = [{"candidate_id": candidate_id, "opened_ns": now_ns} for candidate_id in ids]
    append(store, Rows(VIEWS, rows, VIEWS_SCHEMA))
    times = Counter(row["candidate_id"] for row in read(store, VIEWS))
    return [dataclasses.replace(each, test_openings=times[each.candidate.candidate_id]) for each in opened]
