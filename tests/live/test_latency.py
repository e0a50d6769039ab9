"""Percentiles are times of bins, and are not told where there are too few bins."""

import numpy as np
import pytest

from vpharness.live.latency import PERCENTILES, Latency, bins_needed


def test_percentiles_are_times_that_were_measured() -> None:
    """Of 1 to 10,000 ms the 50th percentile is the 5,000th, not a mean of two; the order makes no difference."""
    durations = np.random.default_rng(0).permutation(np.arange(1, 10_001)) * 1_000_000
    found = Latency.of(durations.tolist())
    assert found == Latency(10_000, {"p50": 5000.0, "p95": 9500.0, "p99": 9900.0, "p99.9": 9990.0}, 10_000.0)


@pytest.mark.parametrize(("name", "least"), [("p50", 20), ("p95", 200), ("p99", 1_000), ("p99.9", 10_000)])
def test_a_percentile_with_fewer_than_ten_bins_beyond_it_is_not_told(name: str, least: int) -> None:
    """One bin fewer, and it is missing; the longest is always there."""
    assert bins_needed(PERCENTILES[name]) == least
    few, enough = Latency.of([1_000_000] * (least - 1)), Latency.of([1_000_000] * least)
    assert few is not None
    assert enough is not None
    assert (few.percentiles[name], enough.percentiles[name], few.max_ms) == (None, 1.0, 1.0)


def test_of_no_bins_there_is_nothing_to_tell() -> None:
    """No average, no zero."""
    assert Latency.of([]) is None
