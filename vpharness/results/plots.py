"""Plots: of a candidate, what its fires earned over the price path; of a campaign, net means of its best.

What is drawn is plain values, so that a process of its own can draw it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vpharness.errors import ResultsError
from vpharness.storage.durable import written_aside

# Two colours that the colour-blind tell apart, and that differ in grey too.
UP_COLOUR: Final = "#0072B2"
DOWN_COLOUR: Final = "#D55E00"
_COLUMNS: Final = 1000
_DOTS_PER_INCH: Final = 90


@dataclass(frozen=True)
class RunPlot:
    """What is drawn of one candidate.

    Attributes:
        title: what stands above it.
        hours, mid: the price path, hours from the first bin on and mid prices, NaN where there is none.
        fire_hours, fire_mids, directions: of each fire; directions are +1 or -1.
        net_pnl_ticks: net P&L of each, NaN where it was not judged.
        scores: the score at each fire.
    """

    title: str
    hours: Sequence[float]
    mid: Sequence[float]
    fire_hours: Sequence[float]
    fire_mids: Sequence[float]
    directions: Sequence[int]
    net_pnl_ticks: Sequence[float]
    scores: Sequence[float]

    @classmethod
    def of(
        cls,
        title: str,
        *,
        hours: NDArray[np.float64],
        mid: NDArray[np.float64],
        fire_bins: NDArray[np.int64],
        directions: Sequence[int],
        net_pnl_ticks: Sequence[float],
        scores: Sequence[float],
    ) -> "RunPlot":
        """Return the picture of fires at some bins of `hours` and `mid`: [T]."""
        shown = extremes(mid, _COLUMNS)
        fire_hours, fire_mids = hours[fire_bins].tolist(), mid[fire_bins].tolist()
        return cls(
            title, hours[shown].tolist(), mid[shown].tolist(), fire_hours, fire_mids, directions, net_pnl_ticks, scores
        )


@dataclass(frozen=True)
class CampaignPlot:
    """What is drawn of a campaign: its best candidates' net means with their intervals, ticks, in their order."""

    title: str
    names: Sequence[str]
    lows: Sequence[float]
    means: Sequence[float]
    highs: Sequence[float]
    winners: Sequence[bool]


Plot = RunPlot | CampaignPlot


class PlotWriter:
    """Draws pictures. Those of runs are all drawn on one figure, whose axes take half of the time to make."""

    def __init__(self) -> None:
        self._of_runs: Any = None

    def draw(self, picture: Plot, path: Path) -> None:
        """Write a PNG: aside first, so that it is there whole or not at all.

        Raises ResultsError where it cannot be written.
        """
        figure = self._run(picture) if isinstance(picture, RunPlot) else _campaign(picture)
        try:
            with written_aside(path, durable=False) as aside:  # a picture can be drawn again
                figure.savefig(aside, dpi=_DOTS_PER_INCH, format="png")
        except OSError as error:
            raise ResultsError(f"the figure {path} cannot be drawn: {error.strerror or error}") from error

    def _run(self, picture: RunPlot) -> Any:
        if self._of_runs is None:
            self._of_runs = _empty_run()
        figure = self._of_runs
        price, equity, scatter = figure.axes
        for axes in figure.axes:
            for line in list(axes.lines):
                line.remove()
        figure.suptitle(picture.title)
        price.plot(picture.hours, picture.mid, color="0.4", linewidth=0.6)
        hours, mids, directions = (
            np.array(each) for each in (picture.fire_hours, picture.fire_mids, picture.directions)
        )
        for sign, colour, marker in ((1, UP_COLOUR, "^"), (-1, DOWN_COLOUR, "v")):
            chosen = directions == sign
            price.plot(hours[chosen], mids[chosen], marker, color=colour, markersize=4, linestyle="none")
        net = np.array(picture.net_pnl_ticks, dtype=np.float64)
        judged = np.isfinite(net)
        equity.step(hours[judged], np.cumsum(net[judged]), where="post", color=UP_COLOUR)
        scatter.plot(np.array(picture.scores)[judged] * directions[judged], net[judged], ".", color=DOWN_COLOUR)
        for axes in (equity, scatter):
            axes.axhline(0, color="0.6", linewidth=0.6)
        for axes in figure.axes:
            axes.relim()
            axes.autoscale_view()
        return figure


def _empty_run() -> Any:
    figure = _figure(8)
    figure.subplots_adjust(left=0.08, right=0.98, bottom=0.07, top=0.94, hspace=0.3)
    price, equity, scatter = figure.subplots(3, 1)
    equity.sharex(price)
    price.set_ylabel("mid price, fires")
    equity.set_ylabel("net, ticks, summed")
    equity.set_xlabel("hours from the first bin on")
    scatter.set_xlabel("|score| at the fire")
    scatter.set_ylabel("net of the fire, ticks")
    return figure


def _campaign(picture: CampaignPlot) -> Any:
    height = 1.5 + 0.28 * len(picture.names)
    figure = _figure(height)
    figure.subplots_adjust(left=0.4, right=0.97, bottom=0.7 / height, top=1 - 0.4 / height)
    axes = figure.subplots()
    several = zip(picture.lows, picture.means, picture.highs, picture.winners, strict=True)
    for place, (low, mean, high, winner) in enumerate(several):
        colour = UP_COLOUR if winner else "0.4"
        axes.plot([low, high], [place, place], color=colour, linewidth=2)
        axes.plot(mean, place, "o", color=colour, markersize=5)
    axes.axvline(0, color=DOWN_COLOUR, linewidth=0.8)
    axes.set_yticks(range(len(picture.names)), picture.names, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("net per fire, ticks, with its 95 % interval; winners in blue")
    axes.set_title(picture.title)
    return figure


def _figure(height: float) -> Any:
    """Return an empty figure; importing matplotlib takes half a second, and is done only where it is wanted."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415  # see above
    from matplotlib.figure import Figure  # noqa: PLC0415  # see above

    figure = Figure(figsize=(10, height))
    FigureCanvasAgg(figure)
    return figure


def extremes(values: NDArray[np.float64], columns: int) -> NDArray[np.int64]:
    """Return the places of the lowest and highest of `values`: [T] in each of so many stretches, in their order.

    A line through them looks like the line through all, where it is drawn `columns` pixels wide.
    """
    if len(values) <= 2 * columns:
        return np.arange(len(values))
    width = -(-len(values) // columns)
    padded = np.full(columns * width, np.nan)
    padded[: len(values)] = values
    stretches = padded.reshape(columns, width)
    held = np.flatnonzero(np.isfinite(stretches).any(axis=1))
    lowest, highest = (find(stretches[held], axis=1) + held * width for find in (np.nanargmin, np.nanargmax))
    return np.unique(np.concatenate([lowest, highest]))
