"""Output files that a user names: never overwritten, and written completely or not at all."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from vpharness.errors import ConfigError, ResultsError
from vpharness.storage.durable import written_aside


def require_new(path: str | None, key: str) -> None:
    """Raise ConfigError, before any work, where a file that is asked for by a key cannot become a new one."""
    if path is None:
        return
    if Path(path).exists():
        raise ConfigError(f"{key} is {path}, which exists; name a file that does not")
    if not Path(path).parent.is_dir():
        raise ConfigError(f"{key} is {path}, and {Path(path).parent} is not a folder; make it first")
    if not os.access(Path(path).parent, os.W_OK | os.X_OK):
        raise ConfigError(f"{key} is {path}, and {Path(path).parent} cannot be written to; name another folder")


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield a path to write to, which is put on the disk and renamed once it has been written.

    Raises ResultsError where it cannot be written; nothing of it is there then.
    """
    try:
        with written_aside(path) as aside:
            yield aside
    except OSError as error:
        raise ResultsError(f"cannot write {path}: {error.strerror or error}") from error
