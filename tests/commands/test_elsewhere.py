"""Datasets under an s3:// root, as commands publish, list, read, judge and prune them."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.commands.test_cli import in_process
from tests.s3_server import S3Server, s3_server
from vpharness import api
from vpharness.datasets.find import find_dataset, open_dataset
from vpharness.datasets.lake import Lake
from vpharness.datasets.remote import fetched_folders
from vpharness.datasets.remote_files import ORIGIN_FILE
from vpharness.datasets.s3_place import S3Place
from vpharness.learning.weights_store import SCHEDULES, keep_schedule, keep_weights
from vpharness.results.store import META, TableRows, append, store_in
from vpharness.results.table_schemas import META_SCHEMA

BUILD = ("build", "source.minutes=6", "source.strength=1", "dataset.id=market", "dataset.columns=[]")
RUN = ("run", "signal=pfp", "dataset.id=market", "signal.thresholds=[0.1]", "split=none", "tracking=none", "json=true")


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    """A server that the environment names."""
    with pytest.MonkeyPatch.context() as patch, s3_server(patch) as found:
        yield found


@pytest.fixture(scope="module")
def root(server: S3Server) -> S3Place:
    """A place in a bucket of its own."""
    return server.new_root()


@pytest.fixture(scope="module")
def home(root: S3Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of whoever built the dataset and published it."""
    folder = tmp_path_factory.mktemp("home")
    assert in_process(folder, *BUILD).returncode == 0
    said = in_process(folder, "publish", f"to={root}", "dataset.id=market")
    assert said.stdout == f"published market at {root.below('market')}; lake.datasets={root} reads it\n", said.stderr
    return folder


@pytest.fixture
def away(home: Path, root: S3Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of somebody else, whose environment names the place."""
    monkeypatch.setenv("VPHARNESS_LAKE_DATASETS", str(root))
    return tmp_path


def candidates(folder: Path, *words: str) -> list[dict[str, Any]]:
    """Return the candidates that a command tells of, without when they ran."""
    said = in_process(folder, *words)
    assert said.returncode == 0, said.stderr
    found: list[dict[str, Any]] = json.loads(said.stdout)["candidates"]
    return [{key: value for key, value in each.items() if not key.startswith("family_")} for each in found]


def test_publishing_again_changes_nothing(home: Path, root: S3Place) -> None:
    """The line says so, and so does JSON; what does not go together is refused."""
    again = ("publish", f"to={root}", "dataset.id=market")
    assert in_process(home, *again).stdout == f"market exists at {root.below('market')} already, the same\n"
    told = json.loads(in_process(home, *again, "json=true").stdout)
    assert told == {"dataset_id": "market", "place": str(root.below("market")), "result": "exists"}
    for words, sentence in (
        (("publish", ".", f"to={root}", "dataset.id=market"), "publish the folder in the lake first, without to="),
        (("publish", f"to={root}"), f"publish needs dataset.id: python -m vpharness publish to={root} dataset.id=ID"),
        (("publish", "to=/somewhere", "dataset.id=market"), "to is '/somewhere'; it must be s3://BUCKET"),
        (("publish", f"to={root}", "dataset.id=other"), "no dataset other in the lake"),
    ):
        said = in_process(home, *words)
        assert said.returncode == 2
        assert sentence in said.stderr
        assert said.stderr.count("\n") == 1


def test_what_lies_elsewhere_is_listed_shown_and_verified(home: Path, root: S3Place, tmp_path: Path) -> None:
    """Named on the command line, in place of the environment; without that there is nothing."""
    word = f"lake.datasets={root}"
    listed = in_process(tmp_path, "list-datasets", word)
    assert listed.returncode == 0, listed.stderr
    assert "lies in" in listed.stdout
    assert " s3 " in listed.stdout
    assert "market" not in in_process(tmp_path, "list-datasets").stdout
    shown = in_process(tmp_path, "show", "dataset.id=market", word)
    assert str(root.below("market")) in shown.stdout
    facts = json.loads(in_process(tmp_path, "show", "dataset.id=market", word, "json=true").stdout)
    assert (facts["origin"], facts["columns_stored"]) == (str(root.below("market")), [])
    assert "is intact" in in_process(tmp_path, "verify", "dataset.id=market", word).stdout
    absent = in_process(tmp_path, "show", "dataset.id=market")
    assert absent.returncode == 2
    assert "no dataset market in the lake" in absent.stderr


def test_a_run_on_it_is_the_run_where_it_was_built(home: Path, away: Path) -> None:
    """Its id and every figure, and what compare says of it; the second run finds the first."""
    found = candidates(away, *RUN)
    assert found == candidates(home, *RUN, "lake.datasets=")
    assert candidates(away, *RUN) == found
    compared = json.loads(in_process(away, "compare", "min_signals=0", "json=true").stdout)
    rows = compared["candidates"] if isinstance(compared, dict) else compared
    assert [each["run_ids"] for each in rows] == [each["run_ids"] for each in found]
    refused = in_process(away, *RUN, "lattice.radius=4")
    assert "dataset.id=market is built already, so lattice.radius would change nothing" in refused.stderr


def test_it_is_read_from_python(home: Path, away: Path) -> None:
    """The environment says where it lies."""
    (row,) = api.datasets(lake=away / "lake").to_dict("records")
    assert (row["dataset_id"], row["problem"], row["disk_bytes"]) == ("market", None, 0)
    one, other = (api.dataset("market", lake=folder / "lake") for folder in (away, home))
    assert one.column("v_add").tobytes() == other.column("v_add").tobytes()


@pytest.mark.slow
def test_audit_online_sim_and_promote_take_it(home: Path, away: Path) -> None:
    """Each finds the dataset as a run does."""
    (found, *_) = candidates(away, *RUN)
    for words in (
        ("audit", "signal=pfp", "dataset.id=market"),
        (
            "online-sim",
            "signal=pfp",
            "dataset.id=market",
            "signal.thresholds=[0.1]",
            "tracking=none",
            "stall_s=0",
            "split=none",
        ),
        ("promote", f"run_id={found['run_ids'][0]}", "tracking=none", "force=to see it"),
        ("promote", "history"),
        ("promote", "show"),
        ("plan", "signal=pfp", "dataset.id=market", "signal.thresholds=[0.1],[0.2]", "tracking=none", "split=none"),
        ("-m", "signal=pfp", "dataset.id=market", "signal.thresholds=[0.3],[0.2]", "tracking=none", "split=none"),
        (
            "-m",
            "hydra/launcher=joblib",
            "signal=pfp",
            "dataset.id=market",
            "signal.thresholds=[0.4]",
            "tracking=none",
            "split=none",
        ),
    ):
        said = in_process(away, *words)
        assert said.returncode == 0, (words, said.stderr)
    (folder,) = fetched_folders(Lake(away / "lake"))
    assert (folder / "events.parquet").exists()


def test_prune_deletes_what_was_fetched_and_nothing_refers_to(home: Path, away: Path) -> None:
    """With the columns that were computed of it, once it has not been used for a while; it can be fetched again."""
    assert api.dataset("market", lake=away / "lake").column("v_add").size
    (folder,) = fetched_folders(Lake(away / "lake"))
    kinds = ("fetched dataset", "cache")

    def pruned(*words: str) -> list[str]:
        told = json.loads(in_process(away, "prune", "json=true", *words).stdout)
        return [each["kind"] for each in told["prunable"]]

    assert pruned() == []
    long_ago = time.time() - 7200
    os.utime(folder / ORIGIN_FILE, (long_ago, long_ago))
    assert pruned() == [*kinds]
    row = {**dict.fromkeys(META_SCHEMA.names), "run_id": "r", "dataset_checksum": open_dataset(folder).checksum}
    append(store_in(away / "lake"), TableRows(META, [row], META_SCHEMA))
    assert pruned() == []
    assert pruned("with_runs=true", "yes=true") == [*kinds]
    assert not folder.exists()
    assert pruned("with_runs=true") == []
    assert api.dataset("market", lake=away / "lake").column("v_add").size


def test_prune_deletes_weights_that_no_dataset_refers_to(home: Path, tmp_path: Path) -> None:
    """Those of a list whose dataset is there are kept; others go with their lists, once they are old."""
    lake = Lake(home / "lake")
    checksum = find_dataset(lake, "market").checksum
    kept, gone, unlisted = (
        keep_weights(lake.models, {"w": np.arange(3.0) + place}, {"dataset": {"checksum": each}})
        for place, each in enumerate((checksum, "0" * 64, checksum))
    )
    keep_schedule(lake.models, "a" * 64, [kept])
    keep_schedule(lake.models, "b" * 64, [gone])

    def pruned(*words: str) -> set[str]:
        told = json.loads(in_process(home, "prune", "json=true", *words).stdout)
        return {Path(each["path"]).name for each in told["prunable"] if each["kind"] == "weights"}

    assert pruned() == set()
    assert pruned("older_than_hours=0") == {gone, unlisted, f"{'b' * 64}.json"}
    assert pruned("older_than_hours=0", "yes=true")
    assert sorted(path.name for path in lake.models.iterdir()) == sorted([kept, SCHEDULES])
    assert [path.stem for path in (lake.models / SCHEDULES).iterdir()] == ["a" * 64]


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("build",), "build takes collection.id=days instead"),
        (("convert",), "convert takes dataset.id=ID, one of its datasets at a time, instead"),
        (("publish", "."), "publish takes dataset.id=ID instead"),
        (("show",), "show takes collection.id=days instead"),
        (("verify",), "verify takes collection.id=days instead"),
    ],
)
def test_a_collection_of_runs_is_refused_by_commands_on_datasets(
    words: tuple[str, ...], meant: str, tmp_path: Path
) -> None:
    """In one line that names what is meant, and with nothing done."""
    said = in_process(tmp_path, *words, "dataset.collection=days")
    assert (said.returncode, said.stdout) == (2, "")
    assert said.stderr == f"vpharness: dataset.collection=days is for runs and what ranks them; {meant}\n"
    assert not (tmp_path / "lake").exists()
