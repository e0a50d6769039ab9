"""Taking up a saved queue state again: only where its arrays belong together, since kernels follow their indices."""

import itertools
from collections.abc import Iterator, Mapping

import numpy as np

from vpharness.compiled import Array
from vpharness.errors import ConfigError
from vpharness.execution.queue_layout import VIRTUAL_ORDER_DTYPE, QueueState, new_queue, with_room
from vpharness.lattice.layout import NO_SLOT, LatticeState
from vpharness.order_fates import REASONS


def restore_queue(saved: Mapping[str, Array], book: LatticeState) -> QueueState:
    """Return the state of virtual orders that was saved beside a book that has been restored.

    Raises ConfigError where an array is missing, is one too many or of another type, and where they do not belong
    together or to the book.
    """
    fresh = with_room(new_queue(np.zeros(0, VIRTUAL_ORDER_DTYPE)), book)
    pattern = fresh._asdict()
    wanted = {name: (array.dtype, array.ndim) for name, array in pattern.items()}
    found = {name: (array.dtype, array.ndim) for name, array in saved.items()}
    if wanted != found:
        differing = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
        raise ConfigError(f"the saved orders are none of this version: {', '.join(differing)} differ; start anew")
    # Files do not say that a record is aligned: see lattice.state_transfer.
    queue = QueueState(**{n: np.ascontiguousarray(saved[n]).view(array.dtype) for n, array in pattern.items()})
    if unsound := next(itertools.chain(_lengths(queue, fresh), _cursors(queue), _links(queue)), None):
        raise ConfigError(f"the saved orders are damaged: {unsound}; start anew")
    return queue


def _lengths(queue: QueueState, fresh: QueueState) -> Iterator[str]:
    for name in ("cursor", "left", "position", "level_left", "level_executed", "oldest", "newest"):
        if (found := getattr(queue, name).shape) != (wanted := getattr(fresh, name).shape):
            yield f"{name} has the shape {found}, expected {wanted}"


def _cursors(queue: QueueState) -> Iterator[str]:
    cursor, orders = queue.cursor[0], queue.orders
    if not 0 <= cursor["withdrawn"] <= cursor["arrived"] <= len(orders):
        yield f"{cursor['withdrawn']} withdrawn and {cursor['arrived']} arrived of {len(orders)} orders"
    if not 0 <= cursor["measured"] <= cursor["arrived"]:
        yield f"{cursor['measured']} measured of {cursor['arrived']} arrived orders"
    if np.any((orders["home"] < NO_SLOT) | (orders["home"] >= len(queue.oldest))):
        yield "an order arrived at no level"
    if np.any((orders["side"] != 0) & (orders["side"] != 1)):
        yield "an order has no side"
    if np.any((orders["reason"] < 0) | (orders["reason"] >= len(REASONS))):
        yield "an order has an unknown reason"
    for name in ("arrival_ns", "withdrawal_ns"):
        if np.any(np.diff(orders[name]) < 0):
            yield f"orders are not in the order of {name}"


def _links(queue: QueueState) -> Iterator[str]:
    """The orders of each level are linked from the oldest to the newest, in the order in which they were placed."""
    orders, cursor = queue.orders, queue.cursor[0]
    waiting = np.flatnonzero(orders["level"] != NO_SLOT)
    levels = orders["level"][waiting]
    if np.any((levels < 0) | (levels >= len(queue.oldest))) or np.any(levels % 2 != orders["side"][waiting]):
        yield "an order waits at no level of its side"
        return
    if np.any((waiting < cursor["withdrawn"]) | (waiting >= cursor["arrived"])):
        yield "an order waits that has not arrived or was withdrawn"
    if (np.bincount(orders["side"][waiting], minlength=2) != cursor["waiting"]).any():
        yield f"{cursor['waiting'].tolist()} orders are said to wait, by side"
    oldest, newest = np.full_like(queue.oldest, NO_SLOT), np.full_like(queue.newest, NO_SLOT)
    for place in waiting.tolist():
        level, before = orders["level"][place], newest[orders["level"][place]]
        if orders["older"][place] != before or (before != NO_SLOT and orders["newer"][before] != place):
            yield f"order {place} is not linked to its neighbours"
        oldest[level] = place if before == NO_SLOT else oldest[level]
        newest[level] = place
    ends = newest[newest != NO_SLOT]
    if np.any(orders["newer"][ends] != NO_SLOT):
        yield "the newest order of a level has a newer one"
    if not np.array_equal(oldest, queue.oldest) or not np.array_equal(newest, queue.newest):
        yield "the ends of a level's orders are others"
