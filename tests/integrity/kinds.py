"""Every kind of file that the project reads again, each with a reader that gives all that it holds."""

import dataclasses
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from runtime.feeds.feed import FeedContext
from runtime.feeds.recording_feed import RecordingReplayParameters
from tests.runtime.feeds.fake_clock import FakeClock
from tests.runtime.feeds.test_recording_feed import late_script, plain, record
from tests.runtime.records import promote, record_of
from vpharness.datasets.bin_by_bin import grid_blocks, read_rows
from vpharness.datasets.collection import add_members, find_collection
from vpharness.datasets.dataset_build import build
from vpharness.datasets.event_table import DatasetEvents
from vpharness.datasets.find import find_dataset
from vpharness.datasets.lake import Lake
from vpharness.datasets.manifest import BINS_FILE, CHECKSUMS_FILE, EVENTS_FILE, GRID_FILE, MANIFEST_FILE
from vpharness.datasets.read import load
from vpharness.errors import FeedError
from vpharness.events.synthetic import SyntheticSource
from vpharness.lattice.lattice_parameters import LatticeParameters
from vpharness.learning.weights_store import (
    CARD_FILE,
    SCHEDULES,
    WEIGHTS_FILE,
    keep_schedule,
    keep_weights,
    read_schedule,
    read_weights,
)
from vpharness.promotion.bundle import FILES, PROGRAM_FILE, read_bundle
from vpharness.promotion.pointer import HISTORY_FILE, POINTER_FILE, HistoryEntry, history, instrument_lock, set_current
from vpharness.promotion.verdicts import VERDICTS_FILE, Verdict, keep_verdict, verdicts
from vpharness.results import store, table_schemas
from vpharness.results.part_files import merge_small_parts
from vpharness.results.store import Store, TableRows, append, check_version, read

TABLES: Final = {
    store.META: table_schemas.META_SCHEMA,
    store.CANDIDATES: table_schemas.candidate_schema(),
    store.FIRES: table_schemas.FIRES_SCHEMA,
    store.VIEWS: table_schemas.VIEWS_SCHEMA,
    store.CAMPAIGNS: table_schemas.CAMPAIGNS_SCHEMA,
    store.ADAPTIVE: table_schemas.ADAPTIVE_SCHEMA,
    store.EVIDENCE: table_schemas.EVIDENCE_SCHEMA,
    store.AUDITS: table_schemas.AUDITS_SCHEMA,
    store.WALK_FORWARDS: table_schemas.WALK_FORWARDS_SCHEMA,
}


@dataclass(frozen=True)
class Kind:
    """A file, and what reads it.

    Attributes:
        path: the file.
        read: gives all that it holds, as values that can be compared; the project's own errors where it cannot.
        said: gives what is said of a file that is read in part, and how much of it was; None where that cannot be.
    """

    path: Path
    read: Callable[[], Any]
    said: Callable[[], tuple[str | None, Sequence[Any]]] | None = None


def all_kinds(folder: Path) -> dict[str, Kind]:
    """Return a file of every kind, by its name."""
    return {
        **_of_a_dataset(folder / "datasets"),
        **_of_results(folder / "results"),
        **_of_a_bundle(folder / "bundle"),
        **_of_a_pointer(folder / "pointer"),
        **_of_weights(folder / "models"),
        "recording": _recording(folder / "recordings"),
    }


def _of_a_dataset(folder: Path) -> dict[str, Kind]:
    lake = Lake(folder)
    built = build(lake, SyntheticSource(seed=3, minutes=1), LatticeParameters(radius=5), dataset_id="minute")

    def read_all() -> Any:
        dataset = find_dataset(lake, "minute")
        loaded = load(dataset, dataset.manifest.columns)
        blocks = [{name: cells.tobytes() for name, cells in block.items()} for block in grid_blocks(dataset, 0, 600)]
        arrays = {name: values.tobytes() for name, values in {**loaded.bins, **loaded.grid}.items()}
        with DatasetEvents(dataset).open() as stream:
            events = _content(np.concatenate(list(stream.chunks)))
        return dataset.manifest, dataset.checksum, arrays, blocks, _content(read_rows(dataset)), events

    names = (BINS_FILE, EVENTS_FILE, GRID_FILE, MANIFEST_FILE, CHECKSUMS_FILE)
    add_members(lake, "days", [(find_dataset(lake, "minute"), "2024-03-11")])
    version = lake.collections / "days" / "000001.json"
    return {
        **{name: Kind(built.path / name, read_all) for name in names},
        "collection": Kind(version, lambda: find_collection(lake, "days")),
    }


def _of_results(folder: Path) -> dict[str, Kind]:
    whole, merged = Store(folder / "parts"), Store(folder / "merged")
    for table, schema in TABLES.items():
        append(whole, TableRows(table, _rows(schema, 40), schema))
    for number in range(3):
        append(merged, TableRows(store.META, _rows(table_schemas.META_SCHEMA, 10 + number), table_schemas.META_SCHEMA))
    merge_small_parts(merged.root / store.META, 2)
    found = {table: _part(whole, table) for table in TABLES}
    found["merged part"] = _part(merged, store.META)
    found["store.json"] = Kind(whole.root / "store.json", lambda: check_version(whole))
    return found


def _part(kept: Store, table: str) -> Kind:
    (path,) = (kept.root / table).iterdir()
    return Kind(path, lambda: read(kept, table))


def _rows(schema: pa.Schema, count: int) -> list[dict[str, Any]]:
    """Return rows of a table, all of them different."""
    values: dict[Any, Callable[[int], Any]] = {
        pa.string(): lambda n: f"text {n}",
        pa.int64(): lambda n: n * 7919,
        pa.float64(): lambda n: n / 7,
        pa.bool_(): lambda n: n % 2 == 1,
        pa.list_(pa.int32()): lambda n: [n, 2 * n],
        pa.list_(pa.int64()): lambda n: [n, -n, 3 * n],
        pa.list_(pa.float64()): lambda n: [n / 3, -n / 7],
        pa.list_(pa.string()): lambda n: [f"word={n}"] * 3,
    }
    return [{field.name: values[field.type](n + len(field.name)) for field in schema} for n in range(count)]


def _of_a_bundle(folder: Path) -> dict[str, Kind]:
    path = promote(Lake(folder), record_of(), "v0001")

    def read_all() -> Any:
        bundle = read_bundle(path)
        recording = bundle.recording
        arrays = [recording.events, recording.outputs.bins, recording.outputs.scores, recording.outputs.fires]
        state = {name: _content(values) for name, values in recording.state.items()}
        return bundle.record.values(), bundle.program, bundle.config, [_content(array) for array in arrays], state

    return {f"bundle {name}": Kind(path / name, read_all) for name in (*FILES, PROGRAM_FILE, CHECKSUMS_FILE)}


def _of_weights(models: Path) -> dict[str, Kind]:
    weights: dict[str, NDArray[Any]] = {"coefficients": np.linspace(-1, 1, 30), "base": np.array([3], np.int32)}
    name = keep_weights(models, weights, {"signal": "ridge_flow", "fit": {"bin": 2400, "training_loss": 0.25}})
    keep_schedule(models, "key", [name])

    def read_all() -> Any:
        found, card = read_weights(models, name)
        return {each: _content(array) for each, array in found.items()}, card

    schedule = Kind(models / SCHEDULES / "key.json", lambda: read_schedule(models, "key"))
    return {
        **{f"weights {file}": Kind(models / name / file, read_all) for file in (WEIGHTS_FILE, CARD_FILE)},
        "schedule of fits": schedule,
    }


def _content(array: NDArray[Any]) -> list[bytes]:
    """Return the bytes of each field: what lies between the fields of a structure is anything."""
    return [array[name].tobytes() for name in array.dtype.names] if array.dtype.names else [array.tobytes()]


def _of_a_pointer(folder: Path) -> dict[str, Kind]:
    lake, before = Lake(folder), None
    for number in range(1, 4):
        with instrument_lock(lake, "SYN") as place:
            forced = "a reason" if number == 2 else None
            set_current(
                lake,
                "SYN",
                HistoryEntry(number, "promote", f"v{number:04d}", before, number * 10**9, f"r{number}", forced),
            )
        before = f"v{number:04d}"
        verdict = Verdict(before, "as promised", 1.25, None, 1.5, 40 + number, 5, 9, "dataset", live=False)
        keep_verdict(lake, "SYN", verdict)
    return {
        **{name: Kind(place / name, lambda: history(lake, "SYN")) for name in (POINTER_FILE, HISTORY_FILE)},
        VERDICTS_FILE: Kind(place / VERDICTS_FILE, lambda: verdicts(lake, "SYN")),
    }


def _recording(folder: Path) -> Kind:
    path = record(folder, late_script(6)).path

    def said() -> tuple[str | None, list[Any]]:
        steps = list[Any]()
        with RecordingReplayParameters(path=str(path), speed="max").open(FeedContext(100, clock=FakeClock())) as feed:
            try:
                steps += feed.steps(threading.Event())
            except FeedError as error:
                return str(error), plain(steps)
            return None, [dataclasses.asdict(feed.facts), *plain(steps)]

    def read_all() -> Any:
        problem, steps = said()
        if problem is not None:
            raise FeedError(problem)
        return steps

    return Kind(path, read_all, said)
