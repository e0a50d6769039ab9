"""Which of a signal's parameters are traced as numbers and which are fixed when it compiles."""

import dataclasses
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from vpharness.signals.core.definition import SignalParameters

Numbers = Mapping[str, Any]
"""The traced parameters: a float64 or int64 scalar each, or a list of them."""
_NOT_OF_SCORES = frozenset(field.name for field in dataclasses.fields(SignalParameters))


@dataclass(frozen=True)
class Structure:
    """The part of the parameters that a signal's compiled form depends on, and nothing else.

    Attributes:
        parameters: the dataclass of the parameters.
        choices: (name, value) of each parameter that is no number: bool, str, None.
        kinds: (name, dtype, length or None for a single number) of each parameter that is one, or a list of them.
    """

    parameters: type[SignalParameters]
    choices: tuple[tuple[str, Any], ...]
    kinds: tuple[tuple[str, str, int | None], ...]

    def abstract_numbers(self) -> Numbers:
        """Return the numbers' shapes and types, to compile for."""
        return {
            name: scalar if length is None else [scalar] * length
            for name, dtype, length in self.kinds
            for scalar in [jax.ShapeDtypeStruct((), np.dtype(dtype))]  # type: ignore[no-untyped-call] # JAX has it untyped
        }

    def bind(self, numbers: Numbers) -> SignalParameters:
        """Return the parameters with traced values in place of the numbers."""
        return self.parameters(**dict(self.choices), **numbers)


def split(params: SignalParameters) -> tuple[Structure, dict[str, Any]]:
    """Split parameters into the structure that the compiled form depends on and the numbers that it is called with.

    The type of a number follows from its field's annotation, not from its value: 3 for a float is 3.0.
    """
    hints = typing.get_type_hints(type(params))
    choices: list[tuple[str, Any]] = []
    kinds: list[tuple[str, str, int | None]] = []
    numbers: dict[str, Any] = {}
    for name, value in body_parameters(params).items():
        number = np.float64 if _mentions_float(hints[name]) else np.int64
        if value is None or isinstance(value, bool | str):
            choices.append((name, value))
        elif isinstance(value, list | tuple):
            numbers[name] = [number(item) for item in value]
            kinds.append((name, number.__name__, len(value)))
        else:
            numbers[name] = number(value)
            kinds.append((name, number.__name__, None))
    return Structure(type(params), tuple(choices), tuple(kinds)), numbers


def score_parameters(params: SignalParameters) -> dict[str, Any]:
    """Return the parameters that the scores depend on: all but the thresholds.

    What was added later is left out where it has its default: it identifies no run of before.
    """
    return {
        field.name: getattr(params, field.name)
        for field in dataclasses.fields(params)
        if field.name not in _NOT_OF_SCORES and not _is_as_before(params, field)
    }


def identifying_parameters(params: SignalParameters) -> dict[str, Any]:
    """Return all parameters, without those that were added later and have their default."""
    later = {field.name for field in dataclasses.fields(params) if _is_as_before(params, field)}
    return {name: value for name, value in dataclasses.asdict(params).items() if name not in later}


def _is_as_before(params: SignalParameters, field: dataclasses.Field[Any]) -> bool:
    return field.name in params.ADDED_LATER and getattr(params, field.name) == field.default


def body_parameters(params: SignalParameters) -> dict[str, Any]:
    """Return the parameters that the body is given: of a learned signal those of its features alone."""
    outside = params.outside_the_body()
    return {name: value for name, value in score_parameters(params).items() if name not in outside}


def _mentions_float(hint: Any) -> bool:
    return hint is float or any(_mentions_float(argument) for argument in typing.get_args(hint))
