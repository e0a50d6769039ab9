"""A collection whose build is killed again and again, or built twice at once, is the collection of one calm build."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import pytest

from tests.commands.test_cli import PROJECT, in_process
from tests.datasets.session_files import minutes, write_day
from vpharness.datasets.collection import find_collection
from vpharness.datasets.lake import Lake

KILLS: Final = 20
DAYS: Final = [f"2024-03-{day:02}" for day in (4, 5, 6, 7, 8, 11, 12, 13, 14, 15)]
WORDS: Final = (
    *("build", "source=dbn", "source.path=days", "source.tick_size=0.25", "lattice.cell_width_ms=100"),
    *("lattice.radius=3", "collection.id=ES", "session.open=13:30", "session.close=20:00", "json=true"),
)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A folder with files of two weeks, and what a build leaves that nobody disturbs."""
    folder = tmp_path_factory.mktemp("undisturbed")
    for place, day in enumerate(DAYS):
        write_day(folder / "days" / f"{day}.dbn", minutes(f"{day} 13:00", f"{day} 20:10"), level=100 + place)
    assert in_process(folder, *WORDS).returncode == 0
    return folder, content(folder / "lake")


def content(root: Path) -> Any:
    """Return what a collection holds, and every file of its datasets."""
    lake = Lake(root)
    members = find_collection(lake, "ES").members
    files = {path.relative_to(lake.variants): path.read_bytes() for path in lake.variants.glob("*/*")}
    return members, files


def started(folder: Path, lake: Path, *more: str) -> "subprocess.Popen[str]":
    """Begin the build in a process of its own."""
    return subprocess.Popen(  # noqa: S603  # our own command
        [sys.executable, "-m", "vpharness", *WORDS, f"lake={lake}", *more],
        cwd=folder,
        env={"PYTHONPATH": str(PROJECT), "PATH": "/usr/bin:/bin", "HOME": str(Path.home())},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


@pytest.mark.slow
def test_killed_twenty_times_a_build_goes_on_and_ends_with_the_same_collection(
    undisturbed: tuple[Path, Any], tmp_path: Path
) -> None:
    """At moments spread over its time; whatever is there in between is whole."""
    folder, expected = undisturbed
    begun = time.monotonic()
    with started(folder, tmp_path / "calm") as process:
        process.wait()
    seconds = time.monotonic() - begun
    drawn, killed, lakes = random.Random(14), 0, 0  # noqa: S311  # no secret
    while killed < KILLS:
        lakes += 1
        lake = tmp_path / f"lake{lakes}"
        while killed < KILLS:
            with started(folder, lake) as process:
                try:
                    process.wait(timeout=(0.4 + 0.6 * drawn.random()) * seconds)
                    break
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                    killed += 1
            if lake.exists():
                assert in_process(folder, "verify", f"lake={lake}").returncode == 0
    with started(folder, lake) as process:
        told = json.loads(process.communicate()[0])
    assert (process.returncode, told["failed"]) == (0, [])
    for each in tmp_path.glob("lake*"):
        assert content(each) == expected
        assert list(each.glob("**/.unfinished*")) == []
    print(f"{killed} kills over {lakes} lakes, a calm build takes {seconds:.1f} s")


@pytest.mark.slow
def test_two_builders_at_once_make_one_collection(undisturbed: tuple[Path, Any], tmp_path: Path) -> None:
    """Each session is built by one of them and found by the other; it is added once."""
    folder, expected = undisturbed
    builders = [started(folder, tmp_path / "lake", f"processes={count}") for count in (1, 2)]
    for each in builders:
        with each as process:
            told = json.loads(process.communicate()[0])
            assert (process.returncode, told["failed"]) == (0, [])
            assert len(told["collection"]["members"]) == len(DAYS)
    assert content(tmp_path / "lake") == expected
