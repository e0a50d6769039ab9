"""The bundle of a promotion: an immutable folder with the served model and a recorded slice that proves it.

Its files::

    record.json     what is served, with its projection and its evidence
    config.yaml     the resolved configuration of the run
    events.npy      recorded events of a few minutes of the test part
    state.npz       the live session before the first of them
    bins.npy        the bins that these events finish, with
    scores.npy      their scores, and
    fires.npy       their fires
    orders.npy      where fires enter with resting orders, what has become of those by the last of the bins
    program.npz     the signal's compiled step, exported, with the weights of a learned one; bundles of earlier versions
                    have none
    checksums.json  SHA-256 of each of these files

Nothing in it is a pickle, and it is read only where every file has its checksum.
"""

import dataclasses
import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml
from numpy.typing import NDArray

from vpharness.datasets.manifest import CHECKSUMS_FILE
from vpharness.errors import ConfigError, PromotionError
from vpharness.events.mbo_event import EVENT_DTYPE, with_publisher
from vpharness.lattice.columns import BIN_DTYPE
from vpharness.live import FollowedOrders, LiveSession
from vpharness.order_fates import FATE_DTYPE
from vpharness.promotion.agreement import BinOutputs
from vpharness.promotion.promoted_record import PromotedRecord
from vpharness.signals import exported_weights
from vpharness.storage.checksums import file_sha256

RECORD_FILE: Final = "record.json"
CONFIG_FILE: Final = "config.yaml"
EVENTS_FILE: Final = "events.npy"
STATE_FILE: Final = "state.npz"
BINS_FILE: Final = "bins.npy"
SCORES_FILE: Final = "scores.npy"
FIRES_FILE: Final = "fires.npy"
ORDERS_FILE: Final = "orders.npy"
ORDERS_PREFIX: Final = "orders/"
"""Begins the names of the state's arrays that are of resting orders."""
PROGRAM_FILE: Final = "program.npz"
FILES: Final = (RECORD_FILE, CONFIG_FILE, EVENTS_FILE, STATE_FILE, BINS_FILE, SCORES_FILE, FIRES_FILE)
"""The files that every bundle has; one with a program has that beside them."""


@dataclass(frozen=True)
class Recording:
    """A slice of the feed, the state of the live session before it, and the session's outputs.

    Attributes:
        state: what `LiveSession.save` gave before the first event, and `LiveOrders.save` behind ORDERS_PREFIX.
        events: [n] EVENT_DTYPE, in the order of the feed.
        outputs: the bins that they finish (BIN_DTYPE), with scores and fires; the feed is complete to the end of the
            last one.
        fates: FATE_DTYPE [bins, 2], what has become of the orders of these fires; None where they enter at the touch.
    """

    state: Mapping[str, NDArray[Any]]
    events: NDArray[np.void]
    outputs: BinOutputs
    fates: NDArray[np.void] | None = None


def saved_with_orders(session: LiveSession, followed: FollowedOrders | None) -> dict[str, NDArray[Any]]:
    """Return the state of a session, and of the resting orders that are followed beside it."""
    orders = {} if followed is None else followed.orders.save()
    return {**session.save(), **{ORDERS_PREFIX + name: array for name, array in orders.items()}}


@dataclass(frozen=True)
class Bundle:
    """The contents of a bundle; `program` is what `export_scorer` gave, None in bundles of earlier versions."""

    path: Path
    record: PromotedRecord
    config: Mapping[str, Any]
    recording: Recording
    program: bytes | None = None


def write_bundle(
    folder: Path,
    record: PromotedRecord,
    config: Mapping[str, Any],
    recording: Recording,
    program: bytes | None = None,
) -> None:
    """Write a bundle's files into an empty folder."""
    if program is not None:
        (folder / PROGRAM_FILE).write_bytes(program)
    _write_json(folder / RECORD_FILE, record.values())
    text = yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True)
    (folder / CONFIG_FILE).write_text(text, encoding="utf-8")
    arrays = {
        EVENTS_FILE: recording.events,
        BINS_FILE: recording.outputs.bins,
        SCORES_FILE: recording.outputs.scores,
        FIRES_FILE: recording.outputs.fires,
    }
    if recording.fates is not None:
        arrays[ORDERS_FILE] = recording.fates
    for name, array in arrays.items():
        np.save(folder / name, array, allow_pickle=False)
    np.savez_compressed(folder / STATE_FILE, **recording.state)  # type: ignore[arg-type]  # NumPy has its own keyword there
    files = (*FILES, *_more(arrays), *([] if program is None else [PROGRAM_FILE]))
    _write_json(folder / CHECKSUMS_FILE, {name: file_sha256(folder / name) for name in files})


def _more(names: Iterable[str]) -> tuple[str, ...]:
    """Return the files that only some bundles have, of those named."""
    return tuple(name for name in (ORDERS_FILE, PROGRAM_FILE) if name in names)


def read_bundle(folder: Path) -> Bundle:
    """Return the contents of a bundle; a PromotionError names the file that is missing, damaged or changed."""
    content = _checked(folder)
    record = PromotedRecord.from_values(_parsed(content[RECORD_FILE], folder / RECORD_FILE), str(folder / RECORD_FILE))
    try:
        config = yaml.safe_load(content[CONFIG_FILE].decode("utf-8"))
        events, bins, scores, fires = (
            np.load(io.BytesIO(content[name]), allow_pickle=False)
            for name in (EVENTS_FILE, BINS_FILE, SCORES_FILE, FIRES_FILE)
        )
        orders = content.get(ORDERS_FILE)
        fates = None if orders is None else np.load(io.BytesIO(orders), allow_pickle=False)
        with np.load(io.BytesIO(content[STATE_FILE]), allow_pickle=False) as saved:
            state = dict(saved)
    except (OSError, ValueError, yaml.YAMLError, zipfile.BadZipFile) as error:
        raise PromotionError(f"{folder} cannot be read: {error}") from error
    events = with_publisher(events)
    wanted = {EVENTS_FILE: EVENT_DTYPE, BINS_FILE: BIN_DTYPE, SCORES_FILE: np.float64, FIRES_FILE: np.int8}
    for (name, kind), array in zip(wanted.items(), (events, bins, scores, fires), strict=True):
        if array.dtype != kind or array.ndim != 1 or (name != EVENTS_FILE and len(array) != len(bins)):
            raise PromotionError(f"{folder / name} holds {array.dtype} of the shape {array.shape}; promote it again")
    if fates is not None and (fates.dtype != FATE_DTYPE or fates.shape != (len(bins), 2)):
        raise PromotionError(f"{folder / ORDERS_FILE} holds {fates.dtype} of the shape {fates.shape}; promote it again")
    recording, program = Recording(state, events, BinOutputs(bins, scores, fires), fates), content.get(PROGRAM_FILE)
    return Bundle(folder, _with_weights(record, program, folder), config, recording, program)


def _with_weights(record: PromotedRecord, program: bytes | None, folder: Path) -> PromotedRecord:
    """Return the record of a learned signal with the weights that lie in its program; any other as it is."""
    if record.fit is None or program is None:
        return record
    try:
        return dataclasses.replace(record, weights=exported_weights(program, str(folder / PROGRAM_FILE)))
    except ConfigError as error:
        raise PromotionError(str(error)) from error


def _checked(folder: Path) -> dict[str, bytes]:
    """Return what the files hold; a PromotionError says which is missing, one too many, or not as it was written."""
    sums = _parsed(_content(folder / CHECKSUMS_FILE), folder / CHECKSUMS_FILE)
    files = (*FILES, *_more(sums)) if isinstance(sums, dict) else FILES
    if not isinstance(sums, dict) or set(sums) != set(files):
        raise PromotionError(f"{folder / CHECKSUMS_FILE} must hold the SHA-256 of {', '.join(FILES)}")
    there = {path.name for path in folder.iterdir()}
    if odd := sorted(there ^ {*files, CHECKSUMS_FILE}):
        raise PromotionError(f"{folder} has missing or additional files: {', '.join(odd)}")
    content = {name: _content(folder / name) for name in files}
    for name in files:
        found = hashlib.sha256(content[name]).hexdigest()
        if found != sums[name]:
            raise PromotionError(
                f"{folder / name} is not as it was promoted: its SHA-256 is {found}, {sums[name]} was written "
                f"into {CHECKSUMS_FILE}; restore it, or promote the run again"
            )
    return content


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PromotionError(f"{path} cannot be read: {error}") from error


def _parsed(content: bytes, path: Path) -> Any:
    try:
        return json.loads(content)
    except ValueError as error:
        raise PromotionError(f"{path} cannot be read: {error}") from error


def _write_json(path: Path, values: Any) -> None:
    path.write_text(json.dumps(values, indent=1, allow_nan=False) + "\n", encoding="utf-8")
