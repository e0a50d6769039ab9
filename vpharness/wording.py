"""Words of messages: counts with their nouns, and suggestions for a misspelt name."""

import difflib
from collections.abc import Iterable, Sequence
from typing import Final

_MOST: Final = 3
_LIKENESS: Final = 0.6
_ABBREVIATION: Final = 3
_SAME_BEGINNING: Final = 0.2
"""How much names that begin alike are preferred: adz is as near to jad as to ads, and meant for ads."""


def counted(count: int, noun: str) -> str:
    """Return a count with its noun, in the plural where it needs one."""
    plural = f"{noun}es" if noun.endswith("ch") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"


def first_named(names: Sequence[str], most: int) -> str:
    """Return the first names with commas between, at most so many, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def near_names(name: str, known: Iterable[str]) -> list[str]:
    """Return up to three known names that are near to a name, the nearest first.

    Where a name is the last part of known ones, as tp_ticks is of eval.tp_ticks, it is these alone.
    """
    leaf = name.rpartition(".")[2]
    names = sorted(set(known))
    if same := [each for each in names if each.rpartition(".")[2] == leaf]:
        return same[:_MOST]
    # What stands before the last point is common to many keys, and would make all of them alike.
    likeness = {each: _likeness(leaf, each.rpartition(".")[2]) for each in names}
    near = [each for each in names if likeness[each] >= _LIKENESS]
    return sorted(near, key=lambda each: -likeness[each])[:_MOST]


def did_you_mean(name: str, known: Iterable[str], prefix: str = "") -> str:
    """Return "did you mean A, B or C? " for the known names that are near, or nothing where none is.

    `prefix` is shown before each.
    """
    near = [f"{prefix}{each}" for each in near_names(name, known)]
    if not near:
        return ""
    listed = " or ".join(filter(None, [", ".join(near[:-1]), near[-1]]))
    return f"did you mean {listed}? "


def _likeness(one: str, other: str) -> float:
    one, other = one.lower(), other.lower()
    begins_alike = one[:1] == other[:1]
    ratio = difflib.SequenceMatcher(None, one, other).ratio()
    if len(one) >= _ABBREVIATION and other.startswith(one):
        ratio = max(ratio, _LIKENESS)  # lag is short for lag_bins, however long the rest
    return ratio + _SAME_BEGINNING * begins_alike if ratio >= _LIKENESS else ratio
