"""Where the YAML files lie."""

from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).resolve().parents[1]
"""The folder of this package."""


def conf_folder() -> Path:
    """Return the folder of YAML files: beside the package in a checkout, inside it when installed from a wheel."""
    beside = PACKAGE.parent / "conf"
    return beside if (beside / "build.yaml").is_file() else PACKAGE / "conf"
