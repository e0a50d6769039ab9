"""Rankings that are kept beside the ledger: the same as those worked out, and never believed where anything differs."""

import ast
import errno
import importlib.util
import os
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.results.ledgers import candidate
from vpharness.evaluation import Figure, Figures
from vpharness.evaluation.figures import registered
from vpharness.results import remembered_rankings
from vpharness.results.ledger import LedgerCandidate, StoredLedger
from vpharness.results.ranking import Ranked, each_dataset_apart, rank
from vpharness.results.remembered_rankings import FOLDER, MOST_KEPT, ranked_before
from vpharness.results.store import Store

LEDGER = [
    candidate("knows", 1, ("north", "south"), knows=True),
    candidate("guesses", 2, ("north", "south")),
    candidate("seldom", 3, every=600),
    candidate("otherwise", 4, tp_ticks=4.0),
]


def same(found: Sequence[Ranked], expected: Sequence[Ranked]) -> None:
    """Check that two rankings hold the same candidates, judged alike to the last digit."""
    for one, other in zip(found, expected, strict=True):
        assert one.candidate is other.candidate
        for name in ("p_adjusted", "winner", "left_out", "lacks", "could_win"):
            assert getattr(one, name) == getattr(other, name)
        np.testing.assert_equal(one.net_low_all, other.net_low_all)
        assert (one.judgement.t, one.judgement.p_value) == (other.judgement.t, other.judgement.p_value)
        assert one.judgement.evidence.digest == other.judgement.evidence.digest
        for field in fields(Figures):
            mine, theirs = (getattr(each.judgement.figures, field.name) for each in (one, other))
            assert type(mine) is type(theirs)
            np.testing.assert_equal(mine, theirs)
        for name in ("market_times", "n_evaluated", "n_rankable", "n_runs", "oldest_ns", "newest_ns"):
            assert getattr(one.family, name) == getattr(other.family, name)
        np.testing.assert_array_equal(one.family.greatest_excess, other.family.greatest_excess)
        np.testing.assert_array_equal(one.family.greatest_profit, other.family.greatest_profit)


@pytest.fixture
def ranked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many candidates were ranked each time that a ranking was worked out."""
    counted: list[int] = []

    def counting(ledger: Sequence[LedgerCandidate], asked: Sequence[LedgerCandidate] | None = None) -> list[Ranked]:
        found = rank(ledger, asked)
        counted.append(len(found))
        return found

    monkeypatch.setattr(remembered_rankings, "rank", counting)
    return counted


@pytest.mark.parametrize("asked", [None, LEDGER[:2], each_dataset_apart(LEDGER)], ids=["all", "some", "apart"])
def test_an_unchanged_ledger_is_ranked_once(
    tmp_path: Path, ranked: list[int], asked: list[LedgerCandidate] | None
) -> None:
    """Whatever is asked for; the second time gives every number of the first."""
    store = Store(tmp_path)
    expected = rank(LEDGER, asked)
    for _ in range(3):
        same(ranked_before(store, LEDGER, asked), expected)
    assert ranked == [len(expected)]


@pytest.mark.parametrize(
    "changed",
    [
        lambda ledger: [*ledger, candidate("one more", 5)],
        lambda ledger: ledger[:-1],
        lambda ledger: [
            LedgerCandidate(ledger[0].candidate_id, (replace(ledger[0].first, adaptive=True),)),
            *ledger[1:],
        ],
        lambda ledger: [candidate("knows", 7, knows=True), *ledger[1:]],
    ],
    ids=["one more", "one less", "chosen adaptively", "other evidence"],
)
def test_a_ledger_that_has_changed_is_ranked_anew(
    tmp_path: Path, ranked: list[int], changed: Callable[[list[LedgerCandidate]], list[LedgerCandidate]]
) -> None:
    """By anything that a ranking looks at."""
    store, other = Store(tmp_path), changed(LEDGER)
    ranked_before(store, LEDGER)
    same(ranked_before(store, other), rank(other))
    assert len(ranked) == 2


def test_a_damaged_file_is_never_believed(tmp_path: Path, ranked: list[int]) -> None:
    """A flipped bit anywhere, or an end that is missing: worked out anew, without a word, and kept again."""
    store, expected = Store(tmp_path), rank(LEDGER)
    ranked_before(store, LEDGER)
    (path,) = (tmp_path / FOLDER).iterdir()
    whole = path.read_bytes()
    drawn = np.random.default_rng(0)
    for place in [0, 63, 64, len(whole) - 1, *drawn.integers(0, len(whole), 20).tolist()]:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        same(ranked_before(store, LEDGER), expected)
        assert path.read_bytes() == whole
    path.write_bytes(whole[: len(whole) // 2])
    same(ranked_before(store, LEDGER), expected)
    assert len(ranked) == 26


def test_a_ranking_is_found_by_the_parts_that_were_read(
    tmp_path: Path, ranked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a look at the trials; parts that were merged, or a damaged note, lead to the same by way of these."""
    store, expected, looked = Store(tmp_path), rank(LEDGER), list[int]()
    digest = remembered_rankings._digest

    def counting(ledger: Sequence[LedgerCandidate], chosen: Sequence[LedgerCandidate]) -> str:
        looked.append(len(ledger))
        return digest(ledger, chosen)

    monkeypatch.setattr(remembered_rankings, "_digest", counting)
    for parts, looks in (("one", 1), ("one", 1), ("merged", 2), ("merged", 2)):
        same(ranked_before(store, StoredLedger(LEDGER, parts)), expected)
        assert len(looked) == looks
    some = StoredLedger(LEDGER, "one")
    same(ranked_before(store, some, some[:2]), rank(LEDGER, LEDGER[:2]))
    assert (ranked, len(looked)) == ([4, 2], 3)
    for path in (tmp_path / FOLDER).iterdir():
        if path.stat().st_size < 200:
            path.write_bytes(b"0" * 64)
    same(ranked_before(store, StoredLedger(LEDGER, "one")), expected)
    assert (ranked, len(looked)) == ([4, 2], 4)


def test_nothing_is_lost_where_nothing_can_be_kept(tmp_path: Path, ranked: list[int]) -> None:
    """A store whose folder of rankings is a file, as one that may not be written to."""
    (tmp_path / FOLDER).write_text("")
    expected = rank(LEDGER)
    for _ in range(2):
        same(ranked_before(Store(tmp_path), LEDGER), expected)
    assert len(ranked) == 2


def test_what_may_not_be_written_to_is_used_all_the_same(
    tmp_path: Path, ranked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store on a file system that is read-only, where not even times of files can be set."""
    store = Store(tmp_path)
    expected = ranked_before(store, LEDGER)

    def refused(*_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    for name in ("touch", "write_bytes", "mkdir", "unlink"):
        monkeypatch.setattr(Path, name, refused)
    same(ranked_before(store, LEDGER), expected)
    assert ranked == [len(LEDGER)]


def test_reading_makes_no_store(tmp_path: Path) -> None:
    """Neither where there is none, as below a lake whose name was mistyped, nor where nothing was ranked."""
    absent = Store(tmp_path / "typo" / "results")
    same(ranked_before(absent, LEDGER), rank(LEDGER))
    assert ranked_before(Store(tmp_path), []) == []
    assert ranked_before(Store(tmp_path), LEDGER, []) == []
    assert list(tmp_path.iterdir()) == []


def test_numbers_of_code_that_has_changed_since_it_was_loaded_are_not_kept(
    tmp_path: Path, ranked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would be taken for those of the new code; what was kept before is that of the code as it was loaded."""
    store, room = Store(tmp_path / "store"), tmp_path / "room"
    for folder in (store.root, room):
        folder.mkdir()
    (room / "families.py").write_text("old")
    monkeypatch.setattr(remembered_rankings, "_ROOMS", (room,))
    monkeypatch.setattr(remembered_rankings, "_CODE", remembered_rankings.code_digest(remembered_rankings._ROOMS))
    ranked_before(store, LEDGER)
    (kept,) = (store.root / FOLDER).iterdir()
    (room / "families.py").write_text("new")
    ranked_before(store, LEDGER)
    ranked_before(store, LEDGER[:2])
    assert ranked == [4, 2]
    assert list((store.root / FOLDER).iterdir()) == [kept]
    monkeypatch.setattr(remembered_rankings, "_CODE", remembered_rankings.code_digest(remembered_rankings._ROOMS))
    ranked_before(store, LEDGER)
    assert ranked == [4, 2, 4]
    assert len(list((store.root / FOLDER).iterdir())) == 2


def test_the_digest_is_of_all_code_that_ranks() -> None:
    """Every module of the package that is imported on the way to a ranking."""
    hashed = {path for room in remembered_rankings._ROOMS for path in room.glob("*.py")}
    # The package itself only names what it loads once it is asked for.
    found, left = {"vpharness"}, ["vpharness.results.remembered_rankings"]
    while left:
        name = left.pop()
        spec = importlib.util.find_spec(name)
        if name in found or spec is None or spec.origin is None:
            continue
        found.add(name)
        for node in ast.walk(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("vpharness"):
                left.append(node.module)
            elif isinstance(node, ast.Import):
                left += [each.name for each in node.names if each.name.startswith("vpharness")]
        assert Path(spec.origin) in hashed, name
    assert {"vpharness.prices", "vpharness.results.families", "vpharness.evaluation.sign_flips"} <= found


def test_with_figures_of_others_nothing_is_remembered(tmp_path: Path, ranked: list[int]) -> None:
    """How one is computed may change without its name."""
    store = Store(tmp_path)
    for number in (1.0, 2.0):
        figure = Figure("mine", "ticks", "made up", compute=lambda *_, number=number: number)
        with registered(figure):
            found: list[Any] = ranked_before(store, LEDGER)
        assert [each.judgement.figures.mine for each in found] == [number] * 4
    assert ranked == [4, 4]
    assert list(tmp_path.iterdir()) == []


def test_only_the_rankings_used_last_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often a ledger changes."""
    few: list[Any] = [candidate(f"one of {number}", number) for number in range(MOST_KEPT + 3)]
    monkeypatch.setattr(remembered_rankings, "MOST_KEPT", 4)
    for count in range(1, 8):
        ranked_before(Store(tmp_path), few[:count])
    assert len(list((tmp_path / FOLDER).iterdir())) == 4


def test_rankings_together_take_no_more_than_they_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest is kept in any case, those used longest ago go, and files of other names stay."""
    store, folder = Store(tmp_path), tmp_path / FOLDER
    folder.mkdir()
    others = [folder / "notes.txt", folder / ("f" * 63), folder / ("F" * 64), folder / "deeper"]
    for path in others[:-1]:
        path.write_bytes(b"x" * 10**6)
        os.utime(path, (0, 0))
    others[-1].mkdir()
    written: list[Path] = []
    for count in (1, 2, 3):
        ranked_before(store, LEDGER[:count])
        (new,) = set(folder.iterdir()) - {*others, *written}
        written.append(new)
        os.utime(new, (count, count))
    ranked_before(store, LEDGER[:1])
    sizes = [path.stat().st_size for path in written]
    ranked_before(store, LEDGER)
    (last,) = set(folder.iterdir()) - {*others, *written}
    room = last.stat().st_size + sizes[0]
    last.unlink()
    monkeypatch.setattr(remembered_rankings, "MOST_BYTES_IN_ALL", room)
    ranked_before(store, LEDGER)
    assert set(folder.iterdir()) == {*others, written[0], last}
    last.unlink()
    monkeypatch.setattr(remembered_rankings, "MOST_BYTES_IN_ALL", 1)
    ranked_before(store, LEDGER)
    assert set(folder.iterdir()) == {*others, last}


def test_a_ranking_that_is_too_large_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With all that its file holds, down to the byte."""
    ranked_before(Store(tmp_path), LEDGER)
    (path,) = (tmp_path / FOLDER).iterdir()
    size = path.stat().st_size
    for most, kept in ((size - 1, False), (size, True)):
        path.unlink(missing_ok=True)
        monkeypatch.setattr(remembered_rankings, "MOST_BYTES", most)
        ranked_before(Store(tmp_path), LEDGER)
        assert path.exists() == kept
