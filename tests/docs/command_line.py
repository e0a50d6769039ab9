"""The page `reference/command-line`, made from the dataclasses behind the configuration.

`python -m tests.docs.command_line` writes it; a test says where the page is not what is made.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, Final

from omegaconf import OmegaConf

from runtime.config.server_parameters import ServeCommand
from vpharness.commands.command_table import COMMANDS
from vpharness.config.command_schemas import LAKE
from vpharness.config.help_text import presets_of
from vpharness.config.search_path import conf_folder
from vpharness.config.typed_config import locate, schema_of
from vpharness.docs import FOLDER
from vpharness.parameters import Rules, rules_of

PAGE: Final = FOLDER / "reference" / "command-line.md"

_HEAD: Final = """# The command line

Every command with its keys, and what each key means, with its unit, range and default.

A command is written as `python -m vpharness COMMAND KEY=VALUE …`, and the server as `python -m runtime KEY=VALUE …`.
Without a command, `run` is meant. The grammar of keys and values is Hydra's: `-m` before them runs
every combination of values that are separated by commas. A list is written `[1,2]`, a text with commas
`'key="a, b"'`, and nothing `null`. `--config-dir FOLDER`, before or behind the command, adds a folder of YAML files of
your own, `--help` lists a command's keys, and `--version` says which version this is.

Exit codes: 0, all is well. 2, a mistake of the user's or data that are not as they should be: one line on standard
error. 130, interrupted. Any other ends in a traceback and is a bug.

Environment: `VPHARNESS_LAKE` is the folder of datasets and results where `lake=` is not given,
`VPHARNESS_LAKE_DATASETS` the `s3://` root of further datasets where `lake.datasets=` is not,
`VPHARNESS_CONFIG_DIR` the folder of YAML files of your own where `--config-dir` is not,
`VPHARNESS_RUNTIME_TOKEN` the token of the server's clients, and `VPHARNESS_ALERTS_SECRET` the secret that notices to
`runtime.alerts.url` are signed with.

This page is generated: `python -m tests.docs.command_line` writes it anew."""


_NAMES: Final = {command.schema: name for name, command in COMMANDS.items()}
_MEANINGS: Final[dict[type[Any], str]] = {}


def command_line_page() -> str:
    """Return the page as Markdown."""
    parts, groups = [_HEAD, "## Commands"], dict[str, None]()
    for name, command in COMMANDS.items():
        usage = "".join(f" [{word.upper()}]" for word in command.positional)
        renamed = {inner: written for written, inner in command.renamed.items()}
        parts += _command(f"python -m vpharness {name}{usage}", name, command.schema, renamed)
        groups |= dict.fromkeys(_groups_of(command.schema))
    parts += _command("python -m runtime", "The server", ServeCommand, {})
    groups |= dict.fromkeys(_groups_of(ServeCommand))
    parts.append(
        "## Groups\n\nKeys of a group are written with its name, as `lattice.radius=40`; `GROUP=CHOICE` chooses."
    )
    for group in sorted(groups):
        parts += _group(group)
    return "\n\n".join(parts) + "\n"


def _command(usage: str, name: str, schema: type[Any], renamed: dict[str, str]) -> Iterator[str]:
    yield f"### {name}"
    yield f"`{usage}`\n\n{(schema.__doc__ or '').strip()}"
    base = schema.__bases__[0]
    if dataclasses.is_dataclass(base) and len(dataclasses.fields(base)) == len(dataclasses.fields(schema)):
        yield f"Keys and groups: those of [{_NAMES[base]}](#{_NAMES[base]})."
        return
    if table := _table(schema, "", renamed, {}):
        yield table
    if groups := _groups_of(schema):
        yield f"Groups: {', '.join(f'[{group}](#{group})' for group in groups)}."


def _group(group: str) -> Iterator[str]:
    yield f"### {group}"
    choices: dict[type[Any], list[str]] = {}
    own: dict[type[Any], dict[str, dict[str, Any]]] = {}
    for file in sorted((conf_folder() / group).glob("*.yaml")):
        values: Any = OmegaConf.to_container(OmegaConf.load(file))
        found = locate(str(values.pop("_target_")), str(file))
        schema = schema_of(found, str(file))
        choices.setdefault(schema, []).append(f"`{group}={file.stem}`")
        for name, value in values.items():
            own.setdefault(schema, {}).setdefault(name, {})[f"`{group}={file.stem}`"] = value
        _MEANINGS.setdefault(schema, getattr(found, "meaning", "") or (schema.__doc__ or "").strip().splitlines()[0])
    for schema, names in choices.items():
        yield f"{', '.join(names)}: {_MEANINGS[schema]}"
        if table := _table(schema, f"{group}.", {}, own.get(schema, {})):
            yield table
    for preset, names_of_preset in presets_of(group, conf_folder()).items():
        listed = ", ".join(f"`{preset}={name}`" for name in names_of_preset)
        yield f"{listed}: set keys of `{group}`; the file of each below `conf/{preset}` says where its values are from."


def _groups_of(schema: type[Any]) -> list[str]:
    names = [field.name for field in dataclasses.fields(schema)]
    return [name for name in names if (conf_folder() / name).is_dir()]


def _table(schema: type[Any], prefix: str, renamed: dict[str, str], own: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the keys of a schema as a table; `own` has the defaults that choices have instead, by key and choice."""
    rows = list(_rows(schema, prefix, renamed, own))
    head = ["| key | meaning | unit | range | default |", "|---|---|---|---|---|"]
    return "\n".join([*head, *rows]) if rows else ""


def _rows(
    schema: type[Any], prefix: str, renamed: dict[str, str], own: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    for field in dataclasses.fields(schema):
        rules = rules_of(field)
        if isinstance(field.type, type) and dataclasses.is_dataclass(field.type):
            yield from _rows(field.type, f"{prefix}{field.name}.", {}, {})
        elif rules.meaning:
            name = renamed.get(field.name, field.name)
            cells = (
                f"`{prefix}{name}`",
                rules.meaning,
                rules.unit,
                _range(rules),
                _default(field, own.get(field.name, {})),
            )
            yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def _range(rules: Rules) -> str:
    if rules.choices:
        return ", ".join(f"`{choice}`" for choice in rules.choices)
    ends = [
        "" if rules.above is None else f"above {_number(rules.above)}",
        "" if rules.minimum is None else f"from {_number(rules.minimum)}",
        "" if rules.maximum is None else f"to {_number(rules.maximum)}",
    ]
    return " ".join(end for end in ends if end)


def _number(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:,g}"


def _default(field: "dataclasses.Field[Any]", own: Mapping[str, Any]) -> str:
    """Return a key's default, and those that some choices have instead, by choice."""
    texts = [_default_text(field), *(f"{_value_text(value)} with {choice}" for choice, value in own.items())]
    return ", ".join(text for text in texts if text)


def _default_text(field: "dataclasses.Field[Any]") -> str:
    value = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
    if value is dataclasses.MISSING:
        return "must be given"
    return _value_text(value)


def _value_text(value: Any) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if value == LAKE:
        return "`VPHARNESS_LAKE`, or `lake`"
    return "" if value is None else f"`{value}`"


if __name__ == "__main__":
    PAGE.write_text(command_line_page(), encoding="utf-8")
