"""Where compiled code is kept between commands: beside the package or in the user's cache folder, if either can be."""

import os
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).resolve().parent
KERNELS: Final = "kernels"
JAX: Final = "jax"


def beside() -> Path:
    """Return the folder of machine code within the package."""
    return _PACKAGE / "__pycache__"


def of_user() -> Path | None:
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
    places = [beside(), of_user()] if kind == KERNELS else [of_user(), beside()]
    found = (place / name for place in places if place is not None)
    return next((folder for folder in found if _can_be_written(folder)), None)


def sentences_on_lost_caches() -> Iterator[str]:
    """Yield a line where compiled code cannot be kept, so that it is made anew each time."""
    if cache_folder(JAX, JAX) is None:
        places = " and ".join(str(place) for place in (of_user(), beside()) if place is not None)
        yield (
            f"compiled code cannot be kept, since {places} cannot be written to: every command compiles anew; "
            "XDG_CACHE_HOME names another folder"
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


def going_on_without(cached: Callable[..., None]) -> Callable[..., None]:
    """Return what keeps or finds compiled code, for which a full disk or an unreadable file is no reason to end."""

    def tried(*arguments: object) -> None:
        try:
            return cached(*arguments)
        except OSError:
            return None

    return tried
