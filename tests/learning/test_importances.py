"""Permutation importances: the feature that moves follow matters, and what is shuffled keeps its blocks."""

import numpy as np

from tests.learning.market import MODELS, bins_and_columns, features_of, params_of
from tests.learning.test_learned_run import run_of_components
from vpharness.learning import LearnedRun, labels_of
from vpharness.learning.importances import permutation_importances, shuffled_blocks


def test_shuffled_blocks_stay_whole() -> None:
    """Each bin comes once, and those of a block follow one another in their order."""
    blocks = np.array([3, 3, 3, 5, 5, 9])
    found = shuffled_blocks(blocks, np.random.default_rng(2))
    assert sorted(found.tolist()) == list(range(6))
    cuts = np.flatnonzero(np.diff(blocks[found])) + 1
    assert [each.tolist() for each in np.split(found, cuts)] == [[5], [3, 4], [0, 1, 2]] or len(cuts) == 2
    assert all((np.diff(each) == 1).all() for each in np.split(found, cuts))


def test_the_feature_that_moves_follow_is_the_most_important() -> None:
    """It is the first of three; the others lose nothing that lies outside their intervals by much."""
    view, columns = bins_and_columns(edge=3.0)
    p = params_of("ridge", label="move", horizon_bins=1)
    run = LearnedRun.of(MODELS["ridge"], p, features_of(MODELS["ridge"], p, view, columns), view, None)
    scores, labels = run.scores(), labels_of(view, p)
    (bins,) = np.nonzero(np.isfinite(scores) & np.isfinite(labels))
    found = permutation_importances(run, bins, labels[bins], bins // 20)
    assert found[0].feature == 0
    assert found[0].loss.low > 0.2
    assert all(abs(each.loss.mean) < 0.1 for each in found[1:])


def test_scores_that_look_from_bin_to_bin_are_computed_over_all_of_them() -> None:
    """A signal that combines its model's outputs has importances too: one for each feature."""
    run = run_of_components()
    scores = run.scores()
    (bins,) = np.nonzero(np.isfinite(scores))
    wanted = np.random.default_rng(1).normal(size=len(bins))
    found = permutation_importances(run, bins, wanted, bins // 20)
    assert sorted(each.feature for each in found) == list(range(run.features.shape[1]))
    assert permutation_importances(run, bins[:50], wanted[:50], bins[:50]) == []
