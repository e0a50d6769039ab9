"""Trials of the store are made where they are looked at: all that follows is as if they had been made at once."""

import pickle
from dataclasses import replace

import pytest

from tests.benchmarks.bench_compare import Made, write
from vpharness.results.ledger import LaterTrials, LedgerCandidate, LedgerRun, StoredLedger, Trial
from vpharness.results.ledger_reader import read_ledger
from vpharness.results.ranking import rank, restricted
from vpharness.results.remembered_rankings import ranked_before
from vpharness.results.store import Store, store_in
from vpharness.results.walk_forward.judged import walk_forward
from vpharness.results.walk_forward.summary import values_of
from vpharness.results.walk_forward.tried import Procedure

DAYS = 6
MADE = Made(candidates=24, hours=(1.0,) * DAYS, fires_per_hour=60.0, thresholds=6, is_merged=False)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The store of four runs at six thresholds on each of six days, its parts not merged."""
    lake = tmp_path_factory.mktemp("lake")
    write(lake, MADE)
    return store_in(lake)


def made_at_once(ledger: StoredLedger) -> list[LedgerCandidate]:
    """Return candidates whose trials are all there."""
    return [replace(each, trials=tuple(replace(trial) for trial in each.trials)) for each in ledger]


def test_what_runs_say_makes_no_trial(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Datasets, runs, market time, what counts, and the candidates on some days alone."""

    def refuse(*_: object) -> Trial:
        raise AssertionError("a trial was made")

    monkeypatch.setattr(Trial, "of", refuse)
    ledger = read_ledger(store)
    assert len(ledger) == MADE.candidates
    for each in ledger:
        assert isinstance(each.trials, LaterTrials)
        assert each.dataset_ids == tuple(f"day{day:03d}" for day in range(DAYS))
        assert (len(set(each.run_ids)), len(each.choosing), len(each.counted), len(each.market_times)) == (DAYS,) * 4
    some = restricted(ledger, lambda run: run.dataset_id in {"day001", "day003"})
    assert [each.dataset_ids for each in some] == [("day001", "day003")] * MADE.candidates
    assert restricted(ledger, lambda run: run.dataset_id == "none") == []
    assert restricted(ledger, lambda run: run.run_id != "none") == list(ledger)


def test_a_trial_is_made_once_and_is_of_its_run(store: Store) -> None:
    """Whoever looks at it, in whatever selection, meets the same object."""
    for each in read_ledger(store):
        assert all(one is other for one, other in zip(each.trials, each.choosing, strict=True))
        assert each.trials[-1] is each.trials[-2:][1]
        (alone,) = [kept.trials for kept in [each.on(lambda run: run.dataset_id == "day002")] if kept is not None]
        assert alone[0] is each.trials[2]
        for trial, run in zip(each.trials, each.runs.runs, strict=True):
            assert isinstance(run, LedgerRun)
            assert (trial.run_id, trial.dataset, trial.market) == (run.run_id, run.dataset, run.market)
            assert trial.judged_time is run.judged_time
            assert trial.candidate_id == each.candidate_id


def test_trials_travel_to_another_process_as_they_are(store: Store) -> None:
    """With their fires and evidence, as a tuple of them."""
    each = read_ledger(store)[0]
    there: LedgerCandidate = pickle.loads(pickle.dumps(each))  # noqa: S301  # what was written a moment ago
    assert isinstance(there.trials, tuple)
    assert [trial.fires.digest for trial in there.trials] == [trial.fires.digest for trial in each.trials]
    digests = [[trial.evidence.digest for trial in some if trial.evidence] for some in (there.trials, each.trials)]
    assert digests[0] == digests[1]
    assert len(digests[0]) == DAYS


def test_they_rank_as_those_that_are_made_at_once(store: Store) -> None:
    """Figure by figure, on all days and on some, whether the ranking was kept or not."""
    ledger = read_ledger(store)
    at_once = made_at_once(read_ledger(store))
    for asked in (lambda _: True, lambda run: run.dataset_id < "day003"):
        expected = rank(at_once, restricted(at_once, asked))
        for found in (
            rank(ledger, restricted(ledger, asked)),
            *[ranked_before(store, ledger, restricted(ledger, asked)) for _ in range(2)],
        ):
            assert [each.candidate.candidate_id for each in found] == [each.candidate.candidate_id for each in expected]
            assert [repr(each.judgement.figures) for each in found] == [repr(e.judgement.figures) for e in expected]
            assert [each.p_adjusted for each in found] == [each.p_adjusted for each in expected]
            assert [each.left_out for each in found] == [each.left_out for each in expected]


@pytest.mark.parametrize("train", [0, 2])
def test_they_are_walked_forward_as_those_that_are_made_at_once(store: Store, train: int) -> None:
    """What is chosen at each step, what it earns, its fires and the probability of overfitting are the same."""
    procedure = Procedure(None, train, 1)
    ledger = read_ledger(store)
    at_once = made_at_once(read_ledger(store))
    found, expected = (walk_forward(procedure, some, some, store) for some in (ledger, at_once))
    assert values_of(found) == values_of(expected)
    for name in ("step", "dataset", "candidate", "time_ns", "net_ticks"):
        assert getattr(found.fires, name).tolist() == getattr(expected.fires, name).tolist(), name
    assert [each.name for each in found.segments] == [f"day{day:03d}" for day in range(DAYS)]
