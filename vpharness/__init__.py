"""vpharness: an experiment harness for order-book signals.

As a library::

    import vpharness as vp

    vp.run("ads", source={"minutes": 30}, eval={"max_hold_bins": 300})  # what `python -m vpharness signal=ads …` does
    vp.results(signal="ads")  # the ranked candidates of the ledger, as a pandas frame
    vp.dataset("first_look").column("v_add")  # an array of bins by cells

`docs/how-to/use-from-python.md` shows the rest. Importing this module alone imports nothing else: what a name needs is
imported when it is first used.
"""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vpharness.api import (
        CollectionTables,
        DatasetTables,
        RunResult,
        WalkForwardResult,
        collection,
        collections,
        compose,
        dataset,
        datasets,
        execution,
        fires,
        information,
        plot_equity,
        plot_scores,
        plot_thresholds,
        results,
        run,
        score,
        virtual_orders,
        walk_forward,
    )

__all__ = [
    "CollectionTables",
    "DatasetTables",
    "RunResult",
    "WalkForwardResult",
    "collection",
    "collections",
    "compose",
    "dataset",
    "datasets",
    "execution",
    "fires",
    "information",
    "plot_equity",
    "plot_scores",
    "plot_thresholds",
    "results",
    "run",
    "score",
    "virtual_orders",
    "walk_forward",
]

_PACKAGES_THAT_ARE_CALLED = ("datasets", "execution", "results")
"""Names of the library that are packages too: `vp.results()` asks the ledger, `vpharness.results.store` is a module."""


class _CallablePackage(ModuleType):
    """A package that can be called like the function of its name in `vpharness.api`."""

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return self._function()(*arguments, **keywords)

    def _function(self) -> Any:
        return getattr(importlib.import_module("vpharness.api"), self.__name__.rpartition(".")[2])

    @property
    def __signature__(self) -> Any:
        """The signature of the function, for `inspect.signature`, editors and notebooks."""
        return importlib.import_module("inspect").signature(self._function())

    @property
    def __doc__(self) -> str:  # type: ignore[override]  # a text of the class everywhere else
        """The function's signature and docstring, for `help`; of the package its first line."""
        function = self._function()
        package = str(vars(self).get("__doc__") or "").partition("\n")[0]
        return f"{function.__name__}{self.__signature__}\n\n{function.__doc__}\n\nThe package of this name: {package}"


class _Library(ModuleType):
    """This package: packages that are called become so when Python makes them its attributes."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _PACKAGES_THAT_ARE_CALLED and isinstance(value, ModuleType):
            value.__class__ = _CallablePackage
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Library


def __getattr__(name: str) -> Any:
    if name in _PACKAGES_THAT_ARE_CALLED:
        return importlib.import_module(f"{__name__}.{name}")
    if name in __all__:
        return getattr(importlib.import_module("vpharness.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it offers {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
