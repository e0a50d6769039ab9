"""The days of collections on the board and below rankings: by instrument and session, with ids beside them."""

import json
from dataclasses import replace

import pytest

from tests.board.made_lake import board_of, refused, shown
from tests.campaigns.days import add_days
from tests.results.ledgers import candidate
from vpharness.board.answers import Board
from vpharness.campaigns.collection_members import labels_of_datasets, sessions_of_datasets
from vpharness.commands.text.ranking_lines import searches
from vpharness.datasets.collection import Collection
from vpharness.datasets.lake import Lake
from vpharness.results.ranking import rank


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Board, Collection]:
    """The board of a lake with a collection of two days in two versions."""
    folder = tmp_path_factory.mktemp("days")
    add_days(folder, 1, 1, minutes=1)
    return board_of(Lake(folder)), add_days(folder, 2, 2, minutes=1)


def test_the_page_of_a_collection_lists_its_days_with_links(made: tuple[Board, Collection]) -> None:
    """The newest version unless another is asked for; a version that there is not names those that there are."""
    board, collection = made
    page = shown(board, "datasets", f"id={collection.id}")
    for member in collection.members:
        assert f'id={member.dataset_id}">{member.session}</a>' in page
        assert member.instrument in page
    assert f'id={collection.id}">{collection.id}</a>' in shown(board, "datasets")
    first = json.loads(shown(board, "datasets.json", f"id={collection.id}@1"))
    assert [each["dataset_id"] for each in first["members"]] == collection.dataset_ids[:1]
    assert (first["version"], first["latest"]) == (1, 2)
    assert f"there are {collection.id}@1, {collection.id}@2" in refused(board, 404, "datasets", f"id={collection.id}@7")


def test_a_dataset_of_a_collection_is_shown_by_instrument_and_session(made: tuple[Board, Collection]) -> None:
    """In its page's title, in the list, and by one function for all commands; a session alone stands in tables."""
    board, collection = made
    lake, member = board.lake, collection.members[0]
    label = labels_of_datasets(lake)[member.dataset_id]
    assert label == f"{member.instrument} {member.session}"
    assert sessions_of_datasets(lake)[member.dataset_id] == member.session
    assert f"{label} ({member.dataset_id})" in shown(board, "datasets", f"id={member.dataset_id}")
    assert f"{label} ({member.dataset_id})" in shown(board, "datasets")


def test_the_size_of_the_search_names_other_datasets_by_their_days() -> None:
    """The id stands behind."""
    seen, hidden = candidate("a", 1), candidate("b", 2)
    copy = replace(hidden, trials=tuple(replace(each, dataset_id="8498f9e4640ac28e") for each in hidden.trials))
    ledger = [seen, copy]
    ranked = [each for each in rank(ledger) if each.candidate is seen]
    (told,) = searches(ranked, ledger, {"8498f9e4640ac28e": "LNH4 2024-03-15"})
    assert told.endswith("; those on LNH4 2024-03-15 (8498f9e4640ac28e) count too, since it is the same market time")
