"""Code that a compiler makes: how the lattice's numba kernels are compiled, and where machine code is kept.

Numba compiles a kernel at its first call, which takes seconds, and JAX a signal's program. Both are kept on disk
between commands, in the user's cache folder or beside the package, wherever files can be written; where they cannot be,
code is compiled anew each time.
"""

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar, cast

if TYPE_CHECKING:
    from numpy.typing import NDArray
else:
    # NumPy takes a quarter of a second to import, which commands that only ask for a cache folder should not wait for.
    NDArray = list

Function = TypeVar("Function", bound=Callable[..., Any])

# What kernels take and return. Numba is stricter than these names: it infers every type from the arguments.
Array: TypeAlias = NDArray[Any]
"""A NumPy array, structured ones included: what it holds is said where it is made."""
Record: TypeAlias = Any
"""One element of a structured array, with its fields as attributes."""
Key: TypeAlias = Any
"""An unsigned 64-bit integer."""

JAX: Final = "jax"

_KERNELS: Final = "kernels"
_PACKAGE: Final = Path(__file__).resolve().parent
_IMPORT: Final = re.compile(r"^from vpharness((?:\.\w+)*) import (\([^)]*\)|.*)$", re.MULTILINE)
_FLAGS: Final = "NUMBA_"
"""Environment variables that begin so change what numba makes, such as bounds that are checked."""
_UNUSED_DAYS: Final = 30
_DIGITS: Final = 16
"""Hexadecimal digits of a digest in a folder's name."""


def int64(value: int) -> int:
    """Make an integer constant that kernels pass on: for a plain one numba compiles the callee once per value."""
    import numpy as np  # noqa: PLC0415  # see NDArray above

    return cast("int", np.int64(value))


def bool_(value: bool) -> bool:
    """Make a truth constant, for the same reason."""
    import numpy as np  # noqa: PLC0415  # see NDArray above

    return cast("bool", np.bool_(value))


def kernel(function: Function) -> Function:
    """Compile a function with numba at its first call and keep the machine code on disk.

    Arithmetic is IEEE: division by zero gives infinity as in NumPy, and nothing is reassociated. Kernels work in the
    arrays they are given and allocate none.
    """
    return _compile(function, forceinline=False)


def inlined_kernel(function: Function) -> Function:
    """Compile a function as `kernel` does, into its callers: for small ones that are called for every event."""
    return _compile(function, forceinline=True)


def _compile(function: Function, *, forceinline: bool) -> Function:
    import numba  # noqa: PLC0415  # takes half a second, which commands without a kernel need not wait for

    # Without reference counts (_nrt): the arrays belong to the caller, and counting would double the time.
    options: dict[str, Any] = {"error_model": "numpy", "nogil": True, "_nrt": False, "forceinline": forceinline}
    folder = _kernels_folder(Path(function.__code__.co_filename))
    if folder is None:
        uncached: Function = numba.njit(**options)(function)
        return uncached
    with _keeping_in(folder):
        compiled: Any = numba.njit(cache=True, **options)(function)
    if (kept := getattr(compiled, "_cache", None)) is not None:  # plain Python where numba is switched off
        kept.save_overload = ignoring_disk_errors(kept.save_overload)
        kept.load_overload = ignoring_disk_errors(kept.load_overload)
    kernel_of: Function = compiled
    return kernel_of


@contextlib.contextmanager
def _keeping_in(folder: Path) -> Iterator[None]:
    """Let functions be compiled whose machine code is kept in a folder, wherever their sources lie.

    Numba would add a folder named after the path of the source, so that each checkout of the same code and each
    environment that it is installed in would compile it anew.
    """
    from numba.core import caching, config  # noqa: PLC0415  # see _compile

    settings, locator = cast("Any", config), cast("Any", caching)._CacheLocator
    before, subfolder = settings.CACHE_DIR, vars(locator)["get_suitable_cache_subpath"]
    settings.CACHE_DIR, locator.get_suitable_cache_subpath = str(folder), staticmethod(lambda _source: "")
    try:
        yield
    finally:
        settings.CACHE_DIR, locator.get_suitable_cache_subpath = before, subfolder


@cache
def _kernels_folder(source: Path) -> Path | None:
    """Return the folder of the machine code of a file's kernels, named after the text of all that went into it.

    Numba notices a change in the file of a cached kernel, but not in the files of what the kernel calls, nor in those
    of constants that are compiled in. With their digest in the folder's name, machine code of yesterday's helper is
    never found again, and that of every file with other sources stays.
    """
    name = f"{source.parent.name}.{source.stem}"
    folder = cache_folder(f"{_KERNELS}/{name}-{_sources_digest(source)}")
    if folder is not None:
        _forget_unused(folder, name)
    return folder


def _forget_unused(folder: Path, name: str) -> None:
    """Mark a folder of machine code as used today, and delete those of other versions that nobody has used lately."""
    now, day_s = time.time(), 86_400
    with contextlib.suppress(OSError):
        if any(folder.iterdir()) and now - folder.stat().st_mtime < day_s:
            return
        os.utime(folder)
        for old in folder.parent.glob(f"{name}-{'?' * _DIGITS}"):
            if now - old.stat().st_mtime > _UNUSED_DAYS * day_s:
                shutil.rmtree(old, ignore_errors=True)


def is_code_kept(module: str) -> bool:
    """Return whether machine code of a module's kernels, such as those of "lattice.bins", has been kept before."""
    folder = _kernels_folder(_PACKAGE / f"{module.replace('.', '/')}.py")
    return folder is not None and any(folder.glob("*.nbi"))


def _sources(source: Path) -> list[Path]:
    """Return the files that machine code of a file is made of: it, and all that it imports from this package."""
    found, waiting = set[Path](), [source]
    while waiting:
        path = waiting.pop()
        if path not in found and path.is_file():
            found.add(path)
            for parent, names in _IMPORT.findall(path.read_text(encoding="utf-8")):
                module = _PACKAGE.joinpath(*parent.split("."))
                waiting += [module.with_name(f"{module.name}.py"), module / "__init__.py"]
                waiting += [module / f"{name}.py" for name in re.findall(r"\w+", names)]
    return sorted(found)


def _sources_digest(source: Path) -> str:
    digest = hashlib.sha256()
    for name in sorted(name for name in os.environ if name.startswith(_FLAGS)):
        digest.update(f"{name}={os.environ[name]}\n".encode())
    for path in _sources(source):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:_DIGITS]


def folder_beside_package() -> Path:
    """Return the folder of machine code within the package."""
    return _PACKAGE / "__pycache__"


def folder_of_user() -> Path | None:
    """Return the folder in the user's cache; None for a user without a home."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "vpharness"
    except RuntimeError:  # neither a variable nor the list of users has one
        return None


def cache_folder(name: str) -> Path | None:
    """Return a folder of this name that files can be written to; None where there is none.

    It lies in the user's cache, where every checkout and environment finds it, or else beside the package.
    """
    found = (place / name for place in (folder_of_user(), folder_beside_package()) if place is not None)
    return next((folder for folder in found if _can_be_written(folder)), None)


def warnings_on_lost_caches() -> Iterator[str]:
    """Yield a line where compiled code cannot be kept, so that it is made anew each time."""
    if cache_folder(JAX) is None:
        folders = (folder_of_user(), folder_beside_package())
        places = " and ".join(str(place) for place in folders if place is not None)
        yield (
            f"compiled code cannot be kept, since {places} cannot be written to: every command compiles it again; "
            "set XDG_CACHE_HOME to a writable folder"
        )


@cache
def _can_be_written(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError:
        return False
    return True


def ignoring_disk_errors(cached: Callable[..., None]) -> Callable[..., None]:
    """Return a function that keeps or finds compiled code, made to do nothing where the disk is full or unreadable."""

    def tried(*arguments: object) -> None:
        try:
            return cached(*arguments)
        except OSError:
            return None

    return tried
