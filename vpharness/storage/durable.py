"""Files that are there whole or not at all, whatever happens while they are written.

Each is written under a name beside its own, put on the disk (fsync), and renamed, which a file system does at once;
then the folder, which holds the name, is put on the disk too. Whoever reads meanwhile sees what was there before. What
a process that is killed leaves under another name is deleted, once it is a day old, by the next one that writes there.
"""

import contextlib
import fcntl
import glob
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

_RANDOM_BYTES: Final = 8
_DIGITS: Final = "[0-9a-f]" * 2 * _RANDOM_BYTES

ABANDONED_S: Final = 86_400
"""What nobody has touched for so long, seconds, is taken for abandoned once the lock is free as well.

The lock alone does not prove it: on some network file systems locks do not reach other machines, and processes of
earlier versions take none. No file takes a day to write.
"""


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
    return path.with_name(f".{path.name}-{secrets.token_hex(_RANDOM_BYTES)}")


def unfinished_names(names: str) -> tuple[str, str]:
    """Return patterns of what `aside_of` names, and of what is put away under such a name and `-old`.

    Args:
        names: a pattern of the names of what is written, such as `*`.
    """
    return f".{names}-{_DIGITS}", f".{names}-{_DIGITS}-old"


def put_in_place(aside: Path, path: Path) -> None:
    """Rename a finished file to its own name, in the same folder, durably; it replaces a file of that name."""
    sync(aside)
    aside.replace(path)
    sync(path.parent)


@contextlib.contextmanager
def writing_in(folder: Path, *abandoned: str) -> Iterator[None]:
    """Hold a folder's lock while files in it are written under other names, having deleted those of killed processes.

    All who write share the lock. So whoever can have it alone knows that nobody does who takes it, and deletes what is
    there under the names of unfinished files and was not touched for `ABANDONED_S`. On a file system without locks
    nothing is deleted.

    Args:
        folder: where files are written, or below which.
        abandoned: patterns of the names of unfinished files and folders, relative to the folder.
    """
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):  # a folder that cannot be opened can still be written to
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            held.callback(os.close, descriptor)
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _delete_abandoned([path for pattern in abandoned for path in folder.glob(pattern)])
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield


def _delete_abandoned(paths: Sequence[Path]) -> None:
    """Delete those files and folders that nobody has touched for `ABANDONED_S`."""
    for path in paths:
        if time.time() - _touched_s(path) < ABANDONED_S:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _touched_s(path: Path) -> float:
    """Return when a file, or anything in a folder, was changed last, since the Unix epoch; links are not followed."""
    newest = 0.0
    for each in (path, *path.rglob("*")) if path.is_dir() and not path.is_symlink() else (path,):
        with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
            newest = max(newest, each.lstat().st_mtime)
    return newest


@contextlib.contextmanager
def written_aside(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Yield a name to write a file under, which is put in the place of `path` when the block ends without an error.

    Where it does not, nothing is left behind, and `path` is what it was before. Without `durable` that holds for other
    processes but not for a power cut: for what can be made again, and of which there is much. Raises OSError where it
    cannot be written.
    """
    aside = aside_of(path)
    with writing_in(path.parent, *unfinished_names(glob.escape(path.name))):
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
