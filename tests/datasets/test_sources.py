"""Where a dataset's events lie is noted beside it, and nothing but that."""

import contextlib
import json
from pathlib import Path

import pytest

from tests.datasets.samples import MINUTE, Fixed, book
from vpharness.commands.list_datasets import source_text
from vpharness.datasets.dataset_build import build
from vpharness.datasets.lake import Lake
from vpharness.datasets.sources import note_source, noted_source, renew_note, source_values
from vpharness.errors import DatasetError
from vpharness.events.dbn import DbnSource
from vpharness.events.lobster import LobsterSource
from vpharness.lattice.lattice_parameters import LatticeParameters


def test_a_build_notes_its_source_under_the_content_of_the_dataset(tmp_path: Path) -> None:
    """Whether published or a variant, built or recognised; the dataset itself does not know."""
    lake = Lake(tmp_path)
    built = build(lake, MINUTE, LatticeParameters(), dataset_id="a")
    wanted = {"_target_": "vpharness.events.synthetic.SyntheticSource", **vars(MINUTE)}
    assert noted_source(lake, built.manifest.content_id) == wanted
    (note,) = lake.sources.iterdir()
    note.unlink()
    assert build(lake, MINUTE, LatticeParameters(), dataset_id="a").existed
    assert noted_source(lake, built.manifest.content_id) == wanted
    assert noted_source(lake, "another") is None


def test_paths_are_noted_as_they_are_true_in_any_folder(tmp_path: Path) -> None:
    """A path, or another key that ends in _path; nothing else is changed."""
    with contextlib.chdir(tmp_path):
        dbn = source_values(DbnSource("some.dbn", 0.25, symbol="ESH4"))
        lobster = source_values(LobsterSource("messages.csv", "2012-06-21", orderbook_path="book.csv"))
    assert dbn is not None
    assert lobster is not None
    assert (dbn["path"], dbn["tick_size"], dbn["symbol"]) == (str(tmp_path / "some.dbn"), 0.25, "ESH4")
    assert (lobster["path"], lobster["orderbook_path"]) == (str(tmp_path / "messages.csv"), str(tmp_path / "book.csv"))
    assert lobster["date"] == "2012-06-21"


def test_the_newest_note_holds(tmp_path: Path) -> None:
    """A file that has moved is noted where it is now."""
    lake = Lake(tmp_path)
    for path in ("/old/a.dbn", "/new/a.dbn"):
        note_source(lake, "content", DbnSource(path, 0.25))
    noted = noted_source(lake, "content")
    assert noted is not None
    assert noted["path"] == "/new/a.dbn"
    assert [path.name for path in lake.sources.iterdir()] == ["content.json"]


def test_a_note_that_is_renewed_says_whether_the_events_have_moved(tmp_path: Path) -> None:
    """Not where nothing was noted before, or the same; a damaged note is written anew."""
    lake = Lake(tmp_path)
    old, new = DbnSource("/old/a.dbn", 0.25), DbnSource("/new/a.dbn", 0.25)
    assert [renew_note(lake, "content", each) for each in (old, old, new)] == [False, False, True]
    (lake.sources / "content.json").write_text("{", encoding="utf-8")
    assert not renew_note(lake, "content", new)
    assert (noted_source(lake, "content") or {})["path"] == "/new/a.dbn"


def test_a_source_of_ones_own_is_listed_by_its_kind() -> None:
    """The module that it lies in says nothing to whoever lists datasets; a shipped one goes by its name."""
    own = {"_target_": "my_module.MyCsv", "path": "/data/a.csv"}
    assert source_text(own, {"kind": "my_csv"}) == "my_csv path=a.csv"
    assert source_text(own) == "my_module path=a.csv"
    assert source_text({"_target_": "vpharness.events.dbn.DbnSource"}, {"kind": "other"}) == "dbn"


def test_a_source_that_no_configuration_can_say_is_not_noted(tmp_path: Path) -> None:
    """Such as one that holds its events itself."""
    note_source(Lake(tmp_path), "content", Fixed(book()))
    assert noted_source(Lake(tmp_path), "content") is None


@pytest.mark.parametrize("text", ["{", "[]", json.dumps({"path": "a"})])
def test_a_damaged_note_is_named(tmp_path: Path, text: str) -> None:
    """With what to do."""
    lake = Lake(tmp_path)
    lake.sources.mkdir(parents=True)
    (lake.sources / "content.json").write_text(text, encoding="utf-8")
    with pytest.raises(DatasetError, match=r"content\.json .*; remove it, and give source= and its keys"):
        noted_source(lake, "content")
