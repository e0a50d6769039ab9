"""Texts that follow from the code and the YAML files alone, kept between commands.

What signals there are, and which keys they have, is known only once their modules are imported, and JAX with them: two
seconds for a look at a list. The text is kept in the user's cache folder under a digest of every file it follows from.
"""

import contextlib
import hashlib
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from vpharness.compiled import cache_folder
from vpharness.config.search_path import OWN_FOLDER_VARIABLE, PACKAGE, conf_folder
from vpharness.storage.durable import replace_file

_FOLDER: Final = "texts"
_TARGET: Final = re.compile(rb"^\s*_target_:\s*(\S+)", re.MULTILINE)
_OWN_PACKAGES: Final = (b"vpharness.", b"runtime.", b"hydra_plugins.", b"hydra.")


def remembered(name: str, make: Callable[[], str]) -> str:
    """Return a text that follows from this package's code and YAML files: as it was kept, or made and kept.

    Where YAML files name modules outside of this package, whose changes are not seen here, it is made each time.
    """
    digest = _digest()
    folder = cache_folder(_FOLDER) if digest is not None else None
    if folder is None:
        return make()
    path = folder / f"{name}-{digest}.txt"
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return path.read_text(encoding="utf-8")
    text = make()
    with contextlib.suppress(OSError):  # a full disk costs the next command the time, and nothing else
        for old in folder.glob(f"{name}-????????????????.txt"):
            old.unlink(missing_ok=True)
        replace_file(path, text)
    return text


def _digest() -> str | None:
    """Return a digest of the package's code and YAML files; None where these name other modules."""
    if os.environ.get(OWN_FOLDER_VARIABLE):
        return None
    found = hashlib.sha256(sys.version.encode())
    for folder, pattern in ((conf_folder(), "*.yaml"), (PACKAGE, "*.py")):
        for path in sorted(Path(folder).rglob(pattern)):
            text = path.read_bytes()
            if pattern == "*.yaml" and not all(each.startswith(_OWN_PACKAGES) for each in _TARGET.findall(text)):
                return None
            found.update(f"{path}\0{len(text)}\0".encode())
            found.update(text)
    return found.hexdigest()[:16]
