"""Promoted versions: what each instrument serves, with its evidence, its record on later days, and live verdicts."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element

from vpharness.board.ledger_watch import Seen
from vpharness.board.pages import Page, command, disclosure, link
from vpharness.board.queries import one_of
from vpharness.campaigns.collection_members import labels_of_datasets
from vpharness.commands.forward_days import forward_days
from vpharness.commands.text.terminal import minute_text
from vpharness.config.lake_of_command import lake_key
from vpharness.datasets.lake import Lake
from vpharness.errors import PromotionError, VpharnessError
from vpharness.evaluation import TEST, shown_figures
from vpharness.evaluation.evaluation_parameters import QUEUE, TOUCH
from vpharness.evaluation.figure_registry import PROMISED, SHARE, json_values
from vpharness.promotion.bundle import read_bundle
from vpharness.promotion.pointer import PROMOTED, HistoryEntry, bundle_path, history, instruments
from vpharness.promotion.promoted_record import PromotedRecord
from vpharness.promotion.verdicts import Verdict, last_verdicts, verdicts
from vpharness.results.report.markup import Content, element, number, section, table, true_minus
from vpharness.results.sensitivity import value_text
from vpharness.results.session_names import with_session


def promoted_page(lake: Lake, seen: Seen, instrument: str | None = None) -> Page:
    """Return every instrument with its history; of one alone where that is named.

    Raises NotFoundError where nothing has been promoted for it.
    """
    known = instruments(lake)
    if instrument is not None:
        known = [one_of("instrument", instrument, known)]
    if not known:
        words = element(
            "p", "Nothing has been promoted in this lake yet. The page of a candidate has the command that does."
        )
        return Page("Promoted", [words], {"instruments": []}, place="promoted")
    content: list[Content] = []
    values = []
    for name in known:
        section_of, told = _instrument(lake, seen, name)
        content.append(section_of)
        values.append(told)
    return Page("Promoted", content, json_values({"instruments": values}), place="promoted")


def _instrument(lake: Lake, seen: Seen, name: str) -> tuple[Element, dict[str, Any]]:
    try:
        entries = history(lake, name)
        live = last_verdicts(lake, name)
    except PromotionError as error:
        return section(f"instrument-{name}", name, element("p", str(error), class_="state")), {
            "instrument": name,
            "problem": str(error),
        }
    forward = _forward(lake, seen, name, entries)
    rows: list[list[Content]] = []
    for entry in reversed(entries):
        verdict = live.get(entry.version)
        rows.append(
            [
                element("td", str(entry.number), class_="fine"),
                element("th", link(entry.version, "promoted", instrument=name, version=entry.version), scope="row"),
                f"{entry.action}, from {entry.before}" if entry.before else entry.action,
                minute_text(entry.at_ns),
                entry.run_id or "",
                element("td", true_minus(forward.get(entry.version, "")), class_="words"),
                element("td", "" if verdict is None else true_minus(verdict.text), class_="words"),
                element("td", _remarks(entry), class_="words"),
            ]
        )
    head: list[Content] = ["#", "version", "what", "at", "run", "since promoted", "live", "remarks"]
    serves = element(
        "p", "Serves ", link(entries[-1].version, "promoted", instrument=name, version=entries[-1].version), "."
    )
    told = {
        "instrument": name,
        "serves": entries[-1].version,
        "history": [
            {
                **dataclasses.asdict(each),
                "later_days": forward.get(each.version, ""),
                "live": _verdict_values(live.get(each.version)),
            }
            for each in entries
        ],
    }
    return section(f"instrument-{name}", name, serves, table(head, rows, class_="words")), told


def _remarks(entry: HistoryEntry) -> str:
    parts = [entry.reason or "", f"forced: {entry.forced}" if entry.forced else ""]
    parts.append(f"UNSAFE: {', '.join(entry.unsafe)}" if entry.unsafe else "")
    return "; ".join(filter(None, parts))


def _verdict_values(verdict: Verdict | None) -> dict[str, Any] | None:
    return None if verdict is None else dataclasses.asdict(verdict)


def _forward(lake: Lake, seen: Seen, name: str, entries: Sequence[HistoryEntry]) -> Mapping[str, str]:
    """Return what each version's candidate did on days after its promotion, as far as ledger and bundles tell it."""
    ledger = None if seen.standing is None else seen.standing.ledger
    if ledger is None:
        return {}
    records: dict[str, PromotedRecord] = {}
    for entry in entries:
        if entry.action == PROMOTED and entry.version not in records:
            try:
                records[entry.version] = read_bundle(bundle_path(lake, name, entry.version)).record
            except VpharnessError:
                continue  # the version's own page says what is wrong with it
    found = zip(records, forward_days(lake, list(records.values()), known=ledger), strict=True)
    return {version: later.text for version, later in found if later is not None}


def version_page(lake: Lake, seen: Seen, instrument: str, version: str | None) -> Page:
    """Return the page of one promoted version. Raises NotFoundError where there is none, VpharnessError for damage."""
    name = one_of("instrument", instrument, instruments(lake))
    entries = history(lake, name)
    own = one_of("version", version, {entry.version: None for entry in entries})
    record = read_bundle(bundle_path(lake, name, own)).record
    promised = record.evidence.get("promised", {})
    forward = _forward(lake, seen, name, [entry for entry in entries if entry.version == own])
    here = lake_key(lake)
    commands = (
        f"python -m vpharness promote show {own} instrument={name}{here}",
        f"python -m vpharness promote rollback instrument={name} to={own}{here}",
    )
    content: list[Content] = [
        element("p", "Served now." if entries[-1].version == own else f"Not served now: {entries[-1].version} is."),
        table(["", ""], _facts(record, forward.get(own, ""), labels_of_datasets(lake)), class_="words"),
        section("promised", "What was promised", _promised(record, promised)),
        section("gates", "Gates", _gates(record)),
        _live(lake, name, own),
        section(
            "settings",
            "Settings",
            disclosure("What is served", table(["setting", "value"], _settings(record), class_="words")),
        ),
        section("commands", "Commands", command("\n".join(commands))),
    ]
    later = forward.get(own)
    return Page(f"{name} {own}", content, json_values({**record.values(), "later_days": later}), place="promoted")


def _facts(record: PromotedRecord, later: str, labels: Mapping[str, str]) -> list[list[Content]]:
    candidate: Content = record.candidate_id or "none"
    if record.candidate_id is not None:
        candidate = link(record.candidate_id, "candidate", id=record.candidate_id)
    rows: dict[str, Content] = {
        "promoted": minute_text(record.created_ns),
        "signal": f"{record.signal_target} at {record.threshold_label}, code {str(record.signal_digest)[:12]}",
        "candidate": candidate,
        "run": f"{record.run_id} on dataset {with_session(record.dataset_id or 'none', labels)}",
        "execution": "resting orders" if record.evaluation.get("fill", TOUCH) == QUEUE else "entered at the touch",
        "since promoted": true_minus(later),
        "forced": record.forced or "",
        "UNSAFE": ", ".join(record.unsafe),
    }
    return [[element("th", name, scope="row"), value] for name, value in rows.items() if value]


def _promised(record: PromotedRecord, promised: Mapping[str, Any]) -> Element:
    parts = {name: found for name, found in promised.items() if found}
    if not parts:
        return element("p", "Nothing.")
    procedure = bool(record.evidence.get("walk_forward"))
    names = {name: "out of sample" if procedure and name == TEST else name for name in parts}
    rows: list[list[Content]] = []
    for figure in shown_figures(PROMISED):
        known = [{name: found.get(name) for name in figure.names} for found in parts.values()]
        if all(each[figure.name] is None for each in known):
            continue
        unit = "%" if figure.unit == SHARE else figure.unit
        texts = ["" if each[figure.name] is None else true_minus(figure.text(each, PROMISED)) for each in known]
        rows.append([element("th", figure.label or figure.name, scope="row"), *texts, unit])
    return table(["", *names.values(), "unit"], rows)


def _gates(record: PromotedRecord) -> Element:
    rows: list[list[Content]] = []
    for gate in record.evidence.get("gates", ()):
        verdict = "passed" if gate["passed"] else "UNSAFE" if gate.get("unsafe") else "FORCED"
        rows.append(
            [element("th", gate["name"], scope="row"), verdict, true_minus(gate["wanted"]), true_minus(gate["found"])]
        )
    return table(["gate", "", "wanted", "found"], rows, class_="words") if rows else element("p", "None.")


def _live(lake: Lake, instrument: str, version: str) -> Element:
    """Return what live servers claimed of a version, each time that the claim changed."""
    found = [each for each in verdicts(lake, instrument) if each.version == version]
    if not found:
        return section("live", "Live", element("p", "No server has claimed anything of it yet."))
    rows: list[list[Content]] = [
        [
            minute_text(each.at_ns),
            element("th", each.says, scope="row"),
            "" if each.net_pnl_ticks is None else number(each.net_pnl_ticks, "+.2f"),
            ""
            if each.low is None or each.high is None
            else f"{number(each.low, '+.2f')} to {number(each.high, '+.2f')}",
            str(each.n_blocks),
            each.feed if each.live else f"{each.feed}, replayed",
        ]
        for each in reversed(found)
    ]
    words = "Claims hold at any time with the stated error: they may be looked at as often as one likes."
    head: list[Content] = ["at", "claim", "net, ticks", "confidence sequence", "blocks", "feed"]
    return section("live", "Live", element("p", words, class_="note"), table(head, rows, class_="words"))


def _settings(record: PromotedRecord) -> list[list[Content]]:
    values = {
        **{f"signal.{name}": value for name, value in record.parameters.items()},
        "threshold": record.threshold,
        **{f"eval.{name}": value for name, value in record.evaluation.items()},
        **{f"lattice.{name}": value for name, value in record.lattice.items()},
    }
    return [
        [element("th", name, scope="row"), value_text(value)] for name, value in values.items() if value is not None
    ]
