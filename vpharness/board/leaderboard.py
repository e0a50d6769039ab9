"""The leaderboard: the ranking a page at a time, with what differs, intervals drawn on one scale, and filters.

Filters choose rows of the one ranking of all that was ever tried: no figure, p-value or place changes with them.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element

import pyarrow.compute as pc

from vpharness.board.candidate_names import settings_line, title_cell
from vpharness.board.leaderboard_rows import ALL, KINDS, Choices, ChosenRows, LeaderboardQuery, choices_of, chosen_rows
from vpharness.board.ledger_watch import Seen
from vpharness.board.pages import Page, being_ranked, disclosure, link, state_note
from vpharness.board.queries import one_of
from vpharness.board.standing import Standing, figures_in, settings_in
from vpharness.commands.text.terminal import minute_text
from vpharness.commands.text.varied_settings import LatticeOf, SettingDifferences, differences_of
from vpharness.evaluation import Figures, shown_figures
from vpharness.evaluation.figure_registry import REPORT, json_values
from vpharness.evaluation.figures import HEADLINE
from vpharness.results.ledger import AUDIT_PASSED
from vpharness.results.report.candidates import Scale, figure_text, net_text
from vpharness.results.report.markup import Content, element, number, table, true_minus
from vpharness.results.report.verdict import verdict_of
from vpharness.results.session_names import with_session
from vpharness.wording import counted


def leaderboard(
    seen: Seen,
    asked: LeaderboardQuery,
    lattice_of: LatticeOf,
    labels: Mapping[str, str],
    above: Sequence[Content] = (),
) -> Page:
    """Return the leaderboard.

    Args:
        seen: the ranking.
        asked: filters and page.
        lattice_of: from a dataset's id to the parameters of its lattice.
        labels: the instruments and sessions of datasets of collections, by id.
        above: what stands between the verdict and the ranking, such as campaigns that are running.

    Raises NotFoundError for a signal, dataset or campaign of which the ledger has nothing.
    """
    standing = seen.standing
    if standing is None:
        return being_ranked(seen, "Leaderboard", "")
    choices = choices_of(standing.table)
    for what in ("signal", "dataset", "campaign"):
        if (value := getattr(asked, what)) is not None:
            one_of(what, value, list(getattr(choices, f"{what}s")))
    found = chosen_rows(standing.table, asked)
    told = differences_of([[settings_in(row)] for row in found.shown], lattice_of)
    content: list[Content] = [state_note(seen), _verdict(standing), *above]
    if standing.table.num_rows:
        content += [_filters(asked, choices, found, labels), *_listing(standing, asked, found, told)]
    else:
        content.append(
            element("p", "Nothing has been run yet: python -m vpharness signal=perm_derivative makes a run.")
        )
    return Page("Leaderboard", content, _values(seen, standing, found, told), place="")


def _verdict(standing: Standing) -> Element:
    """Return the verdict on the whole ledger: one line, with its reasons below to be opened."""
    heading, *sentences = standing.facts.verdict
    facts = standing.facts
    ledger = f"The ledger holds {counted(facts.candidates, 'candidate')} of {counted(facts.runs, 'run')}"
    newest = f", the newest of {minute_text(facts.newest_ns)}." if facts.newest_ns else "."
    found = verdict_of([heading], has_won=bool(pc.any(standing.table["winner"]).as_py()))
    found.append(disclosure("Why", *(element("p", each) for each in (*sentences, ledger + newest))))
    return found


def _filters(asked: LeaderboardQuery, choices: Choices, found: ChosenRows, labels: Mapping[str, str]) -> Element:
    """Return the form of filters; it works without any script."""
    named = {each: with_session(each, labels) for each in choices.datasets}
    fields: list[Content] = [
        _select("signal", "Signal", choices.signals, asked.signal),
        _select("dataset", "Dataset", sorted(named, key=named.__getitem__), asked.dataset, named),
        _select("campaign", "Campaign", choices.campaigns, asked.campaign),
    ]
    if len(found.holds) > 1:
        options = {f"{hold:g}": f"up to {hold:g} s" for hold in found.holds} | {ALL: "any, ranked together"}
        own = ALL if found.hold is None else f"{found.hold:g}"
        fields.append(_select("hold", "Holds", list(options), own, options, is_open=False))
    fields.append(_select("kind", "Rows", list(KINDS), asked.kind, KINDS, is_open=False))
    button = element("button", "Show", type="submit")
    reset = link("all", "") if asked.values() else None
    note = element("p", "Filters choose rows; no figure, p-value or place changes with them.", class_="note")
    return element("div", element("form", *fields, button, reset, method="get", action="./", class_="filters"), note)


def _select(
    name: str,
    label: str,
    values: Sequence[str],
    chosen: str | None,
    words: Mapping[str, str] | None = None,
    *,
    is_open: bool = True,
) -> Element:
    """Return a choice with its label; one that `is_open` can be left open, for all."""
    options = [element("option", "all", value="")] if is_open else []
    for value in values:
        marked = {"selected": "selected"} if value == chosen else {}
        options.append(element("option", (words or {}).get(value, value), value=value, **marked))
    return element("label", element("span", label), element("select", *options, name=name))


def _listing(standing: Standing, asked: LeaderboardQuery, found: ChosenRows, told: SettingDifferences) -> list[Content]:
    if not found.shown:
        which = "No row fits these filters." if not len(found.places) else "There are no more rows."
        return [element("p", which, class_="state"), _pager(asked, found)]
    figures_of = [figures_in(row) for row in found.shown]
    content: list[Content] = [element("p", "in all rows: ", element("code", told.common), class_="common")]
    content.append(_table(found.shown, figures_of, told, mixed=found.hold is None and len(found.holds) > 1))
    content.append(_pager(asked, found))
    lines = list(dict.fromkeys(row["family"] for row in found.shown if row["family"] is not None))
    notes = [standing.facts.families[place] for place in lines if place < len(standing.facts.families)]
    notes += _remarks(found.shown)
    content += [element("p", f"{each}.", class_="note") for each in notes]
    content.append(_how_to_read())
    return content


def _table(
    rows: Sequence[Mapping[str, Any]], figures_of: Sequence[Figures], told: SettingDifferences, *, mixed: bool
) -> Element:
    scale = Scale.over(figures_of)
    shown = [
        each
        for each in shown_figures(REPORT)
        if each is not HEADLINE and any(each.is_shown(vars(f)) for f in figures_of)
    ]
    audits, ranked = any(row["audit"] != AUDIT_PASSED for row in rows), any(_is_ranked(row) for row in rows)
    lacks, alike = any(row["lacks"] for row in rows), any(row["n_alike"] > 1 for row in rows)
    head: list[Content] = ["#", "A", "B", "candidate", "θ", *["hold"] * mixed, "net per fire, ticks [95 %]", "interval"]
    head += ["lower end for all"] * ranked + ["p"] + ["p adj."] * ranked
    head += [figure.title(REPORT) for figure in shown]
    head += ["audit"] * audits + ["duplicates"] * alike + ["lacks"] * lacks
    cells = []
    for row, f, varied in zip(rows, figures_of, told.varied, strict=True):
        own: list[Content] = [
            element("td", f"{row['place']:,}", class_="fine"),
            *(element("td", _radio(side, row["candidate_id"]), class_="pick") for side in ("a", "b")),
            title_cell(row["signal"], row["candidate_id"], varied, is_winner=row["winner"]),
            row["threshold"],
            *[f"{row['hold_s']:g} s"] * mixed,
            net_text(f),
            element("td", scale.mark(f), class_="mark"),
        ]
        if ranked:
            low = row["net_pnl_ticks_low_all"]
            own.append("none" if low is None else number(low, "+.2f"))
        own.append(f"{row['p_value']:.3f}")
        if ranked:
            own.append("" if row["p_adjusted"] is None else f"{row['p_adjusted']:.3f}")
        own += [figure_text(figure, f) for figure in shown]
        own += ["" if row["audit"] == AUDIT_PASSED else row["audit"]] * audits
        own += [f"{row['n_alike'] - 1:,}" if row["n_alike"] > 1 else ""] * alike
        own += [element("td", true_minus(row["lacks"]), class_="words")] * lacks
        cells.append(own)
    button = element("button", "Compare A with B", type="submit")
    body = table(head, cells, class_="ranking board")
    return element("form", element("p", button, class_="pick"), body, method="get", action="compare")


def _is_ranked(row: Mapping[str, Any]) -> bool:
    return row["p_adjusted"] is not None


def _radio(side: str, candidate_id: str) -> Element:
    label = f"{side.upper()}: {candidate_id[:6]}"
    return element("input", type="radio", name=side, value=candidate_id, aria_label=label)


def _pager(asked: LeaderboardQuery, found: ChosenRows) -> Element:
    """Return where the rows of a page lie among all, with links to the others."""
    count, start = len(found.places), (asked.page - 1) * asked.rows
    last = max(1, -(-count // asked.rows))
    if last == 1:
        return element("p", counted(count, "row"), class_="pager")
    query = asked.values()

    def to(page: int, words: str) -> Content:
        if not 1 <= page <= last or page == asked.page:
            return element("span", words, class_="fine")
        return link(words, "", **{**query, "page": None if page == 1 else page})

    told = f"rows {start + 1:,} to {start + len(found.shown):,} of {count:,}" if found.shown else f"{count:,} rows"
    steps = [to(1, "first"), " ", to(asked.page - 1, "previous"), " ", told, " ", to(asked.page + 1, "next")]
    return element("nav", *steps, " ", to(last, "last"), aria_label="Pages of the ranking", class_="pager")


def _remarks(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what is to be known of the rows of a page beside their figures."""
    found = []
    hopeless = [row for row in rows if _is_ranked(row) and not row["could_win"]]
    if hopeless:
        found.append(
            f"No result could win on so few blocks as {counted(len(hopeless), 'row')} here have: a search of this size "
            "needs more time"
        )
    if left := [row for row in rows if row["left_out_datasets"]]:
        found.append(
            f"{counted(len(left), 'row')} here ran on more of the same instrument than is judged: a part of the "
            "evidence wins nothing"
        )
    return found


def _how_to_read() -> Element:
    words = (
        "Winners (★) first, then by the lower end of the net mean that holds for all candidates at once. p looks at "
        "one candidate alone; p adj. allows for everything that was tried on the same market time, whatever the "
        "filters show. # is the place in the whole ranking. Candidates with identical results share one row."
    )
    return element("p", words, class_="note")


def _values(seen: Seen, standing: Standing, found: ChosenRows, told: SettingDifferences) -> dict[str, Any]:
    facts = standing.facts
    rows = [
        {
            **{name: value for name, value in row.items() if name not in {"alike", "settings"}},
            "settings": settings_line(row),
            "varied": varied,
        }
        for row, varied in zip(found.shown, told.varied, strict=True)
    ]
    values: dict[str, Any] = json_values(
        {
            "ranked_at": minute_text(facts.at_ns),
            "is_current": seen.is_current,
            "ledger_candidates": facts.candidates,
            "ledger_runs": facts.runs,
            "verdict": list(facts.verdict),
            "families": list(facts.families),
            "in_all_rows": told.common,
            "rows": len(found.places),
            "holds_s": list(found.holds),
            "hold_s": found.hold,
            "candidates": rows,
        }
    )
    return values


def running_strip(running: Sequence[Element]) -> list[Content]:
    """Return the campaigns that are being carried out, as they stand above the ranking; nothing where none is."""
    if not running:
        return []
    heading = element("p", link("Running now", "campaigns"), class_="heading")
    return [element("div", heading, *running, class_="running", id="running", data_live="yes")]
