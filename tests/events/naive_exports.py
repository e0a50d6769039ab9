"""Databento's exports read in the plainest way, as twins for the readers: a row at a time, without arrays."""

import csv
import io
import json
import math
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from tests.events.samples import Event
from vpharness.events.dbn_csv import COLUMNS
from vpharness.events.mbo_event import UNDEFINED_PRICE

NEEDED = ["ts_event", "instrument_id", "action", "side", "price", "size", "order_id", "flags"]
WANTED = 7


def csv_events(data: bytes) -> list[Event]:
    """Return the events of instrument 7 in a CSV."""
    text = data.removeprefix(b"\xef\xbb\xbf").decode(errors="replace")  # of a field that is not read
    lines = [line for line in re.split("\r\n|\n|\r", text) if line]
    rows = list(csv.reader(io.StringIO("\n".join(lines))))
    has_names = "ts_event" in rows[0]
    names = rows[0] if has_names else list(COLUMNS[: len(rows[0])])
    return _events(dict(zip(names, row, strict=True)) for row in rows if not has_names or row != names)


def json_events(data: bytes) -> list[Event]:
    """Return the events of instrument 7 in JSON lines."""
    text = data.removeprefix(b"\xef\xbb\xbf").decode(errors="replace")  # of a field that is not read
    records = [json.loads(line) for line in text.split("\n") if line.strip()]
    return _events(record | record["hd"] for record in records if record["hd"]["rtype"] == 160)


def parquet_events(data: bytes) -> list[Event]:
    """Return the events of instrument 7 in Parquet, whose prices are floats."""
    rows = pq.read_table(io.BytesIO(data), columns=NEEDED).to_pylist()
    return _events(row | {"price": _text_of_float(row["price"])} for row in rows)


def _text_of_float(price: float | None) -> str | None:
    """Return the price as decimal text with a point; NaN is none."""
    return None if price is None or math.isnan(price) else f"{Decimal(round(price * 10**9)).scaleb(-9):.9f}"


def _events(rows: Iterable[dict[str, Any]]) -> list[Event]:
    kept = list(rows)
    prices = [str(row["price"]) for row in kept if row["price"] not in {None, ""}]
    digits = 9 if any("." in price for price in prices) else 0
    return [
        (
            _time(row["ts_event"]),
            row["action"],
            row["side"],
            UNDEFINED_PRICE if row["price"] in {None, ""} else int(Decimal(str(row["price"])).scaleb(digits)),
            int(row["size"]),
            int(row["order_id"]),
            int(row["flags"]),
        )
        for row in kept
        if int(row["instrument_id"]) == WANTED
    ]


def _time(value: Any) -> int:
    return int(value) if str(value).isdigit() else int(pd.Timestamp(value).value)
