"""The lake that a command's configuration names, with the datasets that lie elsewhere."""

import os
import shlex
from pathlib import Path
from typing import Any, Final

from vpharness.datasets.lake import DEFAULT_CACHE_GB, Lake
from vpharness.datasets.s3_place import S3Place, s3_place

_LAKE: Final = "VPHARNESS_LAKE"
_VARIABLE: Final = "VPHARNESS_LAKE_DATASETS"


def lake_of(config: Any) -> Lake:
    """Return the lake of a command, with what it says of a cache and of datasets elsewhere.

    Args:
        config: the command's keys: `lake`, and those that it has of `cache_gb` and `lake_datasets`.

    Raises ConfigError where `lake.datasets`, or the environment in its place, names no place.
    """
    cache_gb = getattr(config, "cache_gb", DEFAULT_CACHE_GB)
    return Lake(Path(config.lake), cache_gb, datasets_elsewhere(getattr(config, "lake_datasets", None)))


def lake_key(lake: Lake) -> str:
    """Return ` lake=PATH` as a shell takes it, for a command that is shown; "" for the default lake."""
    return "" if str(lake.root) == os.environ.get(_LAKE, "lake") else f" {shlex.quote(f'lake={lake.root}')}"


def datasets_elsewhere(text: str | None) -> S3Place | None:
    """Return where further datasets lie: at the place that is given, or else in the environment; an empty text is none.

    Raises ConfigError where that is no place.
    """
    if text is not None:
        return s3_place(text, "lake.datasets") if text else None
    text = os.environ.get(_VARIABLE)
    return s3_place(text, f"{_VARIABLE} in the environment") if text else None
