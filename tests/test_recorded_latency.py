"""Recorded latencies: what a file may hold, which row a decision has, and what is refused in one line."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vpharness.errors import ConfigError
from vpharness.evaluation import EvaluationParameters
from vpharness.parameters import problems
from vpharness.recorded_latency import LONGEST_NS, read_latencies


def written(folder: Path, name: str = "latencies.parquet", **columns: Any) -> Path:
    """Write a file of latencies."""
    path = folder / name
    pq.write_table(pa.table(columns), path)
    return path


def test_a_decision_has_the_latest_row_before_it(tmp_path: Path) -> None:
    """A row at its own time is known, one later is not; of two at one time the last holds."""
    latency = read_latencies(written(tmp_path, ts_ns=[10, 20, 20, 30], latency_ns=[1, 2, 3, 4]))
    assert latency.at(np.array([10, 19, 20, 29, 30, 99])).tolist() == [1, 1, 3, 3, 4, 4]
    assert latency.longest_ns == 4


def test_equal_content_has_one_digest(tmp_path: Path) -> None:
    """Whatever the unit, the type of the times and the name; one value more is another."""
    times = [10**9, 2 * 10**9]
    in_ns = read_latencies(written(tmp_path, "a.parquet", ts_ns=times, latency_ns=[500_000, 7 * 10**6]))
    stamps = pa.array(times, pa.timestamp("ns", "UTC"))
    in_ms = read_latencies(written(tmp_path, "b.parquet", ts_ns=stamps, latency_ms=[0.5, 7.0]))
    other = read_latencies(written(tmp_path, "c.parquet", ts_ns=times, latency_ns=[500_000, 7 * 10**6 + 1]))
    assert in_ns.digest == in_ms.digest != other.digest


def test_the_evaluation_is_named_after_the_content(tmp_path: Path) -> None:
    """Its path has no part in its identity, and one without recorded latencies has the identity it always had."""
    path = written(tmp_path, ts_ns=[0, 5], latency_ms=[1.0, 20.0])
    given = EvaluationParameters(fill="queue", latency_path=str(path))
    identity = given.resolve(100).identity()
    assert identity["latency_digest"] == read_latencies(path).digest
    assert identity["latency_ms"] == 20
    assert str(path) not in str(identity)
    plain = EvaluationParameters(fill="queue", latency_ms=20).resolve(100).identity()
    assert plain == {name: value for name, value in identity.items() if name != "latency_digest"}


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"ts_ns": [1], "latency": [1]}, "recorded latencies have ts_ns, and either latency_ns or latency_ms"),
        ({"ts_ns": [1], "latency_ns": [1], "latency_ms": [1.0]}, "either latency_ns or latency_ms"),
        ({"ts_ns": [2, 1], "latency_ns": [1, 1]}, "ts_ns goes back at row 1"),
        ({"ts_ns": [1, 2], "latency_ns": [1, -1]}, "latency_ns is -1 at row 1; it must be at least 0"),
        ({"ts_ns": [1], "latency_ns": [LONGEST_NS + 1]}, "and at most 3,600,000,000,000"),
        ({"ts_ns": [1], "latency_ms": [float("nan")]}, "latency_ms is nan at row 0"),
        ({"ts_ns": [1, None], "latency_ns": [1, 1]}, "ts_ns has 1 empty rows"),
        ({"ts_ns": ["now"], "latency_ns": [1]}, "ts_ns is string; it must be a column of int64 or timestamps"),
        ({"ts_ns": [1], "latency_ns": [0.5]}, "latency_ns is double; it must be a column of int64"),
        ({"ts_ns": pa.array([], pa.int64()), "latency_ns": pa.array([], pa.int64())}, "has 0 rows"),
    ],
)
def test_a_file_that_is_not_as_it_should_be_is_refused(tmp_path: Path, columns: dict[str, Any], sentence: str) -> None:
    """In one line that says where."""
    path = written(tmp_path, **columns)
    (problem,) = problems(EvaluationParameters(fill="queue", latency_path=str(path)), "eval.")
    assert problem.startswith("eval.latency_path: ")
    assert sentence in problem
    assert "\n" not in problem


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    """One that is not there, and one that is no Parquet."""
    with pytest.raises(ConfigError, match=r"cannot read recorded latencies .*No such file"):
        read_latencies(tmp_path / "nowhere.parquet")
    (tmp_path / "text.parquet").write_text("no Parquet")
    with pytest.raises(ConfigError, match="cannot read recorded latencies"):
        read_latencies(tmp_path / "text.parquet")


def test_two_latencies_and_latencies_of_nothing_are_refused(tmp_path: Path) -> None:
    """A constant beside a file, and a file where no order rests."""
    path = str(written(tmp_path, ts_ns=[1], latency_ns=[1]))
    (both,) = problems(EvaluationParameters(fill="queue", latency_path=path, latency_ms=5), "eval.")
    assert "give one of them" in both
    (idle,) = problems(EvaluationParameters(latency_path=path), "eval.")
    assert "add eval.fill=queue" in idle


def test_latencies_of_another_time_are_refused(tmp_path: Path) -> None:
    """They must begin by the first decision, and not all be older than it."""
    latency = read_latencies(written(tmp_path, ts_ns=[100, 200], latency_ns=[1, 1]))
    latency.require_cover(100, 500, "dataset x")
    with pytest.raises(ConfigError, match=r"begin at .*, after the first decision on dataset x"):
        latency.require_cover(99, 500, "dataset x")
    with pytest.raises(ConfigError, match=r"end at .*, before the first decision on dataset x"):
        latency.require_cover(201, 500, "dataset x")


def test_whole_milliseconds_of_narrow_columns_are_not_wrapped(tmp_path: Path) -> None:
    """Three seconds in a column of 32 or 16 bits are three seconds, and no arrival before the decision."""
    for kind in (pa.int16(), pa.int32(), pa.uint32(), pa.float32()):
        found = read_latencies(written(tmp_path, ts_ns=[1, 2], latency_ms=pa.array([100, 3000], kind)))
        assert found.latency_ns.tolist() == [100_000_000, 3_000_000_000]


def test_times_that_no_nanoseconds_can_hold_and_columns_given_twice_are_refused_in_one_line(tmp_path: Path) -> None:
    """A file of whatever kind is no reason for a traceback."""
    far = written(tmp_path, ts_ns=pa.array([1, 2**62], pa.timestamp("us")), latency_ns=[1, 2])
    with pytest.raises(ConfigError, match=r"cannot read recorded latencies .*out of bounds"):
        read_latencies(far)
    twice = pa.table([pa.array([1]), pa.array([1]), pa.array([1])], names=["ts_ns", "ts_ns", "latency_ns"])
    pq.write_table(twice, tmp_path / "twice.parquet")
    with pytest.raises(ConfigError, match="each once"):
        read_latencies(tmp_path / "twice.parquet")
