"""A promotion that is killed at any moment leaves the old default, or the whole new one."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.commands.test_cli import PROJECT, in_process
from tests.promotion.market import LIMITS, Winner, run_winner
from tests.promotion.publish_again import KILLED
from vpharness.datasets.lake import Lake
from vpharness.modules import PermittedModules
from vpharness.promotion.pointer import HISTORY_FILE, HistoryEntry
from vpharness.promotion.serving import current, history, promoted, read_bundle, replay_differences

TIMES = 20


@pytest.fixture(scope="module")
def winner(tmp_path_factory: pytest.TempPathFactory) -> Winner:
    """A run that has won and has been promoted."""
    found = run_winner(tmp_path_factory.mktemp("killed"))
    said = in_process(found.folder, "promote", f"run_id={found.run_id}", *LIMITS, "tracking=none")
    assert said.returncode == 0, said.stderr
    return found


def started(winner: Winner, *arguments: str) -> "subprocess.Popen[bytes]":
    """Start a Python process in the folder of a winner."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "VPHARNESS_LAKE": str(winner.lake)}
    return subprocess.Popen(  # noqa: S603  # our own command
        [sys.executable, *arguments],
        cwd=winner.folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def whole(winner: Winner, before: list[HistoryEntry]) -> list[HistoryEntry]:
    """Return the history, which is that from before or one entry longer, and whose newest bundle is whole."""
    lake = Lake(winner.lake)
    entries, path = history(lake, "SYN"), promoted(lake, "SYN")
    assert entries[: len(before)] == before
    assert len(entries) <= len(before) + 1
    assert entries[-1] == current(lake, "SYN")
    assert path is not None
    bundle = read_bundle(path)
    assert bundle.record.version == path.name == entries[-1].version
    return entries


@pytest.mark.slow
def test_killed_before_any_step_that_the_disk_remembers(winner: Winner) -> None:
    """Before the pointer is replaced the old version holds, from then on the new one; the next promotion works.

    Each step is a sync, a rename, a new folder, a change of rights or a cut: the process ends before the first, before
    the second, and so on, until it ends by itself.
    """
    entries, came, steps = history(Lake(winner.lake), "SYN"), list[bool](), 0
    while True:
        process = started(winner, "-m", "tests.promotion.publish_again", str(winner.lake), "SYN", str(steps))
        code = process.wait(timeout=120)
        assert code in {0, KILLED}
        after = whole(winner, entries)
        came.append(len(after) > len(entries))
        entries, steps = after, steps + 1
        if code == 0:
            break
    print(f"killed before each of {steps - 1} steps; {came.count(True)} times the new version was there whole")
    assert steps > 20
    # One that was killed between pointer and history leaves a line for the next to write, which so has more steps.
    assert (came[0], came[-1]) == (False, True)
    assert came.count(True) >= 2, "killed behind the pointer, the new version is served"
    lines = (winner.lake / "promoted" / "SYN" / HISTORY_FILE).read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(entries)
    assert not list((winner.lake / "promoted" / "SYN").glob(".unfinished-*"))


@pytest.mark.slow
def test_killed_at_random_moments(winner: Winner) -> None:
    """Twenty times with SIGKILL, from its start to its end; then the next promotion works, and replays."""
    words = ["-m", "vpharness", "promote", f"run_id={winner.run_id}", *LIMITS, "tracking=none"]
    entries, begun = history(Lake(winner.lake), "SYN"), time.monotonic()
    assert started(winner, *words).wait(timeout=300) == 0
    seconds = time.monotonic() - begun
    entries, drawn, ended = whole(winner, entries), random.Random(5), 0  # noqa: S311  # when, not a secret
    for turn in range(TIMES):
        process, begun = started(winner, *words), time.monotonic()
        # Half of them over the whole time, half near its end, where the bundle is written.
        share = drawn.uniform(0.0, 1.0) if turn % 2 else drawn.uniform(0.8, 1.0)
        try:
            process.wait(timeout=share * seconds)
            ended, seconds = ended + 1, time.monotonic() - begun
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait(timeout=30)
        entries = whole(winner, entries)
    print(f"of {TIMES} promotions of {seconds:.1f} s {TIMES - ended} were killed; {len(entries)} versions were served")
    assert TIMES - ended >= TIMES // 2
    assert started(winner, *words).wait(timeout=300) == 0
    path = promoted(Lake(winner.lake), "SYN")
    assert path is not None
    assert len(whole(winner, entries)) == len(entries) + 1
    assert replay_differences(read_bundle(path), PermittedModules(path, ("tests.promotion",))) == []


@pytest.mark.slow
def test_two_that_promote_at_once_both_come(winner: Winner) -> None:
    """One after the other: two versions more, two entries more, each following the one before."""
    entries = history(Lake(winner.lake), "SYN")
    words = ["-m", "vpharness", "promote", f"run_id={winner.run_id}", *LIMITS, "tracking=none"]
    both = [started(winner, *words) for _ in range(2)]
    assert [process.wait(timeout=300) for process in both] == [0, 0]
    after = history(Lake(winner.lake), "SYN")
    assert len(after) == len(entries) + 2
    assert [entry.before for entry in after[-2:]] == [entry.version for entry in after[-3:-1]]
    assert len({entry.version for entry in after}) == len(after)
    assert Path(winner.lake / "promoted" / "SYN" / after[-1].version).is_dir()
