"""Walk-forward: the procedures that were tried, and each of them with its steps, out-of-sample equity and PBO.

A procedure is counted when it is tried, for good. The board only looks: it judges what is written down as it is now,
and where candidates or days have come since then it says how to try the procedure anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element

from vpharness.board.ledger_watch import Seen
from vpharness.board.pages import Page, being_ranked, command, link, state_note
from vpharness.board.queries import one_of
from vpharness.commands.text.terminal import minute_text
from vpharness.commands.text.walk_forward_tables import step_rows
from vpharness.commands.walk_forward import WalkForwardQuestion, notes_on, walked_forward
from vpharness.config.lake_of_command import lake_key
from vpharness.datasets.lake import Lake
from vpharness.errors import VpharnessError
from vpharness.evaluation import Figures
from vpharness.evaluation.figure_registry import json_values
from vpharness.results.report.candidates import Scale, net_text
from vpharness.results.report.findings import Findings
from vpharness.results.report.markup import Content, element, note, table
from vpharness.results.report.walk_forwards import walk_forward_section
from vpharness.results.store import WALK_FORWARDS, read, store_in
from vpharness.results.walk_forward.judged import judged_alone
from vpharness.results.walk_forward.summary import values_of
from vpharness.results.walk_forward.tried import Procedure, TriedProcedure, tried_procedures

_SETTINGS = ("campaign", "train", "step", "segments", "collection", "dataset_id", "signal")


@dataclass(frozen=True)
class Tried:
    """A procedure that was tried: its settings, how often, when last, and its result then."""

    procedure: Procedure
    tries: int
    last: TriedProcedure


def tried_in(lake: Lake) -> dict[str, Tried]:
    """Return every procedure that was tried, by its id, the last one tried first."""
    store = store_in(lake.root)
    rows = read(store, WALK_FORWARDS, ["procedure_id", "created_ns", *_SETTINGS])
    settings = {row["procedure_id"]: Procedure(**{name: row[name] for name in _SETTINGS}) for row in rows}
    last: dict[str, TriedProcedure] = {}
    counts: dict[str, int] = {}
    for each in tried_procedures(store):
        last[each.procedure_id] = each
        counts[each.procedure_id] = counts.get(each.procedure_id, 0) + 1
    found = {name: Tried(settings[name], counts[name], each) for name, each in last.items()}
    return dict(sorted(found.items(), key=lambda pair: -pair[1].last.created_ns))


def procedures_page(lake: Lake) -> Page:
    """Return the list of the procedures that were tried."""
    found = tried_in(lake)
    how = command(f"python -m vpharness compare{lake_key(lake)} walk_forward=true campaign=NAME train=20 step=1")
    words = note(
        "A procedure chooses before each step the candidate that was best on the segments before, and is judged by "
        "what its choices earned on the segments behind. Each one that is tried counts for good, against all others on "
        "the same market time: so it is tried from the command line, and only looked at here."
    )
    if not found:
        return Page(
            "Walk-forward",
            [element("p", "No procedure has been tried yet."), words, how],
            {"procedures": []},
            place="walk-forward",
        )
    figures = {name: _figures_of(each) for name, each in found.items()}
    known = [f for f in figures.values() if f is not None]
    scale = Scale.over(known)
    rows: list[list[Content]] = []
    for name, each in found.items():
        f, own = figures[name], each.procedure
        mark = element("td", scale.mark(f), class_="mark") if f is not None else ""
        cells: list[Content] = [element("th", link(_name(own), "procedure", id=name), scope="row")]
        cells += [f"{own.train}" if own.train else "all", f"{own.step}", f"{len(each.last.candidate_ids)}"]
        cells += ["" if f is None else net_text(f), mark, "" if f is None else f"{f.n_net:,}"]
        rows.append([*cells, f"{each.tries}", minute_text(each.last.created_ns)])
    head: list[Content] = ["procedure", "train", "step", "steps", "out of sample: net per fire [95 %]", "interval"]
    listing = table([*head, "fires", "tries", "tried last"], rows, class_="ranking")
    unadjusted = note(
        "The intervals are of each procedure alone, as it was tried last; its page has p adjusted for all that were "
        "tried."
    )
    values = {"procedures": [_values(name, each, figures[name]) for name, each in found.items()]}
    return Page("Walk-forward", [words, listing, unadjusted, how], json_values(values), place="walk-forward")


def _figures_of(tried: Tried) -> Figures | None:
    return None if tried.last.evidence is None else judged_alone(tried.last.evidence).figures


def _name(own: Procedure) -> str:
    of = own.campaign or "the whole ledger"
    on = [text for text in (own.collection, own.dataset_id, own.signal) if text]
    cut = [f"{own.segments} segments"] if own.segments else []
    return ", ".join([of, *on, *cut])


def _values(name: str, tried: Tried, f: Figures | None) -> dict[str, Any]:
    own = tried.procedure
    figures = (
        {}
        if f is None
        else {key: getattr(f, key) for key in ("n_net", "net_pnl_ticks", "net_pnl_ticks_low", "net_pnl_ticks_high")}
    )
    times = {"tries": tried.tries, "tried_last": minute_text(tried.last.created_ns)}
    return {"procedure_id": name, **vars(own), **times, **figures}


def procedure_page(lake: Lake, seen: Seen, procedure_id: str | None, sessions: dict[str, str]) -> Page:
    """Return one procedure as it stands. Raises NotFoundError where none of that id was tried."""
    found = tried_in(lake)
    tried = found[one_of("procedure", procedure_id, found)]
    title = f"Walk-forward: {_name(tried.procedure)}"
    if seen.standing is None or seen.standing.ledger is None:
        return being_ranked(seen, title, "walk-forward")
    keys = " ".join(_keys(tried.procedure))
    again = command(f"python -m vpharness compare{lake_key(lake)} walk_forward=true {keys}")
    try:
        # Whether it chose among different holding times was seen to when it was tried.
        question = WalkForwardQuestion(tried.procedure, mixed_horizon=True)
        walked = walked_forward(lake, seen.standing.ledger, question, keeps=False)
    except VpharnessError as error:
        content: Sequence[Content] = [element("p", f"Not shown: {error}.", class_="state"), again]
        return Page(
            title, content, json_values(_values(tried.procedure.id, tried, _figures_of(tried))), place="walk-forward"
        )
    notes = notes_on(walked, lake, seen.standing.ledger, question)
    findings = Findings((), (), _no_view, {}, walk_forward=walked, walk_forward_notes=notes, sessions=sessions)
    section = walk_forward_section(findings)
    values = {**values_of(walked), "steps": step_rows(walked)}
    return Page(
        title,
        [state_note(seen), section, _in_force(walked.last.candidate), again],
        json_values(values),
        place="walk-forward",
    )


def _in_force(candidate: Any) -> Element | None:
    if candidate is None:
        return None
    words = f"{candidate.first.signal} at {candidate.first.threshold_label}"
    return element(
        "p", "In force behind the newest segment: ", link(words, "candidate", id=candidate.candidate_id), "."
    )


def _keys(own: Procedure) -> list[str]:
    names = {"dataset_id": "dataset.id", "collection": "dataset.collection"}
    return [f"{names.get(name, name)}={value}" for name, value in vars(own).items() if value is not None]


def _no_view(dataset_id: str, _checksum: str) -> Any:
    raise NotImplementedError(f"dataset {dataset_id} is not read for a procedure")
