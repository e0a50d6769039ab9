"""The settings of engines, checked before any work; reading them imports no engine."""

import importlib.util
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Final

from vpharness.engines.calls import Allotment, Engine
from vpharness.parameters import parameter, problems

_ADDRESS: Final = re.compile(r"auto|[\w.-]+:\d{1,5}|\[[0-9A-Fa-f:]+\]:\d{1,5}")
MOST_PROCESSES: Final = 1_024


@dataclass(frozen=True)
class JoblibSettings:
    """Several processes of this machine."""

    needs: ClassVar[str] = "joblib"

    n_jobs: int = parameter(-1, meaning="processes; -1: one for each core", minimum=-1, maximum=MOST_PROCESSES)

    def relations(self) -> Iterable[str]:
        """Yield a sentence where the number of processes is none."""
        if self.n_jobs == 0:
            yield "n_jobs is 0; it must be -1, for one process a core, or above 0"

    def engine(self) -> Engine:
        """Return the engine."""
        from vpharness.engines.joblib_engine import JoblibEngine  # noqa: PLC0415  # joblib is slow to load

        return JoblibEngine(self.n_jobs)


@dataclass(frozen=True)
class RaySettings:
    """Processes of a Ray cluster: one that is started on this machine alone, or one that runs already."""

    needs: ClassVar[str] = "ray"

    address: str | None = parameter(
        None, meaning="the cluster's HOST:PORT, or auto for the one this machine belongs to; null: start one here"
    )
    n_jobs: int = parameter(
        -1, meaning="processes, where the cluster is started here; -1: one a core", minimum=-1, maximum=MOST_PROCESSES
    )
    cpus: float = parameter(1.0, meaning="cores that one group of runs is given", above=0, maximum=1_024)
    memory_gb: float | None = parameter(
        None, meaning="memory that one group is given; null: worked out from the plan; 0: not limited", minimum=0
    )
    travel_gb: float = parameter(
        1.0, meaning="the largest dataset that is sent to a machine that does not see the lake", minimum=0, maximum=100
    )

    def relations(self) -> Iterable[str]:
        """Yield a sentence for an address that is none, and for processes that nobody would start."""
        if self.n_jobs == 0:
            yield "n_jobs is 0; it must be -1, for one process a core, or above 0"
        if self.address is not None and not _ADDRESS.fullmatch(self.address):
            yield f"address is {self.address!r}; it must be auto, or HOST:PORT of the cluster's head, as 10.0.0.1:6379"
        if self.address is not None and self.n_jobs != -1:
            yield "n_jobs is of a cluster that is started here; leave it out where address names one"

    @property
    def allotment(self) -> Allotment:
        """What each work is given."""
        return Allotment(self.cpus, _bytes(self.memory_gb), round(self.travel_gb * 10**9))

    def engine(self) -> Engine:
        """Return the engine."""
        from vpharness.engines.ray_engine import RayEngine  # noqa: PLC0415  # an extra that may not be there

        return RayEngine(self)


@dataclass(frozen=True)
class SlurmSettings:
    """Jobs of a Slurm cluster, all of whose machines see the same files."""

    needs: ClassVar[str] = "submitit"

    cluster: str = parameter(
        "slurm", meaning="slurm, or local for processes of this machine", choices=("slurm", "local")
    )
    n_jobs: int = parameter(
        -1, meaning="jobs at a time; -1: 100 on Slurm, one a core on this machine", minimum=-1, maximum=10_000
    )
    folder: str = parameter(
        "outputs/slurm", meaning="folder that all machines see, for what is handed to jobs and for their logs"
    )
    partition: str | None = parameter(None, meaning="partition of the cluster; null: its default")
    account: str | None = parameter(None, meaning="account that is charged; null: the default")
    timeout_min: int = parameter(240, meaning="longest time of a job", unit="min", minimum=1, maximum=100_000)
    cpus: int = parameter(1, meaning="cores that one group of runs is given", minimum=1, maximum=1_024)
    memory_gb: float | None = parameter(
        None,
        meaning="memory that one group is given; null: worked out from the plan; 0: the cluster's default",
        minimum=0,
    )

    def relations(self) -> Iterable[str]:
        """Yield a sentence where nothing would run."""
        if self.n_jobs == 0:
            yield "n_jobs is 0; it must be -1 or above 0"

    @property
    def jobs_at_a_time(self) -> int:
        """How many jobs run or wait in the queue at a time."""
        return self.n_jobs if self.n_jobs > 0 else 100 if self.cluster == "slurm" else os.cpu_count() or 1

    @property
    def allotment(self) -> Allotment:
        """What each work is given."""
        return Allotment(self.cpus, _bytes(self.memory_gb))

    def engine(self) -> Engine:
        """Return the engine."""
        from vpharness.engines.slurm_engine import SlurmEngine  # noqa: PLC0415  # an extra that may not be there

        return SlurmEngine(self)


def _bytes(gigabytes: float | None) -> int | None:
    return None if gigabytes is None else round(gigabytes * 10**9)


EngineSettings = JoblibSettings | RaySettings | SlurmSettings


def engine_problems(settings: EngineSettings, prefix: str) -> list[str]:
    """Return a sentence for everything that keeps an engine from being made; `prefix` stands before its keys."""
    found = problems(settings, prefix)
    if importlib.util.find_spec(settings.needs) is None:
        found.append(f"{settings.needs} is not installed; install the extra: pip install 'vpharness[cluster]'")
    return found
