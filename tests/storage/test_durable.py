"""What is written aside and renamed once it is whole, and what is said of digests that differ."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import PROJECT
from vpharness.commands.output_files import new_file
from vpharness.errors import told_apart
from vpharness.storage.durable import aside_of, replace_file, written_aside


def test_no_two_writers_take_the_same_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In two containers that share a folder process ids may be equal."""
    monkeypatch.setattr(os, "getpid", lambda: 1)
    names = {aside_of(tmp_path / "run") for _ in range(100)}
    assert len(names) == 100
    assert all(name.parent == tmp_path and name.name.startswith(".run-") for name in names)


def test_writers_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    """Whoever is last, and nothing beside it."""

    def write(text: str) -> None:
        with new_file(tmp_path / "f") as aside:
            aside.write_text(text * 1000, encoding="utf-8")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, "abcdefgh"))
    (path,) = tmp_path.iterdir()
    assert path.read_text(encoding="utf-8") in {letter * 1000 for letter in "abcdefgh"}


def test_no_name_of_a_file_is_made_of_a_process_id() -> None:
    """Nowhere in the packages."""
    sources = [path for package in ("vpharness", "runtime") for path in (PROJECT / package).rglob("*.py")]
    assert len(sources) > 100
    assert [path for path in sources if "getpid" in path.read_text(encoding="utf-8")] == []


@given(st.text("0123456789abcdef", min_size=64, max_size=64), st.integers(0, 63))
def test_digests_that_differ_are_shown_to_differ(digest: str, place: int) -> None:
    """Those that begin alike are shown as far as needed."""
    other = digest[:place] + ("0" if digest[place] != "0" else "1") + digest[place + 1 :]
    one, two = told_apart(digest, other)
    assert one != two
    assert digest.startswith(one)
    assert other.startswith(two)


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("before", [None, "old"])
def test_a_file_that_could_not_be_finished_is_what_it_was_before(
    tmp_path: Path, before: str | None, durable: bool
) -> None:
    """Nothing lies beside it."""
    path = tmp_path / "f"
    if before is not None:
        path.write_text(before, encoding="utf-8")

    def write(text: str, *, fails: bool) -> None:
        with written_aside(path, durable=durable) as aside:
            aside.write_text(text, encoding="utf-8")
            if fails:
                raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write("half", fails=True)
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == ({} if before is None else {"f": before})
    write("whole", fails=False)
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {"f": "whole"}


def test_a_file_is_on_the_disk_before_its_name_is_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a power cut could leave the name with nothing behind it."""
    steps: list[str] = []
    monkeypatch.setattr("vpharness.storage.durable.sync", lambda path: steps.append(f"sync {path.name[:2]}"))
    replace = Path.replace

    def renamed(aside: Path, target: Path) -> Path:
        steps.append(f"rename to {target.name}")
        return replace(aside, target)

    monkeypatch.setattr(Path, "replace", renamed)
    folder = tmp_path / "folder"
    folder.mkdir()
    replace_file(folder / "f", "text")
    assert steps == ["sync .f", "rename to f", "sync fo"]
