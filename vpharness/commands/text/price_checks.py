"""The comparison of a dataset's best prices with a file: done for a command, and put into words."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vpharness.commands.output_files import new_file
from vpharness.datasets.find import Dataset
from vpharness.events.times import time_text
from vpharness.prices import PRICE_SCALE

if TYPE_CHECKING:
    from vpharness.datasets.price_check import PriceCheck


def checked_prices(dataset: Dataset, path: str, source: dict[str, Any] | None, parquet: str | None) -> "PriceCheck":
    """Compare a dataset's best prices with a file, and write every bin to a new Parquet file where that is asked for.

    `source` are the parameters of the dataset's source with its paths, as they were noted.
    """
    # Imported here, because commands that only put facts into words should not wait for tables.
    from vpharness.datasets.price_check import check_prices, key_choice  # noqa: PLC0415
    from vpharness.storage.parquet import write_parquet  # noqa: PLC0415

    outcome, table = check_prices(dataset, path, key_choice({**dataset.manifest.source, **(source or {})}))
    if parquet is not None:
        with new_file(Path(parquet)) as aside:
            write_parquet(table, aside)
    return outcome


def price_check_facts(check: "PriceCheck") -> dict[str, Any]:
    """Return the outcome of a comparison as JSON values; prices are in units of 1e-9, 0 where there is none."""
    return {**dataclasses.asdict(check), "equal": check.equal}


def price_check_lines(check: "PriceCheck") -> list[str]:
    """Return the outcome of a comparison as lines of text."""
    lines = [f"best prices against {check.path} ({check.kind})"]
    if not check.compared:
        lines.append("  no bin could be compared")
    elif not check.differing:
        lines.append(f"  all {check.compared:,} bins that could be compared are equal")
    else:
        lines.append(
            f"  {check.differing:,} of {check.compared:,} bins differ ({check.differing / check.compared:.2%}): "
            f"{check.differing_bids:,} in the best bid, {check.differing_asks:,} in the best ask; the book of "
            f"{check.differing_invalid:,} of them is marked as not valid"
        )
    if (first := check.first) is not None:
        own, key = (
            f"{_price(first[f'{name}_bid_price_int'])} / {_price(first[f'{name}_ask_price_int'])}"
            for name in ("best", "check")
        )
        lines.append(
            f"  first: bin {first['bin_seq']:,}, which ends at {time_text(first['bin_end_ns'])}: "
            f"bid / ask {own} in the dataset, {key} in the file"
        )
    lines += [f"  not compared: {count:,} bins {reason}" for reason, count in check.not_compared.items()]
    return [*lines, *(f"  note: {note}" for note in check.notes)]


def _price(price: int) -> str:
    return f"{price / PRICE_SCALE:.10g}" if price else "none"
