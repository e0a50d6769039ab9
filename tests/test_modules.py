"""What data names is imported only where the package or the configuration has it, and never from the lake."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from vpharness.errors import ConfigError
from vpharness.modules import PermittedModules

OWN = ("lake", "mine", "inner", "linked", "takes", "lacking")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the Python path, as a working directory is, with a lake in it and modules that say when they run."""
    for name in ("mine", "lake/promoted/planted", "lake/planted", "inner/part"):
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("raise AssertionError('imported')\n" if "planted" in name else "value = 1\n", encoding="utf-8")
    (tmp_path / "linked.py").symlink_to(tmp_path / "lake" / "planted.py")
    (tmp_path / "takes.py").write_text("import lake.promoted.planted\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] in OWN]:
        del sys.modules[name]


@pytest.mark.parametrize(
    "target", ["vpharness.signals.ads.ads", "mine.signal", "inner.signal", "inner.part.signal", "inner.nothing"]
)
def test_modules_of_the_package_and_of_the_configuration_may_be_named(folder: Path, target: str) -> None:
    """A module that is named, and those below it; whatever else it holds."""
    module = PermittedModules(folder / "lake", ("mine", "inner")).imported(target)
    assert module.__name__ == target.rpartition(".")[0]


@pytest.mark.parametrize(
    "target",
    [
        "lake.promoted.planted.signal",
        "os.system",
        "mine.signal",
        "inner_part.signal",
        "vpharness.signalsx.a",
        "vpharness.live.LiveSession",
    ],
)
def test_other_modules_are_refused_before_anything_is_imported(folder: Path, target: str) -> None:
    """With the key to set; a name that only begins alike is another."""
    modules = PermittedModules(folder / "lake", ("inner",), "runtime.signal_modules")
    name = target.rpartition(".")[0]
    known = name in sys.modules
    with pytest.raises(ConfigError, match=rf"not among the modules that data may name: .*signal_modules=\[{name}\]"):
        modules.imported(target)
    assert (name in sys.modules) == known


@pytest.mark.parametrize(
    ("named", "target"),
    [
        ("lake", "lake.promoted.planted.signal"),
        ("lake.planted", "lake.planted.signal"),
        ("linked", "linked.signal"),
        ("takes", "takes.signal"),
    ],
)
def test_nothing_is_imported_from_the_lake_even_where_it_is_named(folder: Path, named: str, target: str) -> None:
    """Nor through a link, nor by what a module that may be named imports itself."""
    with pytest.raises(
        ConfigError, match=rf"{target} is named, and .* lies in the lake {folder / 'lake'}, which holds"
    ):
        PermittedModules(folder / "lake", (named,)).imported(target)
    assert "lake.promoted.planted" not in sys.modules


def test_what_has_been_imported_from_the_lake_already_is_refused(folder: Path) -> None:
    """Whoever has done so: the module may not serve."""
    (folder / "lake" / "harmless.py").write_text("", encoding="utf-8")
    __import__("lake.harmless")
    with pytest.raises(ConfigError, match="lies in the lake"):
        PermittedModules(folder / "lake", ("lake",)).imported("lake.harmless.signal")


@pytest.mark.parametrize("target", ["signal", "", "mine..signal", "mine.sig nal", "../mine.signal"])
def test_what_is_no_name_is_refused(folder: Path, target: str) -> None:
    """As MODULE.NAME is expected."""
    with pytest.raises(ConfigError, match=r"is named; it must be MODULE\.NAME"):
        PermittedModules(folder / "lake", ("mine",)).imported(target)


def test_a_module_that_is_not_there_is_named(folder: Path) -> None:
    """One of its own that it does not find is an error of the module's."""
    (folder / "lacking.py").write_text("import something_else_that_is_not_there\n", encoding="utf-8")
    modules = PermittedModules(folder / "lake", ("gone", "lacking"))
    with pytest.raises(ConfigError, match="there is no module gone on the Python path"):
        modules.imported("gone.signal")
    with pytest.raises(ModuleNotFoundError, match="something_else"):
        modules.imported("lacking.signal")
