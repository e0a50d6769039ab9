"""How candidates stand: the verdict in words, the ranking, what has too little data, and each dataset apart."""

import math
from collections.abc import Sequence
from typing import Final
from xml.etree.ElementTree import Element

from vpharness.evaluation import Figure, shown_figures
from vpharness.evaluation.figure_registry import REPORT
from vpharness.evaluation.figures import HEADLINE
from vpharness.results.ledger import AUDIT_PASSED
from vpharness.results.ranking import Ranked, alike, judged_apart
from vpharness.results.report.candidates import (
    Scale,
    figure_text,
    name_of,
    net_text,
    settings_text,
    short_id,
    varied_names,
)
from vpharness.results.report.findings import Findings
from vpharness.results.report.markup import element, note, section, table
from vpharness.results.session_names import with_session
from vpharness.wording import counted

BEST_BY_DATASET: Final = 5
MOST_POOR: Final = 20


def ranking(findings: Findings) -> Element:
    """Return the ranking as a table, with intervals drawn on one scale."""
    shown = [each for each in findings.shown if each.p_adjusted is not None]
    if not shown:
        return section("ranking", "Ranking", element("p", "No candidate has enough data to be ranked."))
    scale = Scale.over([each.judgement.figures for each in shown])
    names = varied_names(findings.ranked)
    with_campaign = any(each.p_campaign is not None for each in shown)
    figures = [
        figure
        for figure in shown_figures(REPORT)
        if figure is not HEADLINE and any(figure.is_shown(vars(each.judgement.figures)) for each in shown)
    ]
    audits = any(each.candidate.audit != AUDIT_PASSED for each in shown)
    holds = len({each.hold_s for each in shown}) > 1
    head = [
        "candidate",
        "θ",
        "tp/sl",
        *["hold"] * holds,
        "net per fire, ticks [95 %]",
        "",
        "lower end for all",
        "p",
        "p adj.",
    ]
    head += ["p camp."] * with_campaign + [figure.title(REPORT) for figure in figures] + ["audit"] * audits
    rows = [
        _row(each, scale, names, figures, with_campaign=with_campaign, holds=holds, audits=audits) for each in shown
    ]
    counts = {first.candidate.candidate_id: count for first, count in alike(findings.rankable)}
    several = [counts.get(each.candidate.candidate_id, 1) for each in shown]
    if any(count > 1 for count in several):
        head.append("duplicates")
        rows = [[*row, f"{count - 1:,}" if count > 1 else ""] for row, count in zip(rows, several, strict=True)]
    rest = len(findings.rankable) - sum(several)
    more = note(f"{counted(rest, 'more rankable candidate')} below these; top= shows more.")
    return section(
        "ranking", "Ranking", _how_to_read(), table(head, rows, class_="ranking"), more if rest > 0 else None
    )


def _how_to_read() -> Element:
    return note(
        "Winners first (★), then by the lower end of the net mean that holds for all candidates at once. Net "
        "is what a fire earned from entry to exit, in ticks, after all costs: from touch to touch, or with fill=queue "
        "from a resting order that was filled to the touch; p is against chance for the candidate by itself, p adj. "
        "for the best of everything that was tried on the same market time. TP, SL and timeout are the shares of fires "
        "that met the take-profit, the stop-loss or neither, at the mid; break-even is the share of take-profits "
        "among those that met a barrier at which nothing is earned, a guide only. Blocks, the separate stretches of "
        "time behind an interval, are given where they are few and the interval is rough; duplicates are further "
        "candidates of a signal that came to just the same."
    )


def _row(
    ranked: Ranked,
    scale: Scale,
    names: dict[str, list[str]],
    figures: Sequence[Figure],
    *,
    with_campaign: bool,
    holds: bool,
    audits: bool,
) -> list[Element | str]:
    trial, f = ranked.candidate.first, ranked.judgement.figures
    settings = settings_text(ranked, names.get(trial.signal, []))
    title = element("strong", f"{'★ ' if ranked.winner else ''}{trial.signal}")
    name = element("span", f" {short_id(ranked)}", class_="fine")
    words = element("span", settings, class_="fine settings") if settings else None
    cells: list[Element | str] = [
        element("th", title, name, words, scope="row"),
        trial.threshold_label,
        f"{trial.evaluation.tp_ticks:g}/{trial.evaluation.sl_ticks:g}",
        *[f"{ranked.hold_s:g} s"] * holds,
        net_text(f),
        element("td", scale.mark(f), class_="mark"),
        "none" if math.isnan(ranked.net_low_all) else f"{ranked.net_low_all:+.2f}",
        f"{ranked.judgement.p_value:.3f}",
        f"{ranked.p_adjusted:.3f}",
    ]
    if with_campaign:
        cells.append("" if ranked.p_campaign is None else f"{ranked.p_campaign:.3f}")
    cells += [figure_text(figure, f) for figure in figures]
    if audits:
        cells.append("" if ranked.candidate.audit == AUDIT_PASSED else ranked.candidate.audit)
    return cells


def too_little_data(findings: Findings) -> Element | None:
    """Return what cannot be ranked yet, and what it lacks."""
    poor = [each for each in findings.ranked if each.p_adjusted is None]
    poor.sort(key=lambda each: -each.judgement.figures.n_net)
    if not poor:
        return None
    rows = [[name_of(each), short_id(each), "; ".join(each.lacks)] for each in poor[:MOST_POOR]]
    words = f"{counted(len(poor), 'candidate')} cannot be ranked" + (
        f"; the {MOST_POOR} nearest to it:" if len(poor) > MOST_POOR else ":"
    )
    listing = table(["candidate", "id", "what it lacks"], rows, class_="words")
    title = "Not ranked" if any(each.candidate.adaptive for each in poor) else "Too little data"
    return section("poor", title, note(words), listing)


def by_dataset(findings: Findings) -> Element | None:
    """Return the results of the best on each dataset alone; nothing where none ran on several."""
    best = [each for each in findings.rankable if len(each.candidate.choosing) > 1][:BEST_BY_DATASET]
    if not best:
        return None
    found = {
        (each.candidate.candidate_id, trial.dataset): judgement
        for each in best
        for trial, judgement in zip(each.candidate.choosing, judged_apart(each.candidate), strict=True)
    }
    scale = Scale.over([judgement.figures for judgement in found.values()])
    rows: list[list[Element | str]] = []
    for each in best:
        trials = each.candidate.choosing
        for index, trial in enumerate(trials):
            judgement = found[each.candidate.candidate_id, trial.dataset]
            f = judgement.figures
            label = element("th", f"{name_of(each)} ", element("span", short_id(each), class_="fine"), scope="row")
            label.set("rowspan", str(len(trials)))
            cells: list[Element | str] = [with_session(trial.dataset_id, findings.sessions), net_text(f)]
            cells += [element("td", scale.mark(f), class_="mark"), f"{judgement.p_value:.3f}", f"{f.n_net:,}"]
            rows.append([label, *cells] if index == 0 else cells)
    listing = table(
        ["candidate", "dataset", "net per fire, ticks [95 %]", "", "p", "fires"], rows, class_="ranking grouped"
    )
    first = f"The first {len(best)} of the ranking" if len(best) > 1 else "The first of the ranking"
    words = f"{first}, on each dataset by itself. p is the candidate's alone, not adjusted."
    return section("datasets", "Each dataset apart", note(words), listing)
