"""Synthetic markets through the lattice, in memory, and contenders judged on them: for calibration on real grids."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tests.evaluation.plain_signals import Seen, anywhere, when_busy, when_narrow
from tests.results.ledgers import entered
from vpharness.evaluation import (
    DatasetView,
    EvaluationParameters,
    Judgement,
    SplitParameters,
    evaluate_with,
    first_passage_tables,
    outcome_table,
    parts_of,
)
from vpharness.events.synthetic import SyntheticSource
from vpharness.lattice.lattice_engine import FinishedBins, advance, advance_to, open_bin_end_ns
from vpharness.lattice.lattice_parameters import LatticeParameters
from vpharness.lattice.layout import new_state
from vpharness.prices import PRICE_SCALE
from vpharness.results.ledger import LedgerCandidate
from vpharness.results.ranking import judged
from vpharness.signals import resolve, score

LATTICE: Final = LatticeParameters()
EVALUATION: Final = EvaluationParameters().resolve(LATTICE.cell_width_ms)
WHOLE: Final = SplitParameters(kind="none")

NEAR_CELLS: Final = 12
"""Cells on each side of spot whose flow a planted edge leans on, about."""
BUSY_BINS: Final = 100
BUSY_EVENTS: Final = 20
"""A market is busy where the last BUSY_BINS bins have had this many events each, on average: a third of the time."""


@dataclass(frozen=True)
class Market:
    """A market's prices, what can be seen of it at each bin, and the columns of its grid that were asked for."""

    view: DatasetView
    seen: Seen
    grid: Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Contender:
    """A signal at one threshold: one of vpharness's own, "recent_flow", or one of `plain_signals`, by its name."""

    name: str
    threshold: float


def market(source: SyntheticSource, columns: Sequence[str]) -> Market:
    """Run a market through the lattice and keep some of its columns; the spectrum is left out."""
    with source.open() as stream:
        state = new_state(
            LATTICE,
            tick_size=source.tick_size,
            size_unit=stream.size_unit,
            default_evict_crossed_ms=source.default_evict_crossed_ms,
            start_ns=None,
        )
        state.rules["with_spectrum"] = False
        kept: list[tuple[NDArray[Any], list[NDArray[Any]]]] = []
        for events in stream.chunks:
            state, blocks = advance(state, events)
            kept += [_kept(block, columns) for block in blocks]
    _, blocks = advance_to(state, open_bin_end_ns(state) or 0)
    kept += [_kept(block, columns) for block in blocks]
    bins = np.concatenate([each for each, _ in kept])
    grid = {name: np.concatenate([cells[index] for _, cells in kept]) for index, name in enumerate(columns)}
    return Market(_view(source, bins), _seen(source, bins), grid)


def _kept(block: FinishedBins, columns: Sequence[str]) -> tuple[NDArray[Any], list[NDArray[Any]]]:
    return block.bins, [block.column(name).copy() for name in columns]


def _view(source: SyntheticSource, bins: NDArray[Any]) -> DatasetView:
    name = f"synthetic {source.seed} at strength {source.strength:g}"
    return DatasetView(
        name=name,
        checksum=name,
        span=(int(bins["bin_start_ns"][0]), int(bins["bin_end_ns"][-1])),
        tick_size=source.tick_size,
        cell_width_ms=float(LATTICE.cell_width_ms),
        mid=bins["mid_price"].copy(),
        book_valid=bins["book_valid"].copy(),
        best_bid=bins["best_bid_price_int"].copy(),
        best_ask=bins["best_ask_price_int"].copy(),
    )


def _seen(source: SyntheticSource, bins: NDArray[Any]) -> Seen:
    events = np.concatenate([np.zeros(BUSY_BINS, np.int64), np.cumsum(bins["bin_event_count"])])
    spread = (bins["best_ask_price_int"] - bins["best_bid_price_int"]) / PRICE_SCALE / source.tick_size
    return {
        "noise": np.random.default_rng(source.seed).normal(size=len(bins)),
        "spread": np.round(spread),
        "busy": (events[BUSY_BINS:] - events[:-BUSY_BINS] >= BUSY_BINS * BUSY_EVENTS).astype(np.float64),
    }


def recent_flow(grid: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    """Return what is added below spot and pulled above it less the reverse, over their sum: [T], from -1 to 1."""
    spot = LATTICE.radius
    below, above = slice(spot - NEAR_CELLS, spot), slice(spot + 1, spot + 1 + NEAR_CELLS)
    added, pulled = grid["v_add"], grid["v_pull"]
    up = added[:, below].sum(axis=1) + pulled[:, above].sum(axis=1)
    down = added[:, above].sum(axis=1) + pulled[:, below].sum(axis=1)
    flow: NDArray[np.float64] = (up - down) / np.maximum(up + down, 1e-12)
    return flow


def scores_of(contender: Contender, market: Market) -> NDArray[np.float64]:
    """Return a contender's score [T] on a market."""
    if contender.name == "recent_flow":
        return recent_flow(market.grid)
    for plain in (anywhere, when_narrow, when_busy):
        if contender.name == plain.__name__:
            return plain(market.seen)
    signal = resolve(f"vpharness.signals.{contender.name}.{contender.name}")
    return score(signal, None, market.grid, cell_width_ms=LATTICE.cell_width_ms, valid=market.view.book_valid)


def entrants(contenders: Sequence[Contender], columns: Sequence[str], source: SyntheticSource) -> list[LedgerCandidate]:
    """Return contenders as candidates judged over the whole of one market, to be ranked."""
    made = market(source, columns)
    table = outcome_table(
        first_passage_tables(made.view, (EVALUATION.tp_ticks, EVALUATION.sl_ticks), EVALUATION.max_hold_bins),
        EVALUATION,
    )
    parts = parts_of(made.view, EVALUATION, WHOLE)
    found = []
    for each in contenders:
        (candidate,) = evaluate_with(made.view, table, parts, scores_of(each, made), [each.threshold])
        found.append(entered(each.name, candidate.parts["all"].evidence, EVALUATION, made.view))
    return found


def judgements(
    contenders: Sequence[Contender], columns: Sequence[str], source: SyntheticSource
) -> dict[str, Judgement]:
    """Judge contenders over the whole of one market by themselves, by their names."""
    candidates = entrants(contenders, columns, source)
    names = [each.candidate_id for each in candidates]
    return dict(zip(names, judged(candidates), strict=True))


def judgements_of_many(
    contenders: Sequence[Contender], columns: Sequence[str], sources: Sequence[SyntheticSource]
) -> list[dict[str, Judgement]]:
    """Do so for many markets, in two processes."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        return list(pool.map(partial(judgements, contenders, columns), sources))
