"""The layout of saved lattices from before events had a publisher, written out."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vpharness.lattice.layout import COUNT_NAMES, NO_TICK

Saved = dict[str, NDArray[Any]]


def as_before_publishers(saved: Mapping[str, NDArray[Any]]) -> Saved:
    """Return a state as it was saved before events had a publisher: fields of other types, and some fewer."""
    earlier = {name: array for name, array in saved.items() if name != "held"}
    table = np.dtype([("key", np.uint64), ("slot", np.int64)])
    order = [(name, np.uint64 if name == "order_id" else np.int64) for name in saved["orders"].dtype.names or ()]
    clock = [(name, saved["clock"].dtype[name]) for name in saved["clock"].dtype.names or ()]
    for name, dtype in (
        ("order_table", table),
        ("tick_table", table),
        ("orders", np.dtype([field for field in order if field[0] != "owner"], align=True)),
        ("clock", np.dtype([field for field in clock if field[0] not in {"gaps", "halted"}], align=True)),
    ):
        earlier[name] = np.zeros(saved[name].shape, dtype)
        for each in dtype.names or ():
            earlier[name][each] = saved[name][each]
    for name in ("last_bid_tick", "last_ask_tick"):
        earlier["clock"][name] = np.where(saved["clock"][name] == NO_TICK, -1, saved["clock"][name])
    earlier["counts"] = saved["counts"][: COUNT_NAMES.index("feed_gap")]
    return earlier
