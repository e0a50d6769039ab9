"""Pictures: of one candidate, what its fires earned over the price path; of a campaign, what its best came to."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpharness.results.ranking import Ranked

# Two colours that the colour-blind tell apart, and that differ in grey too.
UP_COLOUR: Final = "#0072B2"
DOWN_COLOUR: Final = "#D55E00"
_SHOWN: Final = 40
_COLUMNS: Final = 1000


def draw_run(
    path: Path,
    title: str,
    *,
    hours: NDArray[np.float64],
    mid: NDArray[np.float64],
    fire_bins: NDArray[np.int64],
    directions: NDArray[np.int8],
    net_pnl_ticks: NDArray[np.float64],
    scores: NDArray[np.float64],
) -> None:
    """Write a PNG.

    Args:
        path: the file.
        title: what stands above it.
        hours: [T] time of each bin from the first one on.
        mid: [T] mid price, NaN where there is none.
        fire_bins: [n] the bins of the fires that are shown.
        directions: [n] +1 or -1.
        net_pnl_ticks: [n] what each came to, NaN where it was not judged.
        scores: [n] the score at each fire.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415  # half a second, only where it is wanted
    from matplotlib.figure import Figure  # noqa: PLC0415  # see above

    figure = Figure(figsize=(10, 8))
    FigureCanvasAgg(figure)
    figure.subplots_adjust(left=0.08, right=0.98, bottom=0.07, top=0.94, hspace=0.3)
    price, equity, scatter = figure.subplots(3, 1)
    figure.suptitle(title)
    shown = extremes(mid, _COLUMNS)
    price.plot(hours[shown], mid[shown], color="0.4", linewidth=0.6)
    for sign, colour, marker in ((1, UP_COLOUR, "^"), (-1, DOWN_COLOUR, "v")):
        chosen = fire_bins[directions == sign]
        price.plot(hours[chosen], mid[chosen], marker, color=colour, markersize=4, linestyle="none")
    price.set_ylabel("mid price, fires")
    judged = np.isfinite(net_pnl_ticks)
    equity.step(hours[fire_bins[judged]], np.cumsum(net_pnl_ticks[judged]), where="post", color=UP_COLOUR)
    equity.axhline(0, color="0.6", linewidth=0.6)
    equity.set_ylabel("net, ticks, summed")
    equity.set_xlabel("hours from the first bin on")
    equity.sharex(price)
    signed = scores[judged] * directions[judged]
    scatter.plot(signed, net_pnl_ticks[judged], ".", color=DOWN_COLOUR, markersize=4)
    scatter.axhline(0, color="0.6", linewidth=0.6)
    scatter.set_xlabel("|score| at the fire")
    scatter.set_ylabel("net of the fire, ticks")
    figure.savefig(path, dpi=90)


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


def draw_campaign(path: Path, title: str, ranked: Sequence[Ranked]) -> None:
    """Write a PNG of the best candidates' net means with their intervals, beside 0 and in the order of the ranking."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415  # half a second, only where it is wanted
    from matplotlib.figure import Figure  # noqa: PLC0415  # see above

    shown = [each for each in ranked if np.isfinite(each.judgement.figures.net_pnl_ticks_low)][:_SHOWN]
    height = 1.5 + 0.28 * len(shown)
    figure = Figure(figsize=(10, height))
    FigureCanvasAgg(figure)
    figure.subplots_adjust(left=0.4, right=0.97, bottom=0.7 / height, top=1 - 0.4 / height)
    axes = figure.subplots()
    for place, each in enumerate(shown):
        f = each.judgement.figures
        colour = UP_COLOUR if each.winner else "0.4"
        axes.plot([f.net_pnl_ticks_low, f.net_pnl_ticks_high], [place, place], color=colour, linewidth=2)
        axes.plot(f.net_pnl_ticks, place, "o", color=colour, markersize=5)
    axes.axvline(0, color=DOWN_COLOUR, linewidth=0.8)
    axes.set_yticks(range(len(shown)), [_named(each) for each in shown], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("net, ticks a fire, with its 95 % interval; winners in blue")
    axes.set_title(title)
    figure.savefig(path, dpi=90)


def _named(ranked: Ranked) -> str:
    first = ranked.candidate.first
    adjusted = "too little data" if ranked.p_adjusted is None else f"p adj. {ranked.p_adjusted:.3f}"
    return f"{first.signal} at {first.threshold_label}, {ranked.candidate.candidate_id[:6]}, {adjusted}"
