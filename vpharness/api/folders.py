"""The default folder of datasets and results."""

import os
from pathlib import Path

from vpharness.config.lake_of_command import datasets_elsewhere
from vpharness.datasets.lake import Lake

Folder = str | os.PathLike[str]


def lake_in(folder: Folder | None) -> Lake:
    """Return the lake in a folder; None stands for VPHARNESS_LAKE in the environment, or `lake`.

    Further datasets lie where VPHARNESS_LAKE_DATASETS says, if it is set.
    """
    root = Path(os.environ.get("VPHARNESS_LAKE", "lake") if folder is None else folder)
    return Lake(root, remote=datasets_elsewhere(None))
