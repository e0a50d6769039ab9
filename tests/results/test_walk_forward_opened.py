"""Days that are kept for the test, as steps of walk-forward: what is chosen before them is opened, and nothing else."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from tests.results.walk_forward_ledgers import candidate, day_evidence
from vpharness.commands.text.walk_forward_tables import verdict_lines
from vpharness.evaluation import Evidence
from vpharness.results import holdout
from vpharness.results.ledger import DatasetKey, LedgerCandidate, Trial
from vpharness.results.store import VIEWS, Store, read
from vpharness.results.walk_forward.judged import WalkForward, walk_forward
from vpharness.results.walk_forward.tried import Procedure

DAYS, TESTS = 10, (7, 8, 9)


def ledger() -> list[LedgerCandidate]:
    """Return a candidate that leads and some that do not; the last three days are kept for the test."""
    rng = np.random.default_rng(1)
    days = {name: [day_evidence(day, rng, edge) for day in range(DAYS)] for name, edge in (("lead", 2.0), ("a", 0.0))}
    return [candidate(name, own, tests=TESTS) for name, own in days.items()]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, DatasetKey]]:
    """Note what is judged on its dataset, in the place of doing so: each such day is one of a lead of two ticks."""
    asked: list[tuple[str, DatasetKey]] = []

    def reevaluate(
        trials: Iterable[Trial], _view_of: Any, _part_of: Callable[[Trial], str]
    ) -> dict[tuple[str, DatasetKey], Evidence]:
        keys = [(trial.candidate_id, trial.dataset) for trial in trials]
        asked.extend(keys)
        return {key: day_evidence(int(key[1][0][3:]), np.random.default_rng(5), 2.0) for key in keys}

    monkeypatch.setattr(holdout, "reevaluate", reevaluate)
    return asked


def no_dataset(_dataset_id: str, _checksum: str) -> NoReturn:
    """Fail: nothing is to be read."""
    raise AssertionError("a dataset was read")


def walked(folder: Path, *, show_test: bool) -> WalkForward:
    """Return a procedure over the days."""
    candidates = ledger()
    return walk_forward(
        Procedure("many", 3, 1), candidates, candidates, Store(folder), no_dataset if show_test else None
    )


def test_days_that_are_kept_for_the_test_stay_closed_unless_asked_for(
    tmp_path: Path, opened: list[tuple[str, DatasetKey]]
) -> None:
    """Segments are the others alone."""
    found = walked(tmp_path, show_test=False)
    assert len(found.segments) == 7
    assert "3 days are kept for the test: not segments (show_test=true adds them)" in list(verdict_lines(found, {}))
    assert not any(step.is_test for step in found.steps)
    assert opened == []
    assert read(Store(tmp_path), VIEWS) == []


def test_what_was_chosen_before_them_is_opened_and_counted_alone(
    tmp_path: Path, opened: list[tuple[str, DatasetKey]]
) -> None:
    """One step over all three, chosen on the last days that choose; the others' test parts stay closed."""
    found = walked(tmp_path, show_test=True)
    (step,) = [each for each in found.steps if each.is_test]
    assert [each.name for each in step.in_sample] == ["day004", "day005", "day006"]
    assert [each.name for each in step.out_of_sample] == ["day007", "day008", "day009"]
    assert step.candidate is not None
    assert step.candidate.candidate_id == "lead"
    assert {name for name, _ in opened} == {"lead"}
    assert step.opening is not None
    assert (step.opening.number, step.opening.times) == (1, 1)
    assert step.opening.holds
    assert step.n_net == 3 * 40
    assert {row["candidate_id"] for row in read(Store(tmp_path), VIEWS)} == {"lead"}
    assert found.judgement is not None
    assert found.judgement.figures.n_net == 7 * 40
    assert found.n_kept == 0
    assert found.fires.fires.sum() == 7 * 40
    assert found.last.is_open
    assert [each.number for each in found.steps] == list(range(1, len(found.steps) + 1))
    again = walked(tmp_path, show_test=True)
    (step,) = [each for each in again.steps if each.is_test]
    assert step.opening is not None
    assert (step.opening.number, step.opening.times) == (1, 2)
