"""How Hydra reads this project's YAML files: each is checked against the dataclass that its `_target_` names.

So defaults, types and allowed keys stand in the dataclass alone, and an unknown key fails while Hydra composes. Hydra
finds plugins in the namespace package `hydra_plugins` only, hence the place of this file.
"""

import copy
import os
from dataclasses import replace
from pathlib import Path
from typing import Final

from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.config_source import ConfigResult
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig

from vpharness.config.search_path import OWN_FOLDER_VARIABLE, conf_folder
from vpharness.config.typed_config import with_schema

SCHEME = "typed"
FILE_PREFIX = "file://"

_READ: Final = dict[Path, tuple[int, ConfigResult]]()
"""What this process has read of the project's own files, and when each had been changed last."""


class TypedFileConfigSource(FileConfigSource):
    """A folder of YAML files; those with a `_target_` become structured configs."""

    @staticmethod
    def scheme() -> str:
        """Return the prefix of paths that this source reads."""
        return SCHEME

    def load_config(self, config_path: str) -> ConfigResult:
        """Read one file; those of the project are read once, however many configurations a process composes."""
        path = Path(self.path) / self._normalize_file_name(config_path)
        if Path(self.path) != conf_folder() or not path.is_file():
            return self._read(config_path)
        changed_ns, kept = _READ.get(path, (0, None))
        if kept is None or changed_ns != path.stat().st_mtime_ns:
            changed_ns, kept = path.stat().st_mtime_ns, self._read(config_path)
            _READ[path] = changed_ns, kept
        # Hydra changes what it is given.
        return replace(kept, config=copy.deepcopy(kept.config), header=dict(kept.header))

    def _read(self, config_path: str) -> ConfigResult:
        result = super().load_config(config_path)
        if isinstance(result.config, DictConfig) and "_target_" in result.config:
            result.config = with_schema(result.config, config_path)
        return result


class TypedSearchPath(SearchPathPlugin):
    """Reads the project's folder, and a user's own, with the schemas of the dataclasses."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Give the main folder the scheme of the typed source, and put a user's own folder before it."""
        for element in search_path.get_path():
            if element.provider == "main":
                element.path = f"{SCHEME}://{element.path.removeprefix(FILE_PREFIX)}"
        own = os.environ.get(OWN_FOLDER_VARIABLE)
        if own:
            search_path.prepend(provider="own", path=f"{SCHEME}://{own}", anchor="main")
