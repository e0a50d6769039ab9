"""The protocol of engines: calls that any process can carry out, and the follower that receives their results.

An engine is given works and a follower. It carries each work's call out in some process, passes on what the calls
report meanwhile, and repeats what a process or machine that died has left undone. What is left is the follower's
to say: it may have most of the results already.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from vpharness.errors import EngineError

Emit = Callable[[Any], None]
"""Reports a value, which can be pickled, from within a call."""

MOST_DEATHS: Final = 2
"""How many processes may die of a work before it is given up."""


@dataclass(frozen=True)
class Call:
    """A call that can be pickled: `function(*arguments, emit)`.

    An error that it raises ends the whole work of the engine; one that others are to outlive is returned.

    Attributes:
        function: a function of a module, which travels by its name.
        arguments: values that can be pickled.
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Parcel:
    """A large value for processes that cannot read it themselves, sent to each machine once.

    Attributes:
        key: equal for equal values.
        read: returns the value, where it can be read.
    """

    key: str
    read: Callable[[], Any]


@dataclass(frozen=True)
class Work:
    """A call, with what it needs.

    Attributes:
        call: what is done by a process that sees the folders.
        folders: folders that the call reads and writes, as it names them.
        elsewhere: what is done by a process that does not see them: it is given the parcel's value after its
            arguments. None: such a process is an error.
        parcel: what `elsewhere` is given.
        cpus: cores that it keeps busy.
        memory_bytes: the memory that it is expected to need; 0 where that is not known.
    """

    call: Call
    folders: tuple[Path, ...] = ()
    elsewhere: Call | None = None
    parcel: Parcel | None = None
    cpus: float = 1.0
    memory_bytes: int = 0


@dataclass(frozen=True)
class Allotment:
    """What an engine gives to each work, where the work itself does not know better.

    Attributes:
        cpus: cores.
        memory_bytes: memory; None: as much as the work is expected to need.
        travel_bytes: the largest parcel that is sent.
    """

    cpus: float = 1.0
    memory_bytes: int | None = 0
    travel_bytes: int = 0


class Follower(Protocol):
    """The receiver of what comes of works, each known by its place among them; called by one thread at a time."""

    def begun(self, place: int) -> None:
        """Take note that a process has begun a work, for the first time or once more."""

    def emitted(self, place: int, value: Any) -> None:
        """Take a value that the call of a work has reported."""

    def ended(self, place: int, value: Any) -> None:
        """Take the value that the call of a work has returned."""

    def rest(self, place: int) -> Work | None:
        """Return what a work whose process died has left undone; None for nothing."""

    def lost(self, place: int, why: str) -> None:
        """Take note that a work is given up, since its process died each time."""

    def stopped(self) -> bool:
        """Whether no further work is to be begun."""


class Engine(Protocol):
    """Something that carries out works in other processes."""

    @property
    def allotment(self) -> Allotment:
        """What it gives to each work."""

    def carry_out(self, works: Sequence[Work], follower: Follower) -> None:
        """Carry out works, and return when all of them have ended or are lost, or those begun before a stop have.

        Raises what a call has raised, and EngineError where the engine cannot work.
        """


@dataclass
class Collected:
    """A follower that collects what calls return, for works that are repeated whole where their process died.

    Attributes:
        works: the works.
        emit: is called with the place of a work and each value that its call reports.
        values: what calls returned, by the places of their works.
        given_up: why works have no value, by their places.
    """

    works: Sequence[Work]
    emit: Callable[[int, Any], None] = lambda _place, _value: None
    values: dict[int, Any] = field(default_factory=dict)
    given_up: dict[int, str] = field(default_factory=dict)

    def begun(self, place: int) -> None:
        """Do nothing."""

    def emitted(self, place: int, value: Any) -> None:
        """Pass a value on."""
        self.emit(place, value)

    def ended(self, place: int, value: Any) -> None:
        """Keep the value of a call."""
        self.values[place] = value

    def rest(self, place: int) -> Work | None:
        """Return the whole work."""
        return None if place in self.values else self.works[place]

    def lost(self, place: int, why: str) -> None:
        """Keep the reason."""
        self.given_up[place] = why

    def stopped(self) -> bool:
        """Never stop."""
        return False


def call_values(
    engine: Engine, works: Sequence[Work], emit: Callable[[int, Any], None] = lambda _place, _value: None
) -> list[Any]:
    """Return what the calls of works return, in the order of the works.

    Args:
        engine: what carries them out.
        works: the works.
        emit: is called with the place of a work and each value that its call reports.

    Raises what a call has raised, and EngineError, once all others have ended, where processes died of a work.
    """
    follower = Collected(works, emit)
    engine.carry_out(works, follower)
    if follower.given_up:
        reasons = "; ".join(dict.fromkeys(follower.given_up.values()))
        raise EngineError(f"{len(follower.given_up)} of {len(works)} pieces of work were given up: {reasons}")
    return [follower.values[place] for place in range(len(works))]


def carry_out_each(
    engine: Engine,
    function: Callable[[Any], Any],
    arguments: Sequence[Any],
    died: Callable[[Any], Any],
    ended: Callable[[int, Any], None],
    folders: tuple[Path, ...] = (),
) -> None:
    """Call a function with each of some arguments, and pass on the outcomes as they come.

    Args:
        engine: what carries the calls out.
        function: a function of a module, which says nothing meanwhile.
        arguments: what it is called with, one by one; each can be pickled.
        died: returns the outcome of an argument whose process died each time.
        ended: is called with the place of an argument and its outcome, in one thread at a time.
        folders: those that every call reads and writes; a process that does not see them is an error.

    Raises what a call has raised, and EngineError where the engine cannot work.
    """
    allotted = engine.allotment
    works = [
        Work(
            Call(_without_reports, (function, each)),
            folders,
            cpus=allotted.cpus,
            memory_bytes=allotted.memory_bytes or 0,
        )
        for each in arguments
    ]

    class Passing(Collected):
        """Passes outcomes on."""

        def ended(self, place: int, value: Any) -> None:
            """Keep and pass on the outcome of a call."""
            super().ended(place, value)
            ended(place, value)

        def lost(self, place: int, why: str) -> None:
            """Pass on the outcome of a call that ends its process."""
            super().lost(place, why)
            ended(place, died(arguments[place]))

    engine.carry_out(works, Passing(works))


def _without_reports(function: Callable[[Any], Any], argument: Any, _emit: Emit) -> Any:
    return function(argument)
