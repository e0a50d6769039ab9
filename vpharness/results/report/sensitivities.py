"""Parameter sensitivities: what each signal's candidates come to at each value of what they differ in."""

import math
from collections.abc import Sequence
from typing import Final
from xml.etree.ElementTree import Element

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vpharness.results.report.candidates import net_text, short_id
from vpharness.results.report.charts import INK, chart, fitted, zero_line
from vpharness.results.report.findings import Findings, by_signal
from vpharness.results.report.markup import DASH, element, note, number, section, table
from vpharness.results.report.panels import (
    MOST_LETTERS,
    label_levels,
    paint_intervals,
    panels_height,
    panels_of,
    panels_share,
)
from vpharness.results.sensitivity import AtValue, sensitivity, short_name, value_text, varied_parameters

MOST_SIGNALS: Final = 6
_VALUES_ABREAST: Final = 4


def sensitivities(findings: Findings) -> Element | None:
    """Return, for each signal and each parameter that its candidates differ in, what they come to at its values."""
    parts: list[Element] = []
    for index, (signal, members) in enumerate(list(by_signal(findings.ranked).items())[:MOST_SIGNALS]):
        found = [sensitivity(members, name) for name in varied_parameters(members)]
        if found:
            both = element("div", _picture(f"sensitivity-{index}", signal, found), _numbers(found), class_="abreast")
            parts.append(element("div", element("h3", signal), both, class_="whole"))
    if not parts:
        return None
    words = note(
        "Over the rankable candidates that have each value, whatever else they differ in: the one that ranks "
        "first with its 95 % interval (●), and the median of all (◇). A setting that matters moves both; a best "
        "that stands alone above its median is what luck looks like. The intervals know nothing of the search: "
        "the adjusted p-value does."
    )
    return section("sensitivity", "Parameter sensitivity", words, *parts)


def _picture(name: str, signal: str, found: Sequence[Sequence[AtValue]]) -> Element:
    def paint(figure: Figure) -> None:
        for axes, values in zip(panels_of(figure, len(found), _VALUES_ABREAST), found, strict=True):
            _paint_values(axes, values)

    names = ", ".join(short_name(values[0].parameter) for values in found)
    described = f"Net ticks per fire of {signal}'s candidates at each value of {names}; the numbers stand below."
    size = len(found), _VALUES_ABREAST
    return chart(name, described, panels_height(*size), paint, share=panels_share(*size))


def _paint_values(axes: Axes, values: Sequence[AtValue]) -> None:
    zero_line(axes)
    at = [place for place, value in enumerate(values) if value.best is not None]
    paint_intervals(axes, at, [value.best for value in values if value.best is not None])
    medians = [value.median_net_pnl_ticks for value in values if value.median_net_pnl_ticks is not None]
    # Beside the interval, so that neither hides the other.
    axes.plot([place + 0.18 for place in at], medians, "D", color=INK, markerfacecolor="white", markersize=4)
    axes.set_title(fitted(short_name(values[0].parameter), MOST_LETTERS))
    label_levels(axes, [value_text(value.value) for value in values])


def _numbers(found: Sequence[Sequence[AtValue]]) -> Element:
    head = [
        "parameter",
        "value",
        "candidates",
        "rankable",
        "median net",
        "best net, 95 %",
        "median p",
        "low > 0",
        "best",
    ]
    rows: list[list[Element | str]] = []
    for values in found:
        for index, at in enumerate(values):
            label = element("th", short_name(at.parameter) if index == 0 else "", scope="row")
            rows.append([label, value_text(at.value), *_cells(at)])
    return table(head, rows, class_="numbers")


def _cells(at: AtValue) -> list[str]:
    return [
        f"{at.n_candidates:,}",
        f"{at.n_rankable:,}",
        _or_dash(at.median_net_pnl_ticks, "+.2f"),
        net_text(at.best.judgement.figures) if at.best else DASH,
        _or_dash(at.median_p_value, ".3f"),
        _or_dash(at.share_low_above_0, ".0%"),
        short_id(at.best) if at.best else DASH,
    ]


def _or_dash(value: float | None, form: str) -> str:
    return number(math.nan if value is None else value, form)
