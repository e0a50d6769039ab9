"""Runs in MLflow, read back through its own client."""

import contextlib
import json
import multiprocessing
import shutil
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from tests.commands.test_cli import in_process
from tests.results.tracking_server import tracking_server
from vpharness.campaigns.run_folder import folder_of
from vpharness.datasets.lake import Lake
from vpharness.errors import TrackingError
from vpharness.promotion.history_entries import HistoryEntry
from vpharness.promotion.pointer import PROMOTED, instrument_lock, set_current
from vpharness.promotion.verdicts import Verdict, keep_verdict
from vpharness.results import tracking
from vpharness.results.tracked_run import TrackedRun, is_tracked
from vpharness.results.tracking import CHAMPION, Tracking, TrackingParameters
from vpharness.results.tracking_file import ARTIFACTS, file_of_uri, uri_of_file
from vpharness.results.tracking_process import TrackingProcess
from vpharness.results.tracking_rows import tables_fit

RUN = ["signal=ads", "source.minutes=4", "eval.max_hold_bins=100", "split=none", "save_series=false", "json=true"]


def mlflow_client(uri: str) -> Any:
    """Return MLflow's client on a tracking store."""
    from mlflow.tracking import MlflowClient  # noqa: PLC0415  # slow, and for these tests alone

    return MlflowClient(uri)


def client_of(folder: Path) -> Any:
    """Return MLflow's client on the tracking store of a folder."""
    return mlflow_client(f"sqlite:///{folder}/outputs/mlflow.db")


def a_run(folder: Path) -> TrackedRun:
    """Return a small run with one file."""
    files = folder / "files"
    files.mkdir(exist_ok=True)
    (files / "card.json").write_text("{}", encoding="utf-8")
    metrics = [("net_pnl_ticks", 0.5, 0)]
    return TrackedRun("name", {"a.b": 1}, metrics, {"run_id": "x"}, ("d", "c", "here"), str(files), ["card.json"])


def test_a_run_is_tracked_with_parameters_curves_dataset_and_artifacts(tmp_path: Path) -> None:
    """Flat parameters, a metric a threshold, the dataset with its digest, the run folder, and tags."""
    words = ["tracking.experiment_name=mine", "+tracking.tags.desk=rates"]
    said = in_process(tmp_path, *RUN, "signal.thresholds=[0.1,0.3]", *words, draws=True)
    assert said.returncode == 0, said.stderr
    assert "vpharness:" not in said.stderr
    client = client_of(tmp_path)
    experiment = client.get_experiment_by_name("mine")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.data.params["signal.blend_scale"] == "3.0"
    assert run.data.params["eval.max_hold_bins"] == "100"
    curve = client.get_metric_history(run.info.run_id, "threshold")
    assert sorted((point.step, point.value) for point in curve) == [(0, 0.1), (1, 0.3)]
    assert len(client.get_metric_history(run.info.run_id, "net_pnl_ticks")) == 2
    assert run.data.tags["desk"] == "rates"
    assert run.inputs.dataset_inputs[0].dataset.name == run.data.params["dataset.id"]
    names = {artifact.path for artifact in client.list_artifacts(run.info.run_id)}
    assert names == {"config.yaml", "run_card.json", "figure.png"}
    (figure,) = tmp_path.glob("outputs/runs/*/figure.png")
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert run.info.status == "FINISHED"


def test_the_tables_of_a_new_tracking_file_are_copied_from_one_made_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With nothing in them but MLflow's default experiment in its own place; a damaged copy is made anew."""
    kept = tmp_path / "cache" / "mlflow.db"
    kept.parent.mkdir()
    monkeypatch.setattr(tracking, "kept_tables", lambda _version: kept)
    for name in ("first", "second", "third"):
        folder = tmp_path / name
        folder.mkdir()
        before = kept.read_bytes() if kept.exists() else None
        Tracking(TrackingParameters(), folder / "outputs").log(a_run(folder))
        client = client_of(folder)
        experiments = {each.name: each.artifact_location for each in client.search_experiments()}
        assert set(experiments) == {"Default", "vpharness"}
        assert experiments["vpharness"] == (folder / "outputs" / ARTIFACTS).as_uri()
        assert len(client.search_runs([client.get_experiment_by_name("vpharness").experiment_id])) == 1
        assert list(kept.parent.iterdir()) == [kept]
        if name == "second":
            assert kept.read_bytes() == before
            kept.write_bytes(kept.read_bytes()[:10_000])
    with contextlib.closing(sqlite3.connect(kept)) as tables:
        assert tables.execute("SELECT count(*) FROM experiments").fetchone() == (0,)
        assert tables.execute("SELECT count(*) FROM runs").fetchone() == (0,)


def told(client: Any, run_id: str) -> dict[str, Any]:
    """Return all that MLflow's client says of a run but its own id and times."""
    run = client.get_run(run_id)
    history = {
        name: [(point.step, point.value) for point in client.get_metric_history(run_id, name)]
        for name in run.data.metrics
    }
    datasets = [each.dataset.to_dictionary() for each in run.inputs.dataset_inputs]
    files = [(each.path, each.file_size) for each in client.list_artifacts(run_id)]
    said = {name: value for name, value in vars(run.info).items() if "time" not in name}
    return {
        "info": {name: str(value).replace(run_id, "") for name, value in said.items()},
        "data": (run.data.params, run.data.tags, run.data.metrics),
        "rest": (history, datasets, files),
    }


def test_runs_tracked_at_once_are_those_tracked_one_by_one(tmp_path: Path) -> None:
    """As MLflow's own client reads them: parameters, curves and their last values, tags, dataset, files, status."""
    tracking = Tracking(TrackingParameters(tags={"desk": "rates"}), tmp_path / "outputs")
    parent = tracking.begin_campaign(TrackedRun("c", {}, [], {"campaign": "c", "kind": "campaign"}, None, "", []))
    curve = [("p_value", 0.5, 0), ("p_value", 0.25, 2), ("p_value", 0.75, 1), ("net_pnl_ticks", -1.5, 0)]
    each = [
        replace(a_run(tmp_path), metrics=curve, parameters={"a": place}, tags={"run_id": str(place)})
        for place in range(2)
    ]
    one_by_one = [tracking.log(run, parent) for run in each]
    tracking.log_all(each[:1], parent)  # MLflow's own, after which the others are made
    client = client_of(tmp_path)
    experiment = client.get_run(parent).info.experiment_id
    before = {run.info.run_id for run in client.search_runs([experiment])}
    tracking.log_all(each, parent)
    at_once = {
        run.data.tags["run_id"]: told(client, run.info.run_id)
        for run in client.search_runs([experiment])
        if run.info.run_id not in before
    }
    assert len(at_once) == len(each)
    for run_id in one_by_one:
        expected = told(client, run_id)
        assert at_once[expected["data"][1]["run_id"]] == expected


def test_tables_that_are_not_as_expected_are_left_to_mlflow(tmp_path: Path) -> None:
    """A column that must be given, or one that is gone."""
    file = tmp_path / "mlflow.db"
    Tracking(TrackingParameters(), tmp_path)
    assert tables_fit(str(file))
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.execute("ALTER TABLE tags ADD COLUMN kind TEXT NOT NULL DEFAULT ''")
        assert tables_fit(str(file))
        database.execute("ALTER TABLE params RENAME COLUMN value TO text")
    assert not tables_fit(str(file))


def test_tracking_none_writes_nothing(tmp_path: Path) -> None:
    """No database; the run is in the store as ever."""
    said = in_process(tmp_path, *RUN, "tracking=none")
    assert said.returncode == 0, said.stderr
    assert not (tmp_path / "outputs" / "mlflow.db").exists()


def test_a_tracked_run_says_so_in_its_folder(tmp_path: Path) -> None:
    """So that it is not tracked twice in one store, and is in another."""
    run = a_run(tmp_path)
    tracking = Tracking(TrackingParameters(), tmp_path / "outputs")
    assert not is_tracked(Path(run.folder), tracking.uri)
    tracking.log(run)
    assert is_tracked(Path(run.folder), tracking.uri)
    assert not is_tracked(Path(run.folder), "sqlite:///elsewhere.db")


def test_the_champion_is_the_version_that_is_served(tmp_path: Path) -> None:
    """A version of the registered model for each that was promoted; going back moves the alias alone."""
    run = a_run(tmp_path)
    tracking = Tracking(TrackingParameters(), tmp_path / "outputs")
    run_id, client = tracking.log(run), client_of(tmp_path)
    for version, number in (("v0001", 1), ("v0002", 2), ("v0001", 1)):
        tracking.crown(Path(run.folder), "ESH4", version, tmp_path / version)
        champion = client.get_model_version_by_alias("vpharness-ESH4", CHAMPION)
        assert (int(champion.version), champion.tags, champion.run_id) == (number, {"promoted": version}, run_id)
        assert client.get_run(run_id).data.tags["promoted"] == f"ESH4 {version}"
    assert len(client.search_model_versions("name = 'vpharness-ESH4'")) == 2


def test_a_run_that_is_not_tracked_has_no_champion(tmp_path: Path) -> None:
    """It is one error, and the promotion stands."""
    tracking = Tracking(TrackingParameters(), tmp_path / "outputs")
    with pytest.raises(TrackingError, match=r"could not be tracked .*tracked\.json"):
        tracking.crown(tmp_path, "ESH4", "v0001", tmp_path / "v0001")


def test_live_claims_are_copied_to_the_run_that_was_promoted(tmp_path: Path) -> None:
    """A point for each end that is known, at its number of blocks; copied again they stay as they are."""
    lake, outputs, run = Lake(tmp_path / "lake"), tmp_path / "outputs", a_run(tmp_path)
    folder = folder_of(outputs, "run")
    folder.parent.mkdir(parents=True)
    shutil.move(run.folder, folder)
    run_id = Tracking(TrackingParameters(), outputs).log(replace(run, folder=str(folder)))
    with instrument_lock(lake, "SYN"):
        for number, (version, of) in enumerate((("v0001", "run"), ("v0002", "elsewhere")), 1):
            before = None if number == 1 else "v0001"
            set_current(lake, "SYN", HistoryEntry(number, PROMOTED, version, before, number, of, None))
    claims = [Verdict("v0001", "as promised", 1.2, 0.8, None, 48, 5, 9_000_000, "databento", live=True)]
    claims += [replace(claims[0], says="worse than promised", net_pnl_ticks=0.1, n_blocks=96, at_ns=10_000_000)]
    for each in (*claims, replace(claims[0], version="v0002")):
        keep_verdict(lake, "SYN", each)
    for _ in range(2):
        said = in_process(tmp_path, "promote", "history", "tracking=mlflow")
        assert (said.returncode, said.stderr) == (
            0,
            "vpharness: run elsewhere is not tracked, so MLflow has no claims of it\n",
        )
    client = client_of(tmp_path)
    curves = {
        name: sorted((point.step, point.value, point.timestamp) for point in client.get_metric_history(run_id, name))
        for name in ("live.net_pnl_ticks", "live.low", "live.high")
    }
    assert curves == {
        "live.net_pnl_ticks": [(48, 1.2, 9), (96, 0.1, 10)],
        "live.low": [(48, 0.8, 9), (96, 0.8, 10)],
        "live.high": [],
    }
    tags = client.get_run(run_id).data.tags
    assert (tags["live.claim"], tags["live.version"]) == (claims[1].text, "SYN v0001")
    assert "mlflow" not in in_process(tmp_path, "promote", "history").stderr


def test_a_store_that_cannot_be_reached_loses_no_result(tmp_path: Path) -> None:
    """The run is stored and shown; that it is not tracked is said in one line."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    said = in_process(tmp_path, *RUN, f"tracking.uri='sqlite:///{tmp_path}/file/mlflow.db'")
    assert said.returncode == 0
    assert said.stderr.count("vpharness: ") == 1
    assert "the run is in the store, but could not be tracked in sqlite:///" in said.stderr
    assert '"p_value"' in said.stdout


@pytest.mark.slow
def test_what_mlflow_prints_neither_stops_the_runs_nor_reaches_who_reads(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A server has an address printed for each run, of more than a pipe holds here; a command may print JSON."""
    long_name, (run, *more) = "n" * 5_000, [a_run(tmp_path) for _ in range(20)]
    campaign = TrackedRun("c", {}, [], {"campaign": "c", "kind": "campaign"}, None, str(tmp_path), [])
    with tracking_server(tmp_path / "artifacts") as server:
        tracking = TrackingParameters(uri=server.uri)
        Tracking(tracking, tmp_path).log(run)
        assert capfd.readouterr().out == ""
        with TrackingProcess() as process:
            late = threading.Timer(300, process.__exit__, (None, None, None))
            late.start()
            process.begin(tracking, tmp_path, campaign)
            process.put([replace(each, name=long_name) for each in more])
            process.close(campaign)
            late.cancel()
    finished = [each["info"]["run_name"] for each in server.runs.values() if each["info"]["status"] == "FINISHED"]
    assert sorted(finished) == sorted(["name", "c", *[long_name] * 19])


def test_a_moved_folder_of_outputs_takes_its_artifacts_and_notes_along(tmp_path: Path) -> None:
    """To a path that is no plain address, too: earlier artifacts are found, and new ones lie beside."""
    before, after = tmp_path / "before", tmp_path / "what?is #this %41"
    run = replace(a_run(tmp_path), folder=str(before / "runs" / "r"))
    shutil.copytree(tmp_path / "files", run.folder)
    first = Tracking(TrackingParameters(), before).log(run)
    before.rename(after)
    moved, uri = replace(run, folder=str(after / "runs" / "r")), TrackingParameters().uri_in(after)
    assert is_tracked(Path(moved.folder), uri)
    tracking = Tracking(TrackingParameters(), after)
    tracking.log_all([moved, moved])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["files", after.name]
    assert len(list((after / "mlflow_artifacts").rglob("card.json"))) == 3
    (artifact,) = mlflow_client(uri).list_artifacts(first)
    assert artifact.path == "card.json"


def test_a_note_of_an_earlier_version_moves_along(tmp_path: Path) -> None:
    """It has the absolute address alone, of a file that is not there any more."""
    folder = tmp_path / "after" / "runs" / "r"
    folder.mkdir(parents=True)
    note = {"uri": f"sqlite:///{tmp_path}/before/mlflow.db", "mlflow_run_id": "m"}
    (folder / "tracked.json").write_text(json.dumps(note), encoding="utf-8")
    uri = TrackingParameters().uri_in(tmp_path / "after")
    assert is_tracked(folder, uri)
    assert not is_tracked(folder, f"sqlite:///{tmp_path}/elsewhere/mlflow.db")
    (tmp_path / "before").mkdir()
    (tmp_path / "before" / "mlflow.db").touch()
    assert not is_tracked(folder, uri)


@pytest.mark.parametrize("name", ["plain", "a b", "what?", "100%", "%41", "#", "ü", "file:x"])
def test_a_uri_names_the_file_that_it_was_made_of(tmp_path: Path, name: str) -> None:
    """As SQLAlchemy opens it."""
    path = tmp_path / name / "mlflow.db"
    path.parent.mkdir()
    uri = uri_of_file(path)
    with contextlib.closing(sqlalchemy.create_engine(uri).raw_connection()) as connection:
        connection.execute("CREATE TABLE t (c)")
    assert path.is_file()
    assert file_of_uri(uri) == path


@pytest.mark.parametrize(
    ("uri", "file"),
    [
        ("sqlite:///a/b.db", Path("a/b.db")),
        ("sqlite:////a/b.db?timeout=5", Path("/a/b.db")),
        ("https://host/x", None),
        ("postgresql://u@h/d", None),
    ],
)
def test_a_users_uri_names_a_file_or_none(uri: str, file: Path | None) -> None:
    """What stands behind a question mark is no part of the name."""
    assert file_of_uri(uri) == file


def test_a_campaign_whose_parent_was_deleted_stays_one(tmp_path: Path) -> None:
    """What it has already and what is added lie below one parent."""
    tracking, client = Tracking(TrackingParameters(), tmp_path / "outputs"), client_of(tmp_path)
    campaign = TrackedRun("c", {}, [], {"campaign": "c", "kind": "campaign"}, None, "", [])
    run = replace(a_run(tmp_path), tags={"campaign": "c"})
    deleted = tracking.begin_campaign(campaign)
    early = tracking.log(run, deleted)
    client.delete_run(deleted)
    parent = tracking.begin_campaign(campaign)
    late = tracking.log(run, parent)
    assert parent not in {deleted, early}
    assert {client.get_run(each).data.tags["mlflow.parentRunId"] for each in (early, late)} == {parent}
    assert "mlflow.parentRunId" not in client.get_run(parent).data.tags


def test_an_unknown_kind_of_store_is_a_tracking_error(tmp_path: Path) -> None:
    """MLflow's own errors come as ours."""
    with pytest.raises(TrackingError, match="could not be tracked in nowhere://"):
        Tracking(TrackingParameters(uri="nowhere://x"), tmp_path)


def _track(folder: Path) -> None:
    Tracking(TrackingParameters(), folder / "outputs").log(a_run(folder))


@pytest.mark.slow
def test_two_processes_may_meet_a_fresh_database(tmp_path: Path) -> None:
    """Both runs are there in the end."""
    a_run(tmp_path)
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_track, args=(tmp_path,)) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
    assert [writer.exitcode for writer in writers] == [0, 0]
    client = client_of(tmp_path)
    experiment = client.get_experiment_by_name("vpharness")
    assert len(client.search_runs([experiment.experiment_id])) == 2
