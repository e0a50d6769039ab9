"""Works as jobs of a Slurm cluster, through submitit; or as processes of this machine, for trying that.

All machines see the same files. What is handed to a job, and what it reports, lies in a folder of this campaign that
its user alone may read and write: submitit keeps calls there as pickles, which whoever could write them could use to
execute anything. A job reports by files that are there whole or not at all, several events a file.
"""

import contextlib
import os
import pickle
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from vpharness.engines.call_worker import Event, Kind, Markers, marked, packed, perform
from vpharness.engines.calls import Allotment, Follower, Work
from vpharness.engines.cluster_session import carry_out_on
from vpharness.engines.joblib_engine import DIED_TWICE
from vpharness.engines.settings import SlurmSettings
from vpharness.engines.slurm_queue import SlurmQueue
from vpharness.errors import EngineError

_POLL_S: Final = 0.3
_REPORT_S: Final = 1.0
"""How long a job may keep what it has to report."""
_LOCAL_GRACE_S: Final = 1.0
"""How long after the end of a process its last report may take to be seen."""
_SUFFIX: Final = ".events"


@dataclass(frozen=True)
class SlurmEngine:
    """A Slurm cluster."""

    settings: SlurmSettings

    @property
    def allotment(self) -> Allotment:
        """What it gives to each work."""
        return self.settings.allotment

    def carry_out(self, works: Sequence[Work], follower: Follower) -> None:
        """Carry out works, as `Engine.carry_out` says."""
        with _private_folder(Path(self.settings.folder)) as folder, marked(works) as markers:
            session = _SlurmSession(self.settings, folder, markers)
            try:
                carry_out_on(session, works, follower)
            finally:
                session.cancel([place for place, _ in session.jobs])


@contextlib.contextmanager
def _private_folder(parent: Path) -> Iterator[Path]:
    """Yield a new folder that its user alone may read and write; it is removed unless an error ends the block."""
    folder = parent.absolute() / secrets.token_hex(8)
    try:
        parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
        kept = folder.stat()
    except OSError as error:
        raise EngineError(f"cannot make {folder}: {error.strerror}; give hydra.launcher.folder") from error
    if kept.st_uid != os.getuid() or kept.st_mode & 0o077:
        raise EngineError(f"others may read or write {folder}; give a hydra.launcher.folder where files can be private")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@dataclass
class _Report:
    """The reports of one job: files of several events each."""

    stem: Path
    _events: list[Event] = field(default_factory=list)
    _number: int = 0
    _written: float = field(default_factory=time.monotonic)

    def send(self, event: Event) -> None:
        """Report an event, at once or with the next ones."""
        self._events.append(event)
        if event.kind is Kind.EMITTED and time.monotonic() - self._written < _REPORT_S:
            return
        path = self.stem.with_name(f"{self.stem.name}-{self._number:08d}{_SUFFIX}")
        aside = path.with_suffix(".tmp")
        aside.write_bytes(pickle.dumps(self._events))
        aside.rename(path)
        self._events, self._number, self._written = [], self._number + 1, time.monotonic()


def _job(content: bytes, stem: str) -> None:
    """Carry out a work, in a job."""
    perform(content, None, _Report(Path(stem)).send)


@dataclass
class _SlurmSession:
    """A cluster to which jobs are submitted.

    Attributes:
        settings: of the engine.
        folder: what jobs are handed and report.
        markers: of the folders of works.
        jobs: those on their way, by place and a number that no other job has.
        queue: what Slurm says of them.
    """

    settings: SlurmSettings
    folder: Path
    markers: Markers
    jobs: dict[tuple[int, int], Any] = field(default_factory=dict)
    queue: SlurmQueue = field(default_factory=SlurmQueue)
    _submitted: int = 0
    _over_since: dict[tuple[int, int], float] = field(default_factory=dict)

    @property
    def can_send(self) -> bool:
        """Whether it can send parcels: its machines share their files anyway."""
        return False

    @property
    def room(self) -> int:
        """How many more jobs may be submitted."""
        return max(0, self.settings.jobs_at_a_time - len(self.jobs))

    def begin(self, works: Sequence[tuple[int, Work]], *, parcels: bool) -> None:
        """Submit works, each with its place; those that need the same in one array."""
        del parcels  # the folder is shared, and so are the others
        by_needs: dict[int, list[tuple[int, Work]]] = {}
        for place, work in works:
            by_needs.setdefault(work.memory_bytes, []).append((place, work))
        for memory_bytes, several in by_needs.items():
            executor = self._executor(memory_bytes)
            try:  # around the whole: an array is submitted where its block ends
                with contextlib.nullcontext() if len(several) == 1 else executor.batch():
                    submitted = [self._submit(executor, place, work) for place, work in several]
            except (OSError, RuntimeError) as error:
                raise EngineError(f"a job cannot be submitted: {' '.join(str(error).split())[:300]}") from error
            self.jobs |= dict(submitted)

    def _submit(self, executor: Any, place: int, work: Work) -> tuple[tuple[int, int], Any]:
        key = place, self._submitted
        self._submitted += 1
        return key, executor.submit(_job, packed(work, self.markers), str(self.folder / f"{place}-{key[1]}"))

    def _executor(self, memory_bytes: int) -> Any:
        import submitit  # noqa: PLC0415  # an extra

        try:
            executor = submitit.AutoExecutor(self.folder, cluster=self.settings.cluster)
        except (RuntimeError, ValueError) as error:
            raise EngineError(
                f"there is no Slurm here ({' '.join(str(error).split())}); start this where sbatch is, or try it on "
                "this machine with hydra.launcher.cluster=local"
            ) from error
        named: dict[str, Any] = {"timeout_min": self.settings.timeout_min, "name": "vpharness"}
        if self.settings.cluster == "slurm":
            named |= {"cpus_per_task": self.settings.cpus, "slurm_array_parallelism": self.settings.jobs_at_a_time}
            named |= {"mem_gb": max(1, round(memory_bytes / 2**30))} if memory_bytes else {}
            named |= {"slurm_partition": self.settings.partition} if self.settings.partition else {}
            named |= {"slurm_account": self.settings.account} if self.settings.account else {}
        executor.update_parameters(**named)
        return executor

    def events(self) -> list[tuple[int, Event]]:
        """Return what has happened to works since the last call, by their places."""
        over = self._over()
        found = self._reported()
        for key in over:
            if key in self.jobs:
                self.cancel([key[0]])
                found.append((key[0], Event(Kind.DIED, DIED_TWICE)))
        if not found:
            time.sleep(_POLL_S)
        return found

    def _over(self) -> list[tuple[int, int]]:
        """Return the jobs that ended so long ago that their last report would be here."""
        now = time.monotonic()
        if self.settings.cluster == "slurm":
            keys = {job.job_id: key for key, job in self.jobs.items()}
            return [keys[job] for job in self.queue.gone(keys, now)]
        ended = [key for key, job in self.jobs.items() if job.done()]
        return [key for key in ended if now - self._over_since.setdefault(key, now) >= _LOCAL_GRACE_S]

    def _reported(self) -> list[tuple[int, Event]]:
        """Return the events of files that jobs have written, and delete the files."""
        found = list[tuple[int, Event]]()
        for path in sorted(self.folder.glob(f"*{_SUFFIX}")):
            place, number, _ = map(int, path.name.removesuffix(_SUFFIX).split("-"))
            events: list[Event] = pickle.loads(path.read_bytes())  # noqa: S301  # this user's, in a private folder
            path.unlink()
            if (place, number) not in self.jobs:
                continue
            found += [(place, event) for event in events]
            if events[-1].kind not in {Kind.BEGUN, Kind.EMITTED}:
                self.jobs.pop((place, number))
        return found

    def cancel(self, places: Sequence[int]) -> None:
        """Cancel the jobs of works."""
        for key in [key for key in self.jobs if key[0] in places]:
            with contextlib.suppress(Exception):  # it may have ended
                self.jobs.pop(key).cancel(check=False)
