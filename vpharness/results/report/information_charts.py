"""How well scores agree with later moves: coefficients by horizon, tenths, calibration, features of learned ones."""

from collections.abc import Sequence
from functools import partial
from typing import Final
from xml.etree.ElementTree import Element

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vpharness.errors import VpharnessError
from vpharness.evaluation.information_coefficient import TENTHS, Deciles
from vpharness.evaluation.intervals import Interval
from vpharness.results.information_rows import FeatureImportance, Information
from vpharness.results.ranking import Ranked
from vpharness.results.report.candidates import name_of, short_id
from vpharness.results.report.charts import GOOD_COLOUR, GREY, chart, interval_marks, zero_line
from vpharness.results.report.findings import Findings, signals_first
from vpharness.results.report.markup import element, note, number, section, table

MOST_CANDIDATES: Final = 2
MOST_FEATURES: Final = 12


def information_section(findings: Findings) -> Element | None:
    """Return pictures of what the scores of the leading candidates say; nothing where nobody computes them."""
    if findings.information_of is None:
        return None
    parts: list[Element] = []
    for index, each in enumerate(_leading(findings)):
        try:
            found = findings.information_of(each.candidate)
        except VpharnessError as error:
            parts.append(element("p", f"{name_of(each)} ({short_id(each)}) is left out: {error}"))
            continue
        parts += _candidate(index, each, found)
    if not parts:
        return None
    words = note(
        "Scores against what came after, in the part that chose; intervals are over blocks of time. The coefficient is "
        "Spearman's, of scores and moves of the mid. A learned score is calibrated where the mean label of each tenth "
        "lies on the dashed line. A feature matters by what the coefficient of scores and labels loses once it is "
        "shuffled in blocks. All of this describes: no p-value on this page counts it, and picking candidates by it is "
        "one more search."
    )
    return section("information", "What the scores say", words, *parts)


def _leading(findings: Findings) -> list[Ranked]:
    """Return the best candidate of each of the first learned signals: the scores of others are shown on demand."""
    seen: dict[str, Ranked] = {}
    for each in signals_first(findings.ranked):
        if findings.is_learned(each.candidate):
            seen.setdefault(each.candidate.first.signal, each)
    return list(seen.values())[:MOST_CANDIDATES]


def _candidate(index: int, ranked: Ranked, found: Information) -> list[Element]:
    named = f"{name_of(ranked)} ({short_id(ranked)})"
    described = f"Information coefficients by horizon, tenths of the scores, calibration and features of {named}."
    height = 4.6 if found.labels is not None or found.importances else 2.4
    rows = [
        ["coefficient of moves over " + ", ".join(f"{h}" for h in found.coefficients) + " bins",
         "; ".join(_text(each.interval, "+.3f") for each in found.coefficients.values())],
    ]  # fmt: skip
    if (labels := found.labels) is not None:
        chance = number(labels.macro_f1_by_chance, ".3f")
        rows += [
            [f"macro-F1 of {labels.label}", f"{_text(labels.macro_f1, '.3f')}, by chance {chance}"],
            [
                f"p_T of {labels.round_trips:,} predicted round trips",
                f"{_text(labels.p_t, '.3f')}, by chance {number(labels.p_t_by_chance, '.3f')}",
            ],
        ]
    if found.importances:
        named_features = [f"{each.feature} {each.name}".strip() for each in found.importances[:MOST_FEATURES]]
        rows.append(["features that matter most, by their numbers in the picture", "; ".join(named_features)])
    return [
        table([named, ""], rows, class_="words"),
        chart(f"information-{index}", described, height, partial(paint_information, found)),
    ]


def _text(interval: Interval, form: str) -> str:
    if np.isnan(interval.low):
        return number(interval.mean, form)
    return f"{number(interval.mean, form)} [{number(interval.low, form)}, {number(interval.high, form)}]"


def paint_information(found: Information, figure: Figure) -> None:
    """Draw a candidate's coefficients and tenths, and of a learned signal its calibration and features."""
    more = found.labels is not None or bool(found.importances)
    grid = figure.add_gridspec(2 if more else 1, 2)
    _paint_coefficients(figure.add_subplot(grid[0, 0]), found)
    _paint_deciles(figure.add_subplot(grid[0, 1]), found)
    if found.labels is not None:
        _paint_calibration(figure.add_subplot(grid[1, 0]), found.labels.calibration)
    if found.importances:
        _paint_features(figure.add_subplot(grid[1, 1]), found.importances)


def _paint_coefficients(axes: Axes, found: Information) -> None:
    zero_line(axes)
    each = [one.interval for one in found.coefficients.values()]
    _marks(axes, np.arange(len(each), dtype=np.float64), each)
    axes.set_xticks(range(len(each)), [f"{h * found.cell_width_ms / 1000:g}" for h in found.coefficients])
    axes.set_title("information coefficient by horizon")
    axes.set_xlabel("seconds ahead")


def _paint_deciles(axes: Axes, found: Information) -> None:
    zero_line(axes)
    _marks(axes, np.arange(1.0, TENTHS + 1), _intervals(found.deciles))
    axes.set_title(f"mean move over {found.decile_bins} bins by tenth of the scores, ticks")
    axes.set_xticks(range(1, TENTHS + 1))


def _paint_calibration(axes: Axes, calibration: Deciles) -> None:
    ends = [np.nanmin(calibration.mean_score), np.nanmax(calibration.mean_score)]
    axes.plot(ends, ends, color=GREY, linestyle="--", linewidth=1)
    zero_line(axes)
    _marks(axes, calibration.mean_score, _intervals(calibration))
    axes.set_title("calibration: mean label by mean score")
    axes.set_xlabel("score")


def _paint_features(axes: Axes, importances: Sequence[FeatureImportance]) -> None:
    shown = list(importances[:MOST_FEATURES])[::-1]
    loss = [each.loss for each in shown]
    mean, low, high = (np.array([getattr(each, name) for each in loss]) for name in ("mean", "low", "high"))
    axes.axvline(0, color=GREY, linewidth=0.7)
    axes.barh(range(len(shown)), mean, color=GOOD_COLOUR, xerr=np.vstack([mean - low, high - mean]), ecolor=GREY)
    axes.set_yticks(range(len(shown)), [f"{each.feature}" for each in shown])
    axes.set_title("features by the coefficient lost once shuffled")


def _intervals(deciles: Deciles) -> list[Interval]:
    return [Interval(*ends) for ends in zip(deciles.mean_move, deciles.low, deciles.high, strict=True)]


def _marks(axes: Axes, at: NDArray[np.float64], each: Sequence[Interval]) -> None:
    mean, low, high = (np.array([getattr(one, name) for one in each]) for name in ("mean", "low", "high"))
    interval_marks(axes, at, mean, np.where(np.isnan(low), mean, low), np.where(np.isnan(high), mean, high))
