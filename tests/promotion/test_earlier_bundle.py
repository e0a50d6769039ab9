"""Bundles from before events had a publisher are read, and still prove what they serve."""

import json
from pathlib import Path

import numpy as np

from tests.lattice.earlier_state import as_before_publishers
from tests.runtime.records import promote, record_of
from vpharness.datasets.lake import Lake
from vpharness.events.mbo_event import EVENT_DTYPE
from vpharness.modules import PermittedModules
from vpharness.promotion.bundle import FILES
from vpharness.promotion.serving import read_bundle, replay_differences
from vpharness.storage.checksums import file_sha256

EARLIER_EVENT = np.dtype(
    [
        *((name, np.int64) for name in ("ts_ns", "price", "size")),
        ("order_id", np.uint64),
        *((name, np.uint8) for name in ("action", "side", "flags")),
    ],
    align=True,
)


def test_a_bundle_from_before_publishers_replays_as_it_was_promoted(tmp_path: Path) -> None:
    """Its events and its state are publisher 0's: bins, scores and fires are those that it holds."""
    lake = Lake(tmp_path)
    path = promote(lake, record_of(), "v1")
    today = read_bundle(path)
    events = np.zeros(len(today.recording.events), EARLIER_EVENT)
    for name in EARLIER_EVENT.names or ():
        events[name] = today.recording.events[name]
    state = dict(today.recording.state)
    own = {name.removeprefix("lattice/"): array for name, array in state.items() if name.startswith("lattice/")}
    for name in own:
        del state[f"lattice/{name}"]
    state |= {f"lattice/{name}": array for name, array in as_before_publishers(own).items()}
    path.chmod(0o755)
    for name in ("events.npy", "state.npz", "checksums.json"):
        (path / name).chmod(0o644)
    (path / "program.npz").unlink()  # bundles had none
    np.save(path / "events.npy", events, allow_pickle=False)
    np.savez_compressed(path / "state.npz", **state)  # type: ignore[arg-type]  # NumPy has its own keyword there
    (path / "checksums.json").write_text(json.dumps({name: file_sha256(path / name) for name in FILES}))
    earlier = read_bundle(path)
    assert earlier.recording.events.dtype == EVENT_DTYPE
    assert np.array_equal(earlier.recording.events, today.recording.events)
    assert replay_differences(earlier, PermittedModules(tmp_path)) == []
