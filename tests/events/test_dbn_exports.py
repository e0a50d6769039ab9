"""Databento's exports as CSV, JSON lines and Parquet: they give the events of the DBN."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.events.export_files import (
    DBN,
    UNDEFINED,
    csv_file,
    csv_of,
    csv_row,
    exports,
    frame_of,
    json_of,
    json_row,
    parquet_of,
    schema_columns,
)
from tests.events.samples import START, events, read, write
from tests.examples import examples
from vpharness.datasets.dataset_build import build
from vpharness.datasets.find import find_dataset
from vpharness.datasets.lake import Lake
from vpharness.datasets.read import load
from vpharness.errors import SourceError
from vpharness.events import csv_rows, dbn_parquet
from vpharness.events.dbn import DbnSource
from vpharness.events.dbn_columns import MboColumns
from vpharness.events.dbn_writer import write_dbn
from vpharness.events.synthetic import SyntheticSource
from vpharness.lattice.columns import GRID_COLUMNS
from vpharness.lattice.lattice_parameters import LatticeParameters

pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")  # of Databento's client


def source(path: str, **choice: str | int) -> DbnSource:
    """Return a source with the tick size of the E-mini."""
    return DbnSource(path, tick_size=0.25, **choice)  # type: ignore[arg-type]  # the tests choose the right types


def publishers_of(made: DbnSource) -> list[int]:
    """Return the publisher of every event."""
    with made.open() as stream:
        return [publisher for chunk in stream.chunks for publisher in chunk["publisher"].tolist()]


def test_every_export_gives_the_events_of_the_dbn(tmp_path: Path) -> None:
    """Prices and times in either form, with or without symbols, plain or compressed; what is skipped is the same."""
    made = exports(DBN, tmp_path)
    expected, dbn_stream = read(source(write(tmp_path, "es", made["dbn"]), symbol="ESH4"))
    venues = publishers_of(source(write(tmp_path, "es", made["dbn"]), symbol="ESH4"))
    assert len(expected) == 11
    assert {price for _, _, _, price, *_ in expected} >= {UNDEFINED, -1, -250_000_000, 4800_123456789}
    assert (min(venues), max(venues)) == (1, 2)
    for form, data in made.items():
        path = write(tmp_path, "es", data)
        names_ids = "symbols: False" not in form and form != "dbn without metadata"
        choice: dict[str, str | int] = {"symbol": "ESH4"} if names_ids else {"instrument_id": 7}
        found, stream = read(source(path, **choice))
        assert found == expected, form
        assert publishers_of(source(path, **choice)) == venues, form
        assert stream.notes == dbn_stream.notes, form
        assert (stream.instrument, stream.progress()) == ("ESH4" if names_ids else "7", 1.0), form
        if names_ids:
            assert stream.counts == dbn_stream.counts, form


@pytest.fixture(scope="module")
def minute(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute of a simulated market as DBN."""
    path = tmp_path_factory.mktemp("minute") / "minute.dbn"
    with SyntheticSource(minutes=1).open() as stream:
        write_dbn(path, stream, dataset="GLBX.MDP3", symbol="ESH4", instrument_id=7)
    return path


def test_every_export_gives_the_dataset_of_the_dbn(tmp_path: Path, minute: Path) -> None:
    """All columns of bins and grid, bit by bit; the content has an identity of its own."""
    data, lake = minute.read_bytes(), Lake(tmp_path / "lake")
    tick = SyntheticSource().tick_size
    forms = {
        "dbn": data,
        "csv": csv_of(data, tmp_path),
        "json": json_of(data, tmp_path, pretty_px=False),
        "parquet": parquet_of(data, tmp_path),
    }
    loaded, contents = {}, set()
    for form, content in forms.items():
        made = DbnSource(write(tmp_path, form, content), tick, symbol="ESH4")
        built = build(lake, made, LatticeParameters(), dataset_id=form)
        contents.add(built.manifest.content_id)
        loaded[form] = load(find_dataset(lake, form), list(GRID_COLUMNS))
        assert built.manifest.instrument == "ESH4"
    assert len(contents) == len(forms)
    for form in forms:
        for name, values in loaded["dbn"].bins.items():
            np.testing.assert_array_equal(loaded[form].bins[name], values)
        for name, values in loaded["dbn"].grid.items():
            np.testing.assert_array_equal(loaded[form].grid[name], values)


def test_the_symbols_of_a_column_choose_and_name(tmp_path: Path) -> None:
    """Spreads do not stand in the way; several outrights are listed; a symbol that is not there is said."""
    text = csv_of(DBN, tmp_path)
    path = write(tmp_path, "es.csv", text)
    with pytest.raises(SourceError, match=r"holds several instruments: ESH4, ESM4; choose one with source\.symbol"):
        events(source(path))
    with pytest.raises(SourceError, match="no such instrument: ESZ4; the file holds ESH4, ESH4-ESM4, ESM4"):
        events(source(path, symbol="ESZ4"))
    without = write(tmp_path, "h4.csv", b"\n".join(line for line in text.split(b"\n") if not line.endswith(b",ESM4")))
    found, stream = read(source(without))
    assert (len(found), stream.instrument, stream.counts["skipped_spread"]) == (11, "ESH4", 1)
    assert read(source(path, instrument_id=7))[1].instrument == "ESH4"


def test_an_id_that_stands_for_two_symbols_is_chosen_by_the_column(tmp_path: Path) -> None:
    """A column of symbols goes by the day."""
    rows = [csv_row(order_id=1), csv_row(order_id=2, symbol="OLD"), csv_row(order_id=3, instrument_id=8)]
    path = csv_file(tmp_path, rows)
    assert [order_id for *_, order_id, _ in events(source(path, symbol="ESH4"))] == [1, 3]
    with pytest.raises(SourceError, match="several instruments: ESH4, OLD"):
        events(source(path))


def test_an_export_without_symbols_is_named_by_its_symbology(tmp_path: Path) -> None:
    """Which ids a symbol has, and when, is in the download's symbology.json; that file belongs to the identity."""
    path = write(tmp_path, "es.csv", csv_of(DBN, tmp_path, map_symbols=False))
    span = {"d0": "2023-12-25", "d1": "2023-12-26"}
    names = write(tmp_path, "symbology.json", _symbology({"ESH4": [span | {"s": "7"}], "ESM4": [span | {"s": "8"}]}))
    found, stream = read(source(path, symbol="ESH4", symbology_path=names))
    assert (len(found), stream.instrument, stream.notes[1:]) == (11, "ESH4", [])
    reverse = write(tmp_path, "reverse.json", _symbology({"7": [span | {"s": "ESH4"}]}, "instrument_id"))
    assert events(source(path, symbol="ESH4", symbology_path=reverse)) == found
    identities = [source(path, symbol="ESH4", symbology_path=given).identity() for given in (names, reverse)]
    assert identities[0] != identities[1]
    assert "symbology_sha256" not in source(path, symbol="ESH4").identity()


def _symbology(result: object, stype_in: str = "raw_symbol") -> str:
    return json.dumps({"result": result, "stype_in": stype_in, "symbols": [], "message": "OK"})


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "expected the symbology.json"),
        ('{"result": {"A": [{"d0": "2023", "d1": "2024-01-01", "s": "1"}]}}', r"\$\.result.*expected the symbology"),
        ('{"result": {"A": [{"d0": "2023-01-01", "d1": "2024-01-01", "s": "x"}]}}', "A stands for 'x'; expected an"),
    ],
)
def test_a_symbology_that_is_none_is_refused(tmp_path: Path, content: str, complaint: str) -> None:
    """One line names the file and what it should be."""
    path = csv_file(tmp_path, [csv_row()])
    with pytest.raises(SourceError, match=rf"names\.json: .*{complaint}"):
        events(source(path, symbol="ESH4", symbology_path=write(tmp_path, "names.json", content)))


@pytest.mark.parametrize("form", ["csv", "json"])
def test_a_file_without_names_is_taken_by_its_word(tmp_path: Path, form: str) -> None:
    """One instrument is what it is called, and a note says so; of several, none is."""
    row, nameless = (csv_row, "") if form == "csv" else (json_row, None)
    one = [row(order_id="1", symbol=nameless), row(order_id="2", symbol=nameless)]
    content = csv_file(tmp_path, one) if form == "csv" else write(tmp_path, "es.json", "\n".join(one))
    found, stream = read(source(content, symbol="ESH4"))
    assert (len(found), stream.instrument) == (2, "ESH4")
    assert stream.notes == ["the file names no instruments: its only one is taken for ESH4"]
    two = [*one, row(instrument_id=8, symbol=nameless)]
    content = csv_file(tmp_path, two) if form == "csv" else write(tmp_path, "es.json", "\n".join(two))
    with pytest.raises(SourceError, match=r"several instruments: 7, 8; choose one with .*symbology_path"):
        events(source(content, symbol="ESH4"))


def test_csv_files_end_to_end_are_one(tmp_path: Path) -> None:
    """The line of names may come again, and lines are counted through it."""
    whole = csv_of(DBN, tmp_path)
    expected = events(source(write(tmp_path, "one.csv", whole), symbol="ESH4"))
    assert events(source(write(tmp_path, "two.csv", whole * 2), symbol="ESH4")) == expected * 2
    broken = whole * 2 + csv_row(side="X").encode() + b"\n"
    lines = len(broken.splitlines())
    with pytest.raises(SourceError, match=f"line {lines} has the side 88"):
        events(source(write(tmp_path, "three.csv", broken), symbol="ESH4"))


def test_the_size_of_blocks_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut anywhere, text and tables are what they are in one piece."""
    made = exports(DBN, tmp_path)
    paths = {form: write(tmp_path, form.split(",")[0], data) for form, data in made.items() if "symbols: True" in form}
    expected = {form: read(source(path, symbol="ESH4"))[0] for form, path in paths.items()}
    monkeypatch.setattr(csv_rows, "BLOCK_BYTES", 300)
    monkeypatch.setattr(dbn_parquet, "CHUNK_EVENTS", 2)
    for form, path in paths.items():
        assert events(source(path, symbol="ESH4")) == expected[form], form


WRONG: list[tuple[str, object, str]] = [
    ("ts_event", "", "line 3 has the ts_event"),
    ("ts_event", "2023-12-25 00:00:00", "line 3: ts_event is '2023-12-25 00:00:00'; expected a time in ns"),
    ("ts_event", "1960-01-01T00:00:00Z", "line 3: ts_event is '1960-01-01T00:00:00Z'; expected a time in ns"),
    ("price", "x", "line 3: price is 'x'; expected a price with at most 9 digits behind the point"),
    ("price", "1.0000000001", r"line 3: price is '1\.0000000001'; expected a price with at most 9 digits"),
    ("price", "9999999999.5", r"line 3: price is '9999999999\.5'; expected a price that 64 bits hold"),
    ("order_id", "-1", "line 3: order_id is '-1'; expected a whole number from 0 to 18446744073709551615"),
    ("order_id", str(2**64), "line 3: order_id is '18446744073709551616'; expected a whole number"),
    ("order_id", "0x10", "line 3: order_id is '0x10'; expected a whole number"),
    ("action", "AB", "line 3: action is 'AB'; expected one letter"),
    ("action", "X", "line 3 has the action 88; expected the code of one of A C M R T F N"),
    ("side", "", "line 3: side is empty; expected one letter"),
]


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        *WRONG,
        ("size", "4294967296", "line 3: size is '4294967296'; expected a whole number from 0 to 4294967295"),
        ("flags", "256", "line 3: flags is '256'; expected a whole number from 0 to 255"),
        ("publisher_id", "", "line 3: publisher_id is empty; expected a whole number from 0 to 65535"),
        ("rtype", "1", "line 3: rtype is '1'; expected 160, a record of the schema mbo"),
        ("symbol", "A,B", "line 3: has 16 fields: .*; expected 15 of text"),
    ],
)
def test_a_wrong_value_in_csv_is_named_by_its_line(tmp_path: Path, field: str, value: object, complaint: str) -> None:
    """The error gives the file, the line, the column and what is expected there."""
    path = csv_file(tmp_path, [csv_row(), csv_row(**{field: value}), csv_row()])
    with pytest.raises(SourceError, match=rf"es\.csv: {complaint}"):
        events(source(path))
    path = csv_file(tmp_path, ["", csv_row(), csv_row(**{field: value})])
    with pytest.raises(SourceError, match=rf"es\.csv: {complaint.replace('line 3', 'line 4')}"):
        events(source(path))


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        *[(field, value, complaint.replace("line 3", "line 2")) for field, value, complaint in WRONG],
        ("size", 1 << 32, r"line 2: Expected `int` <= 4294967295 - at `\$\.size`; expected a record of Databento's"),
        ("flags", None, r"line 2: Expected `int`, got `null` - at `\$\.flags`"),
        ("price", 1.5, r"line 2: Expected .*, got `float` - at `\$\.price`"),
        ("publisher_id", "1", r"line 2: Expected `int`, got `str` - at `\$\.hd\.publisher_id`"),
    ],
)
def test_a_wrong_value_in_json_is_named_by_its_line(tmp_path: Path, field: str, value: object, complaint: str) -> None:
    """The error gives the file, the line, the field and what is expected there."""
    rows = [json_row(), json_row(**{field: value}), json_row()]
    with pytest.raises(SourceError, match=rf"es\.json: {complaint}"):
        events(source(write(tmp_path, "es.json", "\n".join(rows))))


def test_a_wrong_value_in_parquet_is_named_by_its_row(tmp_path: Path) -> None:
    """The error gives the file, the row or the column, and what is expected there."""
    frame = frame_of(DBN)
    for change, complaint in (
        ({"side": "XY"}, r"row 1: side is 'XY'; expected one letter"),
        ({"price": np.inf}, r"row 1: price is inf; expected a price that 64 bits hold"),
        ({"price": True}, r"the column price is of type bool; expected numbers"),
        ({"order_id": 1.0}, r"the column order_id is of type double; expected whole numbers"),
        ({"flags": -1}, r"row 1: flags is -1; expected a whole number from 0 to 255"),
        ({"ts_event": 1.0}, r"the column ts_event is of type double; expected times or whole numbers"),
        ({"action": 65}, r"the column action is of type int64; expected text"),
        ({"rtype": 1}, r"row 1: rtype is 1; expected 160"),
        ({"size": None}, r"row 1: size is empty; expected a whole number"),
    ):
        buffer = io.BytesIO()
        frame.assign(**change).to_parquet(buffer)
        with pytest.raises(SourceError, match=rf"es\.parquet: {complaint}"):
            events(source(write(tmp_path, "es.parquet", buffer.getvalue()), symbol="ESH4"))


def test_text_that_is_no_text_and_json_that_is_no_json_are_named_by_their_line(tmp_path: Path) -> None:
    """Bytes that are no UTF-8, a line that is cut, and a file of something else."""
    whole = csv_of(DBN, tmp_path)
    with pytest.raises(SourceError, match=r"line 15: has 15 fields: .*expected 15 of text"):
        events(source(write(tmp_path, "es.csv", whole + b"\xff" + b"," * 14 + b"\n"), symbol="ESH4"))
    with pytest.raises(SourceError, match="line 15: has 3 fields: '2023-12-25T00:00,1,2'; expected 15 of text"):
        events(source(write(tmp_path, "es.csv", whole + b"2023-12-25T00:00,1,2"), symbol="ESH4"))
    for row in (csv_row(symbol='"ESH4'), csv_row(symbol='E"S","H4')):
        with pytest.raises(SourceError, match=r"quotation mark|fields"):
            events(source(csv_file(tmp_path, [row, csv_row(), csv_row()])))
    with pytest.raises(SourceError, match="line 2: holds a quotation mark that does not close: '2023-"):
        events(source(csv_file(tmp_path, [csv_row(symbol='"ESH4'), csv_row()])))
    with pytest.raises(SourceError, match=r"line 2: .*truncated"):
        events(source(write(tmp_path, "es.json", json_row() + "\n" + json_row()[:50])))
    with pytest.raises(SourceError, match=r"line 1: .*missing required field `hd`"):
        events(source(write(tmp_path, "es.json", '{"order": 1}\n')))
    with pytest.raises(SourceError, match="its Parquet is damaged"):
        events(source(write(tmp_path, "es.parquet", b"PAR1" + b"x" * 99)))
    lacking = write(
        tmp_path,
        "es.csv",
        "ts_event,price,size,action,side,flags,instrument_id,publisher_id\n1,1,1,A,B,0,7,1\n",
    )
    with pytest.raises(SourceError, match="has no column order_id; expected the columns of Databento's schema mbo"):
        events(source(lacking))
    with pytest.raises(SourceError, match="holds no market-by-order record"):
        events(source(csv_file(tmp_path, [])))


OTHER_SCHEMAS = [
    ("MBP10Msg", 10, "mbp-10"),
    ("MBP1Msg", 1, "mbp-1 or tbbo"),
    ("TradeMsg", 0, "trades"),
    ("BBOMsg", 195, "bbo"),
    ("CMBP1Msg", 177, "cmbp-1"),
    ("CBBOMsg", 192, "cbbo"),
    ("OHLCVMsg", 32, "ohlcv"),
    ("InstrumentDefMsg", 19, "definition"),
    ("StatMsg", 24, "statistics"),
    ("StatusMsg", 18, "status"),
    ("ImbalanceMsg", 20, "imbalance"),
]


@pytest.mark.parametrize(("message", "kind", "schema"), OTHER_SCHEMAS)
def test_schemas_that_are_not_order_by_order_are_refused_by_name(
    tmp_path: Path, message: str, kind: int, schema: str
) -> None:
    """In every encoding, with what would do."""
    expected = rf"es: holds the schema {schema}.*; expected mbo: download the schema mbo"
    columns = schema_columns(message)
    buffer = io.BytesIO()
    pd.DataFrame(columns=columns, dtype=float).to_parquet(buffer)
    line = json_row(rtype=kind).replace("order_id", "other")
    for content in (",".join(columns) + "\n", buffer.getvalue(), line):
        with pytest.raises(SourceError, match=expected):
            events(source(write(tmp_path, "es", content)))
    fragment = bytes([5, kind]) + bytes(18)
    with pytest.raises(SourceError, match=f"holds no market-by-order record, but records of {schema}.*: download the"):
        events(source(write(tmp_path, "es", fragment)))


def test_other_records_among_json_lines_are_skipped_and_counted(tmp_path: Path) -> None:
    """A live capture as JSON names its instruments in mapping records, which hold from where they stand."""
    mapping = json_row(rtype=22, instrument_id=7).replace('"symbol"', '"stype_out_symbol"')
    trade = json_row(rtype=0).replace("order_id", "other")
    rows = [json_row(order_id="1", symbol=None), mapping, json_row(order_id="2", symbol=None), "", trade]
    found, stream = read(source(write(tmp_path, "es.json", "\n".join(rows)), symbol="ESH4"))
    assert [order_id for *_, order_id, _ in found] == [1, 2]
    assert stream.counts["skipped_other_record"] == 2
    assert stream.notes == []


@pytest.mark.parametrize("scale", [1, 10**9, 10**15, 4 * 10**18])
@given(data=st.data())
@examples()
def test_prices_come_back_exactly(scale: int, data: st.DataObject) -> None:
    """As decimal text always, and as floats as far as floats tell neighbours apart."""
    price = data.draw(st.integers(-scale, scale))
    text = f"{'-' if price < 0 else ''}{abs(price) // 10**9}.{abs(price) % 10**9:09d}"
    assert _price(text) == price
    as_float = _price(price / 10**9)
    assert as_float == price or (abs(price) > 1 << 52 and as_float / 10**9 == price / 10**9)


def _price(value: str | float) -> int:
    """Return a price in units of 1e-9, as the reader of columns takes it."""
    row = {"ts_event": START, "publisher_id": 1, "instrument_id": 7, "size": 1, "order_id": 1, "flags": 0}
    columns = {name: pa.array([number]) for name, number in row.items()}
    columns |= {"action": pa.array(["A"]), "side": pa.array(["B"]), "price": pa.array([value])}
    made, _ = MboColumns(Path("es"), has_points=True).mbo(columns, str)
    return int(made["price"][0])
