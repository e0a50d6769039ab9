"""The best candidates day by day: what each day earned, equity, hours, kinds of day, and later entries."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final
from xml.etree.ElementTree import Element

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vpharness.errors import DatasetError, ResultsError
from vpharness.evaluation.day_stability import TERCILES, Cell, equity
from vpharness.evaluation.intervals import Interval
from vpharness.results.candidate_stability import CONDITIONS, Stability, stability_of
from vpharness.results.ranking import Ranked
from vpharness.results.report.candidates import name_of, short_id
from vpharness.results.report.charts import BAD_COLOUR, GOOD_COLOUR, INK, chart, fitted, thinned, zero_line
from vpharness.results.report.findings import Findings, signals_first
from vpharness.results.report.markup import note, number, section, table
from vpharness.results.session_names import session_names, with_session

MOST_CANDIDATES: Final = 2
LEAST_DAYS: Final = 2
MOST_NAMED_DAYS: Final = 24
"""Of more days the names would run into one another: they have numbers."""
_POINTS: Final = 1200


def best_day_by_day(findings: Findings) -> Element | None:
    """Return tables and pictures of the best candidates over their days; nothing where none ran on several."""
    return stability_section(findings, _several_days(findings.rankable))


def stability_section(findings: Findings, candidates: Sequence[Ranked]) -> Element | None:
    """Return tables and pictures of some candidates over their days; nothing where no dataset of theirs is at hand."""
    parts = [
        part
        for index, each in enumerate(candidates)
        if (found := _known(each, findings)) is not None
        for part in _candidate(index, each, found, findings.sessions)
    ]
    if not parts:
        return None
    words = note(
        "Over the days that chose. Equity is the running sum of the fires' net ticks, its drawdown the farthest that "
        "it lies below its highest point: many fires overlap, so it is no account that could have been traded. "
        "Volatility is that of the mid from minute to minute, and days are sorted by it, or by their mean spread, into "
        "thirds. A later entry is what the same fires would have earned some bins later: an edge that lasts falls "
        "slowly."
    )
    return section("stability", "Day by day", words, *parts)


def _several_days(rankable: Sequence[Ranked]) -> list[Ranked]:
    """Return the best of each signal first, those alone that were judged on several datasets."""
    seen: dict[str, Ranked] = {}
    for each in signals_first(rankable):
        if len(each.candidate.counted) >= LEAST_DAYS:
            seen.setdefault(each.candidate.candidate_id, each)
    return list(seen.values())[:MOST_CANDIDATES]


def _known(ranked: Ranked, findings: Findings) -> Stability | None:
    """Return a candidate day by day; None where one of its datasets is not at hand any more."""
    try:
        return stability_of(ranked.candidate, findings.view_of)
    except (DatasetError, ResultsError):
        return None


def _candidate(index: int, ranked: Ranked, found: Stability, sessions: Mapping[str, str]) -> list[Element]:
    worst = found.worst_day
    words = f"{name_of(ranked)} ({short_id(ranked)})"
    facts = [
        ["days above zero", number(100 * found.share_above_zero, ".0f") + " %"],
        [
            "worst day",
            "" if worst is None else f"{with_session(worst.name, sessions)}, {number(worst.total, '+,.1f')} ticks",
        ],
        ["drawdown of the fires' equity", f"{number(found.drawdown_ticks, ',.1f')} ticks"],
    ]
    kinds = [
        [f"{condition}, {name}", str(cell.days), f"{cell.n:,}", _net(found.interval_of_tercile(condition, name))]
        for condition in CONDITIONS
        for name, cell in found.terciles_of(condition).items()
    ]
    described = f"What each day earned, equity, hours of the session and later entries of {words}."
    return [
        table([words, ""], facts, class_="words"),
        chart(f"stability-{index}", described, 6.2, partial(paint_days, found, sessions)),
        table(["kind of day", "days", "fires", "net per fire, ticks [95 %]"], kinds, class_="ranking"),
    ]


def _net(interval: Interval) -> str:
    if np.isnan(interval.low):
        return number(interval.mean, "+.2f")
    return f"{number(interval.mean, '+.2f')} [{number(interval.low, '+.2f')}, {number(interval.high, '+.2f')}]"


def paint_days(found: Stability, sessions: Mapping[str, str], figure: Figure) -> None:
    """Draw a candidate's days, equity, hours, kinds of day, and later entries."""
    grid = figure.add_gridspec(3, 2)
    _paint_days(figure.add_subplot(grid[0, :]), found, session_names([day.name for day in found.days], sessions))
    _paint_equity(figure.add_subplot(grid[1, 0]), found)
    _paint_cells(figure.add_subplot(grid[1, 1]), "hour of the session", {str(k): v for k, v in found.hours.items()})
    _paint_kinds(figure.add_subplot(grid[2, 0]), found)
    _paint_decay(figure.add_subplot(grid[2, 1]), found)


def _paint_days(axes: Axes, found: Stability, days: Sequence[str]) -> None:
    zero_line(axes)
    totals = [day.total for day in found.days]
    axes.bar(range(len(totals)), totals, color=[GOOD_COLOUR if each > 0 else BAD_COLOUR for each in totals])
    if len(totals) <= MOST_NAMED_DAYS:
        crowded = len(totals) > MOST_NAMED_DAYS // 3
        names = [fitted(day, 16) for day in days]
        axes.set_xticks(range(len(names)), names, rotation=60 if crowded else 0, ha="right" if crowded else "center")
    axes.set_title("net ticks of each day")
    axes.margins(x=0.01)


def _paint_equity(axes: Axes, found: Stability) -> None:
    zero_line(axes)
    curve = np.concatenate([[0.0], equity(found.days)])
    axes.step(*thinned(np.arange(len(curve), dtype=np.float64), curve, _POINTS), where="post", color=GOOD_COLOUR)
    axes.set_title("equity of the fires, net ticks")
    axes.set_xlabel("fires")
    axes.margins(x=0.01)


def _paint_cells(axes: Axes, label: str, cells: dict[str, Cell]) -> None:
    zero_line(axes)
    means = [cell.mean for cell in cells.values()]
    axes.bar(range(len(means)), means, color=[GOOD_COLOUR if each > 0 else BAD_COLOUR for each in means])
    axes.set_xticks(range(len(means)), list(cells))
    axes.set_title(f"net per fire by {label}, ticks")


def _paint_kinds(axes: Axes, found: Stability) -> None:
    zero_line(axes)
    for shift, (condition, colour) in enumerate(zip(CONDITIONS, (GOOD_COLOUR, INK), strict=True)):
        cells = found.terciles_of(condition)
        at = [TERCILES.index(name) + 0.36 * shift - 0.18 for name in cells]
        axes.bar(at, [cell.mean for cell in cells.values()], width=0.34, color=colour, label=condition)
    axes.set_xticks(range(len(TERCILES)), list(TERCILES))
    axes.set_title("net per fire by kind of day, ticks")
    axes.legend()


def _paint_decay(axes: Axes, found: Stability) -> None:
    zero_line(axes)
    decay = found.decay
    seconds = np.array(decay.horizons) * found.cell_width_ms / 1000
    for place in np.unique(np.linspace(0, len(decay.delays) - 1, 4).astype(int)).tolist():
        shade = 0.25 + 0.75 * (1 - place / max(len(decay.delays) - 1, 1))
        label = f"{decay.delays[place]} bins later"
        axes.plot(seconds, decay.mean_move[place], color=GOOD_COLOUR, alpha=shade, marker=".", label=label)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")  # text is never read as mathematics here
    axes.set_title("move of the mid after entry, ticks")
    axes.set_xlabel("held for, s")
    axes.legend()
