"""The sample of real order events, found in an installed package."""

import importlib.util

import pytest

from vpharness.errors import SourceError
from vpharness.events import bitstamp_sample
from vpharness.events.bitstamp_sample import BitstampSampleSource


def test_without_the_package_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """One clear line, from `open` and from `identity`."""
    monkeypatch.setattr(bitstamp_sample, "PACKAGE", "no_such_package_here")
    with pytest.raises(SourceError, match=r"pip install .* '\.\[sample\]'"):
        BitstampSampleSource().identity()
    with pytest.raises(SourceError, match="ob-analytics"):
        BitstampSampleSource().open()


@pytest.mark.skipif(importlib.util.find_spec("ob_analytics") is None, reason="the extra `sample` is not installed")
def test_the_sample_is_half_an_hour_of_orders() -> None:
    """Its events stand in the order of time."""
    with BitstampSampleSource().open() as stream:
        chunks = list(stream.chunks)
    assert stream.instrument == "BTCUSD"
    assert sum(len(chunk) for chunk in chunks) > 250_000
    first, last = int(chunks[0]["ts_ns"][0]), int(chunks[-1]["ts_ns"][-1])
    assert 25 * 60e9 < last - first < 45 * 60e9
