"""The live session agrees with the run over the whole dataset, whatever happens to the feed."""

import functools
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jax import Array
from numpy.typing import NDArray

from tests.lattice.earlier_state import as_before_publishers
from tests.lattice.streams import random_stream
from tests.source_scorer import source_scorer
from vpharness.errors import ConfigError, SourceError
from vpharness.evaluation.fires import find_fires
from vpharness.events.dbn import DbnSource
from vpharness.events.mbo_event import CLEAR, NO_SIDE
from vpharness.events.synthetic import SyntheticSource
from vpharness.lattice.lattice_engine import FinishedBins, advance, open_bin_end_ns
from vpharness.lattice.lattice_parameters import LatticeParameters
from vpharness.lattice.layout import LatticeState, new_state
from vpharness.live import LiveModel, LiveSession, ScoredBin, scores_of
from vpharness.signals import CHUNK_TOLERANCE, Clock, Grid, Scorer, SignalParameters, resolve, score, scorer, signal

SIGNALS = ("ads", "ads_pfp_svac", "erd", "iirc", "jad", "msd", "perm_derivative", "pfp", "spg", "svac")
FEW = ("ads_pfp_svac", "erd", "msd", "perm_derivative")
"""Tried by default where all obey one law: they use every operator that any does. The others are slow proofs."""
FEW_FIRST = [name if name in FEW else pytest.param(name, marks=pytest.mark.slow) for name in SIGNALS]
LATTICE = LatticeParameters()
WARMUP_BINS, COOLDOWN_BINS = 40, 7
THRESHOLDS = (0.05, 0.5)


def fresh(start_ns: int | None = None, evict_crossed_ms: int = 0) -> LatticeState:
    """Return a lattice before its first event."""
    return new_state(
        LATTICE, tick_size=0.25, size_unit=1.0, default_evict_crossed_ms=evict_crossed_ms, start_ns=start_ns
    )


@functools.lru_cache(maxsize=4)
def synthetic_events() -> NDArray[np.void]:
    """Return forty seconds of market: all signals share the lattice's pass over it."""
    with SyntheticSource(seed=11, minutes=1).open() as stream:
        events: NDArray[np.void] = np.concatenate(list(stream.chunks))
    until = int(np.searchsorted(events["ts_ns"], events["ts_ns"][0] + 40_000_000_000))
    return events[:until]


def whole(events: NDArray[np.void], start_ns: int | None = None, evict_crossed_ms: int = 0) -> FinishedBins:
    """Return all bins of a stream at once."""
    state, blocks = advance(fresh(start_ns, evict_crossed_ms), events, block_bins=1_000)
    _, last = advance(state, events[:0], open_bin_end_ns(state))
    blocks += last
    return FinishedBins(
        np.concatenate([block.bins for block in blocks]),
        np.concatenate([block.floats for block in blocks], axis=1),
        np.concatenate([block.labels for block in blocks], axis=1),
        np.concatenate([block.moves for block in blocks], axis=1),
        np.concatenate([block.last_event_ids for block in blocks]),
    )


def model_of(name: str) -> LiveModel:
    """Return a signal with its defaults as it would be served."""
    ready = scorer(resolve(f"vpharness.signals.{name}.{name}"), cell_width_ms=100, radius=LATTICE.radius)
    return LiveModel(ready, THRESHOLDS, WARMUP_BINS, COOLDOWN_BINS)


def assert_agree(model: LiveModel, bins: list[ScoredBin], batch: FinishedBins) -> None:
    """Scores agree within the chunk law, and fires unless a score lies that near to a threshold."""
    signal = source_scorer(model).signal
    columns = {column: batch.column(column) for column in signal.columns}
    wanted = score(signal, source_scorer(model).params, columns, cell_width_ms=100, valid=batch.bins["book_valid"])
    found = scores_of(bins)
    np.testing.assert_array_equal(np.concatenate([each.row for each in bins]), batch.bins)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=CHUNK_TOLERANCE)
    fires = find_fires(wanted, THRESHOLDS, warmup_bins=WARMUP_BINS, cooldown_bins=COOLDOWN_BINS)
    for index, threshold in enumerate(THRESHOLDS):
        if not (np.abs(np.abs(wanted) - threshold) <= CHUNK_TOLERANCE).any():
            live = np.array([each.fires[index] for each in bins])
            np.testing.assert_array_equal(np.flatnonzero(live), fires[index].bins)
            np.testing.assert_array_equal(live[live != 0], fires[index].directions)


def fed(session: LiveSession, events: NDArray[np.void], seed: int, most: int = 400) -> list[ScoredBin]:
    """Feed a stream in random pieces, with the feed confirmed complete at random times between them."""
    rng, bins, start = np.random.default_rng(seed), [], 0
    while start < len(events):
        stop = min(len(events), start + int(rng.integers(1, most)))
        bins += session.take(events[start:stop])
        latest = int(events["ts_ns"][:stop].max())
        if stop < len(events) and rng.random() < 0.5 and events["ts_ns"][stop] > latest:
            bins += session.advance_to(int(rng.integers(latest, events["ts_ns"][stop] + 1)))
        start = stop
    return bins


def finish(session: LiveSession, batch: FinishedBins) -> list[ScoredBin]:
    """Close the last bin."""
    return session.advance_to(int(batch.bins["bin_end_ns"][-1]))


@pytest.mark.parametrize("name", SIGNALS)
def test_bin_by_bin_equals_the_whole_run(name: str) -> None:
    """For every signal: from events with watermarks, and from a dataset's bins."""
    events, model = synthetic_events(), model_of(name)
    batch = _synthetic_batch()
    session = LiveSession(model, fresh())
    assert_agree(model, fed(session, events, seed=1) + finish(session, batch), batch)
    columns = source_scorer(model).signal.columns
    from_bins = LiveSession(model, fresh())
    bins = [
        from_bins.take_bin(batch.bins[t : t + 1], {column: batch.column(column)[t] for column in columns})
        for t in range(len(batch.bins))
    ]
    assert_agree(model, bins, batch)


@functools.lru_cache(maxsize=1)
def _synthetic_batch() -> FinishedBins:
    return whole(synthetic_events())


@pytest.mark.parametrize("name", FEW_FIRST)
def test_gaps_clears_and_invalid_books_change_nothing(name: str) -> None:
    """A nasty stream, with snapshots in the middle, crossed books and silent stretches."""
    batch, model = _nasty_batch(), model_of(name)
    assert 0 < batch.bins["book_valid"].sum() < len(batch.bins)
    session = LiveSession(model, fresh())
    assert_agree(model, session.take(_nasty_events()) + finish(session, batch), batch)


@pytest.mark.parametrize("seed", [5, 6])
def test_a_clock_between_the_events_changes_nothing_where_crossed_books_are_uncrossed(seed: int) -> None:
    """The server moves time on without knowing when the next event comes; a run over the dataset knows."""
    events, model = random_stream(seed, 600, mischief=2.0), model_of("msd")
    events["ts_ns"] = np.maximum.accumulate(events["ts_ns"])
    batch = whole(events, evict_crossed_ms=120)
    assert not np.array_equal(batch.bins, whole(events).bins)
    session = LiveSession(model, fresh(evict_crossed_ms=120))
    assert_agree(model, fed(session, events, seed, most=3) + finish(session, batch), batch)


@functools.lru_cache(maxsize=1)
def _nasty_events() -> NDArray[np.void]:
    return random_stream(5, 600)


@functools.lru_cache(maxsize=1)
def _nasty_batch() -> FinishedBins:
    return whole(_nasty_events())


@pytest.mark.parametrize("name", FEW_FIRST)
def test_a_restart_from_saved_state_is_no_restart(name: str) -> None:
    """Stopped in the middle, saved to a file and restored, a session goes on bit for bit."""
    events, model, batch = synthetic_events(), model_of(name), _synthetic_batch()
    half = len(events) // 2
    first = LiveSession(model, fresh())
    before = first.take(events[:half])
    file = io.BytesIO()
    arrays: dict[str, Any] = first.save()
    np.savez(file, **arrays)
    file.seek(0)
    with np.load(file, allow_pickle=False) as saved:
        second = LiveSession.restore(model, fresh(), dict(saved))
    after = second.take(events[half:])
    undisturbed = first.take(events[half:])
    np.testing.assert_array_equal(scores_of(after), scores_of(undisturbed))
    assert [each.fires for each in after] == [each.fires for each in undisturbed]
    assert_agree(model, before + after + finish(second, batch), batch)


@functools.lru_cache(maxsize=1)
def _saved_erd() -> dict[str, NDArray[Any]]:
    session = LiveSession(model_of("erd"), fresh())
    session.take(synthetic_events()[:500])
    return session.save()


def _erd(capacity: int | None = None, **parameters: Any) -> Scorer:
    """Return a scorer of erd with other parameters."""
    erd = resolve("vpharness.signals.erd.erd")
    return scorer(erd, erd.parameters(**parameters), cell_width_ms=100, radius=LATTICE.radius, capacity=capacity)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (model_of("ads"), "signal is erd, not ads, signal_digest is"),
        (
            LiveModel(_erd(), (0.1,), WARMUP_BINS, COOLDOWN_BINS),
            r"thresholds is \[0.05, 0.5\], not \[0.1\]; start anew",
        ),
        (LiveModel(_erd(), (0.05, 0.4), WARMUP_BINS, COOLDOWN_BINS), r"thresholds is \[0.05, 0.5\], not \[0.05, 0.4\]"),
        (LiveModel(_erd(), THRESHOLDS, WARMUP_BINS, 8), "model: cooldown_bins is 7, not 8; start"),
        (LiveModel(_erd(), THRESHOLDS, 41, COOLDOWN_BINS), "model: warmup_bins is 40, not 41; start"),
        (LiveModel(_erd(variant="b"), THRESHOLDS, WARMUP_BINS, COOLDOWN_BINS), "signal_digest is .*'variant': 'a'"),
        (
            LiveModel(_erd(spike_floor=0.6), THRESHOLDS, WARMUP_BINS, COOLDOWN_BINS),
            "model: parameters is .*: 0.5.*: 0.6",
        ),
        (LiveModel(_erd(capacity=512), THRESHOLDS, WARMUP_BINS, COOLDOWN_BINS), "model: capacity is 128, not 512"),
    ],
)
def test_a_state_of_another_model_is_refused(model: LiveModel, message: str) -> None:
    """What differs is named with both values, even where the arrays have the same shapes."""
    with pytest.raises(ConfigError, match=message):
        LiveSession.restore(model, fresh(), _saved_erd())


def test_a_state_of_another_lattice_is_refused() -> None:
    """Ticks, spectrum and eviction are rules too."""
    other = new_state(LATTICE, tick_size=0.5, size_unit=1.0, start_ns=None)
    with pytest.raises(ConfigError, match="other rules: tick_price is 250000000, not 500000000; start anew"):
        LiveSession.restore(model_of("erd"), other, _saved_erd())
    with pytest.raises(ConfigError, match="evict_crossed_ns is 0, not 120000000"):
        LiveSession.restore(model_of("erd"), fresh(evict_crossed_ms=120), _saved_erd())


def _of_before_publishers() -> dict[str, NDArray[Any]]:
    """Return the state of `_saved_erd` as it was saved before events had a publisher."""
    saved = _saved_erd()
    own = {name.removeprefix("lattice/"): array for name, array in saved.items() if name.startswith("lattice/")}
    others = {name: array for name, array in saved.items() if not name.startswith("lattice/")}
    return others | {f"lattice/{name}": array for name, array in as_before_publishers(own).items()}


def test_orders_of_a_state_without_publishers_are_those_of_the_only_one_that_follows() -> None:
    """Its orders are found again by the records of a live feed, which say their publisher, until all are cleared."""
    later = synthetic_events()[500:900].copy()
    expected = LiveSession.restore(model_of("erd"), fresh(), _saved_erd()).take(later)
    later["publisher"] = 3
    session = LiveSession.restore(model_of("erd"), fresh(), _of_before_publishers())
    found = session.take(later[:200]) + session.take(later[200:])
    np.testing.assert_array_equal(scores_of(found), scores_of(expected))
    assert [each.row.tobytes() for each in found] == [each.row.tobytes() for each in expected]
    clear = later[-1:].copy()
    clear["action"], clear["side"] = CLEAR, NO_SIDE
    session.take(clear)
    assert session.book()["action"].tolist() == [CLEAR]


def test_a_state_without_publishers_does_not_go_on_with_several() -> None:
    """Nobody knows whose its orders are; nothing is taken in. Events without a publisher are its own."""
    later = synthetic_events()[500:510].copy()
    session = LiveSession.restore(model_of("erd"), fresh(), _of_before_publishers())
    session.take(later[:2])
    later["publisher"][2:] = (1, 2, 1, 2, 1, 2, 1, 2)
    with pytest.raises(ConfigError, match=r"does not say whose its orders are, .* of the publishers 1, 2; start anew"):
        session.take(later[2:])
    session.take(later[2:3])
    with pytest.raises(ConfigError, match="of the publishers 1, 2; start anew"):
        session.take(later[3:4])


def test_a_damaged_state_is_refused() -> None:
    """Without its model, with half of its fires, or with a lattice whose arrays do not belong together."""
    saved = _saved_erd()
    for name, damaged, message in (
        ("model", None, "does not say which model"),
        ("model", np.array("[]"), "does not say which model"),
        ("fires/wait", None, "its fires are not next_bin, state, wait"),
        ("fires/wait", saved["fires/wait"][:1], "its fires are not next_bin, state, wait"),
        ("lattice/touched", saved["lattice/touched"][:-1], "damaged: touched has the shape"),
        ("scorer/00_median_spread.recent", saved["scorer/00_median_spread.recent"][:7], "not one of signal erd"),
    ):
        arrays = {key: array for key, array in saved.items() if key != name}
        with pytest.raises(ConfigError, match=message):
            LiveSession.restore(model_of("erd"), fresh(), arrays | ({} if damaged is None else {name: damaged}))


def test_a_model_for_other_cells_than_the_lattice_has_is_refused_at_once() -> None:
    """Not when the first bin is closed, and lost."""
    erd = resolve("vpharness.signals.erd.erd")
    for width_ms, radius in ((200, 50), (100, 40)):
        ready = scorer(erd, cell_width_ms=width_ms, radius=radius)
        with pytest.raises(ConfigError, match=f"bins of {width_ms} ms with the radius {radius}, but .* 100 ms and 50"):
            LiveSession(LiveModel(ready, THRESHOLDS, WARMUP_BINS, COOLDOWN_BINS), fresh())


def test_a_wrong_time_is_refused_before_anything_is_taken_in() -> None:
    """An event, or a watermark, hours ahead is an error that names both times; the session goes on without it."""
    events, model = synthetic_events()[:2000], model_of("msd")
    wrong = events[1500:].copy()
    wrong["ts_ns"][50] += 3 * 3600 * 10**9
    session, undisturbed = LiveSession(model, fresh()), LiveSession(model, fresh())
    session.take(events[:1500])
    undisturbed.take(events[:1500])
    with pytest.raises(
        SourceError, match=r"event 1551 comes 3\.0 hours after .* at \S+ after \S+; a gap of at most 2\.0"
    ):
        session.take(wrong)
    latest_ns = int(events["ts_ns"][1499])
    with pytest.raises(SourceError, match=r"the end of what is complete comes 2\.1 hours after"):
        session.advance_to(latest_ns + int(2.1 * 3600e9))
    with pytest.raises(SourceError, match="has the time 9223372036854775807 ns"):
        session.advance_to(2**63 - 1)
    with pytest.raises(SourceError, match=r"events are 1 dimensions of float64; expected .*EVENT_DTYPE"):
        session.take(np.zeros(3))  # type: ignore[arg-type] # the mistake under test
    later, wanted = session.take(events[1500:]), undisturbed.take(events[1500:])
    np.testing.assert_array_equal([each.row for each in later], [each.row for each in wanted])
    patient = LiveSession(model, fresh(), longest_gap_ns=4 * 3600 * 10**9)
    patient.take(events[:1500])
    assert next(patient.iterate(wrong)).row["bin_event_count"] > 0


def test_bins_come_one_by_one_while_the_lattice_goes_on() -> None:
    """An hour of silence is never in memory whole; until its bins are taken, the session does nothing else."""
    events, model = synthetic_events()[:2000], model_of("msd")
    session, together = LiveSession(model, fresh()), LiveSession(model, fresh())
    until_ns = int(events["ts_ns"].max()) + 20 * 10**9
    bins = session.iterate(events, until_ns)
    first = [next(bins) for _ in range(5)]
    for do in (session.save, lambda: session.take(events), lambda: session.advance_to(until_ns)):
        with pytest.raises(ConfigError, match="have not all been taken"):
            do()
    rest = list(bins)
    wanted = together.take(events, until_ns)
    np.testing.assert_array_equal(scores_of(first + rest), scores_of(wanted))
    assert session.save().keys() == together.save().keys()


@pytest.mark.parametrize("name", ["ads_pfp_svac", "perm_derivative"])
def test_a_real_opening_agrees(shared: Path, name: str) -> None:
    """Ten seconds of a crossed book before the auction of ESH4, and the minute that follows it."""
    with DbnSource(str(shared / "data" / "esh4-20231225.mbo.dbn.zst"), 0.25).open() as stream:
        events = np.concatenate(list(stream.chunks))
    auction_ns = 1_703_545_200_000_000_000
    events = events[events["ts_ns"] < auction_ns + 60_000_000_000]
    batch, model = whole(events, auction_ns - 10_000_000_000), model_of(name)
    assert batch.bins["book_valid"].sum() >= 500
    session = LiveSession(model, fresh(auction_ns - 10_000_000_000))
    assert_agree(model, fed(session, events, seed=2) + finish(session, batch), batch)


def test_a_session_takes_over_a_model_that_was_shown_the_same_bins() -> None:
    """Its scores go on as if that model had been served from the first bin on; other cells are refused."""
    events, half = synthetic_events(), len(synthetic_events()) // 2
    batch, session, other = _synthetic_batch(), LiveSession(model_of("msd"), fresh()), model_of("ads")
    bins = fed(session, events[:half], seed=3)
    shown = LiveSession(other, fresh())
    for each in bins:
        shown.take_bin(each.row, each.grid)
    session.take_over(shown)
    assert session.bins_taken == len(bins)
    rest = fed(session, events[half:], seed=4) + finish(session, batch)
    signal = source_scorer(other).signal
    columns = {column: batch.column(column) for column in signal.columns}
    wanted = score(signal, source_scorer(other).params, columns, cell_width_ms=100, valid=batch.bins["book_valid"])
    np.testing.assert_allclose(scores_of(rest), wanted[len(bins) :], rtol=0, atol=CHUNK_TOLERANCE)
    narrow = scorer(resolve("vpharness.signals.msd.msd"), cell_width_ms=100, radius=7)
    lattice = new_state(
        LatticeParameters(radius=7), tick_size=0.25, size_unit=1.0, default_evict_crossed_ms=0, start_ns=None
    )
    with pytest.raises(ConfigError, match="make both for the same cells"):
        session.take_over(LiveSession(LiveModel(narrow, THRESHOLDS, WARMUP_BINS, COOLDOWN_BINS), lattice))


@signal(columns=("v_add",), series=("mid_ticks", "spread_ticks"))
def drift_in_spreads(time: Clock, grid: Grid, p: SignalParameters) -> Array:
    """Mean move of the mid over 30 bins, in units of its deviation, less the skewness of the spread."""
    moves = time.rate(grid.mid_ticks) * time.bin_seconds
    spread = time.skew(grid.spread_ticks, 50)
    return time.mean(moves, 30) / (time.std(moves, 30) + 0.1) - 0.1 * spread + 0.0 * grid.v_add[:, 0]


def test_series_of_the_bins_are_the_same_bin_by_bin() -> None:
    """A signal of the mid and the spread scores the bins of a session as it scores them all at once."""
    events = synthetic_events()
    batch = whole(events)
    columns = drift_in_spreads.with_series(
        {"v_add": batch.column("v_add")}, {name: batch.bins[name] for name in batch.bins.dtype.names or ()}, 0.25
    )
    bid, ask = (batch.bins[f"best_{side}_price_int"] for side in ("bid", "ask"))
    valid = batch.bins["book_valid"]
    np.testing.assert_array_equal(columns["spread_ticks"], (ask - bid) / 250_000_000)
    np.testing.assert_array_equal(columns["mid_ticks"][valid], (bid + ask)[valid] / 500_000_000)
    wanted = score(drift_in_spreads, None, columns, cell_width_ms=100, valid=valid)
    assert np.nanstd(wanted) > 0.01
    ready = scorer(drift_in_spreads, cell_width_ms=100, radius=LATTICE.radius)
    session = LiveSession(LiveModel(ready, THRESHOLDS, WARMUP_BINS, COOLDOWN_BINS), fresh())
    found = scores_of([*session.take(events), *session.advance_to(int(batch.bins["bin_end_ns"][-1]))])
    np.testing.assert_allclose(found, wanted, rtol=0, atol=CHUNK_TOLERANCE)
