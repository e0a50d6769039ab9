"""Where Hydra finds YAML files and plugins, and which modules the YAML files name."""

import contextlib
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import yaml

from vpharness.compiled import JAX, cache_folder, warnings_on_lost_caches
from vpharness.errors import ConfigError
from vpharness.modules import PermittedModules

PACKAGE: Final = Path(__file__).resolve().parents[1]
"""The folder of this package."""

_GROUP: Final = re.compile(r"[\w-]+(/[\w-]+)*")

OWN_FOLDER_VARIABLE: Final = "VPHARNESS_CONFIG_DIR"
"""The environment variable with the folder of a user's own YAML files; `--config-dir` sets it."""


def conf_folder() -> Path:
    """Return the folder of YAML files: beside the package in a checkout, inside it when installed from a wheel."""
    beside = PACKAGE.parent / "conf"
    return beside if (beside / "build.yaml").is_file() else PACKAGE / "conf"


def prepare_process() -> None:
    """Put this project's Hydra plugins on the Python path, and set where compilers keep what they compile."""
    plugins = str(PACKAGE / "config" / "plugins")
    if plugins not in sys.path:
        sys.path.append(plugins)
    # Compiled signals and evaluations are kept between commands, as the lattice's machine code is.
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ and (folder := cache_folder(JAX)) is not None:
        os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder)
    for sentence in warnings_on_lost_caches():
        print(f"vpharness: {sentence}", file=sys.stderr)
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")


def without_config_dir(arguments: Sequence[str]) -> list[str]:
    """Return the arguments without `--config-dir FOLDER`, which is added to where YAML files are looked for."""
    kept = list(arguments)
    for index, argument in enumerate(kept):
        name, equals, folder = argument.partition("=")
        if name in {"--config-dir", "-cd"}:
            given = folder if equals else "".join(kept[index + 1 : index + 2])
            found = Path(given)
            if not (given and found.is_dir()):
                raise ConfigError(f"--config-dir is {given!r}, which is not a folder")
            os.environ[OWN_FOLDER_VARIABLE] = str(found.resolve())
            return kept[:index] + kept[index + (1 if equals else 2) :]
    return kept


@contextlib.contextmanager
def config_dir_added(folder: Path | None) -> Iterator[None]:
    """Add a folder to where YAML files are looked for, as `--config-dir` does, as long as the context lasts.

    Raises ConfigError where it is none.
    """
    if folder is None:
        yield
        return
    if not folder.is_dir():
        raise ConfigError(f"config_dir is {str(folder)!r}, which is not a folder")
    before = os.environ.get(OWN_FOLDER_VARIABLE)
    os.environ[OWN_FOLDER_VARIABLE] = str(folder.resolve())
    try:
        yield
    finally:
        if before is None:
            del os.environ[OWN_FOLDER_VARIABLE]
        else:
            os.environ[OWN_FOLDER_VARIABLE] = before


def is_group(key: str) -> bool:
    """Whether a key is a group with YAML files to choose from, in the project's folder or in that of --config-dir."""
    if not _GROUP.fullmatch(key):
        return False  # such as "" and "..", which are folders as well
    own = os.environ.get(OWN_FOLDER_VARIABLE)
    return any((Path(folder) / key).is_dir() for folder in (conf_folder(), own) if folder)


def choices_of(group: str) -> list[str]:
    """Return the choices in a group by name: the project's, and those in the folder of --config-dir."""
    folders = [Path(each) / group for each in (conf_folder(), os.environ.get(OWN_FOLDER_VARIABLE)) if each]
    return sorted({path.stem for folder in folders for path in folder.glob("*.yaml")})


def groups_of(config_name: str) -> dict[str, str | None]:
    """Return the groups that a command has, with what is chosen by default; none where there is no such YAML."""
    path = conf_folder() / f"{config_name}.yaml"
    if not path.is_file():
        return {}
    found = dict[str, str | None]()
    for entry in yaml.safe_load(path.read_text(encoding="utf-8")).get("defaults", ()):
        found |= entry if isinstance(entry, dict) else {}
    return found


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
