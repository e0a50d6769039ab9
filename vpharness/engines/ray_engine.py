"""Works on a Ray cluster: one that is started on this machine's loopback interface, or one that runs already.

Of Ray only its core is used: remote functions that yield what happens to a work, and its object store for parcels.
Nothing is sent to anybody else: no usage statistics, no dashboard. A cluster is one user's: whoever can connect to it
can have it execute anything, so that Ray's tokens are asked for wherever the cluster is started here.
"""

import contextlib
import logging
import os
import queue
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from vpharness.engines.call_worker import Event, Kind, Markers, marked, packed, perform
from vpharness.engines.calls import Allotment, Follower, Parcel, Work
from vpharness.engines.cluster_session import carry_out_on
from vpharness.engines.settings import RaySettings
from vpharness.errors import EngineError

_QUIET: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # how accelerators are hidden, of which there are none to hide
    "RAY_SCHEDULER_EVENTS": "0",
}
_OF_LOOPBACK: Final = {
    # Without it Ray takes the address of a network interface instead of 127.0.0.1 and listens on all of them.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "token",
}
_STORE_BYTES: Final = 256 * 2**20
"""The object store of a cluster of this machine, whose processes read the lake themselves."""
_AT_A_TIME_PER_CORE: Final = 2
_POLL_S: Final = 0.2
_LOOK_S: Final = 2.0
"""How often the cluster's machines are looked at."""


@dataclass(frozen=True)
class RayEngine:
    """A Ray cluster."""

    settings: RaySettings

    @property
    def allotment(self) -> Allotment:
        """What it gives to each work."""
        return self.settings.allotment

    def carry_out(self, works: Sequence[Work], follower: Follower) -> None:
        """Carry out works, as `Engine.carry_out` says."""
        # Ray reports on standard output what happens to its processes, which is that of the command.
        with contextlib.redirect_stdout(sys.stderr), _connected(self.settings), marked(works) as markers:
            session = _RaySession(markers)
            try:
                carry_out_on(session, works, follower)
            finally:
                session.cancel(list(session.places.values()))


@contextlib.contextmanager
def _connected(settings: RaySettings) -> Iterator[None]:
    """Start or join a cluster, and leave it when the block ends."""
    for name, value in {**_QUIET, **({} if settings.address else _OF_LOOPBACK)}.items():
        os.environ.setdefault(name, value)
    import ray  # noqa: PLC0415  # takes two seconds, and is an extra

    if ray.is_initialized():
        raise EngineError("this process is connected to a Ray cluster already; leave it first: ray.shutdown()")
    try:
        with warnings.catch_warnings():
            # Ray's processes are forked off a process in which JAX has threads; they execute something else at once.
            warnings.filterwarnings("ignore", r"os\.fork\(\) was called", RuntimeWarning)
            ray.init(**_options(settings), log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        where = f"the Ray cluster at {settings.address}" if settings.address else "Ray on this machine"
        raise EngineError(f"cannot start or join {where}: {' '.join(str(error).split())[:300]}") from error
    try:
        yield
    finally:
        ray.shutdown()


def _options(settings: RaySettings) -> dict[str, Any]:
    """Return the options of `ray.init` that join a cluster, or start one on the loopback interface."""
    if settings.address:
        return {"address": settings.address}
    return {
        "address": "local",
        "num_cpus": os.cpu_count() if settings.n_jobs == -1 else settings.n_jobs,
        "_node_ip_address": "127.0.0.1",
        "include_dashboard": False,
        "object_store_memory": _STORE_BYTES,
    }


def _stream(content: bytes, parcel: Sequence[Any]) -> Iterator[list[Event]]:
    """Yield what happens to a work, in a worker process; several events together where they come fast."""
    import ray  # noqa: PLC0415  # an extra

    events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()

    def work() -> None:
        try:
            perform(content, (lambda: ray.get(parcel[0])) if parcel else None, events.put)
        finally:
            events.put(None)

    threading.Thread(target=work, daemon=True).start()
    while (event := events.get()) is not None:
        together = [event]
        while not events.empty() and (event := events.get()) is not None:
            together.append(event)
        yield together
        if event is None:
            return


@dataclass
class _RaySession:
    """A cluster that this process is connected to.

    Attributes:
        markers: of the folders of works.
        places: of the works that are on their way, by the streams of their events.
    """

    markers: Markers
    places: dict[Any, int] = field(default_factory=dict)
    _parcels: dict[str, Any] = field(default_factory=dict)  # references into the object store, by their keys
    _parcel_of: dict[Any, str | None] = field(default_factory=dict)
    _nodes: list[Mapping[str, float]] = field(default_factory=list)
    _looked: float = -_LOOK_S

    @property
    def can_send(self) -> bool:
        """Whether it can send parcels: through the object store."""
        return True

    @property
    def room(self) -> int:
        """How many works may be begun or wait at a time."""
        cores = sum(node.get("CPU", 0) for node in self._machines())
        return max(0, max(1, int(_AT_A_TIME_PER_CORE * cores)) - len(self.places))

    def begin(self, works: Sequence[tuple[int, Work]], *, parcels: bool) -> None:
        """Begin works, each with its place."""
        import ray  # noqa: PLC0415  # an extra

        function = ray.remote(_stream)
        for place, work in works:
            self._require_machine_for(work)
            parcel = work.parcel if parcels else None
            references = [] if parcel is None else [self._sent(parcel)]
            needs = {"memory": work.memory_bytes} if work.memory_bytes else {}
            stream = function.options(num_returns="streaming", num_cpus=work.cpus, max_retries=0, **needs).remote(
                packed(work, self.markers), references
            )
            self.places[stream] = place
            self._parcel_of[stream] = None if parcel is None else parcel.key

    def events(self) -> list[tuple[int, Event]]:
        """Return what has happened to works since the last call, by their places."""
        import ray  # noqa: PLC0415  # an extra
        from ray.exceptions import RayError, RayTaskError  # noqa: PLC0415  # an extra

        ready, _ = ray.wait(list(self.places), num_returns=1, timeout=_POLL_S, fetch_local=False)
        found = list[tuple[int, Event]]()
        for stream in cast("list[Any]", ready):
            place = self.places[stream]
            try:
                reference: Any = next(stream)
                several: list[Event] = ray.get(reference)
            except RayTaskError as error:
                what = " ".join(str(error.cause).split())
                raise EngineError(
                    f"a machine of the cluster cannot do the work: {what}; install the same vpharness "
                    "with its extra cluster on every machine"
                ) from error
            except (RayError, StopIteration) as error:
                several = [Event(Kind.DIED, _why(error))]
            found += [(place, event) for event in several]
            if several[-1].kind not in {Kind.BEGUN, Kind.EMITTED}:
                self._forget(stream)
        if not ready:
            self._machines()
        return found

    def cancel(self, places: Sequence[int]) -> None:
        """Cancel works, whether begun or not."""
        import ray  # noqa: PLC0415  # an extra

        for stream in [stream for stream, place in self.places.items() if place in places]:
            with contextlib.suppress(Exception):  # the cluster may be gone
                ray.cancel(stream, force=True)
            self._forget(stream)

    def _sent(self, parcel: Parcel) -> Any:
        """Return the reference to a parcel in the object store, where it lies while a work on its way needs it."""
        import ray  # noqa: PLC0415  # an extra

        if parcel.key not in self._parcels:
            self._parcels[parcel.key] = ray.put(parcel.read())
        return self._parcels[parcel.key]

    def _forget(self, stream: Any) -> None:
        """Forget a work, and its parcel where no other work on its way needs it."""
        del self.places[stream]
        key = self._parcel_of.pop(stream)
        if key is not None and key not in self._parcel_of.values():
            del self._parcels[key]

    def _machines(self) -> list[Mapping[str, float]]:
        """Return what each machine that is alive has in all."""
        import ray  # noqa: PLC0415  # an extra

        if time.monotonic() - self._looked > _LOOK_S:
            nodes: Any = ray.nodes  # it says nothing of its types
            self._nodes = [node["Resources"] for node in nodes() if node["Alive"]]
            self._looked = time.monotonic()
        return self._nodes

    def _require_machine_for(self, work: Work) -> None:
        """Raise EngineError where no machine could ever carry out a work: it would wait for good."""
        for node in self._machines():
            if node.get("CPU", 0) >= work.cpus and node.get("memory", 0) >= work.memory_bytes:
                return
        cores = max((node.get("CPU", 0) for node in self._machines()), default=0)
        memory = max((node.get("memory", 0) for node in self._machines()), default=0)
        raise EngineError(
            f"no machine of the cluster has {work.cpus:g} cores and {work.memory_bytes / 1e9:.1f} GB for one group: "
            f"the largest have {cores:g} and {memory / 1e9:.1f} GB; lower memory_mb, hydra.launcher.cpus or "
            "hydra.launcher.memory_gb"
        )


def _why(error: BaseException) -> str:
    """Return in words why a work was lost."""
    name = type(error).__name__
    if name == "OutOfMemoryError":
        return "the machine that carried it out ran out of memory, twice; lower memory_mb, or declare more memory"
    what = "machine" if name in {"NodeDiedError", "LocalRayletDiedError", "ObjectLostError"} else "process"
    return f"the {what} that carried it out died, twice; look for a lack of memory"
