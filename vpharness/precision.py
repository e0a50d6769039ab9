"""JAX in float64 and in the calling thread: importing this module switches it, here and nowhere else.

Whatever uses JAX imports this module first. On the CPU it would hand all but the smallest computations to a thread of
its own; for a bin at a time waking it takes as long as the work, and many times that on a busy machine.
"""

import os
import sys
from collections.abc import Iterator
from typing import Any, Final

import jax

_NEEDED: Final = {"jax_enable_x64": True, "jax_cpu_enable_async_dispatch": False}
_UNFIT: Final = {
    # NaN and infinity are values here: a missing score, a book without a price.
    "jax_debug_nans": False,
    "jax_debug_infs": False,
    "jax_error_checking_behavior_nan": "ignore",
    "jax_error_checking_behavior_divide": "ignore",
    "jax_error_checking_behavior_oob": "ignore",
    # Signals are compiled before there are data, and looked at while they are traced.
    "jax_disable_jit": False,
    "jax_check_tracer_leaks": False,
    # Bins come from the host, and scores go there.
    "jax_transfer_guard": "allow",
    "jax_transfer_guard_host_to_device": "allow",
    "jax_transfer_guard_device_to_host": "allow",
    "jax_transfer_guard_device_to_device": "allow",
    # Operators and signals broadcast, and mix numbers of both kinds.
    "jax_numpy_rank_promotion": "allow",
    "jax_numpy_dtype_promotion": "standard",
}
"""Flags for finding faults in JAX programs that every signal here would end at, with the values that it needs."""


def _set(values: dict[str, Any]) -> Iterator[str]:
    """Set flags; yield the names of those that were set otherwise, for the processes begun from here too."""
    for name, value in values.items():
        if name in jax.config.values and jax.config.values[name] not in {value, None}:
            os.environ.pop(name.upper(), None)
            yield name.upper()
        if name in jax.config.values:
            jax.config.update(name, value)  # type: ignore[no-untyped-call] # JAX has it untyped


def _switch() -> None:
    list(_set(_NEEDED))
    off = list(_set(_UNFIT))
    if off:
        print(
            f"vpharness: switched off, since every signal would end there: {', '.join(off)}; call a signal's function "
            "by itself to debug it",
            file=sys.stderr,
        )


_switch()
