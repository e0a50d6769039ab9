"""Frames say of a bin just what the session said: every cell to the last bit, and every field in JSON."""

import json
import math

import numpy as np
import pyarrow as pa
import pytest

from tests.lattice.engine_help import assert_same_bits, open_lattice
from tests.lattice.streams import random_stream
from vpharness.errors import ConfigError
from vpharness.lattice.columns import GRID_COLUMNS
from vpharness.live import LiveModel, LiveSession, ScoredBin
from vpharness.live.frames import bin_fields, encode_grid, encode_json, encode_schema, grid_schema
from vpharness.signals import resolve, scorer

TICK_INT = 250_000_000
CHOSEN = ("perm_state5_code", "pressure_variant", "last_event_id", "best_bid_move_ticks")


@pytest.fixture(scope="module")
def bins() -> list[ScoredBin]:
    """Return the scored bins of a nasty stream, some of them without a valid book."""
    ready = scorer(resolve("vpharness.signals.msd.msd"), cell_width_ms=100, radius=50)
    session = LiveSession(LiveModel(ready, (0.5,), 10, 5), open_lattice(tick_int=TICK_INT))
    return session.take(random_stream(5, 600))


@pytest.mark.parametrize("columns", [tuple(GRID_COLUMNS), CHOSEN, ("vacuum_variant",)])
@pytest.mark.parametrize("together", [1, 7])
def test_a_decoded_frame_has_every_bit_of_the_grid(
    bins: list[ScoredBin], columns: tuple[str, ...], together: int
) -> None:
    """By its schema message and its record batch messages alone, bin by bin and several bins at once, bin-major."""
    schema = pa.ipc.read_schema(pa.py_buffer(encode_schema(columns)))
    assert schema.names == list(columns)
    assert schema == grid_schema(columns)
    for start in range(0, len(bins), together):
        some = bins[start : start + together]
        batch = pa.ipc.read_record_batch(pa.py_buffer(encode_grid(some, columns)), schema)
        assert batch.num_rows == len(some) * 101
        for name in columns:
            wanted = np.concatenate([each.grid[name] for each in some])
            assert_same_bits(name, batch.column(name).to_numpy(), wanted)


def test_the_messages_one_behind_the_other_are_an_arrow_stream(bins: list[ScoredBin]) -> None:
    """A reader that knows no frames, such as a page's Arrow library, reads them as one stream."""
    whole = encode_schema(CHOSEN) + b"".join(encode_grid([each], CHOSEN) for each in bins)
    batches = list(pa.ipc.open_stream(pa.py_buffer(whole)))
    assert len(batches) == len(bins)
    for batch, each in zip(batches, bins, strict=True):
        for name in CHOSEN:
            assert_same_bits(name, batch.column(name).to_numpy(), each.grid[name])


def test_a_dataset_of_other_types_is_sent_in_the_types_of_the_schema(bins: list[ScoredBin]) -> None:
    """Datasets that were made elsewhere may hold their labels as wider integers."""
    own = bins[-1].grid["perm_state5_code"]
    wide = ScoredBin(bins[-1].row, {"perm_state5_code": own.astype(np.int64)}, 0.0, (0,))
    names = ["perm_state5_code"]
    assert encode_grid([ScoredBin(bins[-1].row, {"perm_state5_code": own}, 0.0, (0,))], names) == encode_grid(
        [wide], names
    )


def test_columns_that_cannot_be_sent_are_named(bins: list[ScoredBin]) -> None:
    """One that does not exist, one asked for twice, and one that the bin has not got."""
    with pytest.raises(ConfigError, match=r"columns nothing are none of the grid's; it has pressure_variant, "):
        encode_schema(["nothing", "pressure_variant"])
    with pytest.raises(ConfigError, match=r"columns v_add are asked for twice; name each once"):
        grid_schema(["v_add", "a_add", "v_add"])
    partial = ScoredBin(bins[0].row, {"v_add": bins[0].grid["v_add"]}, 0.0, (0,))
    with pytest.raises(ConfigError, match=r"bin 0 has no column v_pull; it has v_add"):
        encode_grid([partial], ["v_add", "v_pull"])


def test_the_fields_of_a_bin_are_those_of_its_row(bins: list[ScoredBin]) -> None:
    """Read back from JSON: integers and prices exactly, times as strings, and what is not there as null."""
    assert {bool(each.row["book_valid"][0]) for each in bins} == {True, False}
    for each in bins:
        row, found = each.row[0], json.loads(encode_json(bin_fields(each, TICK_INT)))
        valid = bool(row["book_valid"])
        assert found["book_valid"] is valid
        for name in ("bin_seq", "bin_event_count", "event_id"):
            assert found[name] == row[name]
        for name in ("bin_start_ns", "bin_end_ns"):
            assert found[name] == str(row[name])
        assert found["mid_price"] == (row["mid_price"] if valid else None)
        assert found["score"] == (None if math.isnan(each.score) else each.score)
        assert found["spot_price"] == (row["spot_ref_price_int"] / 1e9 if valid else None)
        assert found["spot_tick"] == (row["spot_ref_price_int"] // TICK_INT if valid else None)
        for side in ("bid", "ask"):
            price = row[f"best_{side}_price_int"]
            assert found[f"best_{side}"] == (price / 1e9 if price else None)


def test_a_bid_at_the_price_0_is_a_bid(bins: list[ScoredBin]) -> None:
    """The engine writes 0 for a side that is empty too: where the book is valid, neither side is."""
    row = bins[-1].row.copy()
    row["best_bid_price_int"], row["book_valid"] = 0, True
    assert bin_fields(ScoredBin(row, {}, 0.1, (0,)), TICK_INT)["best_bid"] == 0.0
    row["book_valid"] = False
    assert bin_fields(ScoredBin(row, {}, math.inf, (0,)), TICK_INT)["best_bid"] is None


def test_prices_below_zero_are_prices(bins: list[ScoredBin]) -> None:
    """A bid that stands alone too: only 0 is also what is written for none."""
    row = bins[-1].row.copy()
    row["mid_price"], row["spot_ref_price_int"], row["book_valid"] = -37.375, -37_500_000_000, True
    row["best_bid_price_int"], row["best_ask_price_int"] = -37_500_000_000, -37_250_000_000
    found = bin_fields(ScoredBin(row, {}, 0.1, (0,)), TICK_INT)
    assert [found[name] for name in ("mid_price", "best_bid", "best_ask", "spot_tick")] == [
        -37.375,
        -37.5,
        -37.25,
        -150,
    ]
    row["mid_price"], row["best_ask_price_int"], row["book_valid"] = 0.0, 0, False
    found = bin_fields(ScoredBin(row, {}, math.nan, (0,)), TICK_INT)
    assert [found[name] for name in ("mid_price", "best_bid", "best_ask", "spot_tick")] == [None, -37.5, None, None]


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_a_score_that_json_has_no_number_for_is_null(bins: list[ScoredBin], score: float) -> None:
    """A signal of a user's own may come to infinity; a frame never holds a token that no parser takes."""
    assert json.loads(encode_json(bin_fields(ScoredBin(bins[0].row, {}, score, (0,)), TICK_INT)))["score"] is None
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode_json({"score": score})
