"""Help texts, derived from the dataclasses behind the configuration."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from vpharness.config.remembered_text import remembered
from vpharness.config.search_path import conf_folder
from vpharness.parameters import rules_of


def overview(schemas: Mapping[str, type[Any]]) -> str:
    """Return what every command does, in a line each."""
    lines = [f"  {name:<18}{(schema.__doc__ or '').strip()}" for name, schema in schemas.items()]
    usage = "usage: python -m vpharness <command> [hydra overrides]"
    return "\n".join([usage, "", *lines, "", "python -m vpharness <command> --help lists the command's keys."])


def remembered_help(name: str, schema: type[Any], positional: Sequence[str]) -> str:
    """Return `command_help` of a command; it is kept, since the keys of signals are known only once JAX is imported."""

    def made() -> str:
        return command_help(f"python -m vpharness {name}", schema, conf_folder(), words=positional)

    return remembered(f"help-{name.replace(' ', '-')}", made)


def command_help(program: str, schema: type[Any], conf: Path, *, words: Sequence[str]) -> str:
    """Return the keys of a command, called as `program`: its own, and those of each choice in its groups."""
    from vpharness.config.typed_config import locate, schema_of  # noqa: PLC0415  # imports OmegaConf

    bare = "".join(f" {word.upper()}" for word in words)
    lines = [f"usage: {program}{bare} [KEY=VALUE ...]", "", (schema.__doc__ or "").strip(), ""]
    lines += _keys(schema, "")
    for field in dataclasses.fields(schema):
        for file in sorted((conf / field.name).glob("*.yaml")):
            own = yaml.safe_load(file.read_text(encoding="utf-8"))
            lines += ["", f"{field.name}={file.stem}"]
            lines += _keys(schema_of(locate(str(own.get("_target_")), str(file)), str(file)), f"{field.name}.", own)
        for preset, choices in presets_of(field.name, conf).items():
            lines += ["", f"{preset}={{{','.join(choices)}}}  sets keys of {field.name}"]
    return "\n".join(lines)


def presets_of(group: str, conf: Path) -> dict[str, list[str]]:
    """Return the groups whose choices set keys of another group, with these choices: `fees` those of `eval`."""
    found: dict[str, list[str]] = {}
    for file in sorted(conf.glob("*/*.yaml")):
        if file.read_text(encoding="utf-8").partition("\n")[0] == f"# @package {group}":
            found.setdefault(file.parent.name, []).append(file.stem)
    return found


def _keys(schema: type[Any], prefix: str, own: Mapping[str, Any] | None = None) -> Iterator[str]:
    """Yield a line for each key of a schema; values that a YAML file has of its `own` are its defaults."""
    for field in dataclasses.fields(schema):
        rules = rules_of(field)
        if isinstance(field.type, type) and dataclasses.is_dataclass(field.type):
            yield from _keys(field.type, f"{prefix}{field.name}.")
        elif rules.meaning:
            unit = f", {rules.unit}" if rules.unit else ""
            yield f"  {prefix + field.name:<38}{rules.meaning}{unit}{_default(field, own or {})}"


def _default(field: "dataclasses.Field[Any]", own: Mapping[str, Any]) -> str:
    value = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
    value = own.get(field.name, value)
    if value is dataclasses.MISSING:
        return " (must be given)"
    return "" if value is None or str(value).startswith("$") else f" (default {value})"
