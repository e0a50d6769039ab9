"""Datasets of simulated markets, each built once in a run of the tests and copied from then on."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from vpharness.datasets import dataset_build
from vpharness.datasets.lake import new_folder
from vpharness.datasets.manifest import Manifest, read_manifest
from vpharness.events.synthetic import SyntheticSource
from vpharness.storage.checksums import text_sha256


def remember_builds(patch: pytest.MonkeyPatch, kept: Path) -> None:
    """Let datasets of simulated markets be copied from a folder, where one of the same content and name is kept.

    Their content follows from the parameters of market and lattice, which its id is the digest of.
    """
    write = dataset_build._written

    def written(target: Path, content: str, identity: Any, source: Any, *more: Any) -> Manifest:
        columns: Sequence[str] = more[1]
        if type(source) is not SyntheticSource:
            return write(target, content, identity, source, *more)
        same = kept / f"{target.name}-{content}-{text_sha256(' '.join(columns))[:16]}"
        if same.is_dir():
            with new_folder(target) as folder:
                shutil.copytree(same, folder, dirs_exist_ok=True, copy_function=shutil.copyfile)
            return read_manifest(target)
        manifest = write(target, content, identity, source, *more)
        _keep(target, same)
        return manifest

    patch.setattr(dataset_build, "_written", written)


def _keep(target: Path, same: Path) -> None:
    """Keep a copy of a dataset; another process may be keeping the same."""
    same.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=same.parent, prefix="."))
    shutil.copytree(target, aside / "copy", copy_function=shutil.copyfile)
    (aside / "copy").chmod(0o755)
    try:
        (aside / "copy").rename(same)
    except OSError:  # it is there
        shutil.rmtree(aside / "copy")
    aside.rmdir()


def folder_of_run(base: Path) -> Path:
    """Return the folder of what is kept, for all processes of a run; `base` is that of this one's temporary files."""
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "built"
