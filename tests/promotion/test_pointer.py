"""The pointer and its history: one whole entry holds at any moment, and none is lost."""

import dataclasses
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from vpharness.datasets.lake import Lake
from vpharness.errors import ConfigError, PromotionError
from vpharness.promotion import pointer
from vpharness.promotion.pointer import (
    HISTORY_FILE,
    POINTER_FILE,
    HistoryEntry,
    count_unverified,
    current,
    history,
    instrument_lock,
    instruments,
    next_version,
    pointer_path,
    promoted,
    set_current,
)


def entry(number: int, version: str = "") -> HistoryEntry:
    """Return the entry of a promotion."""
    name, before = version or f"v{number:04d}", f"v{number - 1:04d}" if number > 1 else None
    return HistoryEntry(number, "promote", name, before, 1_000 + number, f"run{number}", None)


def promote(lake: Lake, *numbers: int) -> None:
    """Promote some versions one after another."""
    for number in numbers:
        with instrument_lock(lake, "ESH4") as folder:
            (folder / f"v{number:04d}").mkdir()
            set_current(lake, "ESH4", entry(number))


def test_nothing_has_been_promoted_at_first(tmp_path: Path) -> None:
    """No instrument, no bundle, no history, and no folder either."""
    lake = Lake(tmp_path / "lake")
    assert (instruments(lake), promoted(lake, "ESH4"), history(lake, "ESH4")) == ([], None, [])
    assert not lake.root.exists()


def test_the_newest_entry_holds_and_all_are_kept(tmp_path: Path) -> None:
    """The pointer names the bundle; the history's lines are the entries in their order."""
    lake = Lake(tmp_path)
    promote(lake, 1, 2, 3)
    assert promoted(lake, "ESH4") == tmp_path / "promoted" / "ESH4" / "v0003"
    assert history(lake, "ESH4") == [entry(1), entry(2), entry(3)]
    assert instruments(lake) == ["ESH4"]
    assert json.loads(pointer_path(lake, "ESH4").read_text(encoding="utf-8"))["number"] == 3
    assert len((tmp_path / "promoted" / "ESH4" / HISTORY_FILE).read_text(encoding="utf-8").splitlines()) == 3


@pytest.mark.parametrize("torn", ["", '{"number": 2, "act', '{"number": 2}'])
def test_a_history_that_lacks_its_last_line_is_completed_from_the_pointer(tmp_path: Path, torn: str) -> None:
    """Killed between pointer and history, or while the line was written: the entry is there, and stays."""
    lake = Lake(tmp_path)
    promote(lake, 1, 2)
    path = tmp_path / "promoted" / "ESH4" / HISTORY_FILE
    first = path.read_text(encoding="utf-8").splitlines(keepends=True)[0]
    path.write_text(first + torn, encoding="utf-8")
    assert history(lake, "ESH4") == [entry(1), entry(2)]
    promote(lake, 3)
    assert history(lake, "ESH4") == [entry(1), entry(2), entry(3)]
    assert len(path.read_text(encoding="utf-8").splitlines()) == 3


def test_killed_before_the_pointer_is_replaced_the_old_one_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The half-written file beside it is swept by whoever promotes next, and the bundle's number is not used again."""
    lake = Lake(tmp_path)
    promote(lake, 1)
    folder = tmp_path / "promoted" / "ESH4"

    def killed(path: Path, text: str) -> None:
        path.with_name(f".{path.name}-0123abcd").write_text(text[:10], encoding="utf-8")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pointer, "replace_file", killed)
        with pytest.raises(KeyboardInterrupt):
            promote(lake, 2)
    assert current(lake, "ESH4") == entry(1)
    with instrument_lock(lake, "ESH4") as held:
        assert next_version(held) == "v0003"
        set_current(lake, "ESH4", entry(2, "v0003"))
    assert [each.version for each in history(lake, "ESH4")] == ["v0001", "v0003"]
    assert not list(folder.glob(f".{POINTER_FILE}-*"))


def test_a_disk_that_is_full_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the folder; the old entry holds, and nothing is left beside it."""
    lake = Lake(tmp_path)
    promote(lake, 1)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(PromotionError, match=r"cannot write to .*ESH4: No space left on device"):
            promote(lake, 2)
    assert history(lake, "ESH4") == [entry(1)]


def test_many_who_promote_at_once_come_one_after_another(tmp_path: Path) -> None:
    """No update is lost: every version and every number is there once."""
    lake = Lake(tmp_path)

    def one(_: int) -> None:
        with instrument_lock(lake, "ESH4") as folder:
            name, entries = next_version(folder), history(lake, "ESH4")
            (folder / name).mkdir()
            before = entries[-1].version if entries else None
            set_current(lake, "ESH4", HistoryEntry(len(entries) + 1, "promote", name, before, 0, None, None))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(24)))
    found = history(lake, "ESH4")
    assert [each.number for each in found] == list(range(1, 25))
    assert [each.version for each in found] == [f"v{number:04d}" for number in range(1, 25)]
    assert [each.before for each in found[1:]] == [each.version for each in found[:-1]]


def test_an_entry_that_does_not_follow_is_refused(tmp_path: Path) -> None:
    """Somebody else was first."""
    lake = Lake(tmp_path)
    promote(lake, 1)
    with instrument_lock(lake, "ESH4"), pytest.raises(PromotionError, match="ESH4 serves another version since"):
        set_current(lake, "ESH4", entry(1, "v0002"))


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "BTC USD", "x" * 129])
def test_an_instrument_must_be_safe_as_a_folder(tmp_path: Path, name: str) -> None:
    """Nothing outside of the lake can be named."""
    with pytest.raises(ConfigError, match=r"the instrument is .*; it must begin with a letter or digit"):
        pointer_path(Lake(tmp_path), name)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A damaged pointer, a damaged line in the middle, a bundle that is gone."""
    lake = Lake(tmp_path)
    promote(lake, 1, 2)
    folder = tmp_path / "promoted" / "ESH4"
    (folder / "v0002").rmdir()
    with pytest.raises(PromotionError, match="ESH4 has no version v0002; there are v0001"):
        promoted(lake, "ESH4")
    lines = (folder / HISTORY_FILE).read_text(encoding="utf-8").splitlines()
    (folder / HISTORY_FILE).write_text(f"rubbish\n{lines[1]}\n", encoding="utf-8")
    with pytest.raises(PromotionError, match="line 1, is no entry of a history: 'rubbish'"):
        history(lake, "ESH4")
    (folder / HISTORY_FILE).write_text("\n".join([*lines, ""]), encoding="utf-8")
    (folder / POINTER_FILE).unlink()
    with pytest.raises(PromotionError, match=r"current.json is missing; restore it: it holds the last line of history"):
        promoted(lake, "ESH4")
    (folder / POINTER_FILE).write_text("{}", encoding="utf-8")
    with pytest.raises(PromotionError, match=r"current.json is no entry of a history; restore it from the last line"):
        current(lake, "ESH4")


def test_entries_of_before_unsafe_promotions_were_told_are_read(tmp_path: Path) -> None:
    """As of safe ones; what is told since is kept."""
    lake = Lake(tmp_path)
    promote(lake, 1)
    for path in (pointer_path(lake, "ESH4"), pointer_path(lake, "ESH4").with_name(HISTORY_FILE)):
        values = json.loads(path.read_text(encoding="utf-8"))
        assert values.pop("unsafe") == []
        values.pop("sha256")  # entries of that version had no checksum either
        path.write_text(json.dumps(values) + "\n", encoding="utf-8")
    unsafe = dataclasses.replace(entry(2), forced="a drill", unsafe=("audit",))
    with instrument_lock(lake, "ESH4"):
        set_current(lake, "ESH4", unsafe)
    assert history(lake, "ESH4") == [entry(1), unsafe]


def damaged_lake(folder: Path) -> tuple[Lake, Path]:
    """Return a lake with three promotions, and the folder of their instrument."""
    lake = Lake(folder)
    promote(lake, 1, 2, 3)
    return lake, folder / "promoted" / "ESH4"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"version": "v0002"},
            r"current\.json holds entry 3, v0002, and history\.jsonl beside it ends with entry 3, v0003",
        ),
        ({"number": 5}, r"current\.json holds entry 5, v0003, and history\.jsonl beside it ends with entry 3"),
        ({"at_ns": 1}, r"current\.json holds entry 3"),
        (
            {"number": 4, "version": "v0002", "before": "v0003"},
            r"current\.json is not as it was written, or what stands",
        ),
        (
            {"number": 4, "before": "v0003", "sha256": None},
            r"current\.json has no checksum, though the entry before it has",
        ),
        ({"sha256": None}, r"current\.json holds entry 3"),
        ({"more": 1}, r"current\.json is no entry of a history"),
    ],
)
def test_a_pointer_that_the_history_does_not_agree_with_is_an_error(
    tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    """It says which they are and what to do; nothing is served, promoted or gone back to until it is mended."""
    lake, folder = damaged_lake(tmp_path)
    pointer = folder / POINTER_FILE
    values = {**json.loads(pointer.read_text(encoding="utf-8")), **changes}
    kept = {name: value for name, value in values.items() if name != "sha256" or value is not None}
    pointer.write_text(json.dumps(kept) + "\n", encoding="utf-8")
    for look in (current, history, promoted):
        with pytest.raises(PromotionError, match=said + r".*restore it from the last line of history\.jsonl"):
            look(lake, "ESH4")
    with instrument_lock(lake, "ESH4"), pytest.raises(PromotionError, match=said):
        set_current(lake, "ESH4", entry(4))
    pointer.write_text((folder / HISTORY_FILE).read_text(encoding="utf-8").splitlines(keepends=True)[-1])
    assert history(lake, "ESH4") == [entry(1), entry(2), entry(3)]


def test_a_history_that_was_changed_or_shortened_is_an_error(tmp_path: Path) -> None:
    """A reason that was edited, a line that is gone, one that was doubled, and all of it gone."""
    lake, folder = damaged_lake(tmp_path)
    path = folder / HISTORY_FILE
    first, second, third = path.read_text(encoding="utf-8").splitlines(keepends=True)
    for text, said in (
        (first + second.replace("run2", "run9") + third, "line 2, is not as it was written, or what stands before it"),
        (first.replace("1001", "1009") + second + third, "line 1, is not as it was written"),
        (first + third, "line 2, is not as it was written"),
        (first + second + second + third, "line 3, is not as it was written"),
        (first, r"current\.json holds entry 3, v0003, and history\.jsonl beside it ends with entry 1, v0001"),
        ("", r"current\.json holds entry 3, v0003, and history\.jsonl beside it is empty"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(PromotionError, match=said):
            promoted(lake, "ESH4")
    path.unlink()
    with pytest.raises(PromotionError, match="beside it is empty"):
        history(lake, "ESH4")


def test_a_history_of_an_earlier_version_is_read_and_goes_on_with_checksums(tmp_path: Path) -> None:
    """What had none is covered by the checksum of the next entry: from then on a change in it is seen."""
    lake, folder = damaged_lake(tmp_path)
    path = folder / HISTORY_FILE
    lines = [json.dumps(dataclasses.asdict(each)) + "\n" for each in history(lake, "ESH4")]
    path.write_text("".join(lines), encoding="utf-8")
    (folder / POINTER_FILE).write_text(lines[-1], encoding="utf-8")
    assert history(lake, "ESH4") == [entry(1), entry(2), entry(3)]
    assert count_unverified(lake, "ESH4") == 3
    promote(lake, 4)
    assert history(lake, "ESH4") == [entry(1), entry(2), entry(3), entry(4)]
    assert count_unverified(lake, "ESH4") == 0
    path.write_text(path.read_text(encoding="utf-8").replace("run2", "run9"), encoding="utf-8")
    with pytest.raises(PromotionError, match="line 4, is not as it was written, or what stands before it is not"):
        current(lake, "ESH4")


def test_whoever_looks_while_others_promote_finds_whole_histories(tmp_path: Path) -> None:
    """Never a moment at which pointer and history seem to disagree."""
    lake, seen = Lake(tmp_path), list[int]()
    with ThreadPoolExecutor(1) as pool:
        promoting = pool.submit(promote, lake, *range(1, 40))
        while not promoting.done():
            seen.append(len(history(lake, "ESH4")))
        promoting.result()
    assert seen == sorted(seen)
    assert len(history(lake, "ESH4")) == 39
