"""How the numba kernels are compiled and where their machine code is kept."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import numba

from vpharness.caches import KERNELS, cache_folder, going_on_without

Function = TypeVar("Function", bound=Callable[..., Any])

_PACKAGE: Final = Path(__file__).parent
_KERNELS: Final = b"vpharness.compiled"
_IMPORT: Final = re.compile(rb"^from vpharness\.([\w.]+) import", re.MULTILINE)


def _sources() -> list[Path]:
    """Return the files that machine code is made of: those with kernels, and all that these import from here."""
    texts = {path: path.read_bytes() for folder in ("", "*/") for path in _PACKAGE.glob(f"{folder}*.py")}
    waiting = [path for path, text in texts.items() if _KERNELS in text]
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


# numba notices a change in the file of a cached kernel, but not in the files of what the kernel calls, nor in those of
# constants that are compiled in. The folder is therefore named after the text of them all: machine code of yesterday's
# helper is never found again.
_CACHE_FOLDER: Final = cache_folder(KERNELS, f"kernels-{_sources_digest()}")


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
    settings: Any = numba.config  # its attributes are made at run time
    # Without reference counts (_nrt): the arrays belong to the caller, and counting would double the time.
    options: dict[str, Any] = {"error_model": "numpy", "nogil": True, "_nrt": False, "forceinline": forceinline}
    if _CACHE_FOLDER is None:
        uncached: Function = numba.njit(**options)(function)
        return uncached
    before = settings.CACHE_DIR
    settings.CACHE_DIR = str(_CACHE_FOLDER)
    try:
        compiled: Any = numba.njit(cache=True, **options)(function)
    finally:
        settings.CACHE_DIR = before
    if (kept := getattr(compiled, "_cache", None)) is not None:  # plain Python where numba is switched off
        kept.save_overload = going_on_without(kept.save_overload)
        kept.load_overload = going_on_without(kept.load_overload)
    kernel_of: Function = compiled
    return kernel_of
