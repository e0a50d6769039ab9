"""Find the dataclass that a YAML file's `_target_` names, and make its instance from a composed configuration."""

import dataclasses
import importlib
from types import UnionType
from typing import Any, Final, TypeVar, Union, get_args, get_origin

from omegaconf import MISSING, DictConfig, OmegaConf

from vpharness.errors import ConfigError
from vpharness.parameters import problems
from vpharness.wording import did_you_mean

_PLAIN_ELEMENTS: Final = ((float,), (int,), (str,))
"""Elements of lists in whose place OmegaConf lets another list pass."""


def locate(target: str, where: str) -> Any:
    """Import what `_target_` names; `where` (a YAML's path) stands in the ConfigError of a failure."""
    module, _, name = target.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"{where}: _target_ is {target!r}, which cannot be imported: {error}") from error


def schema_of(target: Any, where: str) -> type[Any]:
    """Return the dataclass of parameters of a target: itself, or what it says its `parameters` are."""
    schema = getattr(target, "parameters", target)
    if not isinstance(schema, type) or not dataclasses.is_dataclass(schema):
        raise ConfigError(f"{where}: _target_ must be a dataclass, or have one as its `parameters`; found {target!r}")
    return schema


def with_schema(config: DictConfig, where: str) -> DictConfig:
    """Return a config over the defaults of the dataclass that its `_target_` names; other keys and types are errors."""
    target = str(config["_target_"])
    schema = schema_of(locate(target, where), where)
    extra: list[Any] = [("_target_", str, target)]
    if "defaults" in config:
        extra.append(("defaults", list[Any], dataclasses.field(default_factory=list)))
    # A field without default would come after one that has it: keyword-only fields do not mind.
    made = dataclasses.make_dataclass(schema.__name__, extra, bases=(schema,), frozen=True, kw_only=True)
    typed = OmegaConf.structured(made)
    OmegaConf.set_readonly(typed, None)  # a frozen dataclass would make the config so, before overrides are applied
    for name in typed:
        if isinstance(own := typed._get_node(name), DictConfig) and OmegaConf.get_type(own) is not dict:
            OmegaConf.set_readonly(own, None)  # parameters of a part of the group
    merged = OmegaConf.merge(typed, config)
    assert isinstance(merged, DictConfig)  # noqa: S101  # merging two of them gives a third
    return merged


def instance(node: Any, name: str) -> Any:
    """Return the dataclass instance that a composed config stands for; a ConfigError names what must be given yet."""
    if node is None:
        raise ConfigError(
            f"{name} cannot be left out; leave ~{name} away, or choose one: {name}=NAME (--help lists them)"
        )
    return instance_of(OmegaConf.to_container(node, resolve=True), name)


def instance_of(values: Any, name: str) -> Any:
    """Return the dataclass instance of a group's plain values; a ConfigError names what must be given yet."""
    missing = sorted(f"{name}.{key}" for key, value in values.items() if value == MISSING)
    if missing:
        raise ConfigError(f"{', '.join(missing)} must be given")
    schema = schema_of(locate(str(values["_target_"]), name), name)
    known = {each.name for each in dataclasses.fields(schema)} | {"_target_", "defaults"}
    if unknown := [key for key in values if key not in known]:  # what was added with + is checked by nobody else
        keys = [f"{name}.{key}" for key in known - {"_target_", "defaults"}]
        hint = did_you_mean(f"{name}.{unknown[0]}", keys) or "--help lists the keys"
        raise ConfigError(f"{name}.{unknown[0]} is not a key here; {hint.strip()}")
    for each in dataclasses.fields(schema):
        value = values.get(each.name)
        if _is_plain_list(each.type) and isinstance(value, list) and any(map(_holds_others, value)):
            raise ConfigError(f"{name}.{each.name} is {value}; expected a list without lists inside")
    return schema(**{key: value for key, value in values.items() if key not in {"_target_", "defaults"}})


def _is_plain_list(kind: Any) -> bool:
    """Whether a field's type is a list of plain elements, or such a list or None."""
    kinds = get_args(kind) if get_origin(kind) in {Union, UnionType} else (kind,)
    return any(get_args(each) in _PLAIN_ELEMENTS for each in kinds)


def _holds_others(value: Any) -> bool:
    return isinstance(value, list | dict)


def check(**parts: Any) -> None:
    """Raise one ConfigError with everything that is out of range in some dataclass instances, given by their names."""
    found = [sentence for name, part in parts.items() for sentence in problems(part, f"{name}.")]
    if found:
        raise ConfigError("; ".join(found))


Command = TypeVar("Command")


def check_command(config: Any, schema: type[Command]) -> Command:
    """Return a command's own keys as its dataclass, groups left as they are; ConfigError where one is out of range."""
    command = command_of(config, schema)
    wrong = problems(command)
    if wrong:
        raise ConfigError("; ".join(wrong))
    return command


def command_of(config: Any, schema: type[Command]) -> Command:
    """Return a command's own keys as its dataclass, groups left as they are, without a look at their ranges."""
    names = [field.name for field in dataclasses.fields(schema)]  # type: ignore[arg-type]  # commands are dataclasses
    return schema(**{name: config[name] for name in names})


def refuse_collection(choice: Any, command: str, meant: str) -> None:
    """Raise ConfigError where a command that is about one dataset is given `dataset.collection`.

    Args:
        choice: the command's `DatasetChoice`.
        command: its name.
        meant: the key to give in its place.
    """
    if choice.collection is not None:
        raise ConfigError(
            f"dataset.collection={choice.collection} is for runs and what ranks them; {command} takes {meant} instead"
        )
