"""Collections: ordered sets of datasets that only grow, such as the days of one instrument.

A collection is the folder `lake/research/collections/<id>/` with one file a version, `000001.json` and so on. A file
says which datasets its version adds, and holds the SHA-256 of the file before it and of itself, so that no version can
change, vanish from the middle, or be damaged without being named. Version N of a collection is what the first N files
add, in the order of time; so adding a day changes nothing of what an earlier version was.
"""

import dataclasses
import itertools
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from vpharness.datasets.find import Dataset, find_dataset
from vpharness.datasets.lake import Lake, check_name
from vpharness.datasets.manifest import Manifest
from vpharness.errors import ConfigError, DatasetError
from vpharness.events.times import time_text
from vpharness.storage.checksums import text_sha256
from vpharness.storage.durable import written_aside
from vpharness.storage.locks import locked
from vpharness.wording import did_you_mean

_FORMAT: Final = 1
_FILE_NAME: Final = re.compile(r"(\d{6})\.json")
_MOST_VERSIONS: Final = 999_999
_LOCK_FILE: Final = ".lock"
_READ_ONLY: Final = 0o444
_FUTURES_CONTRACT: Final = re.compile(r"(?P<root>.*[A-Z0-9])[FGHJKMNQUVXZ]\d{1,2}")
"""An exchange's code of a future: its root, the letter of the month of delivery, and one or two digits of the year."""


@dataclass(frozen=True)
class Member:
    """A dataset of a collection.

    Attributes:
        dataset_id: its name in the lake.
        checksum: the SHA-256 that stands for its content.
        session: the name of its session, such as 2024-03-11, or of the file that it was made from.
        instrument: what it is of.
        start_ns, end_ns: the start of its first bin and the end of its last one, ns since the epoch, UTC.
    """

    dataset_id: str
    checksum: str
    session: str
    instrument: str
    start_ns: int
    end_ns: int


@dataclass(frozen=True)
class Collection:
    """A version of a collection.

    Attributes:
        id: its name.
        version: its number, from 1; 0 where nothing has been added yet.
        latest: the number of the newest version.
        members: its datasets, in the order of time.
        root: the root that its instruments share, such as ES of ESH4 and ESM4.
        tick_size: of all of them, in price units.
        lattice: every lattice parameter of all of them; None where they are not known.
        added_ns: for each member in turn, when it was added, ns since the epoch.
        session: the parameters by which a build cut its files into sessions; None where no version says so.
    """

    id: str
    version: int
    latest: int
    members: tuple[Member, ...]
    root: str
    tick_size: float
    lattice: dict[str, Any] | None
    added_ns: tuple[int, ...]
    session: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        """Its name with the number of this version, such as ES@3."""
        return f"{self.id}@{self.version}"

    @property
    def dataset_ids(self) -> list[str]:
        """The names of its datasets, in the order of time."""
        return [member.dataset_id for member in self.members]


def instrument_root(instrument: str) -> str:
    """Return the root of a future's contract, such as ES of ESH4 or ESZ24, and any other instrument as it is."""
    found = _FUTURES_CONTRACT.fullmatch(instrument)
    return instrument if found is None else found["root"]


def collection_folder(lake: Lake, collection_id: str) -> Path:
    """Return the folder of a collection; a ConfigError says what an id may consist of."""
    return lake.collections / check_name(collection_id, "collection.id")


def collection_ids(lake: Lake) -> list[str]:
    """Return the names of all collections of a lake that have a version."""
    if not lake.collections.is_dir():
        return []
    return sorted(path.name for path in lake.collections.iterdir() if path.is_dir() and _version_files(path))


def find_collection(lake: Lake, name: str) -> Collection:
    """Return a version of a collection: `ID` is the newest, `ID@3` the third.

    Raises ConfigError for a name that cannot be one, and DatasetError where there is no such collection or version
    (naming those that there are), and where a file of it is damaged or missing.
    """
    collection_id, separator, number = name.partition("@")
    folder = collection_folder(lake, collection_id)
    if separator and (not number.isascii() or not number.isdigit() or int(number) == 0):
        raise ConfigError(
            f"{name!r} must be the name of a collection, or a name and a version such as {collection_id}@3"
        )
    if not _version_files(folder):
        known = collection_ids(lake)
        found = did_you_mean(collection_id, known).strip()
        if not found:
            found = f"there are {', '.join(known[:3])}" if known else "there is none yet"
        raise DatasetError(
            f"no collection {collection_id} in the lake {lake.root}; {found} (python -m vpharness list-datasets)"
        )
    return _collection(collection_id, _read_versions(folder), int(number) if separator else None)


def newest_version(lake: Lake, collection_id: str) -> Collection | None:
    """Return the newest version of a collection, or None where it has none yet; a DatasetError where it is damaged."""
    folder = collection_folder(lake, collection_id)
    return find_collection(lake, collection_id) if _version_files(folder) else None


def datasets_of(lake: Lake, collection: Collection) -> list[Dataset]:
    """Return the datasets of a collection, in the order of time.

    A DatasetError names a dataset that is missing, or that holds something else than when it was added.
    """
    return [member_dataset(lake, collection, member) for member in collection.members]


def member_dataset(lake: Lake, collection: Collection, member: Member) -> Dataset:
    """Return the dataset of a member; a DatasetError where it is missing, or holds something else than when added."""
    dataset = find_dataset(lake, member.dataset_id)
    if dataset.checksum != member.checksum:
        raise DatasetError(
            f"dataset {member.dataset_id} of collection {collection.name} holds something else than when it was "
            f"added; restore it, or make another collection"
        )
    return dataset


def add_members(
    lake: Lake,
    collection_id: str,
    added: Sequence[tuple[Dataset, str]],
    *,
    session: dict[str, Any] | None = None,
    refuse: Callable[[str, DatasetError], None] | None = None,
) -> Collection:
    """Add datasets to a collection as one new version, and return it; what it holds already is passed over.

    Args:
        lake: where the collection lies, and its datasets.
        collection_id: its name; it is made where there is none.
        added: datasets, each with the name of its session.
        session: the parameters by which files were cut into these sessions, where they were.
        refuse: called with the session and the error of each dataset that does not fit, while the others are added.

    Raises DatasetError, with nothing changed, where a dataset does not fit, unless that goes to `refuse`: another
    lattice, tick size or instrument root, or a span that overlaps that of a member. Raises ConfigError where the
    collection would hold nothing.
    """
    folder = collection_folder(lake, collection_id)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / _LOCK_FILE, create=True):
            versions = _read_versions(folder)
            known = {member.dataset_id for version in versions for member in version.added}
            new = [(dataset, session) for dataset, session in added if dataset.manifest.dataset_id not in known]
            version = dataclasses.replace(_next_version(collection_id, versions, new, refuse), session=session)
            if version.added:
                versions.append(version)
                _write(folder, versions)
    except OSError as error:
        raise DatasetError(f"cannot write to {folder}: {error.strerror}") from error
    if not versions:
        raise ConfigError(f"collection {collection_id} would hold no dataset; give at least one")
    return _collection(collection_id, versions, None)


@dataclass(frozen=True)
class _Version:
    """What a file says: the datasets that a version adds, what all members have in common, and how they were cut.

    Files that were written before the session was kept do not have it.
    """

    number: int
    previous: str | None
    root: str
    tick_size: float
    lattice: dict[str, Any] | None
    added: tuple[Member, ...]
    written_ns: int
    session: dict[str, Any] | None = None

    def text(self, collection_id: str) -> str:
        """Return the text of the file, the digest of all before it at its end."""
        values = {"format": _FORMAT, "collection": collection_id} | dataclasses.asdict(self)
        if self.session is None:
            del values["session"]
        values["sha256"] = text_sha256(json.dumps(values))
        return json.dumps(values, indent=1) + "\n"


def _next_version(
    collection_id: str,
    versions: Sequence[_Version],
    new: Sequence[tuple[Dataset, str]],
    refuse: Callable[[str, DatasetError], None] | None,
) -> _Version:
    """Return the version that adds datasets to those before it; a DatasetError where one does not fit."""
    if len(versions) == _MOST_VERSIONS:
        raise DatasetError(f"collection {collection_id} has {_MOST_VERSIONS:,} versions, and no more can be added")
    previous = text_sha256(versions[-1].text(collection_id)) if versions else None
    like = versions[0] if versions else None
    members, added = [member for version in versions for member in version.added], list[Member]()
    for dataset, session in sorted(new, key=lambda each: each[0].manifest.first_bin_start_ns):
        manifest = dataset.manifest
        if like is None:
            like = _Version(1, None, instrument_root(manifest.instrument), manifest.tick_size, manifest.lattice, (), 0)
        ends = manifest.first_bin_start_ns, manifest.last_bin_end_ns
        member = Member(manifest.dataset_id, dataset.checksum, session, manifest.instrument, *ends)
        if member.dataset_id in {each.dataset_id for each in added}:
            continue  # the same content, given twice
        try:
            _require_alike(collection_id, manifest, like)
            _require_apart(collection_id, [*members, *added, member])
        except DatasetError as error:
            if refuse is None:
                raise
            refuse(session, error)
            continue
        added.append(member)
    root, tick_size, lattice = (like.root, like.tick_size, like.lattice) if like else ("", 0.0, None)
    return _Version(len(versions) + 1, previous, root, tick_size, lattice, tuple(added), time.time_ns())


def _require_alike(collection_id: str, manifest: Manifest, like: _Version) -> None:
    """Raise DatasetError where a dataset has another instrument root, tick size or lattice than a collection."""
    unlike = [
        ("instrument root", instrument_root(manifest.instrument), like.root),
        ("tick size", manifest.tick_size, like.tick_size),
        *lattice_differences(manifest.lattice, like.lattice),
    ]
    for what, found, expected in unlike:
        if found != expected:
            raise DatasetError(
                f"dataset {manifest.dataset_id} does not fit into collection {collection_id}: its {what} is "
                f"{found}, that of the collection is {expected}; build it alike, or choose another collection.id"
            )


def lattice_differences(
    found: dict[str, Any] | None, expected: dict[str, Any] | None
) -> Iterator[tuple[str, Any, Any]]:
    """Yield the lattice parameters of two datasets that differ: name, found and expected value."""
    for name in sorted({*(found or {}), *(expected or {})}):
        one, other = (found or {}).get(name), (expected or {}).get(name)
        if one != other:
            yield f"lattice.{name}", one, other


def _by_time(member: Member) -> tuple[int, int]:
    return member.start_ns, member.end_ns


def _require_apart(collection_id: str, members: Iterable[Member]) -> None:
    """Raise DatasetError where two members share time."""
    ordered = sorted(members, key=_by_time)
    for before, after in itertools.pairwise(ordered):
        if after.start_ns < before.end_ns:
            raise DatasetError(
                f"datasets {before.dataset_id} (to {time_text(before.end_ns)}) and {after.dataset_id} (from "
                f"{time_text(after.start_ns)}) overlap in time; collection {collection_id} can hold one of them"
            )


def _version_files(folder: Path) -> list[Path]:
    """Return the files of a collection's versions, in their order."""
    return sorted(path for path in folder.glob("*.json") if _FILE_NAME.fullmatch(path.name))


def _write(folder: Path, versions: Sequence[_Version]) -> None:
    path = folder / f"{versions[-1].number:06}.json"
    with written_aside(path) as aside:
        aside.write_text(versions[-1].text(folder.name), encoding="utf-8")
        aside.chmod(_READ_ONLY)


def _read_versions(folder: Path) -> list[_Version]:
    """Return what the files of a collection say, in their order; a DatasetError names one that is not as written."""
    versions: list[_Version] = []
    previous: str | None = None
    for number, path in enumerate(_version_files(folder), start=1):
        if path.name != f"{number:06}.json":
            raise DatasetError(f"collection {folder.name}: {folder / f'{number:06}.json'} is missing; restore it")
        try:
            text = path.read_text(encoding="utf-8")
            version = _parsed(json.loads(text))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise DatasetError(f"collection {folder.name}: {path} cannot be read: {error}") from error
        if version.number != number or version.previous != previous or text != version.text(folder.name):
            raise DatasetError(f"collection {folder.name}: {path} is not as it was written; restore it")
        previous = text_sha256(text)
        versions.append(version)
    return versions


def _parsed(values: Any) -> _Version:
    """Return what the JSON of a file says; what it says of itself is compared with the text by the caller."""
    if not isinstance(values, dict) or values.get("format") != _FORMAT:
        raise ValueError(f"it must be of format {_FORMAT}; use the vpharness that wrote it")
    fields = {field.name: values[field.name] for field in dataclasses.fields(_Version) if field.name != "session"}
    fields["session"] = values.get("session")
    return _Version(**fields | {"added": tuple(Member(**member) for member in values["added"])})


def _collection(collection_id: str, versions: Sequence[_Version], number: int | None) -> Collection:
    """Return one version of a collection, the newest where no number is given."""
    number = len(versions) if number is None else number
    if number > len(versions):
        raise DatasetError(f"collection {collection_id} has no version {number}; its newest is {len(versions)}")
    found = [(member, version.written_ns) for version in versions[:number] for member in version.added]
    found.sort(key=lambda each: _by_time(each[0]))
    members, added_ns = tuple(member for member, _ in found), tuple(written_ns for _, written_ns in found)
    first, sessions = versions[0], [version.session for version in versions[:number] if version.session is not None]
    return Collection(
        *(collection_id, number, len(versions), members, first.root, first.tick_size, first.lattice, added_ns),
        session=sessions[-1] if sessions else None,
    )
