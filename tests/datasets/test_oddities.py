"""What is odd about a dataset is a sentence in its manifest, with what was found and what to do."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.datasets.samples import OPENING_NS, SECOND_NS, Fixed
from tests.event_rows import events_of
from tests.events.samples import write
from vpharness.commands.text.dataset_facts import print_dataset, print_doubts
from vpharness.datasets.dataset_build import build
from vpharness.datasets.find import Dataset, find_dataset
from vpharness.datasets.lake import Lake
from vpharness.datasets.manifest import Manifest
from vpharness.datasets.oddities import EventMarks, InvalidBins, oddities
from vpharness.errors import SourceError
from vpharness.events.lobster import LobsterSource
from vpharness.events.mbo_event import (
    ADD,
    ASK,
    BID,
    CANCEL,
    CLEAR,
    EVENT_DTYPE,
    FLAG_BY_PRICE,
    FLAG_FEED_GAP,
    FLAG_TOP_OF_BOOK,
    HALT,
    NO_SIDE,
    NONE,
    RESUME,
)
from vpharness.lattice.columns import BIN_DTYPE
from vpharness.lattice.lattice_parameters import LatticeParameters
from vpharness.prices import PRICE_SCALE


def event(seconds: float, action: int, side: int, price: int, order_id: int, flags: int = 128) -> tuple[int, ...]:
    """Return an event of size 1, at a time after the opening."""
    return OPENING_NS + int(seconds * SECOND_NS), price * PRICE_SCALE, 1, order_id, action, side, flags


BOOK = [event(0, ADD, BID, 100, 1), event(0, ADD, ASK, 101, 2)]
LATER = event(99.95, ADD, BID, 90, 9)


def built(lake: Path, *rows: tuple[int, ...]) -> Manifest:
    """Build a dataset of events."""
    return build(Lake(lake), Fixed(events_of(rows)), LatticeParameters(), dataset_id="a").manifest


def test_a_sound_dataset_has_no_notes(tmp_path: Path) -> None:
    """Nothing is said where nothing is odd."""
    manifest = built(tmp_path, *BOOK, LATER)
    assert (manifest.notes, manifest.doubts) == ([], [])


def test_a_book_that_is_crossed_for_long(tmp_path: Path) -> None:
    """How much, from when on, and which parameter takes stale orders out."""
    manifest = built(tmp_path, *BOOK, event(20, ADD, BID, 105, 3), event(80, CANCEL, BID, 105, 3), LATER)
    assert manifest.notes == [
        "only 40.0% of the bins have a valid book: in 60.0% the book was crossed",
        (
            "the book was crossed (bid at or above ask) for 60 s from 2023-11-14T22:13:40.000+00:00 on: an order that "
            "is gone from the market is still in it; lattice.evict_crossed_ms=1000 takes such orders out"
        ),
    ]
    assert manifest.doubts == manifest.notes


def crossed_note(tmp_path: Path, *changes: tuple[int, str, int]) -> str:
    """Return what is said of a book that is crossed for long, after changes (row, field, value) of its events."""
    rows = events_of([*BOOK, event(20, ADD, BID, 105, 3), event(80, CANCEL, BID, 105, 3), LATER])
    for row, name, value in changes:
        rows[name][row] = value
    manifest = build(Lake(tmp_path), Fixed(rows), LatticeParameters(), dataset_id="a").manifest
    (note,) = [note for note in manifest.notes if note.startswith("the book was crossed")]
    return note


def test_venues_that_cross_one_another_have_no_order_to_take_out(tmp_path: Path) -> None:
    """Nothing is stale; one venue's book is what can be used."""
    note = crossed_note(tmp_path, (2, "publisher", 40), (3, "publisher", 40))
    assert "holds the prices of several venues" in note
    assert note.endswith("; choose a venue with source.publisher_id")
    assert "evict_crossed_ms" not in note


@pytest.mark.parametrize("flag", [FLAG_TOP_OF_BOOK, FLAG_BY_PRICE])
def test_prices_in_place_of_orders_are_no_order_to_take_out(tmp_path: Path, flag: int) -> None:
    """Best prices and levels stand until they are told anew."""
    changes = [(row, "flags", 128 | flag) for row in range(5)]
    changes += [(3, "action", ADD), (3, "size", 0), (3, "price", 0 if flag == FLAG_TOP_OF_BOOK else 105 * PRICE_SCALE)]
    note = crossed_note(tmp_path, *changes)
    assert "its prices are told in place of orders" in note
    assert "evict_crossed_ms" not in note


def test_records_that_add_nothing_make_no_second_venue(tmp_path: Path) -> None:
    """An R of another publisher, at the beginning of a file, is none."""
    clear = np.zeros(1, EVENT_DTYPE)
    clear["action"], clear["publisher"] = CLEAR, 40
    marks = EventMarks()
    for events in (clear, events_of(BOOK), events_of([LATER])):
        marks.take_in(events)
    assert not marks.is_consolidated
    assert "evict_crossed_ms=1000" in crossed_note(tmp_path)


def test_a_side_that_is_empty(tmp_path: Path) -> None:
    """With the share of bins; a dataset with next to no valid book is named for what it is."""
    manifest = built(tmp_path, *BOOK, event(1, CANCEL, ASK, 101, 2), LATER)
    (note,) = manifest.notes
    assert note == (
        "next to no bin has a valid book (1.0%), and no result on this dataset means anything: in 99.0% a side was "
        "empty"
    )


def test_orders_that_are_not_in_the_book(tmp_path: Path) -> None:
    """More than one in a hundred: the data begin in the middle."""
    strays = [event(5, CANCEL, BID, 100, number) for number in range(50, 60)]
    manifest = built(tmp_path, *BOOK, *strays, LATER)
    (note,) = manifest.notes
    assert note == (
        "10 of 13 events (76.9%) name orders that are not in the book: the data begin without a snapshot of it, or "
        "records are missing"
    )


def marks_of(*rows: tuple[int, ...]) -> EventMarks:
    """Return what events say, given one by one."""
    marks = EventMarks()
    for each in events_of(rows):
        marks.take_in(np.array([each]))
    return marks


def bins_of(*kinds: str) -> NDArray[np.void]:
    """Return bins of a second: v valid, c crossed, o without an ask, h with good prices and not valid."""
    rows: dict[str, tuple[int, int, bool]] = {
        "v": (1, 2, True),
        "c": (2, 2, False),
        "o": (1, 0, False),
        "h": (1, 2, False),
    }
    bins = np.zeros(len(kinds), BIN_DTYPE)
    bins["bin_start_ns"] = OPENING_NS + np.arange(len(kinds)) * SECOND_NS
    bins["bin_end_ns"] = bins["bin_start_ns"] + SECOND_NS
    for number, kind in enumerate(kinds):
        bid, ask, valid = rows[kind]
        bins["best_bid_price_int"][number], bins["best_ask_price_int"][number] = bid, ask
        bins["book_valid"][number] = valid
    return bins


def test_halts_and_gaps_of_the_feed_are_told_with_their_times() -> None:
    """A second halt within a halt is none; the last may have no end."""
    marks = marks_of(
        *BOOK,
        *(
            event(at, action, NO_SIDE, 0, 0)
            for at, action in ((1, HALT), (2, HALT), (3, RESUME), (4, RESUME), (5, HALT))
        ),
        event(6, NONE, NO_SIDE, 0, 0, 128 | FLAG_FEED_GAP),
    )
    invalid = InvalidBins()
    invalid.take_in(bins_of(*"vvvvvhhhhh"))
    assert list(oddities(marks, invalid, {})) == [
        "only 50.0% of the bins have a valid book: in 50.0% trading was halted or the feed had a gap",
        (
            "trading was halted from 2023-11-14T22:13:21.000+00:00 to 2023-11-14T22:13:23.000+00:00, from "
            "2023-11-14T22:13:25.000+00:00 on: there the book is not valid"
        ),
        (
            "a record follows a gap in the feed, the first at 2023-11-14T22:13:26.000+00:00: from a gap on the book is "
            "not valid until it is restated"
        ),
    ]


@pytest.mark.parametrize("cut", range(1, 8))
def test_the_longest_crossing_is_found_however_bins_are_cut(cut: int) -> None:
    """Across blocks, at the end too."""
    bins = bins_of(*"vccvoccccvhccc")
    invalid = InvalidBins()
    for start in range(0, len(bins), cut):
        invalid.take_in(bins[start : start + cut])
    assert (invalid.bins, invalid.valid, invalid.crossed, invalid.one_sided) == (14, 3, 9, 1)
    assert (invalid.longest_crossed_ns, invalid.longest_crossed_start_ns) == (4 * SECOND_NS, OPENING_NS + 5 * SECOND_NS)


def test_a_file_of_a_snapshot_alone_is_named_as_that(tmp_path: Path) -> None:
    """Rather than its book blamed; the lake is as it was."""
    with pytest.raises(
        SourceError, match=r"every record is part of a snapshot \(bit 32\).*: get the records that follow"
    ):
        built(tmp_path, *((*each[:-1], 32 | 128) for each in BOOK))
    assert not list(tmp_path.rglob("*.parquet"))


def test_few_valid_bins_are_said_of_datasets_without_notes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Datasets of earlier versions and published folders, which their notes do not say it of."""
    manifest = built(tmp_path, *BOOK, LATER)
    earlier = dataclasses.replace(manifest, valid_bins=manifest.bins // 2)
    assert earlier.doubts == ["only 50.0% of the bins have a valid book"]
    published: dict[str, Any] = {"lattice": None, "notes": ["lattice parameters are not known"]}
    assert dataclasses.replace(manifest, **published).doubts == []
    print_doubts([Dataset(tmp_path, dataclasses.replace(earlier, notes=["so it is"]))] * 2)
    assert capsys.readouterr().err == (
        "vpharness: dataset a: only 50.0% of the bins have a valid book (and 1 more: show dataset.id=a)\n"
    )
    print_dataset(earlier, find_dataset(Lake(tmp_path), "a").path, as_json=False, result="built")
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.split(maxsplit=1) == ["note", "only 50.0% of the bins have a valid book"]


def test_a_build_without_a_valid_book_ends_with_what_the_source_says(tmp_path: Path) -> None:
    """A message file of LOBSTER alone: the reason is what the file cannot tell, and the way out stands there."""
    path = write(tmp_path, "A_2012-06-21_message_1.csv", "34200,1,1,5,1000000,1\n34201,1,2,5,1010000,1\n")
    with pytest.raises(
        SourceError, match=r"gave no bin: .*; without the order book file .* add source\.orderbook_path="
    ):
        build(Lake(tmp_path), LobsterSource(path), LatticeParameters(), dataset_id="a")
