"""The configuration of a command with plain keys, composed without Hydra.

Importing Hydra and composing with it takes most of a second, which commands that only look something up should not
cost. Where the result could differ from Hydra's in any way (groups to choose from, quotes, interpolations, lists, a
user's own folder of YAML files) nothing is composed here, and Hydra does it.
"""

import copy
import dataclasses
import functools
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from vpharness.config.search_path import OWN_FOLDER_VARIABLE, conf_folder
from vpharness.config.typed_config import with_schema

_KEY: Final = re.compile(r"[a-z_]\w*(\.[a-z_]\w*)*", re.ASCII)
_PLAIN: Final = re.compile(r"(?!\.\d)[A-Za-z_./][\w./@-]*", re.ASCII)
"""Values that Hydra's grammar reads as the text they are, apart from its few constants."""
_CONSTANTS: Final = frozenset({"null", "inf", "nan", "true", "false"})
_NOT_KEYS: Final = frozenset({"_target_", "defaults"})


def compose_plainly(config_name: str, overrides: Sequence[str]) -> DictConfig | None:
    """Return what Hydra would compose of a command's YAML and some overrides; None where Hydra has to be asked."""
    words = [override.partition("=") for override in overrides]
    path = conf_folder() / f"{config_name}.yaml"
    # Most commands that run something are seen here to need Hydra, before any YAML is parsed.
    if os.environ.get(OWN_FOLDER_VARIABLE) or not all(_may_be_plain(*word) for word in words):
        return None
    chosen = [word for word in words if _is_group(word[0])]
    if chosen and not all(_is_default(path, key, value) for key, _, value in chosen):
        return None
    words = [word for word in words if word not in chosen]
    try:
        config = copy.deepcopy(_loaded(path, _changed_ns()))
        if config is None or not all(_set(config, key, value) for key, _, value in words):
            return None
    except OmegaConfBaseException:
        return None  # Hydra's error names the file and the key
    OmegaConf.set_struct(config, True)
    return config


def _may_be_plain(key: str, equals: str, value: str) -> bool:
    """Whether an override may set a key to a value that can be read in one way only."""
    is_plain = _PLAIN.fullmatch(value) or (value.isascii() and value.isdigit())
    return bool(equals and _KEY.fullmatch(key) and is_plain)


def _is_group(key: str) -> bool:
    """Whether a key is that of a group of YAML files to choose from."""
    return (conf_folder() / key).is_dir()


def _is_default(path: Path, group: str, choice: str) -> bool:
    """Whether what is chosen from a group is what a command's YAML has by default."""
    return f"- {group}: {choice}" in map(str.strip, path.read_text(encoding="utf-8").splitlines())


def _changed_ns() -> int:
    """Return when one of the project's YAML files was changed last."""
    return max(path.stat().st_mtime_ns for path in conf_folder().rglob("*.yaml"))


@functools.lru_cache(maxsize=64)
def _loaded(path: Path, _changed_ns: int) -> DictConfig | None:
    """Return a command's YAML over its defaults, with its groups by default: read once for each state of the files."""
    raw = OmegaConf.load(path)
    assert isinstance(raw, DictConfig)  # noqa: S101  # a mapping of keys
    groups = [entry for entry in raw.pop("defaults", []) if entry != "_self_"]
    config = with_schema(raw, str(path))
    for entry in groups:
        ((group, choice),) = entry.items()
        if choice is None or group.startswith("override hydra/") or group == "hydra_paths":
            continue
        file = path.parent / group / f"{choice}.yaml"  # another choice is no plain value, and left to Hydra
        part = OmegaConf.load(file)
        if not isinstance(part, DictConfig) or "defaults" in part:
            return None
        config[group] = with_schema(part, str(file))
    return config


def _set(config: DictConfig, key: str, value: str) -> bool:
    """Set a key to a value that can be read in one way only; return whether that was so."""
    parent_name, dot, name = key.rpartition(".")
    parent = OmegaConf.select(config, parent_name) if dot else config
    if not isinstance(parent, DictConfig) or name in _NOT_KEYS or name not in parent:
        return False
    kind = _type_of(parent, name)
    if kind is bool and value in {"true", "false"}:
        parent[name] = value == "true"
    elif kind is str and _PLAIN.fullmatch(value) and value.lower() not in _CONSTANTS:
        parent[name] = value
    elif kind is int and value.isascii() and value.isdigit() and str(int(value)) == value:
        parent[name] = int(value)
    else:
        return False
    return True


def _type_of(parent: DictConfig, name: str) -> Any:
    """Return the type of a key of a structured config, without None."""
    schema = OmegaConf.get_type(parent)
    if schema is None or not dataclasses.is_dataclass(schema):
        return None
    (field,) = [field for field in dataclasses.fields(schema) if field.name == name]
    kinds = [kind for kind in getattr(field.type, "__args__", (field.type,)) if kind is not type(None)]
    return kinds[0] if len(kinds) == 1 else None
