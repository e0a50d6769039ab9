"""Groups on machines that do not see the lake: the dataset travels there as its files, and the results back as rows.

The files of a dataset, which are few and small where it is compact, come with their checksums. They are unpacked into a
folder of the process, verified, and used by all groups that it is given on that dataset. Runs are executed as ever,
into a store and run folders beside the dataset; each batch that is written there is sent back, and whoever planned the
campaign writes it into the store, so that a machine that dies costs what it has not sent.
"""

import contextlib
import dataclasses
import fcntl
import hashlib
import os
import shutil
import socket
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import pyarrow as pa

from vpharness.campaigns.campaign_plan import Group, PlannedRun
from vpharness.campaigns.mlflow_runs import tracked_run
from vpharness.campaigns.run_folder import folder_of, put_run_folder, writing_run_folders
from vpharness.campaigns.runner import CampaignProgress, ReportProgress, RunnerSettings, run_groups
from vpharness.datasets.find import Dataset, open_dataset
from vpharness.datasets.lake import DEFAULT_CACHE_GB, ColumnCache
from vpharness.datasets.manifest import CHECKSUMS_FILE, check_all, check_file, read_checksums
from vpharness.engines.calls import Emit, Parcel
from vpharness.errors import DatasetError, EngineError
from vpharness.execution.order_table import keep_latencies
from vpharness.results.audits import AuditKey, AuditRecord, audit_rows
from vpharness.results.store import AUDITS, CANDIDATES, EVIDENCE, FIRES, META, Store, TableRows, append, read_table
from vpharness.results.table_schemas import DONE
from vpharness.results.tracked_run import TrackedRun
from vpharness.storage.locks import lock_if_free

_TABLES: Final = (AUDITS, FIRES, EVIDENCE, CANDIDATES, META)
"""In the order in which they are written: the row that completes a run comes last."""
_PREFIX: Final = "vpharness-travelled-"


@dataclass(frozen=True)
class DatasetFiles:
    """The files of a dataset by name, and what its folder is called.

    Attributes:
        name: of the folder.
        files: of the dataset, by name.
        latencies: files of recorded latencies that its runs are judged with, by the path that they were given by.
    """

    name: str
    files: Mapping[str, bytes]
    latencies: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class GroupResults:
    """Results of some runs of a group: the rows of tables, and the files of run folders by run and name."""

    tables: Mapping[str, pa.Table]
    folders: Mapping[str, Mapping[str, bytes]]


def dataset_parcel(dataset: Dataset, limit_bytes: int, latencies: Mapping[str, str] | None = None) -> Parcel:
    """Return a dataset as a parcel; reading it raises EngineError where it has more than `limit_bytes`.

    Args:
        dataset: the dataset.
        limit_bytes: the most that its files may have.
        latencies: recorded latencies that come with it: the digest of each by its path.
    """
    text, recorded = (dataset.path / CHECKSUMS_FILE).read_bytes(), dict(latencies or {})
    name = " ".join([dataset.path.name, hashlib.sha256(text).hexdigest(), *sorted(recorded.values())])
    return Parcel(name, partial(_read, dataset, limit_bytes, tuple(recorded)))


def latencies_of(group: Group) -> dict[str, str]:
    """Return the recorded latencies that runs of a group are judged with: the digest of each by its path."""
    return {
        path: run.spec.resolved.latency_digest
        for run in group.runs
        if (path := run.spec.evaluation.latency_path) is not None
    }


def _read(dataset: Dataset, limit_bytes: int, latencies: Sequence[str] = ()) -> DatasetFiles:
    names = [CHECKSUMS_FILE, *read_checksums(dataset.path)]
    if dataset.origin is not None:
        for each in names[1:]:
            check_file(dataset.path, each)  # fetches it
    name, size = dataset.manifest.dataset_id, dataset.disk_bytes
    if size > limit_bytes:
        raise EngineError(
            f"a machine does not see the lake, and dataset {name} has {size / 1e9:.1f} GB, more than "
            f"hydra.launcher.travel_gb={limit_bytes / 1e9:g}; put the lake on a file system that all machines share, "
            f"or make the dataset compact: python -m vpharness convert dataset.id={name}"
        )
    try:
        return DatasetFiles(
            dataset.path.name,
            {each: (dataset.path / each).read_bytes() for each in names},
            {each: Path(each).read_bytes() for each in latencies},
        )
    except OSError as error:
        raise DatasetError(f"dataset {name}: {error.filename} cannot be read: {error.strerror}") from error


@dataclass
class _Unpacked:
    """The dataset that this process has unpacked last.

    Attributes:
        folder: where it lies; removed with the process, or by the next one where that was killed.
        digest: of its checksums.
    """

    folder: Path | None = None
    digest: str = ""
    held: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def dataset(self, files: DatasetFiles) -> Dataset:
        """Return a dataset that has been sent, unpacked and verified."""
        digest = hashlib.sha256(files.files[CHECKSUMS_FILE]).hexdigest()
        if digest != self.digest or self.folder is None:
            self.held.close()
            self.folder, self.digest = self._unpack(files), digest
        cache = ColumnCache(self.folder / "cache", round(DEFAULT_CACHE_GB * 10**9))
        return open_dataset(self.folder / files.name, cache)

    def _unpack(self, files: DatasetFiles) -> Path:
        sweep_unpacked()
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self.held.callback(shutil.rmtree, folder, ignore_errors=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        self.held.callback(os.close, descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            (folder / files.name).mkdir()
            for name, content in files.files.items():
                (folder / files.name / name).write_bytes(content)
            check_all(folder / files.name)
        except OSError as error:
            raise EngineError(f"{socket.gethostname()} cannot write to {folder}: {error.strerror}") from error
        return folder


def sweep_unpacked() -> None:
    """Remove what processes that were killed have left of this user's unpacked datasets: nobody holds its lock."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # another one removes it, or it is another user's
            if folder.stat().st_uid == os.getuid() and (descriptor := lock_if_free(folder)) is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(descriptor)


_UNPACKED: Final = _Unpacked()


def require_same_ids(group: Group, ids: Sequence[str]) -> None:
    """Raise EngineError where this process would compute other runs than were planned."""
    if [run.spec.run_id for run in group.runs] != list(ids):
        raise EngineError(
            f"{socket.gethostname()} has another version of signal {group.signal_target}, or of a package, than the "
            "machine that planned the campaign; install the same on every machine"
        )


def progress_emitter(emit: Emit) -> ReportProgress:
    """Return what reports progress by emitting copies of it."""

    def report(progress: CampaignProgress) -> None:
        emit(dataclasses.replace(progress, failures=list(progress.failures)))

    return report


def known_audits(group: Group, audits: Mapping[AuditKey, AuditRecord]) -> tuple[AuditRecord, ...]:
    """Return those of the store's audits that hold for runs of a group."""
    keys = {run.spec.audit_key for run in group.runs}
    return tuple(audited for key, audited in audits.items() if key in keys)


def run_group_elsewhere(
    group: Group,
    ids: Sequence[str],
    settings: RunnerSettings,
    audits: Sequence[AuditRecord],
    files: DatasetFiles,
    emit: Emit,
) -> None:
    """Execute one group in a process that does not see the lake, and emit its results.

    Args:
        group: the group; its dataset's folder is not read.
        ids: the ids of its runs.
        settings: those of the campaign; its store and outputs are not touched.
        audits: the store's audits of its runs.
        files: its dataset.
        emit: takes its progress, and `GroupResults` as they are written.
    """
    if any(run.spec.earlier for run in group.runs):
        raise EngineError(
            f"signal {group.signal_target} is fitted on the datasets before (refit_every=dataset), and "
            f"{socket.gethostname()} does not see the lake that they are in; put the lake on a file system that all "
            "machines share"
        )
    dataset = _UNPACKED.dataset(files)
    with tempfile.TemporaryDirectory(prefix="results-", dir=dataset.path.parent) as folder:
        here = _group_on(group, dataset, _written(files.latencies, Path(folder)))
        runs = here.runs
        require_same_ids(here, ids)
        store, outputs = Store(Path(folder) / "store"), Path(folder) / "outputs"
        append(store, audit_rows(audits))
        local = dataclasses.replace(settings, store=store, outputs=outputs)
        skipped = len(audits)

        def send(_runs: Sequence[TrackedRun]) -> None:
            nonlocal skipped
            emit(_taken(store, outputs, skipped))
            skipped = 0

        run_groups([here], local, CampaignProgress(len(runs)), progress_emitter(emit), send)


def _written(latencies: Mapping[str, bytes], folder: Path) -> dict[str, str]:
    """Write files of recorded latencies into a folder; return where each is, by the path that it was given by."""
    found = {}
    for number, (given, content) in enumerate(latencies.items()):
        path = folder / f"latencies-{number}.parquet"
        path.write_bytes(content)
        found[given] = str(path)
    return found


def _group_on(group: Group, dataset: Dataset, latencies: Mapping[str, str]) -> Group:
    """Return a group on a dataset of this machine, with files of recorded latencies that lie on it."""

    def moved(run: PlannedRun) -> PlannedRun:
        given = run.spec.evaluation
        path = None if given.latency_path is None else latencies.get(given.latency_path, given.latency_path)
        evaluation = given if path == given.latency_path else dataclasses.replace(given, latency_path=path)
        return dataclasses.replace(run, spec=dataclasses.replace(run.spec, dataset=dataset, evaluation=evaluation))

    return dataclasses.replace(group, dataset=dataset, runs=tuple(map(moved, group.runs)))


def _taken(store: Store, outputs: Path, skipped: int) -> GroupResults:
    """Return all that a store and run folders have, and empty them; without the first audits, which are known."""
    tables = {name: table for name in _TABLES if (table := read_table(store, name)) is not None}
    if AUDITS in tables:
        tables[AUDITS] = tables[AUDITS].slice(skipped)
    run_ids = [row["run_id"] for row in tables[META].to_pylist() if row["status"] == DONE] if META in tables else []
    folders = {
        run_id: {path.name: path.read_bytes() for path in folder_of(outputs, run_id).iterdir()} for run_id in run_ids
    }
    shutil.rmtree(store.root, ignore_errors=True)
    for run_id in run_ids:
        shutil.rmtree(folder_of(outputs, run_id), ignore_errors=True)
    return GroupResults(tables, folders)


def store_results(results: GroupResults, group: Group, settings: RunnerSettings) -> list[TrackedRun]:
    """Write results that were sent: run folders, then rows. Returns the records of the runs, for tracking.

    Raises ResultsError where they cannot be written.
    """
    by_id = {run.spec.run_id: run for run in group.runs}
    for path, digest in latencies_of(group).items():
        keep_latencies(group.dataset, path, digest)
    with writing_run_folders(settings.outputs):
        for run_id, files in results.folders.items():
            put_run_folder(files, folder_of(settings.outputs, run_id))
    stored = {run_id for run_id, run in by_id.items() if run.stored}
    rows = {
        name: [row for row in table.to_pylist() if name == AUDITS or row["run_id"] not in stored]
        for name, table in results.tables.items()
    }
    append(
        settings.store, *(TableRows(name, rows[name], results.tables[name].schema) for name in _TABLES if name in rows)
    )
    candidates: dict[str, list[dict[str, object]]] = {run_id: [] for run_id in results.folders}
    for row in results.tables[CANDIDATES].to_pylist() if CANDIDATES in results.tables else ():
        candidates[row["run_id"]].append(row)
    return [
        tracked_run(
            by_id[run_id].spec, by_id[run_id].job, some, folder_of(settings.outputs, run_id), settings.labels.campaign
        )
        for run_id, some in candidates.items()
    ]
