"""Overrides that are refused before anything is composed, in the words of this project instead of Hydra's.

What is found here needs no Hydra: it is in the overrides themselves, and in the names of the YAML files.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import yaml

from vpharness.config.search_path import choices_of, conf_folder, is_group
from vpharness.errors import ConfigError

_NEEDED_GROUPS: Final = frozenset({"dataset", "eval", "feed", "lattice", "promotion", "signal", "source", "split"})
_MAY_BE_EMPTY: Final = frozenset({"lake_datasets", "force", "run_id"})
"""Keys whose empty text says something (no datasets elsewhere, whatever the environment names) or is refused by its
command, which knows what to give."""
_EMPTY: Final = frozenset({"", '""'})
_ENDLESS: Final = re.compile(r"\d{300,}")
_DATASET: Final = "dataset"
"""A group whose choices nobody names: what is meant is the key `dataset.id`."""
_STRUCTURE: Final = re.compile(r"[\[\](){}'\"$\\]")
_NO_NAME: Final = re.compile(r"[+-]?[\d.]+|true|false|\{.*\}", re.IGNORECASE | re.DOTALL)
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
        *_endless_numbers(words),
        *_groups_left_out(words),
        *_wrong_choices(words, config_name),
        *_missing_values(words, shown or {}, multirun=multirun),
    ]
    if not multirun:
        problems += _given_twice(words, shown or {})
    if problems:
        raise ConfigError("; ".join(dict.fromkeys(problems)))


def _endless_numbers(words: Sequence[str]) -> Iterator[str]:
    """Yield an error for a number of more digits than a float can have, which ends reading it in a traceback."""
    for word in words:
        if (found := _ENDLESS.search(word)) is not None:
            yield f"{word.partition('=')[0]} holds a number of {len(found[0])} digits; give a smaller one"


def _groups_left_out(words: Sequence[str]) -> Iterator[str]:
    """Yield an error for an override that takes out a group that commands need, such as ~signal."""
    for word in words:
        key = word[1:].partition("=")[0]
        if word.startswith("~") and key in _NEEDED_GROUPS:
            yield f"{word}: {key} cannot be left out; leave {word} away"


def _wrong_choices(words: Sequence[str], config_name: str) -> Iterator[str]:
    """Yield an error for a choice in a group that is none, or is added to a group that the command has."""
    own = _groups_of(config_name)
    for word in words:
        key, equals, value = word.lstrip("+").partition("=")
        if not equals or word.startswith("~") or not is_group(key):
            continue
        example = f"{key}={own.get(key) or 'NAME'}"
        if key == _DATASET and (not value or _NO_NAME.fullmatch(value)):
            yield f"{word} names no dataset; write dataset.id={value or 'ID'} (python -m vpharness list-datasets)"
        elif not value:
            yield f"{key}= names nothing to choose; write {key}=NAME, such as {_some_choice(key)} (--help lists them)"
        elif value[0] == "[":
            names = value.strip("[]").replace(" ", "")
            campaign = f"python -m vpharness -m {key}={names}"
            yield f"{key}={value} is a list, and one name is expected; for a run of each: {campaign}"
        elif not _NOTHING.isdisjoint(value.split(",")) and key in _NEEDED_GROUPS:
            yield f"{key}={value} leaves {key} out, which the command needs; write {example}, or leave {word} away"
        elif _NO_NAME.fullmatch(value):
            yield f"{key} is {value}; expected the name of a choice, such as {_some_choice(key)} (--help lists them)"
        elif word.startswith("+") and own.get(key) is not None:
            yield f"{word}: {key} is a group of this command already; write {key}={value}, without +"


def _missing_values(words: Sequence[str], shown: Shown, *, multirun: bool) -> Iterator[str]:
    """Yield an error for a key without a value, and for a comma with no value on one side of it."""
    for word in words:
        key, equals, value = word.lstrip("+").partition("=")
        name = shown.get(key, key)
        if not equals or word.startswith("~") or key in _MAY_BE_EMPTY:
            continue
        if value in _EMPTY:
            # The axes of a multirun are checked where they are expanded.
            if not multirun and not is_group(key):
                yield f"{name}= has no value; give one, or leave {name}= away"
        elif not _STRUCTURE.search(value) and "" in (parts := [part.strip() for part in value.split(",")]):
            kept = ",".join(filter(None, parts))
            yield f"{name}={value} has a comma with no value beside it; write {name}={kept or 'VALUE'}"


def _given_twice(words: Sequence[str], shown: Shown) -> Iterator[str]:
    """Yield an error for a key with two values, of which Hydra would take the last without a word."""
    by_key = dict[str, list[str]]()
    for word in words:
        key, equals, _ = word.lstrip("+").partition("=")
        if equals and not word.startswith("~"):
            by_key.setdefault(key, []).append(word)
    for key, given in by_key.items():
        if len(given) > 1:
            name = shown.get(key, key)
            values = " and ".join(f"{name}={word.partition('=')[2]}" for word in given)
            often = {2: "twice"}.get(len(given), f"{len(given)} times")
            yield f"{name} is given {often}: {values}; give it once"


def _groups_of(config_name: str) -> dict[str, str | None]:
    """Return the groups that a command has, with what is chosen by default; none where there is no such YAML."""
    path = conf_folder() / f"{config_name}.yaml"
    if not path.is_file():
        return {}
    found = dict[str, str | None]()
    for entry in yaml.safe_load(path.read_text(encoding="utf-8")).get("defaults", ()):
        found |= entry if isinstance(entry, dict) else {}
    return found


def _some_choice(group: str) -> str:
    """Return one choice of a group as it is written."""
    return f"{group}={next(iter(choices_of(group)), 'NAME')}"
