"""The ring keeps the last bins, in one block of memory."""

import numpy as np

from runtime.engine.ring_buffer import BinRingBuffer
from vpharness.lattice.columns import BIN_DTYPE, GRID_COLUMNS
from vpharness.live import ScoredBin


def bin_of(number: int, columns: tuple[str, ...] = tuple(GRID_COLUMNS)) -> ScoredBin:
    """Return a bin with its number in every cell."""
    row = np.zeros(1, BIN_DTYPE)
    row["bin_seq"] = number
    return ScoredBin(row, {name: np.full(7, number % 100, GRID_COLUMNS[name]) for name in columns}, number / 2, (0,))


def test_the_newest_bins_are_kept_and_older_ones_forgotten() -> None:
    """Each with its row, cells, score and texts, wherever it lies in the ring."""
    ring = BinRingBuffer(10, 3, next_seq=100)
    for number in range(100, 125):
        ring.append(bin_of(number), f"body {number}", {"shadow:a": f"own {number}"})
    assert (ring.first_seq, ring.next_seq) == (115, 125)
    for number in range(115, 125):
        found = ring.scored(number)
        assert (found.row["bin_seq"][0], found.score, ring.body(number)) == (number, number / 2, f"body {number}")
        assert (ring.shadow(number, "shadow:a"), ring.shadow(number, "shadow:b")) == (f"own {number}", None)
        for name in GRID_COLUMNS:
            np.testing.assert_array_equal(found.grid[name], np.full(7, number % 100, GRID_COLUMNS[name]))


def test_copies_are_of_the_columns_asked_for_and_do_not_change_any_more() -> None:
    """From the bin asked for on, or from the oldest one that is left."""
    ring = BinRingBuffer(10, 3)
    for number in range(25):
        ring.append(bin_of(number), "", {})
    copies = ring.copies(3, ["v_add", "perm_state5_code"])
    assert [int(row["bin_seq"][0]) for row, _ in copies] == list(range(15, 25))
    for number in range(25, 40):
        ring.append(bin_of(number), "", {})
    for number, (_, grid) in enumerate(copies, start=15):
        assert list(grid) == ["v_add", "perm_state5_code"]
        np.testing.assert_array_equal(grid["v_add"], np.full(7, float(number)))
    assert [int(row["bin_seq"][0]) for row, _ in ring.copies(38, ["v_add"])] == [38, 39]


def test_a_ring_that_is_cleared_goes_on_counting() -> None:
    """Bins of before cannot be asked for, and the next one has the next number."""
    ring = BinRingBuffer(10, 3)
    for number in range(5):
        ring.append(bin_of(number), "", {})
    ring.clear()
    assert (ring.first_seq, ring.next_seq, ring.copies(0, ["v_add"])) == (5, 5, [])
    ring.append(bin_of(5), "five", {})
    assert (ring.first_seq, ring.next_seq, ring.body(5)) == (5, 6, "five")


def test_bins_of_a_dataset_may_have_fewer_columns() -> None:
    """The others are zero."""
    ring = BinRingBuffer(4, 3)
    ring.append(bin_of(9, ("v_add",)), "", {})
    np.testing.assert_array_equal(ring.scored(0).grid["v_add"], np.full(7, 9.0))
    np.testing.assert_array_equal(ring.scored(0).grid["v_pull"], np.zeros(7))
