"""Errors of Hydra and OmegaConf on one line, and all errors of a command line: Hydra reports the first alone."""

import dataclasses
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Final

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from vpharness.config.override_grammar import quoting_hint
from vpharness.errors import ConfigError

_AMBIGUOUS: Final = re.compile(r"Ambiguous value for argument '(?P<key>[^=]*)=(?P<value>.*?)'\n1\. To use", re.DOTALL)
_WRONG: Final = (ConfigError, HydraException, OmegaConfBaseException)
_KNOWN: ContextVar[tuple[str, ...]] = ContextVar("faults that a plan is to report beside its own", default=())


def known_faults() -> tuple[str, ...]:
    """Return what is known to be wrong with a campaign before it is planned."""
    return _KNOWN.get()


@contextmanager
def reported_with_the_plan(faults: Sequence[str]) -> Iterator[None]:
    """Have the next plan refused, for these reasons and for what it finds itself."""
    before = _KNOWN.set(tuple(faults))
    try:
        yield
    finally:
        _KNOWN.reset(before)


def faults_of(words: Sequence[str], config_name: str, conf: Path) -> dict[str, str]:
    """Return those words that cannot be composed with the groups that are chosen, and why; axes are not looked at.

    Args:
        words: as they are given to Hydra.
        config_name: the command's YAML.
        conf: the folder of YAML files.
    """
    found: dict[str, str] = {}
    fixed: dict[str, Override] = {}
    for word in words:
        if word.startswith(("-", "hydra")):
            continue
        try:
            parsed = OverridesParser.create().parse_override(word)
        except _WRONG as error:
            key, equals, value = word.partition("=")
            hint = f"; for one text, {quoting_hint(key, value)}" if equals else ""
            found[word] = f"{word} cannot be read: {one_line(error)}{hint}"
            continue
        if not parsed.is_sweep_override():
            fixed[word] = parsed
    with initialize_config_dir(str(conf), version_base="1.3"):
        chosen = [word for word, parsed in fixed.items() if (conf / parsed.key_or_group).is_dir()]
        for word in chosen:
            found |= _fault(config_name, [word], word)
        good = [word for word in chosen if word not in found]
        lost = {fixed[word].key_or_group for word in chosen if word in found}
        for word, parsed in fixed.items():
            # Of a group that is not there it is not known which keys it has.
            if word not in chosen and parsed.key_or_group.partition(".")[0] not in lost:
                found |= _fault(config_name, [*good, word], word)
    return found


def _fault(config_name: str, words: list[str], word: str) -> dict[str, str]:
    try:
        compose(config_name, words)
    except _WRONG as error:
        return {word: one_line(error)}
    return {}


def one_line(error: BaseException) -> str:
    """Return an error's message on one line; for an unknown key, with the keys that are known."""
    text = str(error)
    cause: BaseException | None = error
    while cause is not None:
        schema = getattr(cause, "object_type", None)
        if dataclasses.is_dataclass(schema) and isinstance(schema, type):
            known = [field.name for field in dataclasses.fields(schema) if not field.name.startswith("_")]
            if str(getattr(cause, "key", "")) not in known:
                text = (
                    f"{getattr(cause, 'full_key', None) or getattr(cause, 'key', '')} is not a key here; the keys are "
                )
                return text + ", ".join(sorted(set(known) - {"defaults"}))
            text = f"{getattr(cause, 'full_key', '')}: {getattr(cause, 'msg', None) or cause}"
        cause = cause.__cause__
    if (ambiguous := _AMBIGUOUS.match(text)) is not None:
        key, value = ambiguous["key"], ambiguous["value"]
        return (
            f"{key} is {value}, which has commas: for a list, write {key}=[{value}]; for one text, "
            f"{quoting_hint(key, value)}; for a run of each value, put -m before it"
        )
    text = text.partition("Config search path:")[0]
    kept = [line.strip() for line in text.splitlines() if line.strip()]
    return " ".join(line for line in kept if not line.startswith(("full_key:", "object_type=", "reference_type=")))
