"""Small things that promotions are made of."""

import dataclasses
from typing import Any, cast

from vpharness.evaluation import Figures, Judgement, Lack
from vpharness.promotion.gate import Gate
from vpharness.results.families import Family
from vpharness.results.holdout import HoldoutResult
from vpharness.results.ranking import Ranked


def figures(**known: float) -> Figures:
    """Return figures of which only some are known; the others are 0."""
    return Figures(**{field.name: 0 for field in dataclasses.fields(Figures)} | known)  # type: ignore[arg-type]  # numbers all


def judgement(*lacks: Lack, **known: float) -> Judgement:
    """Return a judgement with some figures."""
    return Judgement(cast("Any", None), figures(**known), 2.5, 0.01, lacks)


def ranked(
    train: Judgement,
    p_adjusted: float | None,
    opening: HoldoutResult | None = None,
    low_all: float = 0.2,
    refused: str = "",
) -> Ranked:
    """Return a candidate of a family of 40, of which 30 are rankable."""
    family = Family((), 40, 30, 20, 0, 0, None, None)
    candidate = cast("Any", None)
    return Ranked(candidate, train, family, p_adjusted, low_all, winner=False, holdout=opening, test_refused=refused)


def verdicts(gates: list[Gate]) -> dict[str, bool | None]:
    """Return whether gates passed, by their names."""
    return {gate.name: gate.passed for gate in gates}
