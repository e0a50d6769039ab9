"""Chance: what the same fires would have made, moved in time together or flipped in direction by blocks.

Both nulls draw from uniforms that belong to the dataset, not to the run: the same draws serve every candidate, today's
and later ones, so that candidates can be compared under each draw.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from vpharness.evaluation.dataset import DatasetView
from vpharness.evaluation.draws import DIRECTION, TIMING, null_key, timing_shifts
from vpharness.evaluation.fires import Fires
from vpharness.evaluation.nulls import FireRows, direction_draws, n_rows, timing_draws
from vpharness.evaluation.outcomes import OutcomeTable
from vpharness.evaluation.split import Part

_BATCH_ROWS: Final = 1024
_BATCH_BLOCK_SUMS: Final = 2**20
"""A batch of candidates takes some tens of MB, however many candidates there are."""


@dataclass(frozen=True)
class DrawnSums:
    """Sums and counts under each of D draws of one null.

    Attributes:
        sums: [D] float64, ticks.
        counts: [D] float64, fires that are neither censored nor skipped.
    """

    sums: NDArray[np.float64]
    counts: NDArray[np.float64]


@dataclass(frozen=True)
class Chance:
    """Net P&L before cost of one candidate's fires, as they are and under both nulls; it adds over datasets.

    Cost shifts every draw alike and changes no comparison.

    Attributes:
        observed_sum: ticks, over the fires that are neither censored nor skipped.
        observed_count: the number of these fires.
        timing: the draws that move all fires around the circle of the part's bins.
        direction: the draws that flip the direction of whole blocks.
    """

    observed_sum: float
    observed_count: float
    timing: DrawnSums
    direction: DrawnSums

    @classmethod
    def pool(cls, several: Sequence["Chance"]) -> "Chance":
        """Add up one candidate's sums over several datasets."""
        return cls(
            sum(each.observed_sum for each in several),
            sum(each.observed_count for each in several),
            _added([each.timing for each in several]),
            _added([each.direction for each in several]),
        )


def _added(several: Sequence[DrawnSums]) -> DrawnSums:
    return DrawnSums(np.sum([each.sums for each in several], axis=0), np.sum([each.counts for each in several], axis=0))


def chance_of(dataset: DatasetView, table: OutcomeTable, part: Part, candidates: Sequence[Fires]) -> tuple[Chance, ...]:
    """Return the sums of each candidate under both nulls; equal fires are drawn once.

    Many candidates in one call take less time each than one by one.

    Args:
        dataset: what seeds the draws.
        table: outcomes of every bin of the dataset.
        part: where the fires are moved, and within which walks must fit.
        candidates: for each candidate its fires in the part.
    """
    evaluation = table.evaluation
    shifts = timing_shifts(null_key(dataset, evaluation.null_seed, TIMING), part, evaluation.null_draws)
    with_observed = np.concatenate([[0], shifts])
    coin_key = null_key(dataset, evaluation.null_seed, DIRECTION)
    pnl = _fitting(table.net_pnl, part.limit - evaluation.net_reach_bins)
    digests = [fires.digest for fires in candidates]
    distinct = dict(zip(digests, candidates, strict=True))
    n_blocks = -(-(part.stop - part.start) // evaluation.block_bins)
    found: list[Chance] = []
    for batch in _batches(distinct.values(), max(_BATCH_BLOCK_SUMS // n_blocks, 1)):
        rows = FireRows.pack(batch)
        timing = timing_draws(pnl, rows, part, with_observed)
        blocks = (rows.bins - part.start) // evaluation.block_bins
        direction = direction_draws(pnl, rows, blocks, coin_key, evaluation.null_draws)
        found += [_chance(*drawn) for drawn in zip(*timing, *direction, strict=True)]
    known = dict(zip(distinct, found, strict=True))
    return tuple(known[digest] for digest in digests)


def _chance(
    moved_sums: NDArray[np.float64],
    moved_counts: NDArray[np.float64],
    flipped_sums: NDArray[np.float64],
    flipped_counts: NDArray[np.float64],
) -> Chance:
    """Put one candidate's draws together; the first of those that move it leaves it where it is.

    They are copied: a slice would keep its whole batch in memory.
    """
    return Chance(
        float(moved_sums[0]),
        float(moved_counts[0]),
        DrawnSums(moved_sums[1:].copy(), moved_counts[1:].copy()),
        DrawnSums(flipped_sums.copy(), flipped_counts.copy()),
    )


def _batches(candidates: Iterable[Fires], most: int) -> Iterator[list[Fires]]:
    """Yield candidates in their order, at most `most` of them and rows for one batch at a time."""
    batch: list[Fires] = []
    taken = 0
    for fires in candidates:
        rows = n_rows(fires)
        if batch and (len(batch) == most or taken + rows > _BATCH_ROWS):
            yield batch
            batch, taken = [], 0
        batch.append(fires)
        taken += rows
    if batch:
        yield batch


@jax.jit
def _fitting(net_pnl: jax.Array, first_without_room: int) -> jax.Array:
    """Return [2, S] the net P&L of the bins from which a whole walk fits; NaN from `first_without_room` on."""
    return jnp.where(jnp.arange(net_pnl.shape[1]) < first_without_room, net_pnl, jnp.nan)
