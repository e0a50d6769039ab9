"""A served model that is looked at after every block: what is claimed of it holds, and a drop is called."""

import pytest

from tests.runtime.engine.watched_days import summary


def test_a_few_days_with_a_drop_of_a_tick_are_called_worse_than_promised() -> None:
    """On most of ten days, after some tens of blocks; what is claimed at the end is what the moments say."""
    found = summary(10, 3, heavy=False, drop_ticks=1.0)
    assert found["called_worse"] >= 0.5
    assert 10 <= found["median_blocks_until_called"] <= 100
    assert found["sequence_excluded"] <= 0.2


@pytest.mark.slow
@pytest.mark.parametrize("heavy", [False, True], ids=["normal", "heavy tails"])
@pytest.mark.parametrize("drop_ticks", [0.0, 1.0], ids=["as promised", "a tick worse"])
def test_the_truth_is_excluded_on_no_more_days_than_stated(*, heavy: bool, drop_ticks: float) -> None:
    """Of 2,000 days the sequence ever excludes it on at most 6 %, where the interval of one look does on a quarter."""
    found = summary(2000, 7, heavy=heavy, drop_ticks=drop_ticks)
    print(found)
    assert found["sequence_excluded"] <= 0.06
    assert found["interval_excluded"] >= 0.2
    assert found["called_worse"] >= 0.8 if drop_ticks else found["called_worse"] <= 0.05
