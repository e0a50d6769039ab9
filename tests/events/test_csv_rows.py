"""CSV rows: exact numbers, and errors that name the line."""

from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpharness.errors import SourceError
from vpharness.events.csv_rows import CsvRows, split_rows

NOWHERE = Path("rows.csv")
LARGEST = 2**63 - 1


def column(*values: str) -> CsvRows:
    """Return rows with these values in their first column."""
    return split_rows(NOWHERE, "".join(f"{value},x\n" for value in values).encode(), 2, 1)


@given(st.lists(st.tuples(st.integers(0, 10**9), st.text("0123456789", max_size=12)), min_size=1), st.integers(1, 9))
def test_decimals_are_exact_and_half_up(numbers: list[tuple[int, str]], digits: int) -> None:
    """Every number is what decimal arithmetic says, whatever the number of its digits."""
    texts = [f"{whole}.{fraction}" if fraction else str(whole) for whole, fraction in numbers]
    expected = [int(Decimal(text).scaleb(digits).to_integral_value(ROUND_HALF_UP)) for text in texts]
    assert column(*texts).decimals(0, "price", digits, 0, LARGEST).tolist() == expected


@pytest.mark.parametrize(
    ("text", "digits", "value"),
    [
        ("1.5e+08", 0, 150_000_000),
        ("0.1", 9, 100_000_000),
        ("34200.017459617", 9, 34_200_017_459_617),
        ("0.0000000005", 9, 1),
        ("0.00000000049999", 9, 0),
        ("9007199254740993", 0, 2**53 + 1),
        ("9223372036854775807", 0, LARGEST),
        ("7.18e-06", 8, 718),
        ("2E+8", 0, 200_000_000),
        ("-1", 0, -1),
        ("007.50", 2, 750),
        ('"12"', 0, 12),
        ("0" * 50 + "7", 0, 7),
        ("1." + "0" * 50, 9, 10**9),
    ],
)
def test_notations_of_numbers(text: str, digits: int, value: int) -> None:
    """Digits, decimals, exponents, signs and quotes are read without a float in between."""
    assert column(text).decimals(0, "x", digits, -1, LARGEST).tolist() == [value]


@pytest.mark.parametrize(
    "text",
    ["", " 1", "1 ", "+1", "--1", ".5", "1.2.3", "1.5", "1.0", "15e-1", "1,", "nan", "inf", "1e", "1e9999", "0x10",
     "1_000", "9223372036854775808", "99999999999999999999", "1e300", "\uff11", "\0", '"', '""'],
)  # fmt: skip
def test_what_is_no_number_is_refused_by_line(text: str) -> None:
    """Anything else is an error that names the file, the line, the column and the value."""
    with pytest.raises(SourceError, match=r"rows\.csv: line 2: "):
        column("1", text, "2").decimals(0, "size", 0, 0, LARGEST)


def test_a_number_out_of_range_is_refused_by_line() -> None:
    """The message gives the range in the file's own units."""
    with pytest.raises(SourceError, match=r"line 3: price is '2\.51'; expected a (whole )?number from 0\.00 to 2\.50"):
        column("1", "2.5", "2.51").decimals(0, "price", 2, 0, 250)


def test_choices_are_exact_words() -> None:
    """A field is one of the words or an error, not a prefix or an extension of one."""
    assert column("bid", "ask", '"bid"').choices(0, "side", (b"bid", b"ask")).tolist() == [0, 1, 0]
    for wrong in ("bi", "bids", "BID", "", "bid\0"):
        with pytest.raises(SourceError, match=r"line 1: side is .*; expected bid or ask"):
            column(wrong).choices(0, "side", (b"bid", b"ask"))


@pytest.mark.parametrize(("row", "found"), [("1", 1), ("", 1), ("1,2,3", 3)])
def test_a_row_with_other_fields_is_refused_by_line(row: str, found: int) -> None:
    """Too few and too many fields are errors, and so is an empty line."""
    with pytest.raises(SourceError, match=rf"line 12: has {found} fields: '{row}'; expected 2"):
        split_rows(NOWHERE, f"1,2\n3,4\n{row}\n5,6\n".encode(), 2, 10)


def test_line_ends_of_windows_are_no_part_of_a_field() -> None:
    """The last field ends before the carriage return."""
    rows = split_rows(NOWHERE, b"1,2\r\n3,4\r\n", 2, 1)
    assert rows.decimals(1, "x", 0, 0, 9).tolist() == [2, 4]
