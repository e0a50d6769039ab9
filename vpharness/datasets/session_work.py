"""One session of a collection as a unit of work: a frozen value that any process can be given, and its outcome."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vpharness.datasets.build_progress import BuildProgress, ignore
from vpharness.datasets.collection import Member
from vpharness.datasets.dataset_build import build
from vpharness.datasets.file_spans import FileSpan
from vpharness.datasets.lake import Lake
from vpharness.datasets.manifest import content_id
from vpharness.datasets.sessions import SessionParameters, sessions_between
from vpharness.datasets.variants import content_identity
from vpharness.errors import OutOfMemoryError, VpharnessError
from vpharness.events.event_source import Source
from vpharness.events.file_parts import of_files
from vpharness.events.times import SECOND_NS, time_text
from vpharness.lattice.lattice_parameters import LatticeParameters


@dataclass(frozen=True)
class SessionWork:
    """A session that is to become a dataset.

    Attributes:
        lake: where it is put.
        source: its files alone.
        lattice: the lattice parameters.
        columns: the grid columns that are stored.
        session: its name: a date, or the name of its file; None where it is named after its beginning.
        start_ns, end_ns: its span; None: all that the files hold.
        held: the dataset ids of members of the collection that take its place already.
    """

    lake: Lake
    source: Source
    lattice: LatticeParameters
    columns: tuple[str, ...]
    session: str | None
    start_ns: int | None
    end_ns: int | None
    held: tuple[str, ...] = ()


@dataclass(frozen=True)
class SessionOutcome:
    """What became of a session: its dataset, or the reason that there is none."""

    session: str
    dataset_id: str | None
    existed: bool
    error: str | None = None


def build_session(work: SessionWork, report: Callable[[BuildProgress], None] = ignore) -> SessionOutcome:
    """Return the outcome of building the dataset of a session, or of finding that the lake has it.

    What a user can mend, such as a damaged file, is the outcome's error; a lack of memory is raised.
    """
    name = work.session or "the source"
    try:
        if work.held:
            _, identity = content_identity(work.source, work.lattice, work.start_ns, work.end_ns)
            made = content_id(identity)
            if made in work.held:
                return SessionOutcome(name, made, existed=True)
            return SessionOutcome(name, None, existed=False, error=_other_content(work.held))
        built = build(
            work.lake,
            work.source,
            work.lattice,
            start_ns=work.start_ns,
            end_ns=work.end_ns,
            columns=work.columns,
            report=report,
        )
    except OutOfMemoryError:
        raise
    except VpharnessError as error:
        return SessionOutcome(name, None, existed=False, error=str(error))
    session = work.session or time_text(built.manifest.first_bin_start_ns)[:19]
    return SessionOutcome(session, built.manifest.dataset_id, built.existed)


def _other_content(held: Sequence[str]) -> str:
    return (
        f"the collection holds this session as dataset {held[0]}, made of other files or parameters; what a collection "
        "holds is never changed: choose another collection.id"
    )


@dataclass(frozen=True)
class SessionPlan:
    """The sessions that files hold: what is to be built, and a sentence for each that is left out as incomplete."""

    works: tuple[SessionWork, ...]
    incomplete: tuple[str, ...]


def sessions_of_files(common: SessionWork, files: Sequence[str] | None) -> SessionPlan:
    """Return a plan that makes a session of each file, or of the whole source where it reads no files.

    Args:
        common: what all sessions share, with the source of all files.
        files: the files.
    """
    if files is None:
        return SessionPlan((common,), ())
    return SessionPlan(
        tuple(_part(common, (path,), Path(path).name, None, None) for path in files),
        (),
    )


def sessions_of_spans(
    common: SessionWork,
    parameters: SessionParameters,
    spans: Sequence[FileSpan],
    members: Sequence[Member],
) -> SessionPlan:
    """Return a plan of the sessions that lie in files whose spans are known, in the order of time.

    A session is read from the files that hold events of it. What lies before its open in these files warms the book and
    the filters. A session whose data begin too late or end too early is left out, and so is one that does not lie
    between `common.start_ns` and `common.end_ns`.
    """
    ordered = sorted(spans, key=lambda span: span.start_ns)
    if not ordered:
        return SessionPlan((), ())
    tolerance_ns = round(parameters.tolerance_minutes * 60 * SECOND_NS)
    works, incomplete = [], []
    for session in sessions_between(parameters, ordered[0].start_ns, max(span.end_ns for span in ordered)):
        too_early = common.start_ns is not None and session.open_ns < common.start_ns
        too_late = common.end_ns is not None and session.close_ns > common.end_ns
        parts = [(span, found) for span in ordered if (found := span.within(session.open_ns, session.close_ns))]
        if too_early or too_late or not parts:
            continue
        first_ns, last_ns = min(found[0] for _, found in parts), max(found[1] for _, found in parts)
        missing = []
        if first_ns - session.open_ns > tolerance_ns:
            missing.append(f"its data begin at {time_text(first_ns)}, it opens at {time_text(session.open_ns)}")
        if session.close_ns - last_ns > tolerance_ns:
            missing.append(f"its data end at {time_text(last_ns)}, it closes at {time_text(session.close_ns)}")
        if missing:
            incomplete.append(f"session {session.name} is incomplete and left out: {'; '.join(missing)}")
            continue
        held = [m.dataset_id for m in members if m.start_ns < session.close_ns and m.end_ns > session.open_ns]
        paths = [span.path for span, _ in parts if span.path is not None]
        works.append(_part(common, paths, session.name, session.open_ns, session.close_ns, held))
    return SessionPlan(tuple(works), tuple(incomplete))


def _part(
    common: SessionWork,
    paths: Sequence[str],
    name: str,
    start_ns: int | None,
    end_ns: int | None,
    held: Sequence[str] = (),
) -> SessionWork:
    source = of_files(common.source, paths) if paths else common.source
    return SessionWork(common.lake, source, common.lattice, common.columns, name, start_ns, end_ns, tuple(held))
