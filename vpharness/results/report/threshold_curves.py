"""Threshold curves: what parameter sets come to at each of their thresholds."""

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from typing import Any, Final
from xml.etree.ElementTree import Element

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vpharness.results.ranking import Ranked
from vpharness.results.report.candidates import settings_text, varied_names
from vpharness.results.report.charts import GREY, chart, fitted, zero_line
from vpharness.results.report.findings import Findings, signals_first
from vpharness.results.report.markup import note, section
from vpharness.results.report.panels import label_levels, paint_intervals, panels_height, panels_of, panels_share
from vpharness.results.sensitivity import settings_of, threshold_order, value_text

MOST_CURVES: Final = 6
_CURVES_ABREAST: Final = 3
_TITLE_LETTERS: Final = 42


def threshold_curves(findings: Findings) -> Element | None:
    """Return the net mean against the threshold, for the parameter sets of the best candidates."""
    curves = curves_of(findings.ranked)[:MOST_CURVES]
    if not curves:
        return None
    words = note(
        "The best parameter set of each signal, then those that rank next, at each of their thresholds: net ticks a "
        "fire with its 95 % interval. Hollow marks have too little data to be ranked, and no interval worth drawing. "
        "Thresholds stand at equal distances."
    )
    described = "Net ticks per fire against the threshold, a panel for each parameter set; the ranking has the numbers."
    height, share = curves_size(len(curves))
    paint = partial(paint_curves, curves, varied_names(findings.ranked))
    picture = chart("thresholds", described, height, paint, share=share)
    return section("thresholds", "Threshold curves", words, picture)


def curves_size(count: int) -> tuple[float, float]:
    """Return the height of so many curves, inches, and the share of the page's width that they take."""
    return 1.15 * panels_height(count, _CURVES_ABREAST), panels_share(count, _CURVES_ABREAST)


def paint_curves(curves: Sequence[Sequence[Ranked]], names: dict[str, list[str]], figure: Figure) -> None:
    """Draw a panel for each parameter set; `names` are the parameters that each signal's candidates differ in."""
    for axes, members in zip(panels_of(figure, len(curves), _CURVES_ABREAST), curves, strict=True):
        _paint_curve(axes, members, names)


def curves_of(ranked: Sequence[Ranked]) -> list[list[Ranked]]:
    """Return the candidates of the best settings, by threshold; of a signal's parameters, the best evaluation alone."""
    sets: dict[Any, list[Ranked]] = defaultdict(list)
    for each in ranked:
        sets[_settings_key(each, "signal.", "eval.")].append(each)
    found: dict[Any, list[Ranked]] = {}
    for first in signals_first([each for each in ranked if each.p_adjusted is not None]):
        members = sets[_settings_key(first, "signal.", "eval.")]
        if len(members) > 1:
            found.setdefault(_settings_key(first, "signal."), members)
    return [
        sorted(members, key=lambda each: threshold_order(each.candidate.first.threshold_label))
        for members in found.values()
    ]


def _settings_key(ranked: Ranked, *kinds: str) -> Any:
    settings = settings_of(ranked.candidate.first)
    chosen = tuple(value_text(value) for name, value in settings.items() if name.startswith(kinds))
    return ranked.candidate.first.signal, ranked.family.market_times, chosen


def _paint_curve(axes: Axes, members: Sequence[Ranked], names: dict[str, list[str]]) -> None:
    zero_line(axes)
    rankable = [place for place, each in enumerate(members) if each.p_adjusted is not None]
    poor = [place for place, each in enumerate(members) if each.p_adjusted is None]
    means = [each.judgement.figures.net_pnl_ticks for each in members]
    axes.plot(rankable, [means[place] for place in rankable], color=GREY, linewidth=0.8)
    paint_intervals(axes, rankable, [members[place] for place in rankable])
    axes.plot(poor, [means[place] for place in poor], "o", color=GREY, markerfacecolor="white", markersize=4)
    trial = members[0].candidate.first
    settings = settings_text(members[0], names.get(trial.signal, []))
    barriers = f"tp {trial.evaluation.tp_ticks:g} sl {trial.evaluation.sl_ticks:g}"
    title = fitted(f"{trial.signal}, {barriers}", _TITLE_LETTERS)
    axes.set_title("\n".join(text for text in (title, fitted(settings, _TITLE_LETTERS, 2)) if text))
    axes.set_xlabel("threshold")
    label_levels(axes, [each.candidate.first.threshold_label for each in members])
