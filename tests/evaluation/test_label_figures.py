"""Classes, round trips and calibration against plain twins."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from vpharness.evaluation.information_coefficient import ScoredMoves
from vpharness.evaluation.label_figures import (
    CLASSES,
    confusion_by_block,
    label_figures,
    macro_f1,
    macro_f1_interval,
    predicted_classes,
    round_trips,
)


def made_up(seed: int, bins: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return scores that know something of labels, labels of -1, 0 and 1, and blocks."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(-1, 2, bins).astype(np.float64)
    return labels * 0.3 + rng.normal(size=bins), labels, np.arange(bins) // 25


def naive_macro_f1(true: Sequence[int], predicted: Sequence[int]) -> float:
    """Return the mean over classes of 2 PR/(P + R) in counts, by loops."""
    found = []
    for each in CLASSES:
        hits = sum(t == each and p == each for t, p in zip(true, predicted, strict=True))
        either = sum(t == each for t in true) + sum(p == each for p in predicted)
        found.append(2 * hits / either if either else 0.0)
    return sum(found) / 3


def naive_trips(predicted: Sequence[int], true: Sequence[int]) -> list[tuple[int, bool]]:
    """Return where each round trip is entered and whether it completes, by a walk through the bins."""
    found: list[tuple[int, bool]] = []
    held = None
    for t, each in enumerate(predicted):
        if each == 0 or (held is not None and predicted[held] == each):
            continue
        if held is not None:
            found.append((held, true[held] == predicted[held] and true[t] == each))
        held = t
    return found


@pytest.mark.parametrize("seed", range(3))
def test_macro_f1_and_its_jackknife_are_those_of_plain_loops(seed: int) -> None:
    """The whole, and the error from leaving out each block."""
    scores, labels, blocks = made_up(seed)
    true, predicted = labels.astype(np.int64), predicted_classes(scores, 0.4)
    by_block = confusion_by_block(true, predicted, blocks)
    found = macro_f1_interval(by_block)
    assert found.mean == pytest.approx(naive_macro_f1(true.tolist(), predicted.tolist()), abs=1e-12)
    without = [naive_macro_f1(true[blocks != b].tolist(), predicted[blocks != b].tolist()) for b in range(16)]
    error = math.sqrt(15 / 16 * sum((each - sum(without) / 16) ** 2 for each in without))
    assert found.high - found.mean == pytest.approx(2.131449545559323 * error, rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_round_trips_are_those_of_a_walk_through_the_bins(seed: int) -> None:
    """Entered at the first bin of a direction, closed at the first of the other."""
    scores, labels, _ = made_up(seed)
    true, predicted = labels.astype(np.int64), predicted_classes(scores, 0.8)
    entered, completes = round_trips(predicted, true)
    assert list(zip(entered.tolist(), completes.tolist(), strict=True)) == naive_trips(
        predicted.tolist(), true.tolist()
    )


def test_a_round_trip_by_hand() -> None:
    """Up, nothing, up, down, up: two trips; the first completes, the second is closed where the label is 0."""
    predicted, true = np.array([0, 1, 0, 1, -1, 0, 1]), np.array([0, 1, 0, 0, -1, 0, 0])
    entered, completes = round_trips(predicted, true)
    assert (entered.tolist(), completes.tolist()) == ([1, 4], [True, False])


def test_predictions_that_know_nothing_come_to_what_chance_says() -> None:
    """Many bins: macro-F1 and p_T lie within their intervals, or near, of what independence gives."""
    rng = np.random.default_rng(5)
    labels = rng.choice([-1.0, 0.0, 1.0], 200_000, p=[0.2, 0.5, 0.3])
    part = ScoredMoves(rng.normal(size=200_000), labels, np.arange(200_000) // 1000)
    found = label_figures("noise", [part], [0.7])
    assert found.macro_f1.mean == pytest.approx(found.macro_f1_by_chance, abs=0.005)
    assert found.p_t.mean == pytest.approx(found.p_t_by_chance, abs=0.005)
    assert found.p_t_by_chance == pytest.approx(0.06, abs=0.002)
    assert found.shares == pytest.approx([0.2, 0.5, 0.3], abs=0.01)


def test_calibration_is_the_mean_label_of_each_tenth() -> None:
    """A score that is the mean label lies on the diagonal."""
    rng = np.random.default_rng(7)
    scores = rng.uniform(-1, 1, 100_000)
    labels = np.where(rng.random(100_000) < np.abs(scores), np.sign(scores), 0.0)
    found = label_figures("made up", [ScoredMoves(scores, labels, np.arange(100_000) // 500)], [0.5]).calibration
    np.testing.assert_allclose(found.mean_move, found.mean_score, atol=0.03)
    assert (found.low < found.mean_move).all()


def test_nothing_to_look_at_has_no_figures() -> None:
    """No bin at all."""
    nothing = ScoredMoves(np.zeros(0), np.zeros(0), np.zeros(0, np.int64))
    found = label_figures("none", [nothing], [1.0])
    assert found.bins == found.round_trips == 0
    assert math.isnan(found.macro_f1.mean)
    assert math.isnan(macro_f1(np.zeros((3, 3))))
