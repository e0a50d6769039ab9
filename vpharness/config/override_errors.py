"""Errors of Hydra and OmegaConf on one line, and all errors of a command line: Hydra reports the first alone."""

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from vpharness.config.override_grammar import quoting_hint
from vpharness.config.search_path import conf_folder, groups_of, is_group
from vpharness.config.typed_config import locate, schema_of
from vpharness.errors import ConfigError
from vpharness.wording import did_you_mean

WRONG: Final = (ConfigError, HydraException, OmegaConfBaseException)
"""What composing raises where an override is wrong."""

_AMBIGUOUS: Final = re.compile(r"Ambiguous value for argument '(?P<key>[^=]*)=(?P<value>.*?)'\n1\. To use", re.DOTALL)
_NO_CHOICE: Final = re.compile(
    r"Could not find '(?P<group>[^']+)/(?P<choice>[^'/]*)'\s+Available options in '[^']+':(?P<known>.*)", re.DOTALL
)
_CONVERSION: Final = re.compile(r"Value (?P<value>.*) of type '.*' could not be converted to (?P<kind>\w+)", re.DOTALL)
_EXPECTED: Final = {"float": "a number", "integer": "a whole number", "boolean": "true or false"}
_NO_TRUTH: Final = re.compile(r"Value (?P<value>.*) is not a valid bool", re.DOTALL)
_NO_LIST: Final = ("Invalid value assigned", "Cannot merge DictConfig with ListConfig")
_TAKEN: Final = re.compile(r"Multiple values for (?P<group>\S+)\. |(?P<twice>\S+) appears more than once in the final")
_NO_GROUP: Final = re.compile(r"Could not override '(?P<key>[^']+)'|composing config:\s*Key '(?P<added>[^']+)' not in ")
_SWEEP: Final = re.compile(r"Sweep parameters '(?P<override>[^']*)' requires --multirun")
_UNREADABLE: Final = re.compile(r"(mismatched|extraneous) input|no viable alternative|token recognition error|missing ")
_SHOWN_SPLIT: Final = ("split", "collection")
"""A split that rankings show and nobody chooses: `vpharness.evaluation.evaluation_parameters.WHOLE_DATASETS`."""
_FEW: Final = 8
"""So many names are listed where none of them is near to what was given."""

OtherKeys = Callable[[], Iterable[str]]
"""The keys of a command that an error does not know of; asked for only where a key is unknown."""


def one_line(error: BaseException, other_keys: OtherKeys = tuple) -> str:
    """Return an error's message on one line; for an unknown key or choice, with those that are near."""
    text = str(error)
    cause: BaseException | None = error
    while cause is not None:
        full_key, message = str(getattr(cause, "full_key", None) or ""), str(getattr(cause, "msg", None) or cause)
        schema = getattr(cause, "object_type", None)
        if dataclasses.is_dataclass(schema) and isinstance(schema, type):
            key = str(getattr(cause, "key", ""))
            known = [field.name for field in dataclasses.fields(schema) if not field.name.startswith("_")]
            if key not in known:
                return _unknown_key(full_key or key, {*known} - {"defaults"}, other_keys)
            text = f"{full_key}: {message}"
        if full_key:  # of a key of the schema, or of what stands in a list
            text = _wrong_type(full_key, message, getattr(cause, "value", None)) or text
        cause = cause.__cause__
    return _of_hydra(text, other_keys) or _without_lines_of_omegaconf(text)


def _of_hydra(text: str, other_keys: OtherKeys) -> str | None:
    """Return what a message of Hydra's means here; None for another message."""
    if (found := _AMBIGUOUS.match(text)) is not None:
        return _commas(found["key"], found["value"])
    if (found := _TAKEN.match(text)) is not None:
        group = found["group"] or found["twice"]
        return f"{group} is a group that is chosen from already; write {group}=NAME, without +"
    if (found := _NO_GROUP.search(text)) is not None:
        return _unknown_key(found["key"] or found["added"], (), other_keys)
    if (found := _NO_CHOICE.search(text.partition("Config search path:")[0])) is not None:
        return _unknown_choice(found["group"], found["choice"], found["known"].split())
    found = _SWEEP.match(text)
    several = "" if found is None else found["override"]
    return f"{several} is several values; for a run of each, put -m before it: -m {several}" if several else None


def _without_lines_of_omegaconf(text: str) -> str:
    kept = [line.strip() for line in text.partition("Config search path:")[0].splitlines() if line.strip()]
    return " ".join(line for line in kept if not line.startswith(("full_key:", "object_type=", "reference_type=")))


def _commas(key: str, value: str) -> str:
    """Return what to do about a value with commas where one value is expected."""
    if is_group(key):
        campaign = f"python -m vpharness -m {key}={value}"
        return f"{key} is {value}, which are several; choose one, or for a run of each put -m before it: {campaign}"
    return (
        f"{key} is {value}, which has commas: for a list, write {key}=[{value}]; for one text, "
        f"{quoting_hint(key, value)}; for a run of each value, put -m before it"
    )


def _wrong_type(key: str, message: str, value: Any) -> str | None:
    """Return what a key expects in place of a value of another type; None for another message."""
    if message.startswith("Cannot convert 'dict'"):
        return f"{key} has no keys below it: write {key}=VALUE"
    if message.startswith(_NO_LIST):
        is_plain = isinstance(value, int | float | str) and value != ""
        example = f"{key}=[{value if is_plain else 'VALUE,VALUE'}]"
        return f"{key} is {'no list' if value is None else repr(value)}; expected a list, such as {example}"
    if "is not Optional" in message:
        return f"{key} is null; expected a value: write {key}=VALUE, or leave it away"
    if "does not support deletion" in message:
        return f"{key} cannot be taken out; leave ~{key} away for its default, or write {key}=VALUE"
    if (no_truth := _NO_TRUTH.match(message)) is not None:
        return f"{key} is {no_truth['value']}; expected true or false"
    found = _CONVERSION.match(message)
    expected = None if found is None else _EXPECTED.get(found["kind"].lower())
    return None if found is None or expected is None else f"{key} is {found['value']}; expected {expected}"


def _unknown_key(key: str, known: Iterable[str], other_keys: OtherKeys) -> str:
    prefix = "".join(key.rpartition(".")[:2])
    own = [f"{prefix}{name}" for name in known]
    hint = did_you_mean(key, own) or did_you_mean(key, other_keys())
    if not hint:
        names = sorted(name.removeprefix(prefix) for name in own) or sorted(set(other_keys()))
        hint = f"the keys are {', '.join(names)}" if 0 < len(names) <= _FEW else "--help lists the keys"
    return f"{key} is not a key here; {hint.strip()}"


def _unknown_choice(group: str, choice: str, known: Sequence[str]) -> str:
    hint = did_you_mean(choice, known, f"{group}=")
    if (group, choice) == _SHOWN_SPLIT:
        return (
            f"split={choice} is no choice: it is what a ranking calls split=time on a collection, whose first days "
            "train and whose last are kept for the test; with dataset.collection=ID leave split away"
        )
    if group == "dataset":
        hint = f"did you mean dataset.id={choice}?"
    if not hint:
        hint = f"there are {', '.join(known)}" if len(known) <= _FEW else "--help lists the choices"
        if group in {"signal", "source"}:
            hint += f"; one of your own takes --config-dir FOLDER, with FOLDER/{group}/{choice}.yaml"
    return f"{group} has no choice {choice!r}; {hint.strip()}"


def errors_of_overrides(overrides: Sequence[str], config_name: str) -> dict[str, str]:
    """Return those overrides that cannot be composed with the groups that are chosen, and why.

    Axes of a multirun are not looked at.

    Args:
        overrides: as they are given to Hydra.
        config_name: the name of the command's YAML.
    """
    conf = conf_folder()
    found: dict[str, str] = {}
    fixed: dict[str, Override] = {}
    for override in overrides:
        if override.startswith(("-", "hydra")):
            continue
        try:
            parsed = OverridesParser.create().parse_override(override)
        except WRONG as error:
            key, equals, value = override.partition("=")
            hint = f"; for one text, {quoting_hint(key, value)}" if equals else ""
            found[override] = f"{override} cannot be read: {_unreadable(error)}{hint}"
            continue
        if not parsed.is_sweep_override():
            fixed[override] = parsed
    keys = partial(_keys_of_command, config_name, list(fixed))
    with initialize_config_dir(str(conf), version_base="1.3"):
        chosen = [override for override, parsed in fixed.items() if (conf / parsed.key_or_group).is_dir()]
        for override in chosen:
            found |= _error_of(config_name, [override], override, keys)
        good = [override for override in chosen if override not in found]
        lost = {fixed[override].key_or_group for override in chosen if override in found}
        for override, parsed in fixed.items():
            # Of a group that is not there it is not known which keys it has.
            if override not in chosen and parsed.key_or_group.partition(".")[0] not in lost:
                found |= _error_of(config_name, [*good, override], override, keys)
    return found


def _unreadable(error: BaseException) -> str:
    """Return why Hydra's grammar does not take an override; it lists the tokens of its lexer."""
    text = one_line(error)
    if _UNREADABLE.match(text):
        return "expected KEY=VALUE, with quotes round a text of other characters than letters, digits and /.:-+_%*@?|"
    return text


def _error_of(config_name: str, overrides: list[str], override: str, other_keys: OtherKeys) -> dict[str, str]:
    try:
        compose(config_name, overrides)
    except WRONG as error:
        text = one_line(error, other_keys)
        key = override.lstrip("+~").partition("=")[0]
        if "." in key and text.startswith(f"{key.partition('.')[0]} is not a key here"):
            text = _unknown_key(key, (), other_keys)  # Hydra names the first part alone
        return {override: text}
    return {}


def _keys_of_command(config_name: str, overrides: Sequence[str]) -> Iterator[str]:
    """Yield every key of a command: its own, and those of the choices in its groups."""
    conf = conf_folder()
    command = yaml.safe_load((conf / f"{config_name}.yaml").read_text(encoding="utf-8"))
    yield from _names(command)
    given = (override.split("=", 1) for override in overrides if "=" in override)
    own = groups_of(config_name)
    for group, choice in {**own, **{key: value for key, value in given if key in own}}.items():
        path = conf / group / f"{choice}.yaml"
        if path.is_file() and "_target_" in (values := yaml.safe_load(path.read_text(encoding="utf-8")) or {}):
            yield from (f"{group}.{name}" for name in _names(values))


def _names(values: dict[str, Any]) -> Iterator[str]:
    target = str(values["_target_"])
    for field in dataclasses.fields(schema_of(locate(target, target), target)):
        yield field.name
