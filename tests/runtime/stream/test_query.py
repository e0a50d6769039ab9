"""Queries of the stream: whatever is sent is read as it is meant, or refused in one line."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.config.signal_overrides import from_texts
from runtime.stream.query import StreamQuery, parse_query
from vpharness.errors import ConfigError
from vpharness.lattice.columns import GRID_COLUMNS


def parse(text: str) -> StreamQuery:
    """Parse a query with the limits of a server."""
    return parse_query(text, most_bytes=2_048, most_history=6_000)


def test_an_empty_query_asks_for_all_columns_from_now_on() -> None:
    """Nothing is overridden."""
    assert parse("") == StreamQuery()


def test_a_full_query_is_read() -> None:
    """With percent-encoding, and values of parameters as the texts that they are."""
    own = "signal.w=%5B1%2C2%5D&signal.v=a+b"
    found = parse(f"fields=v_add,v_pull&history=6000&from_seq=7&stream=ab&threshold=0.25&{own}")
    assert found == StreamQuery(("v_add", "v_pull"), 6000, 7, "ab", {"w": "[1,2]", "v": "a b"}, 0.25)


@given(
    fields=st.lists(st.sampled_from(sorted(GRID_COLUMNS)), unique=True),
    history=st.integers(0, 6_000),
    seq=st.integers(0, 2**53),
)
def test_every_allowed_value_is_read_back(fields: list[str], history: int, seq: int) -> None:
    """Whatever the combination."""
    found = parse(f"fields={','.join(fields)}&history={history}&from_seq={seq}")
    assert (found.fields, found.history, found.from_seq) == (tuple(fields), history, seq)


def test_of_a_history_longer_than_the_buffer_there_is_the_buffer() -> None:
    """A client need not know how long that is."""
    assert parse("history=1000000").history == 6_000


@given(st.text(max_size=200))
def test_rubbish_is_read_or_refused_in_one_line(text: str) -> None:
    """Nothing else is raised."""
    said = ""
    try:
        parse(text)
    except ConfigError as error:
        said = str(error)
    assert "\n" not in said


@pytest.mark.parametrize("text", ["history=1e3", "history=\u0663", "from_seq=-1", "threshold=0", "threshold=inf"])
def test_numbers_out_of_range_are_refused(text: str) -> None:
    """By their key."""
    with pytest.raises(ConfigError, match=text.partition("=")[0]):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "${threshold}",
        '"\\u0024{threshold}"',
        '["a", {"b": "\\u0024\\u007bthreshold}"}]',
        '{"\\u0024{a}": 1}',
        '"?\\u003f?"',
    ],
)
def test_a_value_that_refers_to_another_is_refused_however_it_is_written(text: str) -> None:
    """JSON can write any character in another way; what is meant counts."""
    with pytest.raises(ConfigError, match="it must be a value"):
        from_texts({"a": text})


@pytest.mark.parametrize("text", ["[" * 5_000, "[" * 900 + "]" * 900])
def test_a_deeply_nested_value_is_one_error_or_a_value(text: str) -> None:
    """Whichever part of reading it finds it too deep."""
    with contextlib.suppress(ConfigError):
        assert from_texts({"a": text})


@given(st.recursive(st.integers() | st.text("abü$ {\\u0024", max_size=9), st.lists))
def test_every_other_value_is_read_as_it_is(value: object) -> None:
    """Dollars and braces by themselves are letters as any."""
    if "${" not in str(value):
        assert from_texts({"a": json.dumps(value)}) == {"a": value}
