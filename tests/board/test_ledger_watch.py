"""The newest ranking that can be had without waiting long, and what is kept of it from one start to the next."""

import threading
from pathlib import Path

import pytest

from tests.benchmarks.bench_compare import Made
from tests.board.made_lake import PATIENCE_S, finish_run, made_lake
from vpharness.board import ledger_watch
from vpharness.board.ledger_watch import RETRY_S, LedgerWatch
from vpharness.board.standing import Standing, kept_standing, new_standing, stamp_of
from vpharness.datasets.lake import Lake
from vpharness.errors import ResultsError
from vpharness.results.remembered_rankings import FOLDER
from vpharness.results.store import store_in

SMALL = Made(4, (1.0,), thresholds=2)


def test_the_table_of_a_ranking_is_kept_and_read_by_the_next_board(tmp_path: Path) -> None:
    """With every row and what is said of the whole; a stamp tells whether it is that of the store as it is."""
    lake = made_lake(tmp_path / "lake", SMALL)
    made = new_standing(lake, stamp_of(lake))
    kept = kept_standing(lake)
    assert kept is not None
    assert repr(kept.table.to_pylist()) == repr(made.table.to_pylist())  # as texts: NaN differs from itself
    assert kept.facts == made.facts
    assert kept.ranked is None
    assert made.ranked is not None
    assert [each.candidate.candidate_id for each in made.ranked] == made.table["candidate_id"].to_pylist()
    finish_run(lake, "another")
    assert stamp_of(lake) != kept.facts.stamp


def test_a_kept_table_that_is_damaged_is_none(tmp_path: Path) -> None:
    """Then the ledger is read; nothing is taken from a file that is not as it was written."""
    lake = made_lake(tmp_path / "lake", SMALL)
    new_standing(lake, stamp_of(lake))
    for path in (store_in(lake.root).root / FOLDER).iterdir():
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    assert kept_standing(lake) is None


def test_an_older_ranking_is_shown_while_the_present_one_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told to be older; the present one follows, and is made once however many ask."""
    lake = made_lake(tmp_path / "lake", SMALL)
    watch = LedgerWatch(lake, PATIENCE_S)
    assert watch.seen().is_current
    may_go, made = threading.Event(), list[str]()

    def slow(lake: Lake, stamp: str) -> Standing:
        assert may_go.wait(PATIENCE_S)
        made.append(stamp)
        return new_standing(lake, stamp)

    monkeypatch.setattr(ledger_watch, "new_standing", slow)
    watch.patience_s = 0.01
    finish_run(lake, "another")
    for _ in range(3):
        seen = watch.seen()
        assert seen.standing is not None
        assert not seen.is_current
        assert seen.busy_s > 0
    may_go.set()
    watch.patience_s = PATIENCE_S
    assert watch.seen().is_current
    assert made == [stamp_of(lake)]


def test_a_first_page_needs_the_kept_table_alone_and_a_candidates_page_the_ledger(tmp_path: Path) -> None:
    """A board that has just been started shows its leaderboard before it has read the ledger."""
    lake = made_lake(tmp_path / "lake", SMALL)
    new_standing(lake, stamp_of(lake))
    watch = LedgerWatch(lake, PATIENCE_S)
    first = watch.seen()
    assert first.is_current
    assert first.standing is not None
    assert first.standing.ranked is None
    whole = watch.seen(whole=True)
    assert whole.standing is not None
    assert whole.standing.ranked is not None


def test_what_is_wrong_with_the_ledger_is_raised_until_the_store_changes(tmp_path: Path) -> None:
    """The reason is the user's, and a store that was mended is read again."""
    lake = made_lake(tmp_path / "lake", SMALL)
    (part, *_) = sorted((store_in(lake.root).root / "runs.parquet").iterdir())
    content = part.read_bytes()
    part.write_bytes(b"damaged")
    watch = LedgerWatch(lake, PATIENCE_S)
    for _ in range(2):
        with pytest.raises(ResultsError, match="its name says another"):
            watch.seen()
    part.write_bytes(content)
    finish_run(lake, "another")
    assert watch.seen().is_current


def test_an_error_of_a_moment_is_gone_when_somebody_asks_later(tmp_path: Path) -> None:
    """The store has not changed; nobody asks it again and again in the meantime."""
    lake = made_lake(tmp_path / "lake", SMALL)
    (part, *_) = sorted((store_in(lake.root).root / "runs.parquet").iterdir())
    content = part.read_bytes()
    part.write_bytes(b"damaged")
    now = 100.0
    watch = LedgerWatch(lake, PATIENCE_S, lambda: now)
    with pytest.raises(ResultsError, match="its name says another"):
        watch.seen()
    part.write_bytes(content)
    now += RETRY_S - 0.1
    with pytest.raises(ResultsError, match="its name says another"):
        watch.seen()
    now += 0.2
    assert watch.seen().is_current
