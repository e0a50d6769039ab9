"""The loops of evaluation that JAX compiles: fires of a score, first passages of the mid, and outcomes of every bin.

Everything here is called by `fires`, `passage` and `outcomes`, which load this module when they are first asked for
numbers: JAX takes a second and a half to load, and who only ranks what a ledger holds needs none of it.

T bins are padded to S by whoever calls; codes and rows are those of `outcomes`.
"""

import functools

import vpharness.precision  # isort: skip  # noqa: F401 - switches JAX to float64 before anything here is compiled
import jax
import jax.numpy as jnp

from vpharness.evaluation.outcomes import (
    CENSORED,
    DOWN_ROW,
    SKIPPED,
    STOP_LOSS,
    TAKE_PROFIT,
    TIMEOUT,
    UNFILLED,
    UP_ROW,
)
from vpharness.evaluation.passage import reaches


@jax.jit
def find(
    score: jax.Array,
    thresholds: jax.Array,
    warmup: jax.Array,
    cooldown: jax.Array,
    n_bins: jax.Array,
    carry: tuple[jax.Array, jax.Array],
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    """Return the fires [T, n] int8 (0 = none) of the first `n_bins` bins, and the carry (state, wait) behind them."""
    index = jnp.arange(score.shape[0])
    level = score[:, None]
    states = jnp.where(level >= thresholds, 1, jnp.where(level <= -thresholds, -1, 0)).astype(jnp.int8)
    states = jnp.where(index[:, None] >= warmup, states, jnp.int8(0))

    def step(
        before: tuple[jax.Array, jax.Array], this: tuple[jax.Array, jax.Array]
    ) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
        (previous, wait), (state, is_bin) = before, this
        fires = is_bin & (state != 0) & (state != previous) & (wait <= 0)
        after = jnp.where(is_bin, state, previous), jnp.where(fires, cooldown - 1, wait - is_bin)
        return after, jnp.where(fires, state, jnp.int8(0))

    carry, fires = jax.lax.scan(step, carry, (states, index < n_bins))
    return fires, carry


@jax.jit
def walks(
    profits: tuple[jax.Array, jax.Array],
    losses: tuple[jax.Array, jax.Array],
    mid: jax.Array,
    last_mid: jax.Array,
    tick_size: float,
    max_hold: int,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return [2, S] code, end and P&L in ticks of the walks from every bin, given the bins to either barrier."""
    to_profit, to_loss = jnp.stack(profits), jnp.stack(losses)
    size = mid.shape[0]
    now = jnp.arange(size, dtype=jnp.int32)
    first = jnp.minimum(to_profit, to_loss)
    decided = first < max_hold
    barrier = jnp.where(to_profit < to_loss, TAKE_PROFIT, STOP_LOSS)
    last = last_mid[jnp.minimum(now + (max_hold - 1), size - 1)].astype(jnp.int32)
    end = jnp.where(decided, now + first, last).astype(jnp.int32)
    no_mid = jnp.isnan(mid)
    code = jnp.where(no_mid, SKIPPED, jnp.where(decided, barrier, TIMEOUT)).astype(jnp.int8)
    sign = jnp.array([[1.0], [-1.0]])
    pnl = jnp.where(no_mid, jnp.nan, sign * (mid[end] - mid) / tick_size)
    return code, end, pnl


def no_touches(walk_code: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return [2, S] code and P&L in ticks where the data have no touch to enter and leave at."""
    return jnp.full_like(walk_code, SKIPPED), jnp.full(walk_code.shape, jnp.nan)


@jax.jit
def touches(
    walk_code: jax.Array,
    walk_end: jax.Array,
    next_book: jax.Array,
    best_bid: jax.Array,
    best_ask: jax.Array,
    tick_size_nano: int,
    delays: tuple[int, int, int],
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return [2, S] code, end and P&L in ticks of entering and leaving at the touch, for a fire at every bin.

    The walk of a fire at t is the walk from its bin of entry e; what it pays is the touch at e and the touch of the
    first valid book in the max_hold bins from its end and the exit delay on.
    """
    entry_delay, exit_delay, max_hold = delays
    size = next_book.shape[0]
    now = jnp.arange(size, dtype=jnp.int32)
    entry = jnp.minimum(now + entry_delay, size - 1)
    end = walk_end[:, entry]
    earliest = end + exit_delay
    leave = next_book.at[earliest].get(mode="fill", fill_value=size)
    no_entry = (next_book[entry] != entry) | (walk_code[:, entry] == SKIPPED)
    skipped = no_entry | (leave >= earliest + max_hold) | (leave >= size)
    leave = jnp.minimum(leave, size - 1)
    bought_first = best_bid[leave[UP_ROW]] - best_ask[entry]
    sold_first = best_bid[entry] - best_ask[leave[DOWN_ROW]]
    pnl = jnp.stack([bought_first, sold_first]) / tick_size_nano
    code = jnp.where(skipped, SKIPPED, walk_code[:, entry]).astype(jnp.int8)
    return code, end, jnp.where(skipped, jnp.nan, pnl)


@jax.jit
def rests(
    walk: tuple[jax.Array, jax.Array],
    touch: tuple[jax.Array, jax.Array, jax.Array],
    tick_size_nano: int,
    entry: jax.Array,
    price: jax.Array,
    status: tuple[jax.Array, jax.Array, jax.Array],
    delays: tuple[int, int],
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return [2, S] code, end and P&L in ticks of entering with a resting order, for a fire at every bin.

    Args:
        walk: [2, S] code and end of the walk from every bin.
        touch: [S] the next bin with a valid book, best bid and best ask.
        tick_size_nano: a tick in 1e-9 price units.
        entry: [2, S] the bin in which the order was filled.
        price: [2, S] its price, 1e-9 price units.
        status: [2, S] whether it was filled, was not, and is not known to have been; none of them: there was no order.
        delays: exit delay, and max_hold.
    """
    (walk_code, walk_end), (next_book, best_bid, best_ask) = walk, touch
    (filled, unfilled, unknown), (exit_delay, max_hold) = status, delays
    size = next_book.shape[0]
    row = jnp.arange(2)[:, None]
    code, end = walk_code[row, entry], walk_end[row, entry]
    earliest = end + exit_delay
    leave = next_book.at[earliest].get(mode="fill", fill_value=size)
    no_entry = (next_book[entry] != entry) | (code == SKIPPED)
    skipped = ~filled | no_entry | (leave >= earliest + max_hold) | (leave >= size)
    leave = jnp.minimum(leave, size - 1)
    left_at = jnp.stack([best_bid[leave[UP_ROW]], best_ask[leave[DOWN_ROW]]])
    pnl = jnp.array([[1], [-1]]) * (left_at - price) / tick_size_nano
    code = jnp.where(skipped, SKIPPED, code)
    code = jnp.where(unfilled, UNFILLED, jnp.where(unknown, CENSORED, code)).astype(jnp.int8)
    return code, end, jnp.where(skipped, jnp.nan, pnl)


@functools.partial(jax.jit, static_argnames="levels")
def highest_ahead(values: jax.Array, levels: int) -> jax.Array:
    """Return [levels, S] the highest of the 2**level values from each bin on; -inf stands for none."""
    index = jnp.arange(values.shape[0], dtype=jnp.int32)

    def double(table: jax.Array, level: jax.Array) -> tuple[jax.Array, jax.Array]:
        later = table.at[index + 2**level].get(mode="fill", fill_value=-jnp.inf)
        return jnp.maximum(table, later), table

    return jax.lax.scan(double, values, jnp.arange(levels, dtype=jnp.int32))[1]


@jax.jit
def first_passage(
    mid: jax.Array, highest: jax.Array, lowest: jax.Array, barrier: float, tick_size: float
) -> tuple[jax.Array, jax.Array]:
    """Return [S] int32 the bins until the mid is first `barrier` ticks above, and below, where it is now.

    The descent passes over a stretch of 2**level bins where even its extreme does not reach the barrier. It ends on the
    first bin that does, or 2**levels bins away.
    """
    now = jnp.arange(mid.shape[0], dtype=jnp.int32)

    def descend(
        at: tuple[jax.Array, jax.Array], level: tuple[jax.Array, jax.Array, jax.Array]
    ) -> tuple[tuple[jax.Array, jax.Array], None]:
        (rise, fall), (step, high, low) = at, level
        top = high.at[rise].get(mode="fill", fill_value=-jnp.inf)
        bottom = low.at[fall].get(mode="fill", fill_value=jnp.inf)
        rise = jnp.where(reaches(top - mid, barrier, tick_size), rise, rise + step)
        fall = jnp.where(reaches(mid - bottom, barrier, tick_size), fall, fall + step)
        return (rise, fall), None

    steps = 2 ** jnp.arange(highest.shape[0], dtype=jnp.int32)
    (rise, fall), _ = jax.lax.scan(descend, (now + 1, now + 1), (steps, highest, lowest), reverse=True)
    return rise - now, fall - now
