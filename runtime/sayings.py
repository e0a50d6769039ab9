"""What the engine says to the event loop's thread."""

from dataclasses import dataclass
from typing import Any

from runtime.lane import LaneBin
from runtime.models import ServedModel
from runtime.orders import Order


@dataclass(frozen=True)
class Closed:
    """A bin was closed, `late_s` after the feed said that it could be."""

    bin: LaneBin
    late_s: float


@dataclass(frozen=True)
class Switched:
    """From the place `next_seq` on the champion is another model, or that of another lane, with those beside it."""

    lane: int
    champion: ServedModel
    beside: tuple[ServedModel, ...]
    next_seq: int
    epoch: int


@dataclass(frozen=True)
class Ready:
    """A lane that follows the feed beside the one that is served could be served."""

    lane: int


@dataclass(frozen=True)
class Abandoned:
    """A lane that was not served yet follows the feed no more."""

    lane: int


@dataclass(frozen=True)
class Restarted:
    """Time begins anew: bins that come do not follow those of before."""

    epoch: int


@dataclass(frozen=True)
class Heard:
    """What the feed's state is, how many events came too late for their bin, and the time of the last one."""

    state: str
    late_events: int
    last_event_ns: int | None


@dataclass(frozen=True)
class Counted:
    """The statistics of all models of the lane that is served, by name, and what is to be served next.

    `coming` is the version that is on its way, and how many bins are missing until it is ready.
    """

    statistics: dict[str, dict[str, Any]]
    coming: tuple[str, int | None] | None


@dataclass(frozen=True)
class Answered:
    """An order was carried out, or `problem` says why it was not."""

    order: Order
    problem: str | None


@dataclass(frozen=True)
class Ended:
    """The feed is over; `problem` says why, where it did not simply end."""

    problem: str | None


Said = Closed | Switched | Ready | Abandoned | Restarted | Heard | Counted | Answered | Ended
