"""Where the YAML files lie, and which modules they name."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import yaml

from vpharness.modules import PermittedModules

PACKAGE: Final = Path(__file__).resolve().parents[1]
"""The folder of this package."""

OWN_FOLDER_VARIABLE: Final = "VPHARNESS_CONFIG_DIR"
"""The environment variable with the folder of a user's own YAML files; `--config-dir` sets it."""


def conf_folder() -> Path:
    """Return the folder of YAML files: beside the package in a checkout, inside it when installed from a wheel."""
    beside = PACKAGE.parent / "conf"
    return beside if (beside / "build.yaml").is_file() else PACKAGE / "conf"


def modules_named_in(group: str) -> list[str]:
    """Return the modules that a user's own YAML files of a group name in `_target_`, in the folder of --config-dir."""
    own = os.environ.get(OWN_FOLDER_VARIABLE)
    named = list[str]()
    for path in sorted((Path(own) / group).glob("*.yaml")) if own else ():
        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError):
            continue  # whoever chooses it is told
        if isinstance(values, dict) and isinstance(values.get("_target_"), str):
            named.append(values["_target_"].rpartition(".")[0])
    return [name for name in named if name]


def permitted_modules(lake: Path, named: Sequence[str], key: str) -> PermittedModules:
    """Return the modules that a signal may come from which the lake names: `named` is the value of a key for it."""
    return PermittedModules(lake, (*named, *modules_named_in("signal")), key)
