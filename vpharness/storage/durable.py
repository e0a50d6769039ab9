"""What is written stays written: through the operating system's memory onto the disk."""

import os
import secrets
from pathlib import Path


def sync(path: Path) -> None:
    """Have the operating system put a file or folder on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def aside_of(path: Path) -> Path:
    """Return a name beside a path, for what is to be renamed to it once it is whole.

    Nobody else takes the same one. A process id would not do: those of two containers, or two machines, may be equal.
    """
    return path.with_name(f".{path.name}-{secrets.token_hex(8)}")


def replace_file(path: Path, text: str) -> None:
    """Have a file hold a text from now on: whatever happens meanwhile, it holds that or what it held before."""
    aside = aside_of(path)
    try:
        aside.write_text(text, encoding="utf-8")
        sync(aside)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    sync(path.parent)
