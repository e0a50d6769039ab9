"""Everything that is wrong with the words of a command: Hydra names the first of them alone."""

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

from vpharness.errors import ConfigError
from vpharness.tasks.messages import one_line
from vpharness.tasks.words import quoting_hint

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
