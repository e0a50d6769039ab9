"""A gate of a promotion: what was wanted, what was found, and what a limit that is looser than its default changes."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vpharness.promotion.gate_parameters import PromotionParameters

NOT_LOOKED_AT: Final = "not checked: another gate failed"


@dataclass(frozen=True)
class Loosened:
    """A limit that lets more through than its default does."""

    name: str
    default: float
    given: float


@dataclass(frozen=True)
class Gate:
    """One thing that a run must have to be promoted.

    Attributes:
        name: what is looked at.
        passed: whether it passed; None where it has not been looked at.
        wanted: what was wanted.
        found: what was found.
        forcible: whether a reason can override it.
        unsafe: whether overriding it serves something else than was run, for which a reason is not enough.
        loosened: limits of it that are looser than their defaults, by which it is judged all the same.
    """

    name: str
    passed: bool | None
    wanted: str
    found: str
    forcible: bool = True
    unsafe: bool = False
    loosened: tuple[Loosened, ...] = ()

    def values(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return dataclasses.asdict(self)


def judged_by_defaults(
    gates_at: Callable[[PromotionParameters], Sequence[Gate]], limits: PromotionParameters
) -> list[Gate]:
    """Return gates at some limits, each judged by the default of a limit that is looser.

    What passes a looser limit alone is overridden like any other failure: with a reason, which is recorded.
    """
    defaults = limits.loosened()
    if not defaults:
        return list(gates_at(limits))
    given, strict = gates_at(limits), gates_at(dataclasses.replace(limits, **defaults))
    loosened: list[list[Loosened]] = [[] for _ in given]
    for name, default in defaults.items():
        with_default = gates_at(dataclasses.replace(limits, **{name: default}))
        for place, (one, other) in enumerate(zip(given, with_default, strict=True)):
            if one.wanted != other.wanted:  # it is a limit of this gate
                loosened[place].append(Loosened(name, default, getattr(limits, name)))
    return [_noted(*gates) for gates in zip(given, strict, map(tuple, loosened), strict=True)]


def _noted(given: Gate, strict: Gate, loosened: tuple[Loosened, ...]) -> Gate:
    if not loosened:
        return given
    told = ", ".join(f"{each.name}={each.given:g}" for each in loosened)
    passes = "only with" if given.passed and not strict.passed else "not even with" if not given.passed else "without"
    return dataclasses.replace(strict, found=f"{strict.found}; it passes {passes} {told}", loosened=loosened)


def all_of(several: Sequence[Gate], names: Sequence[str]) -> Gate:
    """Return one gate for what was looked at on several datasets, by their names: it passes where all do."""
    if len(several) == 1:
        return several[0]
    told = [each for each in zip(several, names, strict=True) if not each[0].passed] or list(
        zip(several, names, strict=True)
    )
    found = "; ".join(f"{name}: {gate.found}" for gate, name in told)
    return dataclasses.replace(several[0], passed=all(gate.passed for gate in several), found=found)
