"""What is said while work is silent."""

import pytest

from vpharness.commands.text import progress_display
from vpharness.commands.text.progress_display import COMPILING_LATTICE, build_progress, notice_if_slow
from vpharness.datasets.build_progress import BuildProgress


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

    monkeypatch.setattr(progress_display, "is_kept", lambda _module: kept)
    monkeypatch.setattr(progress_display, "notice_if_slow", noticed)
    with build_progress() as report:
        report(BuildProgress())
    assert timers == ([] if kept else [COMPILING_LATTICE])
    assert capsys.readouterr().err == ""
