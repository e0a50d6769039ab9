"""What the fires of the best candidates earned, summed over time, below the price they fired at."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final
from xml.etree.ElementTree import Element

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vpharness.evaluation import DatasetView, Part, fire_outcomes, outcomes_of_bins, parts_of
from vpharness.evaluation.outcomes import FireOutcomes
from vpharness.results.ledger import Trial
from vpharness.results.ranking import Ranked
from vpharness.results.reevaluation import ViewOf
from vpharness.results.report.candidates import name_of, short_id
from vpharness.results.report.charts import BAD_COLOUR, GOOD_COLOUR, INK, chart, fitted, thinned, zero_line
from vpharness.results.report.findings import Findings, signals_first
from vpharness.results.report.markup import note, number, section

MOST_CANDIDATES: Final = 3
MOST_DATASETS: Final = 4
HEIGHT_INCHES: Final = 3.4
PRICE_COLUMNS: Final = 1000
"""Columns of a picture, with two points of a price path each: more cannot be seen."""

_TITLE_LETTERS: Final = 90
_MS_PER_HOUR: Final = 3_600_000.0


@dataclass(frozen=True)
class Path:
    """A trial's fires over the price of the part that was judged.

    Attributes:
        dataset_id: the dataset.
        hours: [T] time of each bin of the part from the first bin of the dataset on.
        mid: [T] mid price, NaN where there is none.
        fires: the fires with their outcomes.
        hours_a_bin: length of a bin, hours.
    """

    dataset_id: str
    hours: NDArray[np.float64]
    mid: NDArray[np.float64]
    fires: FireOutcomes
    hours_a_bin: float

    @property
    def fire_hours(self) -> NDArray[np.float64]:
        """[n] time of each fire from the first bin of the dataset on."""
        return self.fires.fires.bins.astype(np.float64) * self.hours_a_bin


def path_of(trial: Trial, view: DatasetView) -> Path:
    """Return a trial's fires with their outcomes over the price, in the part that was judged."""
    evaluation = trial.evaluation
    part: Part = next(each for each in parts_of(view, evaluation, trial.split) if each.name == trial.judged_part)
    table = outcomes_of_bins(view, evaluation)
    mid = np.where(view.has_mid, view.mid, np.nan)[part.start : part.stop]
    hours_a_bin = view.cell_width_ms / _MS_PER_HOUR
    hours = np.arange(part.start, part.stop, dtype=np.float64) * hours_a_bin
    outcomes = fire_outcomes(table, trial.fires.within(part), part)
    return Path(trial.dataset_id, hours, mid, outcomes, hours_a_bin)


def equity_section(findings: Findings) -> Element | None:
    """Return pictures of the best candidates: price and fires above, what they earned below."""
    best = _drawn(findings.rankable)
    if not best:
        return None
    words = note(
        "Above, the mid price of the part that was judged; fires upwards are the ticks along its upper edge, fires "
        "downwards those along its lower one. Below, the net ticks of the fires, summed in their order. Many fires "
        "overlap: the sum is no account that could have been traded."
    )
    pictures = [_candidate(index, each, findings.view_of) for index, each in enumerate(best)]
    return section("equity", "Fires over the price", words, *pictures)


def _drawn(rankable: Sequence[Ranked]) -> list[Ranked]:
    """Return the best of each signal, then those that fire at other times than the ones before."""
    seen: set[tuple[str, ...]] = set()
    found: list[Ranked] = []
    for each in signals_first(rankable):
        fires = tuple(trial.fires.digest for trial in each.candidate.choosing)
        if fires not in seen and len(found) < MOST_CANDIDATES:
            found.append(each)
            seen.add(fires)
    return found


def _candidate(index: int, ranked: Ranked, view_of: ViewOf) -> Element:
    trials = ranked.candidate.choosing[:MOST_DATASETS]
    paths = [path_of(trial, view_of(trial.dataset_id, trial.dataset_checksum)) for trial in trials]
    dropped = len(ranked.candidate.choosing) - len(trials)
    words = f"{name_of(ranked)} ({short_id(ranked)})" + (f"; {dropped} more datasets are not drawn" if dropped else "")
    described = f"Price with fires, and their summed net ticks, of {words}."
    return chart(f"equity-{index}", described, HEIGHT_INCHES, partial(paint_paths, paths), caption=words)


def paint_paths(paths: Sequence[Path], figure: Figure) -> None:
    """Draw price and summed net ticks of the fires on each dataset, beside one another."""
    pairs = figure.subplots(2, len(paths), squeeze=False, sharex="col")
    for column, path in enumerate(paths):
        _paint_price(pairs[0, column], path, PRICE_COLUMNS // len(paths))
        _paint_equity(pairs[1, column], path, PRICE_COLUMNS // len(paths))
        pairs[0, column].set_title(fitted(path.dataset_id, _TITLE_LETTERS // len(paths)), pad=8)
    pairs[0, 0].set_ylabel("mid price")
    pairs[1, 0].set_ylabel("net, ticks, summed")


def _paint_price(axes: Axes, path: Path, columns: int) -> None:
    axes.plot(*thinned(path.hours, path.mid, columns), color="#555555", linewidth=0.7)
    across = axes.get_xaxis_transform()  # time along, share of the height up
    for direction, edge, inner, colour in ((1, 1.0, 0.93, GOOD_COLOUR), (-1, 0.0, 0.07, BAD_COLOUR)):
        times = _seen_apart(path, path.fire_hours[path.fires.fires.directions == direction], columns)
        gap = np.full(len(times), np.nan)
        # One line with gaps is a hundredth of as many marks.
        ticks = np.column_stack([np.full(len(times), edge), np.full(len(times), inner), gap])
        axes.plot(np.repeat(times, 3), ticks.ravel(), color=colour, linewidth=1.0, transform=across)
    axes.margins(x=0.01, y=0.12)


def _seen_apart(path: Path, times: NDArray[np.float64], columns: int) -> NDArray[np.float64]:
    """Return one time for each column of the picture in which there is any."""
    width = max(path.hours[-1] - path.hours[0], path.hours_a_bin) / columns
    seen: NDArray[np.float64] = (np.unique(np.floor(times / width)) + 0.5) * width
    return seen


def _paint_equity(axes: Axes, path: Path, columns: int) -> None:
    zero_line(axes)
    judged = np.isfinite(path.fires.net_pnl_ticks)
    times, summed = path.fire_hours[judged], np.cumsum(path.fires.net_pnl_ticks[judged])
    if len(times):
        # The sum stands at 0 from the first bin to the first fire, and where it ends to the last bin.
        times = np.concatenate([path.hours[:1], times, path.hours[-1:]])
        steps = np.concatenate([[0.0], summed, summed[-1:]])
        axes.step(*thinned(times, steps, columns), where="post", color=GOOD_COLOUR, linewidth=1.3)
        ends = f"{number(steps[-1], '+,.0f')} ticks over {len(summed):,} fires"
        axes.set_title(ends, loc="right", fontsize=8, color=INK)
    axes.set_xlabel("hours from the first bin on")
    axes.margins(x=0.01)
