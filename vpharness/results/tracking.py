"""Tracking runs in MLflow. Nothing else here imports it, and this only once a run is to be tracked.

The results store is what counts: a run is there before it is tracked, and a failure to track it is a TrackingError that
loses nothing.
"""

import contextlib
import fcntl
import logging
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from vpharness.errors import TrackingError
from vpharness.parameters import parameter

_SQLITE: Final = "sqlite:///"
_LONGEST_VALUE: Final = 6000  # MLflow's own limit for the value of a parameter


@dataclass(frozen=True)
class TrackingParameters:
    """Where runs are tracked, and what they are called there."""

    kind: str = parameter("mlflow", meaning="mlflow, or none", choices=("mlflow", "none"))
    uri: str | None = parameter(None, meaning="tracking store; by default a SQLite file in the folder of outputs")
    experiment_name: str = parameter("vpharness", meaning="the experiment that runs are listed under")
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TrackedRun:
    """What is tracked of a run.

    Attributes:
        name: what it is listed as.
        parameters: flat, with dots.
        metrics: name, value and step: thresholds are the steps of a curve.
        tags: beside those that the user gave.
        dataset: its id, digest and place.
        folder: the run folder; all files of it become artifacts.
    """

    name: str
    parameters: Mapping[str, Any]
    metrics: Sequence[tuple[str, float, int]]
    tags: Mapping[str, str]
    dataset: tuple[str, str, str]
    folder: Path


def track(tracking: TrackingParameters, run: TrackedRun, outputs: Path) -> str | None:
    """Track a run and return its MLflow id; None where nothing is to be tracked.

    Raises TrackingError where the store cannot be reached or written.
    """
    if tracking.kind == "none":
        return None
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow.exceptions import MlflowException  # noqa: PLC0415  # takes a second, and only where it is wanted
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415  # comes with it

    for name in ("mlflow", "alembic"):  # which tell of every table that they make
        logging.getLogger(name).setLevel(logging.WARNING)

    uri = tracking.uri or f"{_SQLITE}{(outputs / 'mlflow.db').resolve()}"
    try:
        return _log(uri, tracking, run, outputs)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise TrackingError(f"the run is in the store, but could not be tracked in {uri}: {reason}") from error


def _log(uri: str, tracking: TrackingParameters, run: TrackedRun, outputs: Path) -> str:
    from mlflow import entities  # noqa: PLC0415  # see above

    client, experiment = _client(uri, tracking.experiment_name, outputs)
    now_ms = time.time_ns() // 1_000_000
    tags = {"mlflow.runName": run.name, **tracking.tags, **run.tags}
    created = client.create_run(experiment, tags=tags)
    run_id = str(created.info.run_id)
    client.log_batch(
        run_id,
        metrics=[entities.Metric(name, value, now_ms, step) for name, value, step in run.metrics],
        params=[entities.Param(name, str(value)[:_LONGEST_VALUE]) for name, value in run.parameters.items()],
    )
    name, digest, source = run.dataset
    dataset = entities.Dataset(name=name, digest=digest[:36], source_type="local", source=source)
    client.log_inputs(run_id, [entities.DatasetInput(dataset, [])])
    client.log_artifacts(run_id, str(run.folder))
    client.set_terminated(run_id)
    return run_id


def _client(uri: str, experiment_name: str, outputs: Path) -> tuple[Any, str]:
    """Return a client and the id of an experiment, which is made where it is not there yet."""
    from mlflow.tracking import MlflowClient  # noqa: PLC0415  # see above

    with _alone(uri):
        client = MlflowClient(uri)
        found = client.get_experiment_by_name(experiment_name)
        if found is not None:
            return client, str(found.experiment_id)
        artifacts = (outputs / "mlflow_artifacts").resolve().as_uri() if uri.startswith(_SQLITE) else None
        return client, str(client.create_experiment(experiment_name, artifact_location=artifacts))


@contextlib.contextmanager
def _alone(uri: str) -> Iterator[None]:
    """Keep other processes out while a SQLite file is made: two that migrate one file destroy each other's work."""
    if not uri.startswith(_SQLITE):
        yield
        return
    path = Path(uri.removeprefix(_SQLITE))
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if not path.exists():
            with contextlib.closing(sqlite3.connect(path)) as database:
                # Readers and one writer then do not wait for one another; the file remembers it.
                database.execute("PRAGMA journal_mode=WAL")
        yield
    finally:
        os.close(descriptor)
