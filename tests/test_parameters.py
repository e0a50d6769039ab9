"""Ranges of parameters: every whole number has an end, so that none overflows once there is something to lose."""

import dataclasses
import importlib
import pkgutil
import typing
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest

import runtime
import vpharness
from vpharness.parameters import LARGEST_INTEGER, parameter, problems, rules_of
from vpharness.signals import SignalParameters


def classes() -> Iterator[Any]:
    """Yield every dataclass of the packages that has parameters."""
    for package in (vpharness, runtime):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name.endswith("__main__") or ".plugins" in module.name:
                continue
            for found in vars(importlib.import_module(module.name)).values():
                is_own = isinstance(found, type) and found.__module__ == module.name
                if is_own and dataclasses.is_dataclass(found) and any(rules_of(f).meaning for f in fields(found)):
                    yield found


def mentions_int(hint: Any) -> bool:
    """Whether values of a type may be whole numbers."""
    return hint is int or any(mentions_int(each) for each in typing.get_args(hint))


def test_every_whole_number_has_a_maximum() -> None:
    """Of every command, signal, source, feed, gate and server."""
    seen, endless = 0, []
    for kind in classes():
        hints = typing.get_type_hints(kind)
        for field in fields(kind):
            rules = rules_of(field)
            if rules.meaning and mentions_int(hints[field.name]):
                seen += 1
                if rules.maximum is None:
                    endless.append(f"{kind.__name__}.{field.name}")
    assert seen > 50
    assert endless == []


@dataclasses.dataclass(frozen=True)
class OfAUser(SignalParameters):
    """Parameters of a signal whose author has not thought of an end."""

    window: int = parameter(50, meaning="a window", minimum=2)
    lags: list[int] = parameter([1], meaning="lags")


@pytest.mark.parametrize("value", [10**20, LARGEST_INTEGER + 1, -(10**20), 2**63])
def test_a_whole_number_without_a_maximum_has_that_of_exact_numbers(value: int) -> None:
    """Beyond it neither JSON nor a float holds it, and soon nor do 64 bits."""
    for config in (OfAUser(window=value), OfAUser(lags=[1, value])):
        (sentence,) = problems(config)
        assert str(value) in sentence
    assert problems(OfAUser(window=LARGEST_INTEGER, lags=[-LARGEST_INTEGER])) == []
