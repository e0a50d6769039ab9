"""Tracking runs in MLflow. Nothing else here imports it, and this only once a run is to be tracked.

The results store is what counts: a run is there before it is tracked, and a failure to track it is a TrackingError that
loses nothing.
"""

import contextlib
import io
import logging
import os
import shutil
import sqlite3
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.request import url2pathname

from vpharness.errors import TrackingError
from vpharness.parameters import parameter
from vpharness.results.tracked_run import TrackedRun, mlflow_run_id, note_tracked, without_password
from vpharness.results.tracking_file import (
    ARTIFACTS,
    alone_with_file,
    bring_artifacts_along,
    file_of_uri,
    keep_tables,
    kept_tables,
    uri_of_file,
)
from vpharness.results.tracking_rows import RunRows, add_runs_like, tables_fit

CHAMPION: Final = "champion"
"""The alias of the version of a registered model that its instrument serves."""

_FILE: Final = "file://"
_PARENT: Final = "mlflow.parentRunId"  # the tag that MLflow's pages show runs below others by
_KIND: Final = "mlflow.experimentKind"
_RUNS_FIRST: Final = "custom_model_development"
"""The kind of an experiment whose page opens on its runs; without one MLflow 3 may open on its traces."""
_LONGEST_VALUE: Final = 6000  # MLflow's own limit for the value of a parameter


_MOST_POINTS: Final = 1000  # MLflow's own limit for a batch


@dataclass(frozen=True)
class TrackingPoint:
    """A point of a curve: its value at a step, and when it was found, ms since the Unix epoch."""

    name: str
    value: float
    step: int
    at_ms: int


@dataclass(frozen=True)
class TrackingParameters:
    """Where runs are tracked, and under which names."""

    kind: str = parameter("mlflow", meaning="mlflow, or none", choices=("mlflow", "none"))
    uri: str | None = parameter(None, meaning="tracking store; by default a SQLite file in the folder of outputs")
    experiment_name: str = parameter("vpharness", meaning="the experiment that runs are listed under")
    tags: dict[str, str] = field(default_factory=dict)

    def uri_in(self, outputs: Path) -> str:
        """Return the tracking store, which by default lies in the folder of outputs; it may hold a password."""
        return self.uri or uri_of_file(outputs / "mlflow.db")


def import_mlflow() -> None:
    """Import MLflow, which takes a second or two, and have it be quiet."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # A server that is not there is given up after seconds, not minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    import mlflow.tracking  # noqa: F401, PLC0415  # only where it is wanted

    for name in ("mlflow", "alembic"):  # which tell of every table that they make
        logging.getLogger(name).setLevel(logging.WARNING)


class Tracking:
    """An opened tracking store, for one process.

    Raises TrackingError, from every call, where the store cannot be reached or written.
    """

    def __init__(self, tracking: TrackingParameters, outputs: Path) -> None:
        import_mlflow()
        self._uri = tracking.uri_in(outputs)
        self.uri = without_password(self._uri)
        self._tags = dict(tracking.tags)
        self._places: dict[str, str] = {}  # where the files of a run go, by its MLflow id
        self._firsts: dict[tuple[str, str, str], str] = {}  # a run that MLflow has written, for each dataset
        with self._telling():
            self._client, self._experiment = _client(self._uri, tracking.experiment_name, outputs)
            self._file = file_of_uri(self._uri)
            self._takes_rows = self._file is not None and tables_fit(str(self._file))

    def begin_campaign(self, run: TrackedRun) -> str:
        """Begin the parent run of a campaign, or go on with the one that there is; return its MLflow id."""
        with self._telling():
            wanted = f"tags.kind = 'campaign' and tags.campaign = '{run.name}'"
            found = self._client.search_runs([self._experiment], wanted, max_results=1)
            if found:
                return str(found[0].info.run_id)
            created = self._create(run, {})
            self._fill(created, run, ends=False)
            self._take_below(created, run.name)
            return created

    def _take_below(self, parent: str, campaign: str) -> None:
        """Put the runs that a campaign has already below its new parent: the one before has been deleted."""
        token: str | None = None
        while True:
            wanted = f"tags.campaign = '{campaign}'"
            found = self._client.search_runs([self._experiment], wanted, page_token=token)
            for run in found:
                if run.info.run_id != parent:
                    self._client.set_tag(run.info.run_id, _PARENT, parent)
            token = found.token
            if not token:
                return

    def end_campaign(self, parent: str, run: TrackedRun) -> None:
        """Add the figures of a campaign to its parent run, and end it."""
        with self._telling():
            self._fill(parent, run)

    def log(self, run: TrackedRun, parent: str | None = None) -> str:
        """Track one run, below the parent of its campaign where there is one, and return its MLflow id."""
        with self._telling():
            run_id = self._create(run, _below(parent))
            self._fill(run_id, run)
            note_tracked(Path(run.folder), self._uri, run_id)
        return run_id

    def log_all(self, runs: Sequence[TrackedRun], parent: str | None = None) -> None:
        """Track many runs: in a SQLite file all at once, in another store one after the other."""
        waiting: dict[tuple[str, str, str], list[TrackedRun]] = {}
        for run in runs:
            first = None if run.dataset is None else self._firsts.get(run.dataset)
            if first is not None and run.dataset is not None and self._places[first].startswith(_FILE):
                waiting.setdefault(run.dataset, []).append(run)
                continue
            run_id = self.log(run, parent)
            if self._takes_rows and run.dataset is not None:
                self._firsts[run.dataset] = run_id
        for dataset, alike in waiting.items():
            with self._telling():
                self._log_like(self._firsts[dataset], alike, parent)

    def _log_like(self, first_id: str, runs: Sequence[TrackedRun], parent: str | None) -> None:
        """Track runs on one dataset after the pattern of another; their files are there before they are."""
        rows = []
        for run in runs:
            run_id = uuid.uuid4().hex
            self._places[run_id] = place = self._places[first_id].replace(first_id, run_id)
            self._keep(run_id, place, _files(run))
            rows.append(RunRows(run_id, place, run.name, _texts(run), run.metrics, self._named(run, _below(parent))))
        add_runs_like(str(self._file), first_id, rows, _now_ms())
        for run, row in zip(runs, rows, strict=True):
            note_tracked(Path(run.folder), self._uri, row.run_id)

    def add_artifact(self, path: Path) -> None:
        """Add a file to the run that is tracked for the folder in which it lies."""
        with self._telling():
            run_id = mlflow_run_id(path.parent)
            self._keep(run_id, self._places.get(run_id, ""), [path])

    def crown(self, folder: Path, instrument: str, version: str, bundle: Path) -> None:
        """Give the alias champion of an instrument's registered model to a promoted version, and tag its run.

        Args:
            folder: the folder of the run, which is tracked.
            instrument: what the version is served for.
            version: the version's name, known to the model by its tag.
            bundle: where the version lies.
        """
        model = f"vpharness-{instrument}"
        with self._telling():
            run_id = mlflow_run_id(folder)
            if not self._client.search_registered_models(f"name = '{model}'", max_results=1):
                self._client.create_registered_model(model, description=f"what is served for {instrument}")
            found = self._client.search_model_versions(f"name = '{model}' and tag.promoted = '{version}'")
            made = found or [
                self._client.create_model_version(
                    model, bundle.resolve().as_uri(), run_id=run_id, tags={"promoted": version}
                )
            ]
            self._client.set_registered_model_alias(model, CHAMPION, made[0].version)
            self._client.set_tag(run_id, "promoted", f"{instrument} {version}")

    def add_points(self, folder: Path, points: Sequence["TrackingPoint"], tags: Mapping[str, str]) -> None:
        """Add points of curves, and tags, to the run that is tracked for a folder; those that it has stay."""
        from mlflow import entities  # noqa: PLC0415  # takes a second, and only where it is wanted

        with self._telling():
            run_id = mlflow_run_id(folder)
            metrics = [entities.Metric(each.name, each.value, each.at_ms, each.step) for each in points]
            for start in range(0, len(metrics), _MOST_POINTS):
                self._client.log_batch(run_id, metrics=metrics[start : start + _MOST_POINTS])
            for name, value in tags.items():
                self._client.set_tag(run_id, name, value)

    def _keep(self, run_id: str, place: str, files: Sequence[Path]) -> None:
        """Keep files with a run. On this machine they are copied: MLflow asks its database for each where to put it."""
        for file in files:
            if place.startswith(_FILE):
                folder = Path(url2pathname(place.removeprefix(_FILE)))
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, folder / file.name)
            else:
                self._client.log_artifact(run_id, str(file))

    def _create(self, run: TrackedRun, tags: Mapping[str, str]) -> str:
        created = self._client.create_run(self._experiment, tags=self._named(run, tags)).info
        self._places[str(created.run_id)] = str(created.artifact_uri)
        return str(created.run_id)

    def _named(self, run: TrackedRun, tags: Mapping[str, str]) -> dict[str, str]:
        """Return all tags of a run, its name among them."""
        return {"mlflow.runName": run.name, **self._tags, **run.tags, **tags}

    def _fill(self, run_id: str, run: TrackedRun, *, ends: bool = True) -> None:
        from mlflow import entities  # noqa: PLC0415  # takes a second, and only where it is wanted

        now_ms = _now_ms()
        self._client.log_batch(
            run_id,
            metrics=[entities.Metric(name, value, now_ms, step) for name, value, step in run.metrics],
            params=[entities.Param(name, value) for name, value in _texts(run).items()],
        )
        if run.dataset is not None:
            name, digest, source = run.dataset
            dataset = entities.Dataset(name=name, digest=digest[:36], source_type="local", source=source)
            self._client.log_inputs(run_id, [entities.DatasetInput(dataset, [])])
        self._keep(run_id, self._places.get(run_id, ""), _files(run))
        if ends:
            self._client.set_terminated(run_id)

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        from mlflow.exceptions import MlflowException  # noqa: PLC0415  # takes a second, and only where it is wanted
        from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415  # comes with it

        try:
            # MLflow prints an address for each run; what a command prints may be JSON, which a program reads.
            with contextlib.redirect_stdout(io.StringIO()):
                yield
        except (MlflowException, SQLAlchemyError, sqlite3.Error, ImportError, OSError) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0].replace(self._uri, self.uri)
            raise TrackingError(f"the run is in the store, but could not be tracked in {self.uri}: {reason}") from error


def _below(parent: str | None) -> dict[str, str]:
    """Return the tag that puts a run below another."""
    return {} if parent is None else {_PARENT: parent}


def _texts(run: TrackedRun) -> dict[str, str]:
    """Return the parameters of a run as MLflow takes them."""
    return {name: str(value)[:_LONGEST_VALUE] for name, value in run.parameters.items()}


def _files(run: TrackedRun) -> list[Path]:
    return [Path(run.folder) / artifact for artifact in run.artifacts]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _client(uri: str, experiment_name: str, outputs: Path) -> tuple[Any, str]:
    """Return a client and the id of an experiment, which is made where it is not there yet."""
    from mlflow.tracking import MlflowClient  # noqa: PLC0415  # takes a second, and only where it is wanted
    from mlflow.version import VERSION  # noqa: PLC0415  # comes with it

    file, tables = file_of_uri(uri), kept_tables(VERSION)
    with alone_with_file(file, tables) as is_empty:
        client = MlflowClient(uri)
        if is_empty and file is not None:
            keep_tables(file, tables)
        found = client.get_experiment_by_name(experiment_name)
        if file is not None and file.parent.resolve() == outputs.resolve():
            bring_artifacts_along(file)
        if found is not None:
            if _KIND not in found.tags:
                client.set_experiment_tag(found.experiment_id, _KIND, _RUNS_FIRST)
            return client, str(found.experiment_id)
        artifacts = None if file is None else (outputs / ARTIFACTS).resolve().as_uri()
        return client, str(
            client.create_experiment(experiment_name, artifact_location=artifacts, tags={_KIND: _RUNS_FIRST})
        )
