"""Code that a compiler makes: how the lattice's numba kernels are compiled, and where machine code is kept.

Numba compiles a kernel at its first call, which takes seconds, and JAX a signal's program. Both are kept on disk
between commands, beside the package or in the user's cache folder, wherever files can be written; where they cannot be,
code is compiled anew each time.
"""

import hashlib
import os
import re
import tempfile
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

KERNELS: Final = "kernels"
JAX: Final = "jax"

_PACKAGE: Final = Path(__file__).resolve().parent
_IMPORTS_KERNELS: Final = re.compile(rb"^from vpharness\.compiled import [\w\s,(]*kernel\b", re.MULTILINE)
_IMPORT: Final = re.compile(rb"^from vpharness\.([\w.]+) import", re.MULTILINE)


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

    settings: Any = numba.config  # its attributes are made at run time
    # Without reference counts (_nrt): the arrays belong to the caller, and counting would double the time.
    options: dict[str, Any] = {"error_model": "numpy", "nogil": True, "_nrt": False, "forceinline": forceinline}
    folder = _kernels_folder()
    if folder is None:
        uncached: Function = numba.njit(**options)(function)
        return uncached
    before = settings.CACHE_DIR
    settings.CACHE_DIR = str(folder)
    try:
        compiled: Any = numba.njit(cache=True, **options)(function)
    finally:
        settings.CACHE_DIR = before
    if (kept := getattr(compiled, "_cache", None)) is not None:  # plain Python where numba is switched off
        kept.save_overload = ignoring_disk_errors(kept.save_overload)
        kept.load_overload = ignoring_disk_errors(kept.load_overload)
    kernel_of: Function = compiled
    return kernel_of


@cache
def _kernels_folder() -> Path | None:
    """Return the folder of the kernels' machine code, named after the text of all that went into it.

    Numba notices a change in the file of a cached kernel, but not in the files of what the kernel calls, nor in those
    of constants that are compiled in. With their digest in the folder's name, machine code of yesterday's helper is
    never found again.
    """
    return cache_folder(KERNELS, f"kernels-{_sources_digest()}")


def is_kept(module: str) -> bool:
    """Whether machine code of a module's kernels, such as those of "bins", has been kept by an earlier process."""
    folder = _kernels_folder()
    return folder is not None and any(folder.rglob(f"{module}.*.nbi"))


def _sources() -> list[Path]:
    """Return the files that machine code is made of: those with kernels, and all that these import from here."""
    texts = {path: path.read_bytes() for folder in ("", "*/") for path in _PACKAGE.glob(f"{folder}*.py")}
    waiting = [path for path, text in texts.items() if _IMPORTS_KERNELS.search(text)]
    found = set[Path]()
    while waiting:
        path = waiting.pop()
        if path not in found and path in texts:
            found.add(path)
            imported = (match.decode().replace(".", "/") for match in _IMPORT.findall(texts[path]))
            waiting += [_PACKAGE / f"{module}.py" for module in imported]
    return sorted(found)


def _sources_digest() -> str:
    digest = hashlib.sha256()
    for path in _sources():
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def folder_beside_package() -> Path:
    """Return the folder of machine code within the package."""
    return _PACKAGE / "__pycache__"


def folder_of_user() -> Path | None:
    """Return the folder in the user's cache; None for a user without a home."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "vpharness"
    except RuntimeError:  # neither a variable nor the list of users has one
        return None


def cache_folder(kind: str, name: str) -> Path | None:
    """Return a folder that files can be written to, for what a compiler makes; None where there is none.

    Args:
        kind: KERNELS, which are preferred beside the package, or JAX, preferred in the user's cache.
        name: the folder's name.
    """
    user, package = folder_of_user(), folder_beside_package()
    places = [package, user] if kind == KERNELS else [user, package]
    found = (place / name for place in places if place is not None)
    return next((folder for folder in found if _can_be_written(folder)), None)


def warnings_on_lost_caches() -> Iterator[str]:
    """Yield a line where compiled code cannot be kept, so that it is made anew each time."""
    if cache_folder(JAX, JAX) is None:
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
