"""The random streams that the lattice is tested with are replayable, alive and nasty."""

from collections import Counter

import numpy as np
import pytest

from tests.lattice.feed import TICK
from tests.lattice.streams import random_stream
from tests.naive import naive_lattice
from vpharness.events.mbo_event import ACTIONS


def test_a_stream_is_replayable_and_begins_every_longer_one() -> None:
    """The same arguments give the same events, and a longer stream only goes on."""
    longer = random_stream(5, 400)
    assert len(longer) == 400
    assert np.array_equal(random_stream(5, 400), longer)
    assert np.array_equal(random_stream(5, 150), longer[:150])
    assert not np.array_equal(random_stream(6, 400), longer)


@pytest.mark.parametrize("mischief", [1.0, 3.0])
def test_streams_are_mostly_valid_and_wrong_in_every_way(mischief: float) -> None:
    """Half to nine tenths of the bins have a valid book, every action and every count of the manifest occurs."""
    counts: Counter[str] = Counter()
    valid: list[bool] = []
    actions: set[int] = set()
    for seed in range(10):
        events = random_stream(seed, 250, mischief=mischief)
        actions |= set(events["action"].tolist())
        result = naive_lattice(events, tick_int=TICK, size_unit=1.0, cell_width_ms=100, evict_crossed_ms=150, radius=3)
        counts.update(result.counts)
        valid += result.bins["book_valid"]
    assert actions == set(ACTIONS)
    assert min(counts.values()) > 0, counts
    assert 0.5 < np.mean(valid) < 0.92
