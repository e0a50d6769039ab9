"""Small panels beside one another, on one vertical scale: candidates at the levels of something."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vpharness.results.ranking import Ranked
from vpharness.results.report.charts import fitted, interval_marks

PANEL_INCHES: Final = 2.1
MOST_LETTERS: Final = 22
"""Of a label below a panel, and of all those that stand upright."""


def panels_of(figure: Figure, count: int, abreast: int) -> list[Axes]:
    """Return as many axes as are wanted, on one vertical scale."""
    grid = figure.subplots(math.ceil(count / abreast), min(count, abreast), sharey=True, squeeze=False)
    panels: list[Axes] = grid.ravel().tolist()
    for spare in panels[count:]:
        spare.set_axis_off()
    for row in grid:
        row[0].set_ylabel("net per fire, ticks")
    return panels[:count]


def panels_height(count: int, abreast: int) -> float:
    """Return the height of a figure with so many panels, inches."""
    return PANEL_INCHES * math.ceil(count / abreast)


def panels_share(count: int, abreast: int) -> float:
    """Return the share of the page's width that so many panels take."""
    return min(count, abreast) / abreast


def paint_intervals(axes: Axes, at: Sequence[int], members: Sequence[Ranked]) -> None:
    """Draw the net means of candidates with their intervals, each at its place."""
    figures = [each.judgement.figures for each in members]
    interval_marks(
        axes,
        np.array(at, np.float64),
        np.array([f.net_pnl_ticks for f in figures]),
        np.array([f.net_pnl_ticks_low for f in figures]),
        np.array([f.net_pnl_ticks_high for f in figures]),
    )


def label_levels(axes: Axes, texts: Sequence[str]) -> None:
    """Write the values below a panel, slanted where they would run into one another."""
    labels = [fitted(text, MOST_LETTERS) for text in texts]
    crowded = sum(map(len, labels)) > MOST_LETTERS
    axes.set_xticks(range(len(labels)), labels, rotation=60 if crowded else 0, ha="right" if crowded else "center")
    axes.set_xlim(-0.6, len(labels) - 0.4)
