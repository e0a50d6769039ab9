"""Rankings that are kept beside the ledger: the same as those worked out, and never believed where anything differs."""

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.results.ledgers import candidate
from vpharness.evaluation import Figures
from vpharness.results import remembered_rankings
from vpharness.results.ledger import LedgerCandidate
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


def test_nothing_is_lost_where_nothing_can_be_kept(tmp_path: Path, ranked: list[int]) -> None:
    """A store whose folder of rankings is a file, as one that may not be written to."""
    (tmp_path / FOLDER).write_text("")
    expected = rank(LEDGER)
    for _ in range(2):
        same(ranked_before(Store(tmp_path), LEDGER), expected)
    assert len(ranked) == 2


def test_only_the_rankings_used_last_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often a ledger changes."""
    few: list[Any] = [candidate(f"one of {number}", number) for number in range(MOST_KEPT + 3)]
    monkeypatch.setattr(remembered_rankings, "MOST_KEPT", 4)
    for count in range(1, 8):
        ranked_before(Store(tmp_path), few[:count])
    assert len(list((tmp_path / FOLDER).iterdir())) == 4
