"""Weights are read when they are used: memory does not grow with the number of fits."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.learning.test_learned_run import run_of
from vpharness.errors import DatasetError
from vpharness.learning import stored_weights
from vpharness.learning.stored_weights import RecentWeights, StoredWeights
from vpharness.learning.weights_store import WEIGHTS_FILE, keep_weights, unreferenced_weights


def test_a_run_keeps_its_weights_in_the_store_and_scores_the_same(tmp_path: Path) -> None:
    """Fitted a moment ago or read again, with room for one fit alone."""
    in_memory = run_of("knn")
    for _ in range(2):
        run = run_of("knn", tmp_path)
        assert all(isinstance(fit.fitted.weights, StoredWeights) for fit in run.fits)
        np.testing.assert_array_equal(run.scores(), in_memory.scores())
        assert run.in_force.digest == in_memory.in_force.digest


def test_no_more_than_the_limit_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those used last stay, one fit at least; the others are read again."""
    run = run_of("knn", tmp_path)
    sizes = [sum(each.nbytes for each in fit.fitted.weights.values()) for fit in run.fits]
    recent = RecentWeights(most_bytes=sizes[0] + 1)
    monkeypatch.setattr(stored_weights, "RECENT", recent)
    for fit in run.fits:
        assert len(fit.fitted.weights) > 0
        assert recent.used_bytes <= max(sizes)
    expected = run_of("knn").scores()
    np.testing.assert_array_equal(run.scores(), expected)


def test_weights_that_are_damaged_meanwhile_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their digest is compared whenever they are read."""
    run = run_of("ridge", tmp_path)
    monkeypatch.setattr(stored_weights, "RECENT", RecentWeights())
    path = tmp_path / run.digests[1] / WEIGHTS_FILE
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(DatasetError, match="are damaged"):
        run.scores()


def test_weights_of_a_run_that_has_not_ended_are_not_pruned_however_long_it_takes(tmp_path: Path) -> None:
    """Its first ones are older than asked for and in no list yet, while the newest one is young.

    Those of another dataset are no part of it; weights that are needed again count as new.
    """
    names = [keep_weights(tmp_path, {"w": np.full(2, float(place))}, card("this")) for place in range(3)]
    other = keep_weights(tmp_path, {"w": np.zeros(2)}, card("other"))
    for name in (*names[:2], other):
        os.utime(tmp_path / name, (1, 1))
    assert pruned(tmp_path) == [other]
    os.utime(tmp_path / names[2], (1, 1))
    assert pruned(tmp_path) == sorted([*names, other])
    assert keep_weights(tmp_path, {"w": np.zeros(2)}, card("other")) == other
    assert pruned(tmp_path) == sorted(names)


def card(checksum: str) -> dict[str, Any]:
    """Return a card of weights that were fitted to a dataset."""
    return {"dataset": {"checksum": checksum}}


def pruned(models: Path) -> list[str]:
    """Return the weights that are pruned where what is older than an hour is."""
    return [path.name for path, _ in unreferenced_weights(models, {"this", "other"}, 3600.0)]
