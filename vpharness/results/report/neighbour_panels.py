"""Neighbours of one candidate: what those come to that differ from it in one setting alone."""

from collections.abc import Mapping, Sequence
from typing import Final
from xml.etree.ElementTree import Element

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vpharness.results.ranking import Ranked
from vpharness.results.report.charts import GREY, INK, chart, fitted, zero_line
from vpharness.results.report.markup import note, section
from vpharness.results.report.panels import (
    MOST_LETTERS,
    label_levels,
    paint_intervals,
    panels_height,
    panels_of,
    panels_share,
)
from vpharness.results.sensitivity import AtValue, sensitivity, short_name, value_text

MOST_SETTINGS: Final = 12
_ABREAST: Final = 4


def neighbours(own: Ranked, found: Mapping[str, Sequence[Ranked]]) -> Element | None:
    """Return a panel for each setting in which neighbours were tried; nothing where there are none.

    Args:
        own: the candidate.
        found: its neighbours with itself, by the setting in which they differ (see `results.neighbours`).
    """
    levels = {name: sensitivity(members, name) for name, members in list(found.items())[:MOST_SETTINGS]}
    levels = {name: values for name, values in levels.items() if len(values) > 1}
    if not levels:
        return None
    words = note(
        "Candidates that differ from this one (black) in one setting alone, with their 95 % intervals; hollow ones "
        "have too little data to be ranked, and no interval worth drawing. An edge that is real changes slowly from "
        "one value to the next: a peak with nothing beside it is what luck looks like."
    )

    def paint(figure: Figure) -> None:
        for axes, (name, values) in zip(panels_of(figure, len(levels), _ABREAST), levels.items(), strict=True):
            _paint(axes, name, values, found[name], own)

    described = f"Net ticks per fire of neighbouring candidates by {', '.join(map(short_name, levels))}."
    size = len(levels), _ABREAST
    picture = chart("neighbours", described, panels_height(*size), paint, share=panels_share(*size))
    return section("neighbours", "Neighbours", words, picture)


def _paint(axes: Axes, name: str, values: Sequence[AtValue], members: Sequence[Ranked], own: Ranked) -> None:
    zero_line(axes)
    by_value = [_at(members, name, value) for value in values]
    ranked = [(place, each) for place, some in enumerate(by_value) for each in some if each.p_adjusted is not None]
    poor = [(place, each) for place, some in enumerate(by_value) for each in some if each.p_adjusted is None]
    paint_intervals(axes, [place for place, _ in ranked], [each for _, each in ranked])
    for place, each in poor:
        axes.plot(place, each.judgement.figures.net_pnl_ticks, "o", color=GREY, markerfacecolor="white", markersize=4)
    for place, each in [*ranked, *poor]:
        if each is own:
            axes.plot(place, each.judgement.figures.net_pnl_ticks, "o", color=INK, markersize=6, zorder=5)
    axes.set_title(fitted(short_name(name), MOST_LETTERS))
    label_levels(axes, [value_text(value.value) for value in values])


def _at(members: Sequence[Ranked], name: str, value: AtValue) -> list[Ranked]:
    """Return the members with a value of a setting."""
    return [each for each in members if any(one.value == value.value for one in sensitivity([each], name))]
