"""Groups on machines that do not see the lake: what they send back is what the runs would have written themselves."""

import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.campaigns.market import small_dataset, spec
from vpharness.campaigns import travel
from vpharness.campaigns.campaign_plan import Group, Job, PlannedRun
from vpharness.campaigns.run_folder import folder_of, put_run_folder
from vpharness.campaigns.runner import CampaignProgress, RunnerSettings, run_groups
from vpharness.campaigns.travel import (
    DatasetFiles,
    GroupResults,
    dataset_parcel,
    known_audits,
    latencies_of,
    run_group_elsewhere,
    store_results,
)
from vpharness.campaigns.workers import GroupFollower, group_bytes
from vpharness.datasets.find import Dataset
from vpharness.datasets.lake import Lake
from vpharness.engines.calls import Allotment
from vpharness.errors import DatasetError, EngineError, ResultsError
from vpharness.results.audits import audits_of
from vpharness.results.store import AUDITS, CANDIDATES, EVIDENCE, FIRES, META, Store, read
from vpharness.results.table_schemas import Labels
from vpharness.signals import resolve

TARGET = "vpharness.signals.pfp.pfp"
UNTIMED = ("created_ns", "seconds", "part")
ANY_SIZE = 10**12


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A few minutes of market."""
    return small_dataset(tmp_path_factory.mktemp("lake"))


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where what travels is unpacked; this process forgets it afterwards."""
    place = tmp_path / "tmp"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    unpacked = travel._Unpacked()
    monkeypatch.setattr(travel, "_UNPACKED", unpacked)
    yield place
    unpacked.held.close()


def group_on(dataset: Dataset, *lags: int) -> Group:
    """Return runs of a signal; the last is silent, and fails."""
    kind: Any = resolve(TARGET).parameters
    several = [kind(lag_bins=lag) for lag in lags]
    several.append(kind(thresholds=[], add_weight=0.0, pull_weight=0.0))
    runs = []
    for number, parameters in enumerate(several):
        each = spec(dataset, TARGET, parameters)
        job = Job(number, ("signal=pfp",), {"signal": {}}, "d", TARGET, parameters, each.evaluation, each.split)
        runs.append(PlannedRun(job, each))
    return Group(dataset, TARGET, tuple(runs))


def settings_in(folder: Path) -> RunnerSettings:
    """Return settings with a store and outputs of their own."""
    return RunnerSettings(Store(folder / "store"), folder / "outputs", Labels("e", "c"), True, "continue", 64)


def rows_of(store: Store) -> dict[str, list[str]]:
    """Return what a store holds, without what tells one time from another."""
    found = {}
    for name in (AUDITS, FIRES, EVIDENCE, CANDIDATES, META):
        rows = [{key: value for key, value in row.items() if key not in UNTIMED} for row in read(store, name)]
        found[name] = sorted(map(repr, rows))
    return found


def ids_of(group: Group) -> list[str]:
    """Return the ids of a group's runs."""
    return [run.spec.run_id for run in group.runs]


def test_what_comes_back_is_what_the_runs_would_have_written(dataset: Dataset, tmp_path: Path, temporary: Path) -> None:
    """Rows, run folders and records for tracking; failed runs and known audits too. Nothing stays where it was run."""
    group, here, there = group_on(dataset, 3, 5), settings_in(tmp_path / "here"), settings_in(tmp_path / "there")
    tracked: list[Any] = []
    run_groups([group], here, CampaignProgress(3), lambda _: None, tracked.extend)
    # Of one score the store has the audit already: it is not done again, and comes back once.
    first = dataclasses.replace(group, runs=group.runs[:1])
    run_groups([first], there, CampaignProgress(1), lambda _: None)
    rest = dataclasses.replace(group, runs=group.runs[1:])
    files = dataset_parcel(dataset, ANY_SIZE).read()
    unreachable = dataclasses.replace(rest, dataset=dataclasses.replace(dataset, path=tmp_path / "absent" / "x"))
    emitted: list[Any] = []
    audits = known_audits(group, audits_of(there.store))
    assert len(audits) == 1
    run_group_elsewhere(unreachable, ids_of(rest), settings_in(tmp_path / "no"), audits, files, emitted.append)
    assert not (tmp_path / "no").exists()
    records = [
        record for each in emitted if isinstance(each, GroupResults) for record in store_results(each, rest, there)
    ]
    assert rows_of(there.store) == rows_of(here.store)
    assert [each for each in emitted if isinstance(each, CampaignProgress)][-1].done == 2
    for run in group.runs[:2]:
        ours, theirs = (folder_of(each.outputs, run.spec.run_id) for each in (there, here))
        assert {path.name for path in ours.iterdir()} == {path.name for path in theirs.iterdir()}
        for name in ("fires.parquet", "score.parquet", "config.yaml", "overrides.yaml"):
            assert (ours / name).read_bytes() == (theirs / name).read_bytes()
    (record,) = records
    (same,) = [each for each in tracked if each.name == record.name]
    assert record.metrics == same.metrics
    assert record.dataset == same.dataset
    assert record.folder == str(folder_of(there.outputs, group.runs[1].spec.run_id))
    (folder,) = temporary.iterdir()
    assert {path.name for path in folder.iterdir()} <= {"cache", dataset.path.name}, "no results are left"


def test_recorded_latencies_travel_with_their_dataset(dataset: Dataset, tmp_path: Path, temporary: Path) -> None:
    """The machine there has no file at their path; the lake here keeps them, and nothing of them stays there."""
    path = tmp_path / "latencies.parquet"
    dataset = dataclasses.replace(dataset, cache=Lake(tmp_path / "lake").cache)
    ends = pa.array([dataset.manifest.first_bin_start_ns, dataset.manifest.last_bin_end_ns], pa.int64())
    pq.write_table(pa.table({"ts_ns": ends, "latency_ms": [20.0, 20.0]}), path)
    group = group_on(dataset, 3)
    evaluation = dataclasses.replace(
        group.runs[0].spec.evaluation, fill="queue", latency_path=str(path), max_wait_bins=10
    )
    first = dataclasses.replace(group.runs[0], spec=dataclasses.replace(group.runs[0].spec, evaluation=evaluation))
    group = dataclasses.replace(group, runs=(first,))
    here, there = settings_in(tmp_path / "here"), settings_in(tmp_path / "there")
    run_groups([group], here, CampaignProgress(1), lambda _: None)
    assert dataset.latencies is not None
    (kept,) = dataset.latencies.iterdir()
    kept.unlink()
    parcel = dataset_parcel(dataset, ANY_SIZE, latencies_of(group))
    assert parcel.key != dataset_parcel(dataset, ANY_SIZE).key
    files = parcel.read()
    absent = dataclasses.replace(evaluation, latency_path=str(tmp_path / "absent.parquet"))
    files = dataclasses.replace(files, latencies={str(absent.latency_path): files.latencies[str(path)]})
    moved = dataclasses.replace(first, spec=dataclasses.replace(first.spec, evaluation=absent))
    emitted: list[Any] = []
    run_group_elsewhere(
        dataclasses.replace(group, runs=(moved,)),
        ids_of(group),
        settings_in(tmp_path / "no"),
        (),
        files,
        emitted.append,
    )
    for each in emitted:
        if isinstance(each, GroupResults):
            store_results(each, group, there)
    assert rows_of(there.store) == rows_of(here.store)
    assert [each.name for each in dataset.latencies.iterdir()] == [kept.name]
    assert not list(temporary.rglob("latencies-*"))


def test_a_dataset_is_unpacked_once_and_removed_for_the_next(dataset: Dataset, temporary: Path) -> None:
    """And so is what a process that was killed has left."""
    (temporary / "vpharness-travelled-killed").mkdir()
    files = dataset_parcel(dataset, ANY_SIZE).read()
    first = travel._UNPACKED.dataset(files)
    assert first.checksum == dataset.checksum
    assert travel._UNPACKED.dataset(files).path == first.path
    assert list(temporary.iterdir()) == [first.path.parent]
    travel._UNPACKED.held.close()
    assert not list(temporary.iterdir())


def test_a_dataset_that_was_damaged_on_its_way_is_refused(dataset: Dataset) -> None:
    """By its checksums."""
    files: DatasetFiles = dataset_parcel(dataset, ANY_SIZE).read()
    content = files.files["bins.parquet"]
    damaged = {**files.files, "bins.parquet": content[:-1] + bytes([content[-1] ^ 1])}
    with pytest.raises(DatasetError, match=r"bins\.parquet in .* differs from its checksum"):
        travel._UNPACKED.dataset(DatasetFiles(files.name, damaged))


def test_a_dataset_that_is_too_large_is_not_sent(dataset: Dataset) -> None:
    """The error names the two ways out."""
    with pytest.raises(EngineError, match=r"more than hydra\.launcher\.travel_gb=1e-05.*convert dataset\.id="):
        dataset_parcel(dataset, 10_000).read()


def test_a_machine_with_another_version_of_a_signal_refuses(dataset: Dataset, tmp_path: Path) -> None:
    """It would compute another run than was planned."""
    group, files = group_on(dataset, 3), dataset_parcel(dataset, ANY_SIZE).read()
    with pytest.raises(EngineError, match=f"has another version of signal {TARGET}"):
        run_group_elsewhere(group, ["0" * 16] * 2, settings_in(tmp_path), (), files, lambda _: None)


def test_a_run_folder_that_was_sent_has_files_alone(tmp_path: Path) -> None:
    """No name leads out of it, and nothing of it is there where one does."""
    with pytest.raises(ResultsError, match="cannot have a file"):
        put_run_folder({"a": b"", "../b": b""}, tmp_path / "run")
    assert not list(tmp_path.glob("run*"))


def test_the_memory_of_a_group_grows_with_it_up_to_what_runs_may_share(dataset: Dataset) -> None:
    """A process, columns, and what runs share."""
    small, large = group_on(dataset, 3), group_on(dataset, *range(2, 40))
    assert 600e6 < group_bytes(small, 1024) < group_bytes(large, 1024) < 700e6
    assert group_bytes(large, 0) < 620e6


def test_a_group_is_given_what_the_engine_allots(dataset: Dataset, tmp_path: Path) -> None:
    """Memory is worked out only where nothing was set."""

    def work(allotment: Allotment) -> Any:
        follower = GroupFollower((), settings_in(tmp_path), CampaignProgress(0), lambda _: None, None, allotment)
        return follower.work_of(group_on(dataset, 3))

    assert work(Allotment(2.0, None)).memory_bytes == group_bytes(group_on(dataset, 3), 64)
    assert (work(Allotment(2.0, 5)).memory_bytes, work(Allotment(2.0, 5)).cpus) == (5, 2.0)


def test_results_of_no_rows_are_nothing(dataset: Dataset, tmp_path: Path) -> None:
    """As of a batch that was empty."""
    assert store_results(GroupResults({}, {}), group_on(dataset, 3), settings_in(tmp_path)) == []
