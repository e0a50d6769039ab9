"""Datasets that store less: built, run on, converted and verified by commands."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.commands.test_cli import in_process
from tests.datasets.compact import as_of_an_earlier_version
from vpharness.datasets.find import find_dataset
from vpharness.datasets.lake import Lake

QUIET = ("tracking=none", "json=true")
BUILD = ("build", "source.minutes=6", "source.strength=1", "dataset.id=market")
RUN = ("run", "dataset.id=market", "signal=pfp", "signal.thresholds=[0.1]", "eval.max_hold_bins=200", *QUIET)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Folders with the same dataset, of which one stores all columns and the other none."""
    stored, none = (tmp_path_factory.mktemp(name) for name in ("stored", "none"))
    assert in_process(stored, *BUILD).returncode == 0
    assert in_process(none, *BUILD, "dataset.columns=[]").returncode == 0
    return stored, none


def shown(folder: Path) -> dict[str, Any]:
    """Return what `show` says of the dataset."""
    facts: dict[str, Any] = json.loads(in_process(folder, "show", "dataset.id=market", "json=true").stdout)
    return facts


def test_a_run_on_computed_columns_is_the_run_on_stored_ones(folders: tuple[Path, Path]) -> None:
    """Its id and every figure; and what is shown of the dataset differs in what is stored alone."""
    _, none = folders
    ((one,), (other,)) = (json.loads(in_process(folder, *RUN).stdout)["candidates"] for folder in folders)
    assert {key for key in one if one[key] != other[key]} == {"family_oldest_run", "family_newest_run"}  # when they ran
    facts = [shown(folder) for folder in folders]
    assert [len(each.pop("columns_stored")) for each in facts] == [37, 0]
    sizes = [each.pop("disk_bytes") for each in facts]
    assert sizes[1] < sizes[0] / 20
    for each in facts:
        each.pop("path")
    assert facts[0] == facts[1]
    assert (
        "37 columns, 0 stored and 37 computed from its events" in in_process(none, "show", "dataset.id=market").stdout
    )
    assert "0 of 37" in in_process(none, "list-datasets").stdout
    assert "exists market" in in_process(none, *BUILD).stdout
    assert len(shown(none)["columns_stored"]) == 0


def test_a_converted_dataset_keeps_its_runs(folders: tuple[Path, Path]) -> None:
    """What was run before is known, of a dataset of an earlier version too; the ledger still holds."""
    stored, _ = folders
    dataset = as_of_an_earlier_version(find_dataset(Lake(stored / "lake"), "market"))
    before = json.loads(in_process(stored, *RUN).stdout)
    done = in_process(stored, "convert", "dataset.id=market")
    assert done.returncode == 0, done.stderr
    assert f"its checksum is still {dataset.checksum[:16]}" in done.stdout
    again = in_process(stored, *RUN)
    assert "is in the store already" in again.stderr
    assert json.loads(again.stdout) == before
    assert "follow from its events" in in_process(stored, "verify", "dataset.id=market", "replay=true").stdout
    assert in_process(stored, "verify", "replay=true").returncode == 0
    assert "stores events and bins already" in in_process(stored, "convert", "dataset.id=market").stdout
    facts = json.loads(
        in_process(stored, "convert", "dataset.id=market", "dataset.columns=[v_add]", "json=true").stdout
    )
    assert (facts["before"], facts["after"], facts["checksum"]) == ([], ["v_add"], dataset.checksum)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["convert"], "dataset.id must be given (python -m vpharness list-datasets shows what there is)"),
        (["convert", "dataset.id=market", "dataset.columns=[v_ad]"], "has 'v_ad', which is no column of the grid; did"),
        (["build", "dataset.columns=v_add"], "dataset.columns is 'v_add'; it must be all, or a list such as"),
        (["run", "dataset.columns=[v_ad]"], "dataset.columns has 'v_ad', which is no column of the grid"),
        (["run", "dataset.id=market", "dataset.columns=[]"], "dataset.columns would change nothing"),
        (["run", "cache_gb=-1"], "cache_gb is -1.0; it must be at least 0"),
    ],
)
def test_a_mistake_is_one_line(folders: tuple[Path, Path], arguments: list[str], message: str) -> None:
    """What was expected and found; nothing is built or changed."""
    run = in_process(folders[1], *arguments)
    assert run.returncode == 2
    assert message in run.stderr
    assert run.stderr.count("\n") == 1


def test_a_source_that_is_gone_is_one_line(folders: tuple[Path, Path], tmp_path: Path) -> None:
    """It is noted where it lay; the dataset is what it was."""
    assert in_process(tmp_path, "build", "source.minutes=1", "dataset.id=market").returncode == 0
    dataset = as_of_an_earlier_version(find_dataset(Lake(tmp_path / "lake"), "market"))
    (note,) = (tmp_path / "lake" / "research" / "vp_harness" / "sources").iterdir()
    note.write_text(
        '{"_target_": "vpharness.events.dbn.DbnSource", "path": "/gone/file.dbn.zst", "tick_size": 0.25}\n', "utf-8"
    )
    run = in_process(tmp_path, "convert", "dataset.id=market")
    assert (run.returncode, run.stderr.count("\n")) == (2, 1)
    assert "/gone/file.dbn.zst" in run.stderr
    note.unlink()
    run = in_process(tmp_path, "convert", "dataset.id=market")
    assert "where its events lie has not been noted; give source= and its keys" in run.stderr
    run = in_process(tmp_path, "convert", "dataset.id=market", "source=synthetic", "source.minutes=2")
    assert "was built from another source: minutes differ" in run.stderr
    run = in_process(tmp_path, "convert", "dataset.id=market", "source=synthetic", "source.minutes=1")
    assert run.returncode == 0, run.stderr
    assert find_dataset(Lake(tmp_path / "lake"), "market").checksum == dataset.checksum
