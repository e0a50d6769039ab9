"""Where the YAML files lie."""

from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).resolve().parents[1]
"""The folder of this package."""

OWN_FOLDER_VARIABLE: Final = "VPHARNESS_CONFIG_DIR"
"""The environment variable with the folder of a user's own YAML files; `--config-dir` sets it."""


def conf_folder() -> Path:
    """Return the folder of YAML files: beside the package in a checkout, inside it when installed from a wheel."""
    beside = PACKAGE.parent / "conf"
    return beside if (beside / "build.yaml").is_file() else PACKAGE / "conf"
