"""Each gate by itself: what it lets through, what it refuses, and what it says."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.promotion.samples import judgement, ranked, verdicts
from vpharness.audit import AuditReport, Check, MeasuredMemory
from vpharness.errors import PromotionError
from vpharness.evaluation import EVALUATION_VERSION, Judgement, Lack
from vpharness.events.synthetic import SyntheticSource
from vpharness.lattice.lattice_parameters import LATTICE_VERSION, LatticeParameters
from vpharness.live.latency import Latency, MachineLoad
from vpharness.promotion import gates
from vpharness.promotion.agreement import Agreement
from vpharness.promotion.forward_record import ForwardRecord
from vpharness.promotion.gate import NOT_LOOKED_AT, Gate, Loosened, judged_by_defaults
from vpharness.promotion.gate_parameters import PromotionParameters
from vpharness.promotion.readiness import CellSettling
from vpharness.promotion.review import Review, refuse
from vpharness.results.holdout import HoldoutResult
from vpharness.signals import Program

LIMITS = PromotionParameters()
GOOD = judgement(n_net=90, net_pnl_ticks=1.5, net_pnl_ticks_low=0.5, net_pnl_ticks_high=2.5)
AGREED = Agreement(bins=600, worst=1e-15, ties=2, differences=())


def manifest(**changes: Any) -> Any:
    """Return what gates look at of a manifest."""
    known = {"dataset_id": "market", "instrument": "SYN", "lattice": {"radius": 50}, "lattice_version": LATTICE_VERSION}
    return SimpleNamespace(**known | {"source": SyntheticSource(seed=3).identity()} | changes)


def test_train_must_be_rankable_beat_chance_and_cost() -> None:
    """All three pass at their limits; each fails alone."""
    names = ("rankable", "train chance", "train net")
    assert verdicts(gates.train_gates(ranked(GOOD, 0.05), LIMITS)) == dict.fromkeys(names, True)
    poor = judgement(Lack("net fires", 12, 30), net_pnl_ticks_low=0.5)
    assert verdicts(gates.train_gates(ranked(poor, None), LIMITS)) == dict(
        zip(names, (False, False, True), strict=True)
    )
    assert verdicts(gates.train_gates(ranked(GOOD, 0.0501), LIMITS))["train chance"] is False
    for low in (0.0, -0.2, math.nan):
        assert verdicts(gates.train_gates(ranked(GOOD, 0.01, low_all=low), LIMITS))["train net"] is False
    told = {gate.name: gate.found for gate in gates.train_gates(ranked(GOOD, 0.0123, low_all=0.25), LIMITS)}
    assert told["train chance"] == "0.012 over 30 rankable of 40 candidates"
    assert told["train net"] == "+1.50 ticks over 90 fires, lower end +0.25"


@pytest.mark.parametrize(
    ("test", "low", "passed", "found"),
    [
        (judgement(n_net=10, net_pnl_ticks=0.9), 0.01, True, "+0.90 ticks over 10 fires, lower end +0.01"),
        (judgement(n_net=9, net_pnl_ticks=3.0), 1.0, False, "+3.00 ticks over 9 fires, lower end +1.00"),
        (judgement(n_net=50, net_pnl_ticks=0.5), 0.0, False, "+0.50 ticks over 50 fires, lower end +0.00"),
        (judgement(n_net=50, net_pnl_ticks=0.5), math.nan, False, "+0.50 ticks over 50 fires, no lower end"),
        (judgement(n_net=0, net_pnl_ticks=math.nan), math.nan, False, "no net fires"),
    ],
)
def test_the_test_part_must_earn_something_at_the_error_of_its_opening(
    test: Judgement, low: float, passed: bool, found: str
) -> None:
    """A lower end above 0 over at least ten fires; how often and as which it was opened is said."""
    gate = gates.unseen_gate(ranked(GOOD, 0.01, HoldoutResult(test, 3, 0.00338, low, 2)), LIMITS)
    assert (gate.passed, gate.found) == (
        passed,
        f"{found} at an error of 0.0034; opened 2 times, as number 3 on this market time",
    )


def test_a_test_part_that_is_not_there_or_was_seen_does_not_pass() -> None:
    """The reason stands where the figures would."""
    none = gates.unseen_gate(ranked(GOOD, 0.01), LIMITS)
    seen = gates.unseen_gate(ranked(GOOD, 0.01, refused="its test part is no test"), LIMITS)
    assert (none.passed, none.found) == (False, "there is no test part: run it with a split")
    assert (seen.passed, seen.found) == (False, "its test part is no test")


def test_a_forward_record_is_always_shown_and_asked_for_only_where_wanted() -> None:
    """No fires are needed unless a number is given."""
    record = ForwardRecord(1_704_205_800_000_000_000, 4, judgement(n_net=3, net_pnl_ticks=-0.5))
    told = "4 fires on events since 2024-01-02T14:30:00.000+00:00, net -0.50 ticks over 3"
    for limits, passed in ((LIMITS, True), (PromotionParameters(min_forward_fires=5), False)):
        gate = gates.forward_gate(record, limits)
        assert (gate.passed, gate.found) == (passed, told)


def test_a_lattice_must_be_known_and_current() -> None:
    """A published dataset does not say, and an old lattice gave other bins; no reason helps."""
    unknown, old = manifest(lattice=None, lattice_version=None), manifest(lattice_version=LATTICE_VERSION - 1)
    found = [gates.lattice_gate(each) for each in (manifest(), unknown, old)]
    assert [(gate.passed, gate.forcible) for gate in found] == [(True, False), (False, False), (False, False)]
    assert found[1].found == "dataset market does not say what it was made with"


def test_the_code_must_be_that_of_the_run() -> None:
    """The digest of the signal, and the version of the evaluation."""
    identity = {"code": {"signal_digest": "abc", "evaluation_version": EVALUATION_VERSION}}
    assert gates.code_gate(identity, "abc").passed is True
    changed = gates.code_gate(identity, "abd")
    assert (changed.passed, changed.forcible) == (False, False)
    assert "run it again" in changed.found
    old = {"code": {"signal_digest": "abc", "evaluation_version": EVALUATION_VERSION - 1}}
    assert gates.code_gate(old, "abc").passed is False


def test_the_events_must_be_those_of_the_dataset() -> None:
    """What differs is named; without a source there is nothing to record."""
    assert gates.events_gate(manifest(), SyntheticSource(seed=3)).passed is True
    other = gates.events_gate(manifest(), SyntheticSource(seed=4, minutes=7))
    assert (other.passed, other.forcible, other.found) == (False, False, "another one: minutes, seed differ")
    nowhere = gates.events_gate(manifest(), None)
    assert (nowhere.passed, nowhere.forcible) == (False, False)
    assert "give source=" in nowhere.found


def test_the_audit_must_have_been_possible_and_passed() -> None:
    """A signal that could not be checked is as bad as one that looks ahead."""
    fine, ahead = Check("with garbage from bin 7 on", 0.0, None), Check("with garbage from bin 9 on", 2.0, 5)
    forgets, remembers = MeasuredMemory(3, 3, 5), MeasuredMemory(None, 400, 5)
    assert gates.audit_gate(AuditReport((fine,), forgets, 600)).passed is True
    looks = gates.audit_gate(AuditReport((fine, ahead), forgets, 600))
    assert looks.passed is False
    assert looks.found.startswith("with garbage from bin 9 on, its score at bin 5 changes, by 2 at the worst: ")
    unchecked = gates.audit_gate(AuditReport((), None, 600, "every score is 0"))
    assert (unchecked.passed, unchecked.found) == (False, "not checked: every score is 0")
    endless = gates.audit_gate(AuditReport((fine,), remembers, 600))
    assert endless.passed is False
    assert endless.found.startswith("not decided: 600 bins are too few to show that it forgets where the data began; ")
    table = gates.audit_gate(AuditReport((fine,), forgets, 600, None, Program(70_000, 70_100, ())))
    assert table.passed is False
    assert "constants of 70,100 bytes, the largest of 70,000, and 65,536 are allowed" in table.found
    asks = gates.audit_gate(AuditReport((fine,), forgets, 600, None, Program(0, 0, ("pure_callback",))))
    assert asks.passed is False
    assert asks.found.startswith("it calls out of its program while it runs (pure_callback)")


def test_a_slice_is_covered_once_its_model_has_been_shown_all_that_it_remembers() -> None:
    """Counted in valid bins; where they do not suffice there is no such bin."""
    valid = np.array([True, False, True, True, False, True])
    assert [gates.first_covered_bin(valid, memory) for memory in range(6)] == [0, 1, 3, 4, 6, 6]
    assert gates.first_covered_bin(valid[:0], 0) == 0


def test_a_memory_that_no_slice_or_warm_up_covers_is_refused() -> None:
    """One that does not end cannot be forced; one that is longer than the dataset can; a short warm-up is told."""
    valid = np.ones(1_000, np.bool_)
    endless = gates.memory_gate(None, valid, 1_000, 300, 100)
    assert (endless.passed, endless.forcible) == (False, False)
    long = gates.memory_gate(800, valid, 800, 300, 100)
    assert (long.passed, long.forcible) == (False, True)
    assert long.found == "800 valid bins, 80 s, and no valid bin comes behind as many: run it on a longer dataset"
    assert gates.memory_gate(799, valid, 800, 300, 100).passed is True
    assert gates.memory_gate(248, valid, 800, 300, 100).found == (
        "248 valid bins, 24.8 s; its score is defined after 300 bins; on a feed of events it is not known when cells "
        "equal those of a long run"
    )
    assert gates.memory_gate(408, valid, 800, 300, 100).found.startswith(
        "408 valid bins, 40.8 s; its score is defined after 408 bins, not after the 300 of evaluation.warmup_bins; "
    )


def test_the_memory_gate_says_when_a_score_is_defined_and_when_its_cells_are_those_of_a_long_run() -> None:
    """Jerks settle in 37 of the longest time constant, masses in 37 of theirs; depths at once."""
    lattice = LatticeParameters(tau_velocity=1.0, tau_acceleration=2.0, tau_jerk=10.0)

    def found(*columns: str) -> str:
        valid = np.ones(1_000, np.bool_)
        return gates.memory_gate(248, valid, 800, 300, 100, CellSettling.of(lattice, columns)).found

    folds = 53 * math.log(2)
    bins = math.ceil(10 * folds * 10) + 248
    assert found("j_add", "v_add") == (
        f"248 valid bins, 24.8 s; its score is defined after 300 bins; on a feed of events ready after {bins:,} bins, "
        f"{bins / 10:,.0f} s: the cells that it reads equal those of a long run after {10 * folds:,.0f} s, all of the "
        f"page's after {lattice.tau_mass * folds:,.0f} s"
    )
    at_once = "ready after 300 bins, 30 s: the cells that it reads equal those of a long run after 0 s"
    assert at_once in found("bid_depth")
    assert "on a feed of events never ready: a column that it reads never equals that of" in found("last_event_id")


def test_live_must_say_what_the_batch_says() -> None:
    """Bins, scores, fires and cells; ties are told."""
    assert gates.live_gate(AGREED, ()).passed is True
    assert gates.live_gate(AGREED, ()).found == "600 bins, worst score difference 1e-15, 2 ties"
    assert gates.live_gate(AGREED, ("the cells of v_add differ from bin 7 on",)).passed is False
    differs = Agreement(600, np.inf, 0, ("bin 7 fires +1, not +0; 1 differ",))
    assert gates.live_gate(differs, ()).found == "bin 7 fires +1, not +0; 1 differ"


def test_live_must_say_what_becomes_of_resting_orders() -> None:
    """How many were compared is said; one difference fails the gate."""
    same = gates.live_gate(AGREED, (), 1234)
    assert same.passed
    assert same.wanted == "the same bins, scores, fires and fates of resting orders from events"
    assert same.found.endswith(", 1,234 orders")
    other = gates.live_gate(AGREED, ("price of the buy placed at bin 7 is 1, not 2; 1 differ",), 1234)
    assert (other.passed, other.unsafe) == (False, True)
    assert other.found == "price of the buy placed at bin 7 is 1, not 2; 1 differ"


def test_a_step_must_take_a_small_part_of_the_bin() -> None:
    """A fifth of 100 ms, and of 50 ms."""
    in_time, late = Latency.of([20_000_000] * 1_000), Latency.of([20_010_000] * 1_000)
    assert gates.latency_gate(in_time, 100, LIMITS).passed is True
    assert gates.latency_gate(late, 100, LIMITS).passed is False
    assert gates.latency_gate(in_time, 50, LIMITS).passed is False
    few = gates.latency_gate(Latency.of([1_000] * 999), 100, LIMITS)
    assert (few.passed, few.found) == (False, "999 bins were timed, which are too few to tell it")
    assert gates.latency_gate(None, 100, LIMITS).passed is False


def test_a_miss_of_the_latency_says_whether_the_machine_was_busy_and_what_to_do() -> None:
    """With the measured time, the limit and the load; what passes says nothing of it."""
    late, in_time = Latency.of([31_000_000] * 1_000), Latency.of([1_000_000] * 1_000)
    busy, idle = MachineLoad(5.26, 2), MachineLoad(1.1, 2)
    found = gates.latency_gate(late, 100, LIMITS, busy)
    assert found.wanted == "99th percentile at most 20 ms"
    assert found.found == (
        "31.00 ms, 31.0% of the bin; this machine was busy (load 5.3 on 2 processors), which may be the cause: promote "
        "again when nothing else runs here"
    )
    assert "this machine was not busy (load 1.1 on 2 processors)" in gates.latency_gate(late, 100, LIMITS, idle).found
    assert "a busy machine may be the cause" in gates.latency_gate(late, 100, LIMITS).found
    assert gates.latency_gate(in_time, 100, LIMITS, busy).found == "1.00 ms, 1.0% of the bin"
    assert (MachineLoad(1.4, 1).is_busy, MachineLoad(1.6, 1).is_busy) == (False, True)
    assert (MachineLoad(11.0, 16).is_busy, MachineLoad(13.0, 16).is_busy) == (False, True)


def test_a_refusal_names_every_gate_that_failed() -> None:
    """A reason overrides those that can be forced; none overrides the others; a gate not looked at is no failure."""
    passed, failed = Gate("train net", True, "more", "more"), Gate("test", False, "more than 0", "-1")
    stubborn = Gate("dataset", False, "whole", "damaged", forcible=False)
    refuse(Review((passed, Gate("test", None, "", NOT_LOOKED_AT))), "r1", None)
    with pytest.raises(PromotionError, match=r"run r1 is not promoted: test: wanted more than 0, found -1 \(force="):
        refuse(Review((passed, failed)), "r1", None)
    refuse(Review((passed, failed)), "r1", "a drill")
    with pytest.raises(PromotionError, match=r"dataset cannot be forced: test: .*; dataset: wanted whole"):
        refuse(Review((failed, stubborn)), "r1", "a drill")


@pytest.mark.parametrize(
    ("limits", "loosened"),
    [
        ({}, {}),
        ({"max_p_adjusted": 1.0, "min_test_fires": 1}, {"max_p_adjusted": 0.05, "min_test_fires": 10}),
        ({"max_p_adjusted": 0.01, "min_test_fires": 30, "max_latency_share": 0.1}, {}),
        ({"min_train_net_low_ticks": -1.0, "min_test_net_ticks": 2.0}, {"min_train_net_low_ticks": 0.0}),
        ({"max_latency_share": 1.0, "slice_bins": 1, "audit_seed": 7}, {"max_latency_share": 0.2}),
    ],
)
def test_a_limit_knows_which_values_are_looser(limits: dict[str, Any], loosened: dict[str, Any]) -> None:
    """What is no limit of a gate is none to loosen."""
    assert PromotionParameters(**limits).loosened() == loosened


def test_what_passes_a_looser_limit_alone_has_failed() -> None:
    """It is overridden with a reason like any other failure, and the gate tells both limits."""
    candidate = ranked(judgement(n_net=40, net_pnl_ticks=0.1), 0.4, low_all=-0.3)
    limits = PromotionParameters(max_p_adjusted=1, min_train_net_low_ticks=-1)
    rankable, chance, net = judged_by_defaults(lambda those: gates.train_gates(candidate, those), limits)
    assert (rankable.passed, rankable.loosened) == (True, ())
    assert (chance.passed, chance.wanted) == (False, "p adjusted at most 0.05")
    assert chance.found == "0.400 over 30 rankable of 40 candidates; it passes only with max_p_adjusted=1"
    assert chance.values()["loosened"] == ({"name": "max_p_adjusted", "default": 0.05, "given": 1},)
    assert (net.passed, net.loosened) == (False, (Loosened("min_train_net_low_ticks", 0.0, -1),))
    with pytest.raises(PromotionError, match="only with max_p_adjusted=1; train net: wanted lower end"):
        refuse(Review((rankable, chance, net)), "r1", None)
    refuse(Review((rankable, chance, net)), "r1", "a drill")


def test_what_passes_the_default_too_passes_and_a_looser_limit_is_noted() -> None:
    """A stricter one holds as it is, and what fails even a looser one says so."""

    def at(limits: PromotionParameters, p_adjusted: float) -> Gate:
        return judged_by_defaults(lambda those: gates.train_gates(ranked(GOOD, p_adjusted), those), limits)[1]

    noted = at(PromotionParameters(max_p_adjusted=0.5), 0.04)
    assert (noted.passed, noted.found.endswith("; it passes without max_p_adjusted=0.5")) == (True, True)
    assert noted.loosened == (Loosened("max_p_adjusted", 0.05, 0.5),)
    assert at(PromotionParameters(max_p_adjusted=0.5), 0.6).found.endswith("not even with max_p_adjusted=0.5")
    strict = at(PromotionParameters(max_p_adjusted=0.01), 0.04)
    assert (strict.passed, strict.wanted, strict.loosened) == (False, "p adjusted at most 0.01", ())


def test_what_may_serve_something_else_than_was_run_needs_more_than_a_reason() -> None:
    """A failed audit, and a live session that differs from the run."""
    looks_ahead = gates.audit_gate(
        AuditReport((Check("with garbage from bin 9 on", 1.0, 4),), MeasuredMemory(0, 0, 5), 600)
    )
    differs = gates.live_gate(Agreement(600, 1.0, 0, ("the score of bin 3 is 1, not 2",)), ())
    both = Review((looks_ahead, differs))
    with pytest.raises(PromotionError, match=r"force=\"REASON\" overrides"):
        refuse(both, "r1", None, force_unsafe=True)
    with pytest.raises(PromotionError, match=r"\(audit, live = batch: force_unsafe=true overrides as well; "):
        refuse(both, "r1", "a drill")
    refuse(both, "r1", "a drill", force_unsafe=True)
