"""What is said while work is silent."""

import time

import pytest

from vpharness.commands.text import progress_display
from vpharness.commands.text.progress_display import (
    COMPILING_LATTICE,
    Beginning,
    build_progress,
    describe_build,
    expected_span_ns,
    gate_progress,
    notice_if_slow,
    share_done,
)
from vpharness.datasets.build_progress import BuildProgress
from vpharness.events.synthetic import SyntheticSource


def test_work_that_is_slow_says_once_what_it_waits_for(capsys: pytest.CaptureFixture[str]) -> None:
    """And nothing where it was quicker, or has begun to report."""
    with notice_if_slow("compiling", 0.0) as timer:
        timer.join(60)
    assert capsys.readouterr().err == "compiling\n"
    with notice_if_slow("compiling", 3600.0) as timer:
        timer.cancel()
        timer.join(60)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("kept", [True, False])
def test_a_build_says_that_the_engine_is_compiled_where_its_machine_code_is_not_kept(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    """Until the first report; later it is silent."""
    timers = []
    plain = progress_display.notice_if_slow

    def noticed(text: str) -> object:
        timers.append(text)
        return plain(text, 3600.0)

    monkeypatch.setattr(progress_display, "is_code_kept", lambda _module: kept)
    monkeypatch.setattr(progress_display, "notice_if_slow", noticed)
    with build_progress() as report:
        report(BuildProgress())
    assert timers == ([] if kept else [COMPILING_LATTICE])
    assert capsys.readouterr().err == ""


MINUTE_NS = 60_000_000_000


def test_a_build_says_how_much_is_done_and_how_long_the_rest_takes() -> None:
    """Of a file by its bytes, of a span by its time; nothing of either where the size is not known."""
    half = BuildProgress(bins=600, events=1000, first_bin_start_ns=0, last_bin_end_ns=MINUTE_NS)
    assert share_done(half, 2 * MINUTE_NS) == 0.5
    assert share_done(half, None) is None
    assert share_done(BuildProgress(share=0.25), 2 * MINUTE_NS) == 0.25
    assert share_done(BuildProgress(), 2 * MINUTE_NS) == 0
    assert describe_build(half, 30.0, 0.5) == (
        "50%, about 30 s left, 600 bins, 1,000 events, 33 events/s, at 1970-01-01T00:01:00"
    )
    assert describe_build(half, 30.0, 0.0).startswith("0%, 600 bins")
    assert describe_build(half, 30.0).startswith("600 bins")


def test_the_span_of_a_dataset_is_known_where_source_or_keys_say_it() -> None:
    """A simulated market has its minutes; other sources only what start and end leave of them."""
    assert expected_span_ns(SyntheticSource(minutes=3)) == 3 * MINUTE_NS
    assert expected_span_ns(SyntheticSource(minutes=3), 0, MINUTE_NS) == MINUTE_NS
    assert expected_span_ns(SyntheticSource(minutes=3), MINUTE_NS, None) is None
    assert expected_span_ns(object()) is None


def test_gates_that_take_long_are_named_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line at most every ten seconds, where there is no terminal."""
    times = iter([0.0, 5.0, 11.0, 11.0, 12.0, 30.0, 30.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(times, 30.0))
    with gate_progress() as report:
        report("dataset", None)
        report("audit", None)
        report("live = batch", 0.1)
        report("live = batch", 0.5)
    assert capsys.readouterr().err == "gate audit\ngate live = batch: 50% of the bins\n"


def test_the_time_that_compiling_takes_is_no_part_of_the_rate() -> None:
    """The clock is started with the first report: what was done by then is not counted either."""
    now = BuildProgress(bins=600, events=1000, first_bin_start_ns=0, last_bin_end_ns=MINUTE_NS)
    assert describe_build(now, 30.0, 0.5, Beginning(7.0, events=100, share=0.25)).startswith(
        "50%, about 60 s left, 600 bins, 1,000 events, 30 events/s"
    )
    assert describe_build(now, 30.0, 0.255, Beginning(7.0, share=0.25)).startswith("26%, 600 bins")
