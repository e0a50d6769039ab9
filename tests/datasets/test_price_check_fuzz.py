"""Damaged answer keys: an error of ours in a line, or a comparison with what the file says."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.datasets.best_price_files import dbn_file
from tests.datasets.test_price_check import LOBSTER, QUOTES, lobster_files
from tests.events.samples import COMPRESSIONS, write
from tests.events.test_reader_fuzz import EDIT, edited
from tests.examples import examples
from vpharness.errors import SourceError
from vpharness.events.best_prices import KeyChoice, opened_prices


@pytest.mark.parametrize("schema", ["mbp-1", "mbp-10", "bbo-1s", "lobster"])
@pytest.mark.parametrize("compression", ["plain", "zstd"])
@given(edits=st.lists(EDIT, max_size=4), inside=st.booleans())
@examples(25, deadline_ms=5000)
def test_damaged_answer_keys(
    tmp_path_factory: pytest.TempPathFactory,
    schema: str,
    compression: str,
    edits: list[tuple[str, int, int, int]],
    inside: bool,
) -> None:
    """Whatever the damage, nothing but a SourceError of one line that names a file comes out of it."""
    folder, compress = tmp_path_factory.getbasetemp(), COMPRESSIONS[compression]
    messages, book = lobster_files(folder, LOBSTER)
    whole = Path(book).read_bytes() if schema == "lobster" else dbn_file(schema, QUOTES)
    data = compress(edited(whole, edits)) if inside else edited(compress(whole), edits)
    path = write(folder, f"key-{schema}-{compression}", data)
    rows, message = 0, ""
    try:
        with opened_prices(path, KeyChoice(message_path=messages, date="2023-11-15")) as key:
            rows = sum(map(len, key.blocks))
    except SourceError as error:
        message = str(error)
    assert (str(folder) in message and "\n" not in message) if message else rows > 0
