"""What collections hold, as text for people and as JSON values."""

import dataclasses
import datetime
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from vpharness.commands.text.dataset_facts import size_text
from vpharness.commands.text.terminal import span_text
from vpharness.datasets.collection import Collection, Member
from vpharness.datasets.disk_use import DiskUse, disk_use
from vpharness.datasets.find import find_dataset
from vpharness.datasets.lake import Lake
from vpharness.datasets.sessions import WEEKDAYS, trading_dates
from vpharness.errors import DatasetError
from vpharness.events.times import time_text
from vpharness.wording import counted, first_named

if TYPE_CHECKING:
    from vpharness.datasets.collection_build import CollectionBuilt

_MOST_NAMES: Final = 10
_DAY: Final = datetime.timedelta(days=1)


def collection_facts(lake: Lake, collection: Collection, *, calendar: str | None = None) -> dict[str, Any]:
    """Return what a version of a collection holds, as JSON values."""
    members = []
    for member, added_ns in zip(collection.members, collection.added_ns, strict=True):
        use, problem = _use(lake, member)
        facts = {**dataclasses.asdict(member), "added_ns": added_ns, "problem": problem}
        members.append({**facts, "disk_bytes": use.stored, "cache_bytes": use.cached})
    return {
        "collection": collection.id,
        "version": collection.version,
        "latest": collection.latest,
        "root": collection.root,
        "tick_size": collection.tick_size,
        "lattice": collection.lattice,
        "members": members,
        "missing_days": missing_days(collection, calendar),
        "disk_bytes": sum(each["disk_bytes"] for each in members),
        "cache_bytes": sum(each["cache_bytes"] for each in members),
    }


def collection_summary(collection: Collection, uses: Mapping[str, DiskUse]) -> dict[str, Any]:
    """Return the facts of a collection that a list of them shows, as JSON values.

    Args:
        collection: the newest version.
        uses: what datasets take on disk, by id; one that is missing takes nothing.
    """
    own = [uses[name] for name in collection.dataset_ids if name in uses]
    return {
        "collection": collection.id,
        "version": collection.version,
        "sessions": len(collection.members),
        "root": collection.root,
        "tick_size": collection.tick_size,
        "start_ns": collection.members[0].start_ns,
        "end_ns": collection.members[-1].end_ns,
        "disk_bytes": sum(use.stored for use in own),
        "cache_bytes": sum(use.cached for use in own),
    }


def _use(lake: Lake, member: Member) -> tuple[DiskUse, str | None]:
    """Return what a member takes on disk, and what is wrong with it."""
    try:
        return disk_use(find_dataset(lake, member.dataset_id)), None
    except DatasetError as error:
        return DiskUse(0, 0), str(error)


def date_of(member: Member) -> datetime.date:
    """Return the date of a member: its session's, or else the UTC date on which its first bin begins."""
    try:
        return datetime.date.fromisoformat(member.session)
    except ValueError:
        return datetime.datetime.fromtimestamp(member.start_ns // 10**9, datetime.UTC).date()


def missing_days(collection: Collection, calendar: str | None = None) -> list[str]:
    """Return the dates between a collection's first and last that it should have and does not, as ISO dates.

    Expected are the trading dates of an exchange's calendar, or else all dates of weekdays that it has any of: then
    holidays are among those missing.
    """
    dates = {date_of(member) for member in collection.members}
    first, last = min(dates), max(dates)
    expected: Sequence[datetime.date]
    if calendar is not None:
        expected = [day for day in trading_dates(calendar, first, last) if first <= day <= last]
    else:
        weekdays = {day.weekday() for day in dates}
        days = [first + number * _DAY for number in range((last - first).days + 1)]
        expected = [day for day in days if day.weekday() in weekdays]
    return [day.isoformat() for day in expected if day not in dates]


def changes_of_instrument(collection: Collection) -> list[str]:
    """Return a sentence for each place at which the instrument changes from one member to the next."""
    return [
        f"{before.instrument} until {before.session}, {after.instrument} from {after.session}"
        for before, after in pairwise(collection.members)
        if before.instrument != after.instrument
    ]


def collection_lines(lake: Lake, collection: Collection, calendar: str | None) -> Iterator[str]:
    """Yield the lines that say what a version of a collection holds, before the table of its datasets."""
    facts = collection_facts(lake, collection, calendar=calendar)
    members = collection.members
    length_ns = sum(member.end_ns - member.start_ns for member in members)
    newest = "the newest" if collection.version == collection.latest else f"{collection.latest} is the newest"
    yield f"collection {collection.id}, version {collection.version} ({newest})"
    instruments = list(dict.fromkeys(member.instrument for member in members))
    of = "" if instruments == [collection.root] else f": {', '.join(instruments)}"
    yield f"  instruments  {collection.root}{of}, tick {collection.tick_size:g}"
    span = f"{time_text(members[0].start_ns)[:19]} to {time_text(members[-1].end_ns)[:19]} UTC"
    yield f"  span         {span}, {counted(len(members), 'session')} of {span_text(length_ns)} in all"
    yield f"  on disk      {size_text(facts['disk_bytes'])}, and {size_text(facts['cache_bytes'])} in the cache"
    for sentence in changes_of_instrument(collection):
        yield f"  roll         {sentence}"
    missing = facts["missing_days"]
    if missing:
        told = [f"{day} ({WEEKDAYS[datetime.date.fromisoformat(day).weekday()]})" for day in missing]
        hint = "" if calendar else "; calendar=XNYS, or another, leaves its holidays out"
        yield f"  missing      {counted(len(missing), 'day')}: {first_named(told, _MOST_NAMES)}{hint}"
    elif calendar is not None:
        yield f"  missing      no day is missing of the calendar {calendar}"
    for member in facts["members"]:
        if member["problem"] is not None:
            yield f"  problem      {member['problem']}"


def member_table(lake: Lake, collection: Collection) -> dict[str, list[str]]:
    """Return the cells of a table of a collection's datasets, by their headings."""
    rows = []
    for member, added_ns in zip(collection.members, collection.added_ns, strict=True):
        use, _ = _use(lake, member)
        rows.append(
            {
                "session": member.session,
                "dataset": member.dataset_id,
                "instrument": member.instrument,
                "from (UTC)": time_text(member.start_ns)[:19],
                "to (UTC)": time_text(member.end_ns)[:19],
                "on disk": size_text(use.stored),
                "cache": size_text(use.cached),
                "added": time_text(added_ns)[:10],
            }
        )
    return {name: [row[name] for row in rows] for name in rows[0]}


def built_facts(lake: Lake, built: "CollectionBuilt") -> dict[str, Any]:
    """Return what a build of a collection did, as JSON values."""
    found = built.collection
    return {
        "collection": None if found is None else collection_facts(lake, found),
        "added": list(built.added),
        "existing": list(built.existing),
        "incomplete": list(built.incomplete),
        "failed": list(built.failed),
    }


def built_lines(
    lake: Lake, collection_id: str, built: "CollectionBuilt", *, with_incomplete: bool = True
) -> Iterator[str]:
    """Yield the lines that say what a build of a collection did."""
    found = built.collection
    if found is None:
        yield f"collection {collection_id} holds nothing yet: no session could be built"
    else:
        stored = sum(_use(lake, member)[0].stored for member in found.members)
        span = f"{found.members[0].session} to {found.members[-1].session}"
        yield f"collection {found.name}: {counted(len(found.members), 'session')}, {span}, {size_text(stored)}"
    yield f"  added      {_named(built.added)}"
    if built.existing:
        yield f"  were there {_named(built.existing)}"
    for sentence in built.incomplete if with_incomplete else ():
        yield f"  {sentence}"


def _named(sessions: Sequence[str]) -> str:
    """Return how many sessions there are, and their names where these are few."""
    if not sessions:
        return "nothing"
    told = ", ".join(sessions) if len(sessions) <= _MOST_NAMES else f"{sessions[0]} to {sessions[-1]}"
    return f"{counted(len(sessions), 'session')}: {told}"
