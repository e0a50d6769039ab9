"""Sign flips: what the same fires would have earned if the direction of whole blocks of time were a toss of a coin.

With S_b the sum of directional excess over a candidate's fires in block b, T = sum of S_b / sqrt(sum of S_b^2) is
compared with T under D draws of signs e_b = +-1 (a randomisation test of symmetry; Romano, 1989): under the null the
direction of a block's fires says nothing of where the market went. Blocks, not fires, are flipped, since fires that
share a block share their fate.

The coins belong to the clock, not to the run: one coin for each draw and block serves every candidate, dataset and
day, so that candidates, today's and later ones, can be compared under each draw, and the greatest T of a family has
the distribution that the dependence between its members gives it (max-T; Westfall and Young, 1993).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpharness.evaluation.blocks import BlockSums

_BITS_PER_WORD: Final = 64
_WORDS_PER_STEP: Final = 4
_BLOCKS_AT_ONCE: Final = 512
"""The coins of so many blocks are held at a time: 4 MB for 999 draws, however long the data are."""
_DENSE: Final = 0.05
"""The share of a matrix that must be filled for its zeros to cost less than looking up what is not zero."""
_SAME: Final = 1e-12
"""Draws whose square lies this close, relatively, under the largest possible one are taken for it."""


@dataclass(frozen=True)
class Draws:
    """Which coins are tossed: how many draws, and from which seed."""

    n: int
    seed: int


def coins(seconds: int, blocks: NDArray[np.int64], draws: Draws) -> NDArray[np.int8]:
    """Return [B, D] the coins, +1 or -1, of blocks [B] of `seconds`, keyed by (seed, draw, length, block) alone.

    The bits are those of NumPy's Philox, a generator that is a function of key and counter: the key is the seed and the
    length, the counter the block and the number of the draw. More draws or blocks leave the others as they are.
    """
    words = -(-draws.n // _BITS_PER_WORD)
    found = np.empty((len(blocks), words), dtype=np.uint64)
    # The counter's lowest word runs with the draws; setting it anew is ten times as fast as making a generator.
    bits = np.random.Philox(key=np.array([draws.seed, seconds], dtype=np.uint64))
    state = bits.state
    # Times before the epoch, which some published data have, count down from the largest number.
    for row, block in enumerate(blocks.astype(np.int64).view(np.uint64).tolist()):
        state["state"]["counter"] = np.array([0, block, 0, 0], dtype=np.uint64)
        state["buffer_pos"] = _WORDS_PER_STEP
        bits.state = state
        found[row] = bits.random_raw(words)
    little = found.astype("<u8").view(np.uint8).reshape(len(blocks), -1)
    heads = np.unpackbits(little, axis=1, count=draws.n, bitorder="little")
    return (2 * heads.astype(np.int8) - 1).astype(np.int8)


def flipped_sums(
    seconds: int, blocks: Sequence[NDArray[np.int64]], values: Sequence[NDArray[np.float64]], draws: Draws
) -> NDArray[np.float64]:
    """Return [Q, D] Σ_b ε_kb x_b of each of Q rows of values, under each draw.

    Args:
        seconds: the length of all blocks.
        blocks: for each row its blocks [B].
        values: for each row its values [B].
        draws: the coins.
    """
    from scipy import sparse  # type: ignore[import-untyped]  # noqa: PLC0415  # untyped, and slow to load

    sizes = [len(each) for each in blocks]
    if not sum(sizes):
        return np.zeros((len(sizes), draws.n))
    numbers, columns = np.unique(np.concatenate(blocks), return_inverse=True)
    ends = np.concatenate([[0], np.cumsum(sizes)])
    matrix = sparse.csr_array((np.concatenate(values), columns, ends), shape=(len(sizes), len(numbers))).tocsc()
    found = np.zeros((len(sizes), draws.n))
    for start in range(0, len(numbers), _BLOCKS_AT_ONCE):
        some = slice(start, start + _BLOCKS_AT_ONCE)
        here = matrix[:, some].tocsr()
        rows = np.flatnonzero(np.diff(here.indptr))
        here, tossed = here[rows], coins(seconds, numbers[some], draws).astype(np.float64)
        # Candidates of one dataset hold most of its blocks: a product of full matrices is ten times as fast then.
        is_dense = here.nnz >= _DENSE * here.shape[0] * here.shape[1]
        found[rows] += np.asarray((here.toarray() if is_dense else here) @ tossed)
    return found


def observed_excess(blocks: BlockSums) -> float:
    """Return T = ΣS_b/√(ΣS_b²), S_b the sum of directional excess in a block; 0 where there is none.

    It is at most √B, which it reaches where all blocks earned alike.
    """
    sums = blocks.tick("excess")
    scale = float(np.sqrt(np.sum(sums**2)))
    return float(sums.sum()) / scale if scale > 0 else 0.0


def standardised(drawn: NDArray[np.float64], squares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return [Q, D] drawn sums over the root [Q] of the sum of their squares; 0 where that is 0."""
    scale = np.sqrt(np.maximum(squares, 0.0))[:, None]
    found: NDArray[np.float64] = np.divide(drawn, scale, out=np.zeros_like(drawn), where=scale > 0)
    return found


def studentised(tau: NDArray[np.float64], n_blocks: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return t = τ √((B-1)/(B-τ²)) of drawn τ [Q, D] over B [Q] blocks; ±∞ where τ² is B, 0 with fewer than two blocks.

    So a drawn mean is divided by its own standard error, as the observed one is.
    """
    count = n_blocks.astype(np.float64)[:, None]
    room = count - tau**2
    with np.errstate(divide="ignore", invalid="ignore"):
        t = tau * np.sqrt((count - 1) / room)
    t = np.where(room <= _SAME * count, np.copysign(np.inf, tau), t)
    found: NDArray[np.float64] = np.where(count > 1, t, 0.0)
    return found
