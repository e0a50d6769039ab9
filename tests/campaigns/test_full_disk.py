"""A disk that is full in the middle of a campaign."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from tests.campaigns.market import small_dataset
from tests.campaigns.test_campaign import KILLED, results_of
from tests.commands.test_cli import vpharness
from vpharness.datasets.lake import Lake

WHOLE = [*KILLED, "campaign=mine"]
FIRST = [word.replace("range(1,9)", "1,2") for word in WHOLE]
SMALL = "16m"
ROOM_KB = (0, 16, 64, 160, 400, 700)
"""What is left when the campaign goes on: from nothing to almost enough, so that it ends at different writes."""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a few megabytes, in memory."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", str(place)]
    try:
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603  # our own command
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a small disk cannot be mounted here: {error}")
    yield place
    subprocess.run(["umount", str(place)], check=True)  # noqa: S603, S607  # our own command


def fill(disk: Path, room_kb: int) -> Path:
    """Fill a disk with one file, but for some room; return the file."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass
        file.truncate(max(0, file.tell() - 1024 * room_kb))
    return ballast


def half_written(disk: Path) -> list[Path]:
    """Return what is there under a name that stands for something unfinished: not Hydra's, nor a figure's digest."""
    return [path for path in disk.rglob(".*") if "hydra" not in path.name and path.name != ".figure.sha256"]


@pytest.mark.slow
def test_a_full_disk_ends_a_campaign_in_one_line_and_with_room_it_goes_on(small_disk: Path, tmp_path: Path) -> None:
    """Exit code 2, nothing half-written, what was finished stays; in the end the store of an undisturbed campaign."""
    market = tmp_path / "market"
    small_dataset(market)
    undisturbed = tmp_path / "undisturbed"
    for folder in (small_disk, undisturbed):
        variants = Lake(folder / "lake").variants
        variants.parent.mkdir(parents=True)
        variants.symlink_to(Lake(market).variants)
    assert vpharness(undisturbed, *WHOLE).returncode == 0
    expected = results_of(undisturbed)
    assert vpharness(small_disk, *FIRST).returncode == 0
    finished = results_of(small_disk)["meta"]
    ended = 0
    for room_kb in ROOM_KB:
        ballast = fill(small_disk, room_kb)
        said = vpharness(small_disk, *WHOLE)
        ballast.unlink()
        if said.returncode == 0:
            break
        ended += 1
        assert said.returncode == 2
        assert said.stderr.count("\n") == 1, said.stderr
        assert "No space left on device" in said.stderr
        assert half_written(small_disk) == []
        found = results_of(small_disk)["meta"]
        assert set(finished["run_id"]) <= set(found["run_id"])
        folders = {path.name for path in (small_disk / "outputs" / "runs").iterdir()}
        assert set(found["run_id"]) <= folders
    assert ended >= 3
    assert vpharness(small_disk, *WHOLE).returncode == 0
    for name, table in results_of(small_disk).items():
        pd.testing.assert_frame_equal(table, expected[name])
