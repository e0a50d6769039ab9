"""Building a collection: files cut into sessions, a dataset for each, and all that are new added as one version.

What is there already is found by its content, so the same words can be given again at any time: after a kill the build
goes on behind the last dataset that was finished, and files that have come since become a further version. What cannot
be built is told, and does not keep the others from being added.
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from vpharness.datasets.build_progress import BuildProgress
from vpharness.datasets.collection import Collection, add_members, newest_version
from vpharness.datasets.collection_likeness import require_same_cut
from vpharness.datasets.file_spans import FileSpan, span_of_file
from vpharness.datasets.find import open_dataset
from vpharness.datasets.lake import Lake, building_collection
from vpharness.datasets.session_work import (
    SessionOutcome,
    SessionPlan,
    SessionWork,
    build_session,
    sessions_of_files,
    sessions_of_spans,
)
from vpharness.datasets.sessions import SessionParameters
from vpharness.datasets.side_by_side import carry_out, engine_of
from vpharness.engines.calls import Engine
from vpharness.errors import OutOfMemoryError, VpharnessError
from vpharness.events.event_source import Source
from vpharness.events.file_parts import files_in, of_files
from vpharness.lattice.lattice_parameters import LatticeParameters

_DIED = "the process that carried it out died, twice; look for a lack of memory"


@dataclass(frozen=True)
class CollectionRequest:
    """What is to be built.

    Attributes:
        collection_id: the collection that datasets are added to.
        source: of all files.
        lattice: the lattice parameters of all of them.
        session: how files are cut into sessions.
        columns: the grid columns that are stored.
        start_ns, end_ns: only sessions that lie between are built, as wholes; None: all.
        processes: how many sessions are built side by side; -1: as many as there are cores.
        engine: what builds them in place of that, such as the processes of a cluster.
    """

    collection_id: str
    source: Source
    lattice: LatticeParameters
    session: SessionParameters
    columns: tuple[str, ...] = ()
    start_ns: int | None = None
    end_ns: int | None = None
    processes: int = 1
    engine: Engine | None = None

    @property
    def side_by_side(self) -> Engine | None:
        """What builds sessions side by side; None: this process does, one after another."""
        return engine_of(self.processes) if self.engine is None else self.engine


@dataclass
class CollectionProgress:
    """How far the build of a collection has come: one object, updated as it goes on.

    Attributes:
        stage: what is being done: "reading" files to see when they hold events, or "building" sessions.
        total, done: pieces of this stage.
        existed: sessions among them that the lake had.
        failed: sentences on what failed so far.
        current: the build of the session that is under way; None where several are.
    """

    stage: str = "reading"
    total: int = 0
    done: int = 0
    existed: int = 0
    failed: list[str] = field(default_factory=list)
    current: BuildProgress | None = None


Report = Callable[[CollectionProgress], None]


@dataclass(frozen=True)
class CollectionBuilt:
    """What a build did.

    Attributes:
        collection: its newest version; None where it still holds nothing.
        added: names of sessions that were added.
        existing: names of sessions that were there.
        incomplete: a sentence for each session that was left out because its data do not cover it.
        failed: a sentence for each file or session that failed.
    """

    collection: Collection | None
    added: tuple[str, ...]
    existing: tuple[str, ...]
    incomplete: tuple[str, ...]
    failed: tuple[str, ...]


@dataclass
class KnownFiles:
    """What need not be found out again while files are watched.

    Attributes:
        spans: when files hold events, by their paths.
        finished: sessions, by name and files, whose datasets the lake has.
    """

    spans: dict[str, FileSpan] = field(default_factory=dict)
    finished: set[str] = field(default_factory=set)


def build_collection(lake: Lake, request: CollectionRequest, report: Report) -> CollectionBuilt:
    """Build the sessions that a source holds, and add those that are new to a collection.

    Raises ConfigError or SourceError, with nothing done, where the source names no file, the calendar is unknown, or
    the collection was built with other sessions or another lattice, and DatasetError where the collection is damaged or
    cannot be written.
    """
    return build_files(lake, request, files_in(request.source), report)


def build_files(
    lake: Lake,
    request: CollectionRequest,
    files: Sequence[str] | None,
    report: Report,
    *,
    known: KnownFiles | None = None,
) -> CollectionBuilt:
    """Build the sessions of some files, or of the whole source where it reads none; as `build_collection`.

    Args:
        lake: where all of it lies.
        request: what is to be built.
        files: the files of the source.
        report: called as it goes on.
        known: what is known of files and sessions, to which what is found is added; sessions that it says to be
            finished are passed over.
    """
    with building_collection(lake):
        return _build_files(lake, request, files, report, known if known is not None else KnownFiles())


def _build_files(
    lake: Lake, request: CollectionRequest, files: Sequence[str] | None, report: Report, known: KnownFiles
) -> CollectionBuilt:
    before = newest_version(lake, request.collection_id)
    if before is not None:
        require_same_cut(before, request.session, request.lattice)
    members = before.members if before is not None else ()
    progress = CollectionProgress()
    common = SessionWork(lake, request.source, request.lattice, request.columns, None, request.start_ns, request.end_ns)
    if request.session.by_file:
        plan = sessions_of_files(common, files)
    else:
        found = _spans_of(lake, request, files, progress, report, known.spans)
        plan = sessions_of_spans(common, request.session, found, members)
    works = [work for work in plan.works if _name_of(work) not in known.finished]
    outcomes = _built(works, request.side_by_side, progress, report)
    known.finished.update(
        _name_of(work) for work, outcome in zip(works, outcomes, strict=True) if outcome.dataset_id is not None
    )
    return _added(lake, request, before, outcomes, plan, progress.failed)


def _name_of(work: SessionWork) -> str:
    """Return a text that is the same for the same session of the same files."""
    return f"{work.session} {work.source!r}"


def _spans_of(
    lake: Lake,
    request: CollectionRequest,
    files: Sequence[str] | None,
    progress: CollectionProgress,
    report: Report,
    known: dict[str, FileSpan],
) -> list[FileSpan]:
    """Return when files hold events; those that cannot be read are noted as failed."""
    if files is None:
        return [span_of_file(lake, request.source, None)]
    asked = [path for path in files if path not in known]
    works = [_Reading(lake, of_files(request.source, [path]), path) for path in asked]
    progress.total = len(works)

    def ended(_place: int, found: FileSpan | str) -> None:
        if isinstance(found, str):
            progress.failed.append(found)
        elif found.path is not None:
            known[found.path] = found
        progress.done += 1
        report(progress)

    carry_out(_read, works, request.side_by_side, lambda work: f"{work.path}: {_DIED}", ended, (lake.root,))
    return [known[path] for path in files if path in known]


@dataclass(frozen=True)
class _Reading:
    """A file that is to be read to its end."""

    lake: Lake
    source: Source
    path: str


def _read(work: _Reading) -> FileSpan | str:
    """Return when a file holds events, or a sentence on why that cannot be known."""
    try:
        return span_of_file(work.lake, work.source, work.path)
    except OutOfMemoryError:
        raise
    except VpharnessError as error:
        return _naming(str(error), work.path)


def _naming(sentence: str, path: str) -> str:
    """Return a sentence that names a file, which it may do already."""
    return sentence if Path(path).name in sentence else f"{path}: {sentence}"


def _built(
    works: Sequence[SessionWork], engine: Engine | None, progress: CollectionProgress, report: Report
) -> list[SessionOutcome]:
    """Return the outcomes of sessions, in their order; failures are noted."""
    progress.stage, progress.total, progress.done = "building", len(works), 0
    found: dict[int, SessionOutcome] = {}
    report(progress)

    def within(current: BuildProgress) -> None:
        progress.current = current
        report(progress)

    def ended(place: int, outcome: SessionOutcome) -> None:
        found[place] = outcome
        progress.done, progress.existed = progress.done + 1, progress.existed + outcome.existed
        progress.current = None
        if outcome.error is not None:
            progress.failed.append(_of_session(outcome.session, outcome.error))
        report(progress)

    alone = engine is None or len(works) == 1
    function = partial(build_session, report=within) if alone else build_session
    carry_out(function, works, engine, _died, ended, (works[0].lake.root,) if works else ())
    return [found[place] for place in sorted(found)]


def _died(work: SessionWork) -> SessionOutcome:
    return SessionOutcome(work.session or "the source", None, existed=False, error=_DIED)


def _of_session(session: str, error: str) -> str:
    """Return what is wrong with a session; a sentence that names the file of that name does not name it again."""
    return error if session in error else f"{session}: {error}"


def _added(
    lake: Lake,
    request: CollectionRequest,
    before: Collection | None,
    outcomes: Iterable[SessionOutcome],
    plan: SessionPlan,
    failed: list[str],
) -> CollectionBuilt:
    """Add the datasets that were built to the collection, and return what was done."""
    there = set(before.dataset_ids) if before is not None else set()
    new: dict[str, str] = {}
    existing = []
    for outcome in outcomes:
        if outcome.dataset_id is None:
            continue
        if outcome.dataset_id in there or outcome.dataset_id in new:
            existing.append(outcome.session)
        else:
            new[outcome.dataset_id] = outcome.session

    def refuse(session: str, error: VpharnessError) -> None:
        failed.append(_of_session(session, str(error)))

    collection = before
    if new:
        datasets = [(open_dataset(lake.variants / dataset_id, lake.cache), name) for dataset_id, name in new.items()]
        cut = dataclasses.asdict(request.session)
        collection = add_members(lake, request.collection_id, datasets, session=cut, refuse=refuse)
    # Another builder may have added some of them meanwhile.
    held = set(collection.dataset_ids) if collection is not None else set()
    added = [session for dataset_id, session in new.items() if dataset_id in held]
    return CollectionBuilt(collection, tuple(added), tuple(existing), plan.incomplete, tuple(failed))
