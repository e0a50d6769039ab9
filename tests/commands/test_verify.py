"""`verify` reads all that the lake holds, and says in a line what is not as it was written."""

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from tests.commands.test_cli import Said, in_process
from vpharness.datasets.manifest import (
    BINS_FILE,
    CHECKSUMS_FILE,
    EVENTS_FILE,
    GRID_FILE,
    MANIFEST_FILE,
    read_checksums,
)
from vpharness.storage.checksums import file_sha256

RUN = ("signal=ads", "dataset.id=minutes", "eval.max_hold_bins=50", "eval.null_draws=99", "tracking=none")
STORE = Path("lake", "research", "vp_harness", "results")
DATASET = Path("lake", "research", "vp_immutable", "minutes")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a lake that holds a dataset and a run on it."""
    folder = tmp_path_factory.mktemp("made")
    for words in (["build", "source.minutes=3", "dataset.id=minutes"], RUN):
        said = in_process(folder, *words)
        assert said.returncode == 0, said.stderr
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    shutil.copytree(made, tmp_path / "copy")
    (tmp_path / "copy" / DATASET).chmod(0o755)
    return tmp_path / "copy"


def damage(path: Path) -> None:
    """Flip one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)


def verified(folder: Path) -> tuple[Said, dict[str, Any]]:
    """Return what the command says, and what it says to programs."""
    said = in_process(folder, "verify")
    return said, json.loads(in_process(folder, "verify", "json=true").stdout)


def the_part(folder: Path, table: str) -> Path:
    """Return the one part of a table."""
    (path,) = (folder / STORE / table).iterdir()
    return path


def test_a_lake_that_is_whole_is_said_to_be(folder: Path) -> None:
    """With how much was read; an empty one is whole too."""
    said, facts = verified(folder)
    assert said.returncode == 0
    assert said.stdout.endswith("everything matches its checksums\n")
    assert (facts["verified"], facts["problems"], facts["notes"]) == (True, [], [])
    assert facts["read"] == {
        "datasets": 1, "notes of sources": 1, "collections": 0, "parts of results": 5, "instruments": 0, "versions": 0,
    }  # fmt: skip
    assert in_process(folder, "verify", "lake=nothing").returncode == 0


def test_everything_that_is_damaged_is_named_in_a_line(folder: Path) -> None:
    """A dataset's tables, parts of results, the store's version and a note, all at once; the exit code is not 0."""
    damaged = [
        folder / DATASET / GRID_FILE,
        the_part(folder, "runs.parquet"),
        the_part(folder, "fires.parquet"),
        folder / STORE / "store.json",
        next((folder / "lake" / "research" / "vp_harness" / "sources").iterdir()),
    ]
    for path in damaged[:3]:
        damage(path)
    for path in damaged[3:]:
        path.write_text("{", encoding="utf-8")
    said, facts = verified(folder)
    assert said.returncode == 2
    assert said.stderr == f"vpharness: 5 problems found in {folder / 'lake'}\n"
    assert not facts["verified"]
    for path in damaged:
        assert sum(path.name in problem for problem in facts["problems"]) == 1, path
    assert said.stdout.splitlines()[:5] == facts["problems"]


def test_no_figure_is_made_of_a_part_that_is_damaged(folder: Path) -> None:
    """Neither ranked nor taken for done: the part is named."""
    path = the_part(folder, "runs_meta.parquet")
    damage(path)
    for words in (["compare"], ["plan", *RUN], RUN):
        said = in_process(folder, *words)
        assert said.returncode == 2
        assert f"{path.name} of the results is not as it was written" in said.stderr


def test_a_tick_size_that_was_edited_is_not_believed(folder: Path) -> None:
    """By no command that opens the dataset."""
    manifest = folder / DATASET / "manifest.json"
    manifest.chmod(0o644)
    manifest.write_text(manifest.read_text().replace('"tick_size": 0.25', '"tick_size": 0.01'), encoding="utf-8")
    for words in (["show", "dataset.id=minutes"], ["verify", "dataset.id=minutes"], ["verify"], RUN):
        said = in_process(folder, *words)
        assert said.returncode == 2
        assert "manifest.json in" in said.stderr + said.stdout
    assert "manifest.json in" in in_process(folder, "list-datasets").stdout


def test_results_are_read_by_pandas_as_one_table(folder: Path) -> None:
    """A checksum in the name of a part is in nobody's way."""
    assert len(pd.read_parquet(folder / STORE / "runs_meta.parquet")) == 1
    assert file_sha256(path := the_part(folder, "runs_meta.parquet")) in path.name


def test_what_earlier_versions_wrote_stays_readable_and_is_said_not_to_be_verified(folder: Path) -> None:
    """Parts whose names have no checksum, and tables whose pages have none: the latter have their file's."""
    before = json.loads(in_process(folder, "compare", "json=true").stdout)
    for table in ("runs_meta.parquet", "runs.parquet", "fires.parquet"):
        path = the_part(folder, table)
        path.rename(path.with_name(path.name.partition(".")[0] + ".parquet"))
    sums = {name: read_checksums(folder / DATASET)[name] for name in (BINS_FILE, GRID_FILE, MANIFEST_FILE)}
    (folder / DATASET).chmod(0o755)
    (folder / DATASET / EVENTS_FILE).unlink()
    for name in (BINS_FILE, GRID_FILE):
        path = folder / DATASET / name
        table = pq.read_table(path)
        path.unlink()
        pq.write_table(table, path, compression="zstd")
        sums[name] = file_sha256(path)
    (folder / DATASET / CHECKSUMS_FILE).chmod(0o644)
    (folder / DATASET / CHECKSUMS_FILE).write_text(json.dumps(sums, indent=1) + "\n", encoding="utf-8")
    said, facts = verified(folder)
    assert (said.returncode, facts["problems"]) == (0, [])
    (note,) = facts["notes"]
    assert note.startswith("3 parts of results are of an earlier version, which wrote no checksums")
    assert json.loads(in_process(folder, "compare", "json=true").stdout) == before  # it needs no dataset
    assert len(before) > 0
    rerun = in_process(folder, *RUN)
    assert rerun.returncode == 0, rerun.stderr
    assert len(json.loads(in_process(folder, "compare", "json=true").stdout)) == len(before)
    damage(folder / DATASET / GRID_FILE)
    assert "grid_clean.parquet" in in_process(folder, "verify").stdout


def test_a_folder_that_has_not_been_published_is_no_damage(folder: Path) -> None:
    """It is said; but a dataset that lost its manifest is damaged."""
    new = folder / "lake" / "research" / "vp_immutable" / "new"
    new.mkdir()
    shutil.copy(folder / DATASET / BINS_FILE, new)
    _, facts = verified(folder)
    assert (len(facts["notes"]), facts["problems"]) == (1, [])
    (folder / DATASET / "manifest.json").unlink()
    _, facts = verified(folder)
    assert len(facts["problems"]) == 1
