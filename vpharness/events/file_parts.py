"""Sources that read files: which files, and the same source of some of them alone."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Final, Protocol, runtime_checkable

from vpharness.errors import ConfigError
from vpharness.events.event_source import Source
from vpharness.events.many_files import files_of

_BESIDE: Final = ("trades_path", "snapshot_path")
"""Parameters that name files beside those of `path`, which are read together with all of them."""


@runtime_checkable
class FileSource(Protocol):
    """A source with a parameter `path`, each of whose files can be read by itself."""

    @property
    def path(self) -> Any:
        """A file, a list of files, a glob or a folder."""
        ...

    def files(self) -> list[str]:
        """Return the files that `path` names, in any order."""
        ...


def files_in(source: Source) -> list[str] | None:
    """Return the files that a source reads, or None where it is a whole that cannot be taken apart.

    Raises ConfigError or SourceError where its path names none, and ConfigError where it has several files beside them
    of which nobody can say to which they belong.
    """
    if not isinstance(source, FileSource):
        return None
    files = source.files()
    for name in _BESIDE:
        value = getattr(source, name, None)
        if value is not None and len(files) > 1 and len(files_of(value, ("",), f"source.{name}")) > 1:
            raise ConfigError(
                f"source.{name} names several files, and so does source.path: which belong together is not known; "
                "build each session by itself, with the same collection.id"
            )
    return files


def of_files(source: Source, paths: Sequence[str]) -> Source:
    """Return a source that reads some of its files alone; one that is no file source as it is."""
    if not isinstance(source, FileSource) or list(paths) == [source.path]:
        return source
    part: Source = dataclasses.replace(source, path=list(paths))  # type: ignore[type-var]  # sources are dataclasses
    return part
