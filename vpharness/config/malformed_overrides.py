"""Overrides that are refused before anything is composed, in the words of this project instead of Hydra's.

What is found here is in the overrides themselves, and in the names of the YAML files. Hydra's grammar is asked only
where a choice is not plainly a name: importing it takes long.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from vpharness.config.search_path import choices_of, groups_of, is_group
from vpharness.errors import ConfigError

_NEEDED_GROUPS: Final = frozenset({"dataset", "eval", "feed", "lattice", "promotion", "signal", "source", "split"})
_MAY_BE_EMPTY: Final = frozenset({"lake_datasets", "force", "run_id"})
"""Keys whose empty text says something (no datasets elsewhere, whatever the environment names) or is refused by its
command, which knows what to give."""
_EMPTY: Final = frozenset({"", '""', "''"})
_ENDLESS: Final = re.compile(r"\d{300,}")
_NUMBER: Final = re.compile(r"[+-]?[\d_.]+(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"")
_BETWEEN_VALUES: Final = re.compile(r"[\s,:\[\](){}]+")
_DATASET: Final = "dataset"
"""A group whose choices nobody names: what is meant is the key `dataset.id`."""
_STRUCTURE: Final = re.compile(r"[\[\](){}'\"$\\]")
_NAME: Final = re.compile(r"(?!(?:null|true|false|inf|nan)$)[a-z_]\w*", re.ASCII | re.IGNORECASE)
"""Values that Hydra's grammar reads as the text they are."""
_NO_LIST: Final = re.compile(r"\[\s*\]")
_NOTHING: Final = frozenset({"null", "NULL", "Null"})

Shown = Mapping[str, str]
"""How a user writes keys that are called otherwise in a configuration."""


def refuse_malformed(
    overrides: Sequence[str], config_name: str, *, multirun: bool = False, shown: Shown | None = None
) -> None:
    """Raise one ConfigError with everything that is wrong with overrides as they are written.

    Args:
        overrides: as they are given to Hydra; its own options among them are passed over.
        config_name: the name of the command's YAML.
        multirun: whether a key may have several values.
        shown: how a user writes keys that are called otherwise in the configuration.
    """
    words = [word for word in overrides if not word.startswith("-")]
    problems = [
        *_without_key(words),
        *_endless_numbers(words),
        *_groups_left_out(words),
        *_wrong_choices(words, config_name),
        *_missing_values(words, shown or {}, multirun=multirun),
    ]
    if not multirun:
        problems += _given_twice(words, shown or {})
    if problems:
        raise ConfigError("; ".join(dict.fromkeys(problems)))


def _without_key(words: Sequence[str]) -> Iterator[str]:
    """Yield an error for a value with nothing before its equals sign."""
    for word in words:
        if word.lstrip("+~").startswith("="):
            yield f"{word} has no key; KEY=VALUE is expected"


def _endless_numbers(words: Sequence[str]) -> Iterator[str]:
    """Yield an error for a number of more digits than a float can have, which ends reading it in a traceback."""
    for word in words:
        key, _, value = word.partition("=")
        for each in _BETWEEN_VALUES.split(_QUOTED.sub("", value)):
            if _NUMBER.fullmatch(each) and (found := _ENDLESS.search(each)) is not None:
                yield f"{key} holds a number of {len(found[0])} digits; give a smaller one"


def _groups_left_out(words: Sequence[str]) -> Iterator[str]:
    """Yield an error for an override that takes out a group that commands need, such as ~signal."""
    for word in words:
        key = word[1:].partition("=")[0]
        if word.startswith("~") and key in _NEEDED_GROUPS:
            yield f"{word}: {key} cannot be left out; leave {word} away"


def _wrong_choices(words: Sequence[str], config_name: str) -> Iterator[str]:
    """Yield an error for a choice in a group that is none, or is added to a group that the command has."""
    own = groups_of(config_name)
    for word in words:
        key, equals, value = word.lstrip("+").partition("=")
        group = key.partition("@")[0]
        # Keys in braces are merged into a group, whatever is chosen in it.
        if equals and not word.startswith(("~", "=")) and _is_group(group) and not value.startswith("{"):
            yield from _wrong_choice(word, group, own)


def _wrong_choice(word: str, group: str, own: Mapping[str, str | None]) -> Iterator[str]:
    """Yield what is wrong with the choice in a group, where Hydra has no plain words for it.

    Args:
        word: the override.
        group: what is chosen in.
        own: the groups of the command, with what is chosen by default.
    """
    key, _, value = word.lstrip("+").partition("=")
    is_added = word.startswith("+")
    is_list, is_empty = value.startswith("["), value in _EMPTY
    is_nothing = not _NOTHING.isdisjoint(value.split(","))
    such = f"such as {_some_choice(group)} (--help lists them)"
    is_here = group in own or is_added or group.startswith("hydra/")
    if not is_here and (is_empty or is_nothing or is_list or not _is_name(value)):
        yield f"{key} is not a key here; leave {word} away"
    elif group == _DATASET and not is_nothing and (is_empty or not (is_list or _is_name(value))):
        written = "ID" if is_empty else value
        yield f"{word} names no dataset; write dataset.id={written} (python -m vpharness list-datasets)"
    elif is_empty or (own.get(group) is not None and group not in _NEEDED_GROUPS and _NO_LIST.fullmatch(value)):
        yield f"{key}={value if is_list else ''} names nothing to choose; write {key}=NAME, {such}"
    elif is_list and group in _NEEDED_GROUPS:
        names = value.strip("[]").replace(" ", "")
        campaign = f"python -m vpharness -m {key}={names}"
        yield f"{key}={value} is a list, and one name is expected; for a run of each: {campaign}"
    elif is_nothing and group in _NEEDED_GROUPS:
        example = f"{key}={own.get(group) or 'NAME'}"
        yield f"{key}={value} leaves {key} out, which the command needs; write {example}, or leave {word} away"
    elif not _is_name(value):
        if value in choices_of(group):
            yield f"{word} is no text to Hydra; for the choice of that name, write {key}=\"'{value}'\" in a shell"
        else:
            hint = f", or leave {word} away" if is_nothing else ""
            yield f"{key} is {value}; expected the name of a choice, {such}{hint}"
    elif is_added and key == group and not is_list and own.get(group) is not None:
        yield f"{word}: {key} is a group of this command already; write {key}={value}, without +"


def _is_group(key: str) -> bool:
    """Whether a key is a group of this project's or of Hydra's own."""
    return is_group(key) or key.startswith("hydra/")


def _is_name(value: str) -> bool:
    """Whether Hydra reads a value, and each of several, as text; what it cannot read it refuses itself."""
    if _NAME.fullmatch(value):
        return True
    from hydra.core.override_parser.overrides_parser import OverridesParser  # noqa: PLC0415  # slow to import
    from hydra.core.override_parser.types import ChoiceSweep, RangeSweep  # noqa: PLC0415
    from hydra.errors import HydraException  # noqa: PLC0415

    try:
        read = OverridesParser.create().parse_override(f"choice={value}").value()
    except (HydraException, ValueError):  # the latter for a number of too many digits, which is refused by itself
        return True
    if isinstance(read, RangeSweep):
        return False
    several = read.list if isinstance(read, ChoiceSweep) else read if isinstance(read, list) else [read]
    return not any(isinstance(each, int | float | None) for each in several)


def _missing_values(words: Sequence[str], shown: Shown, *, multirun: bool) -> Iterator[str]:
    """Yield an error for a key without a value, and for a comma with no value on one side of it."""
    for word in words:
        key, equals, value = word.lstrip("+").partition("=")
        name = shown.get(key, key)
        if not equals or word.startswith(("~", "=", "hydra.")) or key in _MAY_BE_EMPTY:
            continue
        if value in _EMPTY:
            # The axes of a multirun are checked where they are expanded.
            if not multirun and not _is_group(key.partition("@")[0]):
                yield f"{name}= has no value; give one, or leave {name}= away"
        elif not _STRUCTURE.search(value) and "" in (parts := [part.strip() for part in value.split(",")]):
            kept = ",".join(filter(None, parts))
            yield f"{name}={value} has a comma with no value beside it; write {name}={kept or 'VALUE'}"


def _given_twice(words: Sequence[str], shown: Shown) -> Iterator[str]:
    """Yield an error for a key with two values, of which Hydra would take the last without a word."""
    by_key = dict[str, list[str]]()
    for word in words:
        key, equals, value = word.lstrip("+").partition("=")
        is_merged = value.startswith("{") and is_group(key)
        if equals and not word.startswith("~") and not is_merged:
            by_key.setdefault(key, []).append(word)
    for key, given in by_key.items():
        if len(given) > 1:
            name = shown.get(key, key)
            values = " and ".join(f"{name}={word.partition('=')[2]}" for word in given)
            often = {2: "twice"}.get(len(given), f"{len(given)} times")
            yield f"{name} is given {often}: {values}; give it once"


def _some_choice(group: str) -> str:
    """Return one choice of a group as it is written, of those that need no quotes."""
    return f"{group}={next(filter(_NAME.fullmatch, choices_of(group)), 'NAME')}"
