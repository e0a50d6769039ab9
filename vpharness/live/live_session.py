"""The live session: events in, scored bins out, one bin at a time.

It is what online simulation replays and what the server serves: the same lattice, the same signal and the same rule
for fires as a run over a whole dataset, driven bin by bin. So what is simulated is what is served.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vpharness.errors import ConfigError
from vpharness.evaluation.fires import FireState, advance_fires, start_fires
from vpharness.events.mbo_event import EVENT_DTYPE, FLAG_SNAPSHOT
from vpharness.events.times import SECOND_NS, latest_time
from vpharness.lattice import state_transfer
from vpharness.lattice.lattice_engine import FinishedBins, as_events, iterate
from vpharness.lattice.layout import NO_TIME, LatticeState
from vpharness.live.live_model import LiveModel, ScoredBin
from vpharness.live.model_memory import Shown
from vpharness.prices import PRICE_SCALE
from vpharness.signals import BinScorer, ScorerState, bin_series, restore_state, save_state

_NO_EVENTS: Final = np.zeros(0, EVENT_DTYPE)
_NANOSECONDS_PER_MS: Final = 1_000_000

LIVE_BLOCK_BINS: Final = 4
"""Bins that the lattice hands out at once: a feed closes one or two, and each that is kept keeps its whole block."""

LONGEST_GAP_NS: Final = 2 * 3600 * SECOND_NS
"""How far time may move at once unless a session is told otherwise: the daily break of a futures exchange fits in, a
wrong time, which would close every bin up to it, does not."""


class LiveSession:
    """A model and its book, as far as a feed has been taken in.

    The one thing here that has state of its own: a feed is a sequence of calls, each of which goes on where the last
    one stopped. `save` gives the state as plain arrays, and `restore` a session that goes on from it bit for bit.
    """

    def __init__(self, model: LiveModel, lattice: LatticeState, *, longest_gap_ns: int = LONGEST_GAP_NS) -> None:
        """Begin before the first event, with the lattice's state then (`vpharness.lattice.layout.new_state`).

        `longest_gap_ns` is how far a call may move time at once.

        Raises ConfigError where the model was made for other cells than those of the lattice.
        """
        _check_cells(model.scorer, lattice)
        self._model = model
        self._lattice = lattice
        self._tick_size = int(lattice.rules["tick_price"][0]) / PRICE_SCALE
        self._longest_gap_ns = longest_gap_ns
        self._scorer_state: ScorerState = model.scorer.start()
        self._fire_state: FireState = start_fires(model.thresholds)
        self._shown = Shown()
        self._is_under_way = False
        # Whose the orders are of a state that does not say so, 0 until it is known; None where the state says it.
        self._owner: int | None = None

    def iterate(self, events: NDArray[np.void], complete_to_ns: int | None = None) -> Iterator[ScoredBin]:
        """Take in events, in the order of the feed, and yield the bins that they finish; see `engine.iterate`.

        However many bins they are, a few are in memory at once. All of them must be taken before the session goes on.

        Raises SourceError, before anything is taken in, where the events are no array of EVENT_DTYPE, or where a time
        of theirs or `complete_to_ns` cannot be or lies too far ahead of the one before; and ConfigError where the bins
        of the call before have not all been taken.
        """
        self._check_at_rest()
        events = as_events(events)
        self._check_times(events, complete_to_ns)
        self._give_orders(events)
        flow = np.flatnonzero((events["flags"] & FLAG_SNAPSHOT) == 0)
        if len(flow):
            self.flow_began(int(events["ts_ns"][flow[0]]))
        self._is_under_way = True
        return self._scored(events, complete_to_ns)

    def take(self, events: NDArray[np.void], complete_to_ns: int | None = None) -> list[ScoredBin]:
        """Do what `iterate` does, and return the bins together."""
        return list(self.iterate(events, complete_to_ns))

    def advance_to(self, complete_to_ns: int) -> list[ScoredBin]:
        """Close the bins that end by a time up to which the feed is known to be complete, events or not."""
        return self.take(_NO_EVENTS, complete_to_ns)

    def take_bin(self, row: NDArray[np.void], grid: Mapping[str, NDArray[Any]]) -> ScoredBin:
        """Take in a finished bin [1] from elsewhere, such as a dataset, with the signal's columns, each [K].

        Unless `flow_began` has said when, the lattice that made it is taken to have begun no earlier than the first.
        """
        model, score, is_ready = self._model, float("nan"), self.bins_to_go == 0
        if row["book_valid"][0]:
            shown = {name: grid[name][None, :] for name in model.scorer.columns}
            if model.scorer.series:
                shown |= bin_series(model.scorer.series, _fields(row), self._tick_size)
            self._scorer_state, scores = model.scorer.step(self._scorer_state, shown)
            score = float(np.asarray(scores)[0])  # indexing itself would be a computation of JAX's
        self._fire_state, fires = advance_fires(
            self._fire_state,
            [score],
            model.thresholds,
            warmup_bins=model.warmup_bins,
            cooldown_bins=model.cooldown_bins,
        )
        self._shown = self._shown.advance(row, model.memory)
        directions = tuple(int(each.directions[0]) if len(each) else 0 for each in fires)
        return ScoredBin(row, grid, score, directions, is_ready)

    def flow_began(self, at_ns: int) -> None:
        """Record when the flow began that the cells of the bins know of; the first time given counts."""
        self._shown = self._shown.began(at_ns)

    @property
    def began_ns(self) -> int | None:
        """When the flow of its bins began, as far as is known."""
        return self._shown.began_ns

    @property
    def bins_to_go(self) -> int | None:
        """How many bins are missing until the model is ready, valid ones for its memory: it is at the next one after 0.

        It is None where the model never will be: its memory has no end.
        """
        return self._model.bins_to_go(self.bins_taken, self._shown)

    @property
    def bins_taken(self) -> int:
        """How many bins the model has been shown, valid or not."""
        return self._fire_state.next_bin

    @property
    def is_in_snapshot(self) -> bool:
        """Whether a snapshot of the book is under way: what rests in it is not whole."""
        return bool(self._lattice.clock["snapshot_under_way"][0])

    def take_over(self, other: "LiveSession") -> None:
        """Continue with the model of another session, at its state, on this session's own book and bins.

        The other one has been shown the same bins through `take_bin`; it is used up.

        Raises ConfigError where its model was made for other cells, or the bins of the last call have not all been
        taken.
        """
        self._check_at_rest()
        _check_cells(other._model.scorer, self._lattice)
        self._model, self._scorer_state, self._fire_state = other._model, other._scorer_state, other._fire_state
        self._shown = replace(other._shown, began_ns=self._shown.began_ns)

    def book(self) -> NDArray[np.void]:
        """Return what rests in the book now, as events of a snapshot that brings another session to the same book.

        Raises ConfigError where the bins of the last call have not all been taken.
        """
        self._check_at_rest()
        return state_transfer.resting_orders(self._lattice)

    def save(self) -> dict[str, NDArray[Any]]:
        """Return the state as arrays by name, as `numpy.savez` takes them, with the facts of its model.

        Raises ConfigError where the bins of the last call have not all been taken.
        """
        self._check_at_rest()
        parts: dict[str, Mapping[str, NDArray[Any]]] = {
            "lattice": {name: np.copy(array) for name, array in state_transfer.save_lattice(self._lattice).items()},
            "scorer": save_state(self._scorer_state),
            "fires": _fire_arrays(self._fire_state),
            "shown": {name: np.array(value) for name, value in asdict(self._shown).items() if value is not None},
        }
        arrays = {f"{part}/{name}": array for part, arrays in parts.items() for name, array in arrays.items()}
        return {**arrays, "model": np.array(json.dumps(self._model.facts()))}

    @classmethod
    def restore(
        cls,
        model: LiveModel,
        lattice: LatticeState,
        saved: Mapping[str, NDArray[Any]],
        *,
        longest_gap_ns: int = LONGEST_GAP_NS,
    ) -> "LiveSession":
        """Return a session that goes on where `save` was called, for the same arguments as that session was made with.

        Raises ConfigError, naming what differs, where the state was saved by another model (signal, its parameters,
        thresholds, warm-up, cooldown) or a lattice with other rules, and where its arrays do not belong together. A
        state from before events had a publisher goes on with the events of one publisher, whose its orders then are;
        events of several raise ConfigError when they are taken.
        """
        session = cls(model, lattice, longest_gap_ns=longest_gap_ns)
        _check_facts(saved, model)
        fires, pattern = _part(saved, "fires"), _fire_arrays(session._fire_state)
        if any(name not in fires or _form(fires[name]) != _form(array) for name, array in pattern.items()):
            raise ConfigError(f"the saved state is damaged: its fires are not {', '.join(pattern)}; start anew")
        own = {name: np.copy(array) for name, array in _part(saved, "lattice").items()}
        session._lattice = state_transfer.restore_lattice(own, lattice)
        session._owner = None if state_transfer.says_publishers(own) else 0
        session._scorer_state = restore_state(model.scorer, _part(saved, "scorer"))
        session._fire_state = FireState(int(fires["next_bin"]), fires["state"], fires["wait"])
        # States of before do not say what they have been shown: they are ready once it is shown again.
        session._shown = Shown(**{name: int(value) for name, value in _part(saved, "shown").items()})
        return session

    def with_weights_of(self, model: LiveModel) -> "LiveSession":
        """Return a session that goes on from here with a model that differs in its weights alone.

        Raises ConfigError where it differs in anything else.
        """
        saved = self.save()
        differing = {name for name, value in model.facts().items() if self._model.facts().get(name) != value}
        if differing - {"weights"}:
            raise ConfigError(f"the model differs in {', '.join(sorted(differing))}, not in its weights alone")
        saved["model"] = np.array(json.dumps(model.facts()))
        return LiveSession.restore(model, self._lattice, saved, longest_gap_ns=self._longest_gap_ns)

    def _scored(self, events: NDArray[np.void], complete_to_ns: int | None) -> Iterator[ScoredBin]:
        for state, block in iterate(self._lattice, events, complete_to_ns, LIVE_BLOCK_BINS):
            self._lattice = state
            yield from self._score_block(block)
        self._is_under_way = False

    def _score_block(self, block: FinishedBins) -> Iterator[ScoredBin]:
        for index in range(len(block.bins)):
            yield self.take_bin(block.bins[index : index + 1], block.cells(index))

    def _give_orders(self, events: NDArray[np.void]) -> None:
        """Give the orders of a state that does not say whose they are to the only publisher of the events.

        Raises ConfigError where the events have several.
        """
        if self._owner is None:
            return
        others = sorted(set(np.unique(events["publisher"]).tolist()) - {0, self._owner})
        if len(others) > 1 or (others and self._owner):
            named = ", ".join(str(each) for each in sorted({*others, self._owner} - {0}))
            raise ConfigError(
                f"the saved state does not say whose its orders are, and the events are of the publishers {named}; "
                "start anew"
            )
        if others:
            self._lattice, self._owner = state_transfer.given_to(self._lattice, others[0]), others[0]

    def _check_at_rest(self) -> None:
        if self._is_under_way:
            raise ConfigError(
                "the bins of the session's last call have not all been taken, or it failed: take them, or go on from a "
                "saved state"
            )

    def _check_times(self, events: NDArray[np.void], complete_to_ns: int | None) -> None:
        clock, advice = self._lattice.clock[0], "repair the feed or the clock, or move time on in smaller steps"
        first, gap_ns, start_ns = int(clock["event_id"]) + 1, self._longest_gap_ns, _start_ns(self._lattice, events)
        latest_ns = None if clock["now_ns"] == NO_TIME else int(clock["now_ns"])
        latest_ns = latest_time(
            events["ts_ns"], latest_ns, gap_ns, lambda index: f"event {first + index}", advice, start_ns
        )
        if complete_to_ns is not None:
            times = np.array([complete_to_ns])
            latest_time(times, latest_ns, gap_ns, lambda _: "the end of what is complete", advice, start_ns)


def _check_cells(scorer: BinScorer, lattice: LatticeState) -> None:
    radius, width_ms = int(lattice.rules["radius"][0]), int(lattice.rules["cell_width_ns"][0]) / _NANOSECONDS_PER_MS
    if (scorer.radius, scorer.cell_width_ms) != (radius, width_ms):
        raise ConfigError(
            f"signal {scorer.name} is made for bins of {scorer.cell_width_ms:g} ms with the radius "
            f"{scorer.radius}, but the lattice has {width_ms:g} ms and {radius}; make both for the same cells"
        )


def _start_ns(lattice: LatticeState, events: NDArray[np.void]) -> int | None:
    """Return from when on bins may be emitted, after these events; None where it is not known yet."""
    start_bin = lattice.clock["start_bin"][0]
    if start_bin != NO_TIME:
        return int(start_bin * lattice.rules["cell_width_ns"][0])
    flow = np.flatnonzero((events["flags"] & FLAG_SNAPSHOT) == 0)
    return int(events["ts_ns"][flow[0]]) if len(flow) else None


def _check_facts(saved: Mapping[str, NDArray[Any]], model: LiveModel) -> None:
    wanted = json.loads(json.dumps(model.facts()))
    try:
        found = json.loads(str(saved["model"]))
    except (KeyError, ValueError):
        found = None
    if not isinstance(found, dict):
        raise ConfigError("the saved state does not say which model it is of; start anew")
    differing = [
        f"{name} is {found.get(name)}, not {wanted.get(name)}"
        for name in (*wanted, *(name for name in found if name not in wanted))
        if found.get(name) != wanted.get(name)
    ]
    if differing:
        raise ConfigError(f"the saved state is of another model: {', '.join(differing)}; start anew")


def _fields(row: NDArray[np.void]) -> dict[str, NDArray[Any]]:
    return {name: row[name] for name in row.dtype.names or ()}


def _fire_arrays(state: FireState) -> dict[str, NDArray[Any]]:
    return {"next_bin": np.array(state.next_bin), "state": state.state, "wait": state.wait}


def _form(array: NDArray[Any]) -> tuple[Any, ...]:
    return array.shape, array.dtype


def _part(saved: Mapping[str, NDArray[Any]], part: str) -> dict[str, NDArray[Any]]:
    prefix = f"{part}/"
    return {name.removeprefix(prefix): saved[name] for name in saved if name.startswith(prefix)}
