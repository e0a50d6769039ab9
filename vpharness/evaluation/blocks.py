"""Blocks of time: the units over which fires that share their fate are summed, and how long they must be.

A block is a stretch of L seconds by the clock, so that instruments and datasets that run at the same time share their
blocks. L is a power of two: the blocks of one L nest in those of the next, and sums over coarser blocks are sums of
those over finer ones.
"""

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpharness.evaluation.queue_fills import MARKOUT_MS

NS_PER_SECOND: Final = 1_000_000_000

WALKS_PER_BLOCK: Final = 4
"""A block is at least this many mean walks long."""

COUNTS: Final = ("n_mid", "mid_tp", "mid_sl", "mid_timeout", "n_net", "net_tp", "net_sl", "net_win")
"""Numbers of fires in a block: judged at the mid and by its outcome, judged net and by its outcome."""
TICKS: Final = ("mid_pnl", "net_pnl", "excess")
"""Sums over the fires of a block, ticks: P&L at the mid, net P&L, and directional excess."""
ORDERS: Final = (
    *("orders", "orders_filled", "filled_through", "filled_behind", "filled_crossed"),
    *("orders_rejected", "orders_withdrawn", "orders_cleared"),
    *(name for after_ms in MARKOUT_MS for name in (f"markout_{after_ms}ms", f"marked_{after_ms}ms")),
)
"""Sums over the resting orders of a block's fires: numbers of orders by what became of them, markouts (ticks) of those
filled, and how many of these have one."""

_PLACES: Final = {name: place for place, name in enumerate((*COUNTS, *TICKS, *ORDERS))}


@dataclass(frozen=True)
class BlockSums:
    """Sums over the fires of one candidate, for each block that holds any.

    Attributes:
        seconds: the length L of a block.
        block: [B] int64 ascending, floor(start of the fire's bin in ns / L).
        counts: [B, len(COUNTS)] int32.
        ticks: [B, len(TICKS)] float64.
        orders: [B, len(ORDERS)] float64; None where every entry is at the touch.
    """

    seconds: int
    block: NDArray[np.int64]
    counts: NDArray[np.int32]
    ticks: NDArray[np.float64]
    orders: NDArray[np.float64] | None = None

    def count(self, name: str) -> NDArray[np.int32]:
        """Return [B] one of COUNTS."""
        column: NDArray[np.int32] = self.counts[:, COUNTS.index(name)]
        return column

    def tick(self, name: str) -> NDArray[np.float64]:
        """Return [B] one of TICKS."""
        column: NDArray[np.float64] = self.ticks[:, TICKS.index(name)]
        return column

    def order(self, name: str) -> NDArray[np.float64]:
        """Return [B] one of ORDERS; zeros where every entry is at the touch."""
        if self.orders is None:
            return np.zeros(len(self.block))
        column: NDArray[np.float64] = self.orders[:, ORDERS.index(name)]
        return column

    def rows(self, names: Sequence[str]) -> NDArray[np.float64]:
        """Return [len(names), B] sums by their names; those of ORDERS are zeros where every entry is at the touch."""
        orders = np.zeros((len(self.block), len(ORDERS))) if self.orders is None else self.orders
        every = np.concatenate((self.counts, self.ticks, orders), axis=1)
        return np.ascontiguousarray(every.T[[_PLACES[name] for name in names]])

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of the content: candidates with equal ones are judged alike."""
        return hashlib.sha256(
            b"|".join(
                [
                    str(self.seconds).encode(),
                    self.block.astype("<i8").tobytes(),
                    self.counts.astype("<i4").tobytes(),
                    self.ticks.astype("<f8").tobytes(),
                    *([] if self.orders is None else [self.orders.astype("<f8").tobytes()]),
                ]
            )
        ).hexdigest()

    def at(self, seconds: int) -> "BlockSums":
        """Return the sums over blocks of `seconds`, which must be this length or a coarser one."""
        if seconds == self.seconds:
            return self
        if seconds % self.seconds:
            raise ValueError(f"blocks of {self.seconds} s do not make up blocks of {seconds} s")
        return _summed(seconds, self.block // (seconds // self.seconds), self.counts, self.ticks, self.orders)


def block_seconds(mean_walk_s: float) -> int:
    """Return L for walks of a mean length: the least power of two seconds that is at least four of them, at least 1."""
    seconds = 1
    while seconds < WALKS_PER_BLOCK * mean_walk_s:
        seconds *= 2
    return seconds


def block_sums(
    seconds: int,
    times_ns: NDArray[np.int64],
    counts: NDArray[np.int32],
    ticks: NDArray[np.float64],
    orders: NDArray[np.float64] | None = None,
) -> BlockSums:
    """Return the sums over blocks of fires at ascending times [n], given what each of them counts and earns."""
    return _summed(seconds, times_ns // (seconds * NS_PER_SECOND), counts, ticks, orders)


def merged(several: Sequence[BlockSums]) -> BlockSums:
    """Add up the sums of several datasets, over blocks of the coarsest length among them."""
    seconds = max(each.seconds for each in several)
    level = [each.at(seconds) for each in several]
    if len(level) == 1:
        return level[0]
    block = np.concatenate([each.block for each in level])
    order = np.argsort(block, kind="stable")
    counts, ticks = np.concatenate([each.counts for each in level]), np.concatenate([each.ticks for each in level])
    known = [each.orders for each in level if each.orders is not None]
    orders = np.concatenate(known)[order] if len(known) == len(level) else None
    return _summed(seconds, block[order], counts[order], ticks[order], orders)


def _summed(
    seconds: int,
    block: NDArray[np.int64],
    counts: NDArray[np.int32],
    ticks: NDArray[np.float64],
    orders: NDArray[np.float64] | None,
) -> BlockSums:
    """Add up rows whose blocks [n] ascend."""
    if not len(block):
        return BlockSums(seconds, block.astype(np.int64), counts.astype(np.int32), ticks, orders)
    first = np.flatnonzero(np.concatenate([[True], np.diff(block) != 0]))
    if len(first) == len(block):
        return BlockSums(seconds, block, counts, ticks, orders)
    return BlockSums(
        seconds,
        block[first].astype(np.int64),
        np.add.reduceat(counts, first, axis=0).astype(np.int32),
        np.add.reduceat(ticks, first, axis=0),
        None if orders is None else np.add.reduceat(orders, first, axis=0),
    )
