"""Events bin by bin: each in the bin of the latest time so far, and no bin left out."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vpharness.events.by_bin import by_bin
from vpharness.events.mbo_event import EVENT_DTYPE

WIDTH_NS = 100


@given(
    times=st.lists(st.integers(0, 1_500), max_size=30),
    cuts=st.lists(st.integers(0, 30), max_size=4),
)
def test_every_event_comes_once_in_order_and_every_bin_between_them(times: list[int], cuts: list[int]) -> None:
    """However the feed is cut into chunks, with times that run backwards and empty chunks."""
    events = np.zeros(len(times), EVENT_DTYPE)
    events["ts_ns"], events["order_id"] = times, np.arange(len(times))
    found = list(by_bin(np.split(events, sorted(min(cut, len(times)) for cut in cuts)), WIDTH_NS))
    assert [int(each) for own, _ in found for each in own["order_id"]] == list(range(len(times)))
    latest: list[int] = np.maximum.accumulate(times).tolist() if times else []
    wanted_ends = [time // WIDTH_NS * WIDTH_NS + WIDTH_NS for time in latest]
    assert [end_ns for own, end_ns in found for _ in own] == wanted_ends
    ends = [end_ns for _, end_ns in found]
    assert ends == (list(range(wanted_ends[0], wanted_ends[-1] + 1, WIDTH_NS)) if times else [])
