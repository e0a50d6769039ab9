"""Small things that promotions are made of."""

import dataclasses
from typing import Any, cast

from vpharness.evaluation import Figures, Judgement
from vpharness.promotion.gates import Gate
from vpharness.results.ranking import Family, Ranked


def figures(**known: float) -> Figures:
    """Return figures of which only some are known; the others are 0."""
    return Figures(**{field.name: 0 for field in dataclasses.fields(Figures)} | known)  # type: ignore[arg-type]  # numbers all


def judgement(*lacks: str, **known: float) -> Judgement:
    """Return a judgement with some figures."""
    return Judgement(figures(**known), cast("Any", None), 0.01, lacks)


def ranked(train: Judgement, p_adjusted: float | None, test: Judgement | None = None, openings: int = 0) -> Ranked:
    """Return a candidate of a family of 40, of which 30 are rankable."""
    maxima = cast("Any", type("Maxima", (), {"n_candidates": 30})())
    family = Family(40, 0, maxima)
    return Ranked(cast("Any", None), train, family, p_adjusted, winner=False, test=test, test_openings=openings)


def verdicts(gates: list[Gate]) -> dict[str, bool | None]:
    """Return whether gates passed, by their names."""
    return {gate.name: gate.passed for gate in gates}
