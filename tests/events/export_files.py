"""Databento's exports of a DBN file, made by Databento's own client, and text that it would write, made by hand."""

import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import databento
import databento_dbn
import pandas as pd

from tests.events.samples import COMPRESSIONS, START, mbo, metadata, write
from vpharness.events.dbn_csv import COLUMNS

ONE_DAY = ("2023-12-25", "2023-12-26")
TWO = {"ESH4": [(*ONE_DAY, 7)], "ESM4": [(*ONE_DAY, 8)], "ESH4-ESM4": [(*ONE_DAY, 9)]}
UNDEFINED = 2**63 - 1


def published(record: bytes, publisher: int) -> bytes:
    """Return a record as another publisher's."""
    return record[:2] + publisher.to_bytes(2, "little") + record[4:]


RECORDS = [
    mbo(7, ts_event=START, ts_recv=START + 100, action=b"R", side=b"N", price=UNDEFINED, order_id=0, size=0, flags=40),
    mbo(7, ts_event=START - 9 * 86_400 * 10**9, ts_recv=START + 100, order_id=2**64 - 1, flags=32),
    mbo(8, ts_event=START + 1, order_id=5),
    mbo(9, ts_event=START + 1, order_id=6),
    mbo(7, ts_event=START + 2, price=-250_000_000, side=b"A", size=2**32 - 1),
    published(mbo(7, ts_event=START + 3, price=4800_123456789, flags=130), 2),
    mbo(7, ts_event=START + 3, price=-1, action=b"M", flags=0),
    mbo(7, ts_event=START + 3, price=UNDEFINED, flags=64, order_id=0, size=0),
    *(mbo(7, ts_event=START + 4 + n, action=action) for n, action in enumerate((b"C", b"T", b"F", b"N"))),
    mbo(7, ts_event=START + 10, price=2_000_000_000_000_001),
]
"""All actions, undefined and negative prices, the largest numbers, two publishers, three instruments."""
DBN = metadata(TWO) + b"".join(RECORDS)


def store(data: bytes) -> Any:
    """Return DBN as an object of Databento's client."""
    return databento.DBNStore.from_bytes(data)


def csv_of(data: bytes, folder: Path, **how: bool) -> bytes:
    """Return a DBN file's CSV, as `to_csv` writes it."""
    path = folder / "client.csv"
    store(data).to_csv(path, **how)
    return path.read_bytes()


def json_of(data: bytes, folder: Path, **how: bool) -> bytes:
    """Return a DBN file's JSON lines, as `to_json` writes them."""
    path = folder / "client.json"
    store(data).to_json(path, **how)
    return path.read_bytes()


def parquet_of(data: bytes, folder: Path, **how: Any) -> bytes:
    """Return a DBN file's Parquet, as `to_parquet` writes it."""
    path = folder / "client.parquet"
    store(data).to_parquet(path, **how)
    return path.read_bytes()


def frame_of(data: bytes, **how: Any) -> pd.DataFrame:
    """Return a DBN file as the client's data frame."""
    frame: pd.DataFrame = store(data).to_df(**how)
    return frame


def exports(data: bytes, folder: Path) -> dict[str, bytes]:
    """Return a DBN file in each of the forms in which users have it, by what tells the form."""
    found: dict[str, bytes] = {"dbn": data}
    for px in (True, False):
        for ts in (True, False):
            for symbols in (True, False):
                form = f"{'pretty' if px else 'whole'} prices, {'ISO' if ts else 'whole'} times, symbols: {symbols}"
                found[f"csv, {form}"] = csv_of(data, folder, pretty_px=px, pretty_ts=ts, map_symbols=symbols)
                found[f"json, {form}"] = json_of(data, folder, pretty_px=px, pretty_ts=ts, map_symbols=symbols)
                price_type = "float" if px else "fixed"
                found[f"parquet, {form}"] = parquet_of(
                    data, folder, price_type=price_type, pretty_ts=ts, map_symbols=symbols
                )
    text = found["csv, pretty prices, ISO times, symbols: True"]
    found["csv without names"] = text.partition(b"\n")[2]
    found["csv with a byte-order mark, returns and a blank last line"] = (
        b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n") + b"\r\n"
    )
    found["csv of a data frame"] = frame_of(data).to_csv().encode()
    quoted = [",".join(f'"{field}"' for field in line.split(",")) for line in text.decode().splitlines()]
    found["csv with quotes"] = "\n".join(quoted).encode()
    frame = frame_of(data, price_type="decimal")
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    found["parquet with decimals"] = buffer.getvalue()
    buffer = io.BytesIO()
    frame_of(data).reset_index().astype({"action": "category", "side": "category", "symbol": "category"}).to_parquet(
        buffer, row_group_size=3
    )
    found["parquet with categories and small row groups"] = buffer.getvalue()
    for encoding in ("csv", "json", "parquet"):
        plain = found[f"{encoding}, pretty prices, ISO times, symbols: True"]
        found[f"{encoding}, zstd"] = COMPRESSIONS["zstd"](plain)
        found[f"{encoding}, gzip"] = COMPRESSIONS["gzip"](plain)
    found["dbn without metadata"] = data.removeprefix(metadata(TWO))
    return found


def csv_row(**fields: object) -> str:
    """Return a row of CSV, as a download has it, with some fields changed."""
    known: dict[str, object] = {
        "ts_recv": "2023-12-25T00:00:00.000000100Z",
        "ts_event": "2023-12-25T00:00:00.000000001Z",
        "rtype": 160,
        "publisher_id": 1,
        "instrument_id": 7,
        "action": "A",
        "side": "B",
        "price": "1.000000000",
        "size": 1,
        "channel_id": 0,
        "order_id": 1,
        "flags": 128,
        "ts_in_delta": 0,
        "sequence": 0,
        "symbol": "ESH4",
    }
    return ",".join(str(value) for value in (known | fields).values())


def json_row(**fields: object) -> str:
    """Return a line of JSON, as a download has it, with some fields changed; those of the header by their names."""
    head = {"ts_event": "2023-12-25T00:00:00.000000001Z", "rtype": 160, "publisher_id": 1, "instrument_id": 7}
    known: dict[str, object] = {
        "ts_recv": "2023-12-25T00:00:00.000000100Z",
        "hd": head | {name: value for name, value in fields.items() if name in head},
        "action": "A",
        "side": "B",
        "price": "1.000000000",
        "size": 1,
        "channel_id": 0,
        "order_id": "1",
        "flags": 128,
        "ts_in_delta": 0,
        "sequence": 0,
        "symbol": "ESH4",
    }
    return json.dumps(known | {name: value for name, value in fields.items() if name not in head})


def csv_file(folder: Path, rows: Iterable[str]) -> str:
    """Write rows under the line of names and return the path."""
    return write(folder, "es.csv", "\n".join([",".join(COLUMNS), *rows]) + "\n")


def schema_columns(message: str) -> list[str]:
    """Return the columns of another schema's CSV."""
    return list(getattr(databento_dbn, message)._ordered_fields)
