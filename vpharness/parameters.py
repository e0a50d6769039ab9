"""Parameters of configuration dataclasses: default, meaning, unit and range of each, stated in one place.

Help texts, listings and checks are all derived from the fields that `parameter` makes.
"""

import copy
import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vpharness.wording import did_you_mean

LARGEST_INTEGER: Final = 2**53
"""The largest whole number of a parameter that has no maximum of its own: JSON and floats are exact up to here."""

_RULES = "vpharness"


@dataclass(frozen=True)
class Rules:
    """What is stated about a parameter besides its name, type and default."""

    meaning: str
    unit: str = ""
    minimum: float | None = None
    above: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()


def parameter(
    default: Any = dataclasses.MISSING,
    *,
    meaning: str,
    unit: str = "",
    minimum: float | None = None,
    above: float | None = None,
    maximum: float | None = None,
    choices: Sequence[str] = (),
) -> Any:
    """Make a dataclass field that knows its meaning and range.

    A list or dict given as default is copied for each instance; without a default the parameter must be given.
    `minimum` and `maximum` are included in the range, `above` is not. For lists the range holds for each item.
    """
    rules = Rules(meaning, unit, minimum, above, maximum, tuple(choices))
    if isinstance(default, list | dict):
        return dataclasses.field(default_factory=lambda: copy.copy(default), metadata={_RULES: rules})
    return dataclasses.field(default=default, metadata={_RULES: rules})


def same_as(kind: type[Any], name: str) -> Any:
    """Make a dataclass field with the default, meaning, unit and range of a parameter of another dataclass."""
    (field,) = [field for field in dataclasses.fields(kind) if field.name == name]
    default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    return parameter(default, **dataclasses.asdict(rules_of(field)))


def rules_of(field: "dataclasses.Field[Any]") -> Rules:
    """Return what `parameter` recorded for a field (nothing but an empty meaning for a plain field)."""
    found: Rules = field.metadata.get(_RULES, Rules(""))
    return found


def problems(config: Any, prefix: str = "") -> list[str]:
    """Return a sentence for everything that is out of range in a dataclass instance.

    A dataclass adds its own relations between parameters with a method `relations() -> Iterable[str]`.
    `prefix` (such as "lattice.") stands before each parameter's name.
    """
    found = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        found += [f"{prefix}{field.name} {sentence}" for sentence in _out_of_range(value, rules_of(field))]
    if not found and hasattr(config, "relations"):
        found += [f"{prefix}{sentence}" for sentence in config.relations()]
    return found


def _out_of_range(value: Any, rules: Rules) -> Iterator[str]:
    values = value if isinstance(value, list | tuple) else [value]
    for item in values:
        if isinstance(item, str):
            if rules.choices and item not in rules.choices:
                meant = did_you_mean(item, rules.choices).strip()
                yield f"is {item!r}; it must be one of {', '.join(rules.choices)}" + (f"; {meant}" if meant else "")
        elif isinstance(item, int | float) and not isinstance(item, bool):
            if isinstance(item, float) and not math.isfinite(item):
                yield f"is {item}; it must be a finite number"
            elif rules.minimum is not None and item < rules.minimum:
                yield f"is {item}; it must be at least {_text(rules.minimum)}"
            elif rules.above is not None and item <= rules.above:
                yield f"is {item}; it must be above {_text(rules.above)}"
            elif rules.maximum is not None and item > rules.maximum:
                yield f"is {item}; it must be at most {_text(rules.maximum)}"
            elif isinstance(item, int) and abs(item) > max(LARGEST_INTEGER, rules.maximum or 0):
                yield f"is {item}; it must lie between -{LARGEST_INTEGER} and {LARGEST_INTEGER}"


def _text(limit: float) -> str:
    return str(limit) if isinstance(limit, int) else f"{limit:.15g}"
