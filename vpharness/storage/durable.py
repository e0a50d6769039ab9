"""Files that are there whole or not at all, whatever happens while they are written.

Each is written under a name beside its own, put on the disk (fsync), and renamed, which a file system does at once;
then the folder, which holds the name, is put on the disk too. Whoever reads meanwhile sees what was there before.
"""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path


def sync(path: Path) -> None:
    """Put a file or folder on the disk, out of the operating system's memory."""
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


def put_in_place(aside: Path, path: Path) -> None:
    """Rename a finished file to its own name, in the same folder, durably; it replaces a file of that name."""
    sync(aside)
    aside.replace(path)
    sync(path.parent)


@contextlib.contextmanager
def written_aside(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Yield a name to write a file under, which is put in the place of `path` when the block ends without an error.

    Where it does not, nothing is left behind, and `path` is what it was before. Without `durable` that holds for other
    processes but not for a power cut: for what can be made again, and of which there is much. Raises OSError where it
    cannot be written.
    """
    aside = aside_of(path)
    try:
        yield aside
        if durable:
            put_in_place(aside, path)
        else:
            aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def replace_file(path: Path, text: str, *, durable: bool = True) -> None:
    """Write a text into a file: whatever happens meanwhile, the file holds that or what it held before.

    `durable` is that of `written_aside`.
    """
    with written_aside(path, durable=durable) as aside:
        aside.write_text(text, encoding="utf-8")
