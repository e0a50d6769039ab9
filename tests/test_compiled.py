"""Machine code of kernels is found again only while nothing that went into it has changed."""

from pathlib import Path

import pytest

from vpharness import compiled


def test_the_cache_is_named_after_kernels_and_all_that_they_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A constant of another file is compiled in as its value, so that file counts; one that no kernel sees does not."""
    monkeypatch.setattr(compiled, "_PACKAGE", tmp_path)
    (tmp_path / "room").mkdir()
    texts = {
        "room/kernels.py": "from vpharness.compiled import kernel\nfrom vpharness.room.layout import (\n    A,\n)\n",
        "room/layout.py": "from vpharness.codes import CODE\nA = CODE\n",
        "codes.py": "CODE = 1\n",
        "compiled.py": "",
        "other.py": "CODE = 2\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    before = compiled._sources_digest()
    for name, text in texts.items():
        (tmp_path / name).write_text(text + "CODE = 3\n")
        assert (compiled._sources_digest() == before) == (name == "other.py"), name
        (tmp_path / name).write_text(text)


def test_every_constant_of_the_lattice_is_among_the_sources() -> None:
    """Layout, columns, event codes and permutation states."""
    names = {path.relative_to(compiled._PACKAGE).as_posix() for path in compiled._sources()}
    assert {"lattice/layout.py", "lattice/columns.py", "events/schema.py", "permutation_states.py"} <= names
    assert not any(name.startswith(("signals/", "tasks/", "evaluation/")) for name in names)
