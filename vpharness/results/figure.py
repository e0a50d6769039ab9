"""A picture of one candidate: what its fires earned over the price path, and what a score was followed by."""

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

# Two colours that the colour-blind tell apart, and that differ in grey too.
UP_COLOUR: Final = "#0072B2"
DOWN_COLOUR: Final = "#D55E00"


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

    figure = Figure(figsize=(10, 8), layout="constrained")
    FigureCanvasAgg(figure)
    price, equity, scatter = figure.subplots(3, 1, height_ratios=(2, 2, 2))
    figure.suptitle(title)
    price.plot(hours, mid, color="0.4", linewidth=0.6)
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
    figure.savefig(path, dpi=110)
