"""The null's maximum: what the best of a search as large as this one comes to by chance, with the best found on it."""

from typing import Final
from xml.etree.ElementTree import Element

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vpharness.evaluation import MarketTime
from vpharness.results.ranking import Ranked
from vpharness.results.report.candidates import dataset_ids_of, name_of, short_id
from vpharness.results.report.charts import BAD_COLOUR, GREY, INK, chart
from vpharness.results.report.findings import Findings
from vpharness.results.report.markup import note, section

MOST_FAMILIES: Final = 4
_BARS: Final = 40
_LEVEL: Final = 0.95
_HEADROOM: Final = 1.35
"""Height of the axes over that of the bars: above them stand the words."""


def null_maximum(findings: Findings) -> Element | None:
    """Return a histogram of the family's largest T under each draw, for each family that is shown."""
    firsts: dict[tuple[MarketTime, ...], Ranked] = {}
    for each in findings.rankable:
        firsts.setdefault(each.family.market_times, each)
    if not firsts:
        return None
    words = note(
        "T is how far what a candidate's directions earned, beyond the market's drift and whatever the cost, lies "
        "above a toss of coins, in standard deviations; it cannot exceed the root of the number of blocks. Under each "
        "draw the direction of whole blocks of time is flipped at random, and the largest T of all rankable "
        "candidates is kept: this is how good the best looks where there is nothing to find. The adjusted p-value is "
        "the share of draws at or to the right of the line."
    )
    pictures = [_family(index, best) for index, best in enumerate(list(firsts.values())[:MOST_FAMILIES])]
    return section("chance", "The best of a search by chance", words, *pictures)


def _family(index: int, best: Ranked) -> Element:
    greatest, observed = best.family.greatest_excess, best.judgement.t
    if greatest is None:
        raise ValueError(f"{name_of(best)} is ranked in a family without rankable candidates")

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        _histogram(axes, "blocks of time flipped", greatest, observed)
        axes.set_ylim(0, _HEADROOM * axes.dataLim.y1)
        axes.set_ylabel("draws")

    words = (
        f"{best.family.n_rankable:,} rankable candidates on {', '.join(dataset_ids_of(best))}; the line is "
        f"{name_of(best)} ({short_id(best)}): T {observed:.2f}, p adj. {best.p_adjusted:.3f}."
    )
    described = f"A histogram of the largest T under chance. {words}"
    return chart(f"chance-{index}", described, 2.5, paint, caption=words)


def _histogram(axes: Axes, title: str, drawn: NDArray[np.float64], observed: float) -> None:
    axes.hist(drawn, bins=_BARS, color="#d5d5d5", edgecolor=GREY, linewidth=0.5, histtype="stepfilled")
    limit = float(np.quantile(drawn, _LEVEL))
    up = axes.get_xaxis_transform()  # T along, share of the height up
    axes.plot([limit, limit], [0, 0.74], color=INK, linewidth=0.9, linestyle=(0, (4, 3)), transform=up)
    axes.plot([observed, observed], [0, 0.88], color=BAD_COLOUR, linewidth=2.2, transform=up)
    low, high = axes.get_xlim()
    for at, height, words in (
        (limit, 0.74, f"{100 * _LEVEL:g} % of draws"),
        (observed, 0.88, f"observed {observed:.2f}"),
    ):
        towards_left = at > (low + high) / 2
        side, shift = ("right", 3) if towards_left else ("left", -3)
        place = ("data", "axes fraction")
        axes.annotate(
            words, (at, height), (shift, 2), xycoords=place, textcoords="offset points", ha=side, fontsize=8, color=INK
        )
    axes.set_title(title)
    axes.set_xlabel("largest T of the family")
