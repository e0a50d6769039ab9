"""Which modules may be imported because a file in the lake names them: data may name code, and is never code itself."""

import contextlib
import dataclasses
import importlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from vpharness.errors import ConfigError

_OWN: str = __name__.partition(".")[0]


@dataclass(frozen=True)
class PermittedModules:
    """The modules that data in the lake may name: some of this package, and those that the configuration names.

    Attributes:
        lake: the folder of data, from which nothing is imported, whatever is named.
        named: modules that the configuration names, each with all that lies below it.
        key: the key of the configuration that names them.
        package: of this package, the modules below this one.
    """

    lake: Path
    named: tuple[str, ...] = ()
    key: str = "signal_modules"
    package: str = f"{_OWN}.signals"

    def of(self, package: str, named: Sequence[str]) -> "PermittedModules":
        """Return the rule for other modules of this package, with more that the configuration names."""
        return dataclasses.replace(self, package=package, named=(*self.named, *named))

    def is_own(self, target: str) -> bool:
        """Return whether "module.name" is of this package, so that whoever has it may name it."""
        return f"{target.rpartition('.')[0]}.".startswith(f"{self.package}.")

    def imported(self, target: str) -> ModuleType:
        """Import the module of "module.name", if it may be named, and return it.

        Raises ConfigError, before anything is imported, where it is not among those that may be named, and where there
        is none or it lies in the lake.
        """
        self.check(target)
        name = target.rpartition(".")[0]
        with _nothing_from(self.lake.resolve(), target):
            try:
                module = importlib.import_module(name)
            except ModuleNotFoundError as error:
                if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                    raise
                raise ConfigError(
                    f"{target} is named, and there is no module {error.name} on the Python path; check its name"
                ) from None
        return module

    def check(self, target: str) -> None:
        """Raise ConfigError where "module.name" is not among those that may be named; nothing is imported."""
        name = target.rpartition(".")[0]
        if not name or not all(part.isidentifier() for part in target.split(".")):
            raise ConfigError(f"{target!r} is named; it must be MODULE.NAME")
        if not self.is_own(target) and not any(f"{name}.".startswith(f"{each}.") for each in self.named):
            raise ConfigError(
                f"{target} is named by data, and {name} is not among the modules that data may name: those of "
                f"{self.package}, and of the configuration; if it is yours, set {self.key}=[{name}], or give the "
                "--config-dir whose YAML names it"
            )


@contextlib.contextmanager
def _nothing_from(lake: Path, target: str) -> Iterator[None]:
    """Refuse an import that would take a module from the lake, and one that has done so already."""
    if target.startswith(f"{_OWN}."):
        yield
        return
    guard = _Guard(lake, target)
    name = target.rpartition(".")[0]
    for end in [index for index, letter in enumerate(name) if letter == "."] + [len(name)]:
        known = sys.modules.get(name[:end])
        guard.check([getattr(known, "__file__", None), *getattr(known, "__path__", ())])
    sys.meta_path.insert(0, guard)
    try:
        yield
    finally:
        sys.meta_path.remove(guard)


class _Guard:
    """A finder that returns what the others find, and refuses what lies in the lake."""

    def __init__(self, lake: Path, target: str) -> None:
        self._lake, self._target = lake, target

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a module lies; a ConfigError where that is in the lake."""
        for finder in sys.meta_path:
            if finder is not self and (spec := finder.find_spec(name, path, target)) is not None:
                self.check([spec.origin, *(spec.submodule_search_locations or ())])
                return spec
        return None

    def check(self, places: Sequence[str | None]) -> None:
        """Raise ConfigError where one of some files and folders lies in the lake."""
        for place in places:
            if place not in {None, "built-in", "frozen"} and Path(str(place)).resolve().is_relative_to(self._lake):
                raise ConfigError(
                    f"{self._target} is named, and {place} lies in the lake {self._lake}, which holds data and no "
                    "code: move the module out of it"
                )
