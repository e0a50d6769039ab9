"""Whether a build cuts files as the builds of a collection before it did: the same sessions, the same lattice.

Without this every session would be built anew before it turned out that none of them can be added.
"""

import dataclasses
import datetime
from typing import Any, Final

from vpharness.datasets.collection import Collection, Member, lattice_differences
from vpharness.datasets.sessions import SessionParameters, sessions_between
from vpharness.errors import ConfigError
from vpharness.events.times import SECOND_NS
from vpharness.lattice.lattice_parameters import LatticeParameters

_CUTTING: Final = ("open", "close", "timezone")
"""The parameters that say where a session is cut; the others choose among sessions, and may change with time."""


def require_same_cut(collection: Collection, session: SessionParameters, lattice: LatticeParameters) -> None:
    """Raise ConfigError where files would be cut otherwise than those that a collection was built of.

    Args:
        collection: what it holds so far; versions that do not say how they were cut are judged by their members.
        session: how files are to be cut into sessions.
        lattice: the lattice parameters of the build.
    """
    if collection.lattice is not None:
        found = dataclasses.asdict(lattice)
        # What is not given takes the default of the source, and stands in the datasets as what that is.
        given_names = [name for name, value in found.items() if value is not None]
        expected_of = {name: collection.lattice.get(name) for name in given_names}
        unlike = list(lattice_differences({name: found[name] for name in given_names}, expected_of))
        if unlike:
            built_with = " ".join(f"{name}={expected}" for name, _, expected in unlike)
            given = " ".join(f"{name}={found}" for name, found, _ in unlike)
            raise ConfigError(_other(collection, built_with, given))
    if collection.session is not None:
        _require_same_session(collection, collection.session, session)
    else:
        _require_fitting_members(collection, session)


def _require_same_session(collection: Collection, before: dict[str, Any], session: SessionParameters) -> None:
    """Raise ConfigError where sessions are cut otherwise than a version of the collection says."""
    now = dataclasses.asdict(session)
    if before.get("open") is None and session.open is None:
        return  # each file is a session, whatever the other parameters are
    if all(before.get(name) == now[name] for name in _CUTTING):
        return
    built_with = _words(before) if before.get("open") is not None else "a session for each file (no session.open)"
    given = _words(now) if session.open is not None else "no session.open"
    raise ConfigError(_other(collection, built_with, given))


def _require_fitting_members(collection: Collection, session: SessionParameters) -> None:
    """Raise ConfigError where a member cannot have been cut so, as far as its name and span tell."""
    dated = [member for member in collection.members if _is_date(member.session)]
    if session.by_file:
        if len(dated) == len(collection.members):
            told = f"sessions such as {dated[0].session}, cut by session.open and session.close"
            raise ConfigError(_other(collection, told, "no session.open"))
        return
    if not any(_fits(member, session) for member in collection.members):
        told = "other sessions" if dated else "a session for each file (no session.open)"
        raise ConfigError(_other(collection, told, _words(dataclasses.asdict(session))))


def _fits(member: Member, session: SessionParameters) -> bool:
    """Return whether a member is the session of its name: from its open to its close, as far as is tolerated."""
    middle_ns = (member.start_ns + member.end_ns) // 2
    tolerance_ns = round(session.tolerance_minutes * 60 * SECOND_NS)
    # With a calendar a session may have closed early: its end tells nothing.
    found = sessions_between(dataclasses.replace(session, calendar=None), middle_ns, middle_ns)
    return any(
        each.name == member.session
        and 0 <= member.start_ns - each.open_ns <= tolerance_ns
        and (session.calendar is not None or each.close_ns - member.end_ns <= tolerance_ns)
        for each in found
    )


def _is_date(name: str) -> bool:
    try:
        datetime.date.fromisoformat(name)
    except ValueError:
        return False
    return True


def _words(session: dict[str, Any]) -> str:
    """Return the parameters that cut sessions as they are given on the command line."""
    return " ".join(f"session.{name}={session.get(name)}" for name in _CUTTING)


def _other(collection: Collection, built_with: str, given: str) -> str:
    return (
        f"collection {collection.id} was built with {built_with}, and here is {given}; give the same, or choose "
        "another collection.id"
    )
