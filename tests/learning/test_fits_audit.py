"""The audit of learned signals: features and scores that look ahead fail, and missing scores prove nothing."""

import dataclasses
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array
from numpy.typing import NDArray

from tests.learning.market import BINS, bins_and_columns, components, features_of, inputs_of, made, short
from vpharness.audit import AuditReport, Check, MeasuredMemory
from vpharness.evaluation.information_coefficient import moves_ahead
from vpharness.learning import LearnedRun, audit_fits
from vpharness.learning.fits_audit import cuts_behind_fits
from vpharness.signals import Clock, Grid, LearnedSignal, learned, with_default
from vpharness.signals.models import Pca, Ridge

AHEAD: Final = 20
FORGETS: Final = MeasuredMemory(0, 0, 1)


@dataclass(frozen=True)
class OneFit(Ridge):
    """A schedule with one fit in these bins, whose labels reach further than the features look ahead."""

    label_bins: int = with_default(Ridge, "label_bins", 100)
    first_fit_bins: int = with_default(Ridge, "first_fit_bins", 500)


@learned(columns=("bid_depth",), series=("mid_ticks",))
def ahead(time: Clock, grid: Grid, p: OneFit) -> Array:
    """The move of the mid that comes."""
    return (jnp.roll(grid.mid_ticks, -AHEAD) - grid.mid_ticks)[:, None]


def with_run(signal: LearnedSignal[Any], **more: Any) -> tuple[LearnedRun, dict[str, NDArray[Any]]]:
    """Return a signal's run on the made-up bins, and what it reads."""
    view, columns = bins_and_columns(names=("x", "y", "bid_depth"))
    p = signal.parameters(**more)
    run = LearnedRun.of(signal, p, features_of(signal, p, view, columns), view, None)
    return run, inputs_of(signal, view, columns)


@pytest.mark.parametrize("full", [False, True])
def test_features_that_look_ahead_less_far_than_labels_fail_after_a_single_fit(full: bool) -> None:
    """The fit's weights do not change and every score before it is missing: those behind it show the look ahead."""
    run, inputs = with_run(ahead)
    scores, mid = run.scores(), np.where(run.view.book_valid, run.view.mid / run.view.tick_size, np.nan)
    moves = moves_ahead(mid, AHEAD)
    known = np.isfinite(scores) & np.isfinite(moves) & (np.arange(BINS) < BINS - 2 * AHEAD)  # the roll wraps there
    assert np.corrcoef(scores[known], moves[known])[0, 1] > 0.9
    report = audit_fits(run, inputs, scores, most=3, full=full)
    assert not report.passed
    assert not report.undecided
    failed = {each.compared for each in report.checks if not each.passed}
    assert failed == {"features", "scores"}
    behind = [each for each in report.checks if each.compared == "scores" and each.name.startswith("with garbage")]
    assert all(not each.passed and each.first_bin is not None and each.first_bin >= 500 for each in behind)
    (told,) = report.failures
    assert told.count("its features at bin") == told.count("its score at bin") == 1
    assert told.count(": it is not causal, or depends on how time is cut; only what goes through `time` may ") == 1
    wrong = sum(not each.passed for each in report.checks)
    others = [int(count) for count in re.findall(r"and so in (\d+) other check", told)]
    assert sum(others) + 2 == wrong


def a_combination_ahead() -> LearnedSignal[Any]:
    """Return a signal whose features are causal and whose combination of the model's outputs is not."""
    parameters = short(Pca)

    def late(time: Clock, outputs: Grid, p: Any) -> Array:
        return jnp.roll(outputs.pc1, -3)

    def cells(time: Clock, grid: Grid, p: Any) -> Array:
        return grid.x

    cells.__annotations__["p"] = late.__annotations__["p"] = parameters
    return learned(columns=("x",), combine=late)(cells)


@pytest.mark.parametrize("full", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_combination_that_looks_ahead_fails_by_its_scores(full: bool) -> None:
    """Its features are the same; what is made of the model's outputs is not."""
    run, inputs = with_run(a_combination_ahead(), components=2)
    report = audit_fits(run, inputs, run.scores(), full=full)
    assert {each.compared for each in report.checks if not each.passed} == {"scores"}
    assert not report.undecided


@pytest.mark.parametrize(
    ("make", "more"),
    [
        pytest.param(lambda: made(Ridge), {}, id="ridge"),
        pytest.param(components, {"components": 3}, marks=pytest.mark.slow, id="components"),
    ],
)
def test_causal_signals_pass_in_full_and_say_how_much_was_compared(
    make: Callable[[], LearnedSignal[Any]], more: dict[str, Any]
) -> None:
    """Random chunks and single bins cover every bin with a valid book, and every finite score."""
    run, inputs = with_run(make(), **more)
    scores = run.scores()
    report = audit_fits(run, inputs, scores, most=2, full=True)
    assert report.passed, report.failures
    pieces = {(each.name, each.compared): each.finite for each in report.checks if not each.name.startswith("with")}
    valid, finite = int(run.view.book_valid.sum()), int(np.isfinite(scores).sum())
    assert pieces[f"{valid} bins one by one", "scores"] == finite
    assert pieces[f"{valid} bins one by one", "features"] == valid
    assert all(each.finite for each in report.checks if each.compared != "weights")


def test_garbage_begins_inside_every_stretch_between_fits_behind_a_finite_score() -> None:
    """A bin of each stretch before a second one of any; the first stretch is cut in its last half."""
    run, _ = with_run(made(Ridge))
    scores = run.scores()
    edges = [fit.bin for fit in run.fits]
    for seed in range(20):
        cuts = np.array(cuts_behind_fits(run, scores, 8, np.random.default_rng(seed)))
        assert len(set(cuts)) == 8
        assert np.isfinite(scores[cuts - 1]).all()
        assert not set(cuts) & {*edges, BINS}
        assert np.histogram(cuts, [*edges, BINS])[0].tolist() == [2, 2, 2, 2]
        assert cuts[0] > (edges[0] + edges[1]) / 2 - 5
        first, last = cuts_behind_fits(run, scores, 2, np.random.default_rng(seed))
        assert first < edges[1] < edges[3] < last


def test_where_no_finite_score_lies_behind_a_fit_nothing_is_decided() -> None:
    """Equal scores that are all missing prove nothing; a failure of the weights counts all the same."""
    run, inputs = with_run(made(Ridge))
    late = dataclasses.replace(run, fits=(dataclasses.replace(run.fits[3], bin=BINS),))
    report = audit_fits(late, inputs, run.scores())
    assert cuts_behind_fits(late, run.scores(), 8, np.random.default_rng(0)) == []
    assert not report.passed
    same = Check("with garbage from bin 9 on", 0.0, None, "weights")
    why = "no finite score behind a fit could be compared; build a longer dataset"
    open_report = AuditReport((same,), FORGETS, 600, not_decided=why)
    assert open_report.undecided
    assert open_report.failures == (f"not decided: {why}",)
    wrong = dataclasses.replace(open_report, checks=(dataclasses.replace(same, first_bin=9),))
    assert not wrong.undecided
    assert wrong.failures[0].startswith("with garbage from bin 9 on, the weights of the fit at bin 9 change, by 0 ")
