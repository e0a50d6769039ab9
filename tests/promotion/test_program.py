"""A bundle carries its program: what was promoted is served when its source has changed since, or is gone."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.engine.models import served_model
from runtime.rollout.rollout import verified_record
from tests.runtime.records import promote, record_of
from vpharness.datasets.lake import Lake
from vpharness.errors import PromotionError
from vpharness.modules import PermittedModules
from vpharness.promotion.bundle import FILES, PROGRAM_FILE, Bundle, read_bundle
from vpharness.promotion.bundle_replay import replay
from vpharness.promotion.promoted_record import live_model
from vpharness.promotion.release import roll_back
from vpharness.signals import msd, resolve
from vpharness.storage.checksums import file_sha256


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake in which two versions of one instrument have been served."""
    lake = Lake(tmp_path_factory.mktemp("lake"))
    promote(lake, record_of("msd"), "v0001")
    promote(lake, record_of("svac"), "v0002")
    return lake


@pytest.fixture
def bundle(lake: Lake) -> Bundle:
    """The first of them."""
    return read_bundle(lake.promoted / "SYN" / "v0001")


@pytest.fixture
def changed_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """The source of its signal is edited: it scores otherwise."""
    original = msd.msd
    edited = dataclasses.replace(original, body=lambda time, grid, p: 2 * original.body(time, grid, p))
    monkeypatch.setattr(msd, "msd", edited)


def modules(lake: Lake) -> PermittedModules:
    """The modules of this package."""
    return PermittedModules(lake.root)


def test_the_source_is_served_while_it_is_what_was_promoted(lake: Lake, bundle: Bundle) -> None:
    """The program is only looked at where it is needed."""
    found = replay(bundle, modules(lake))
    assert (found.why_program, found.differences, found.record.program) == (None, [], None)


@pytest.mark.usefixtures("changed_source")
def test_the_program_is_served_where_the_source_has_changed(lake: Lake, bundle: Bundle) -> None:
    """It gives the recorded scores, and makes a model that goes by the same facts as before."""
    found = replay(bundle, modules(lake))
    assert found.differences == []
    assert str(found.why_program).startswith("the code of vpharness.signals.msd.msd has changed")
    assert found.record.values() == bundle.record.values()
    served = served_model(verified_record(bundle.path, modules(lake)))
    assert served.live.scorer.code_digest == bundle.record.signal_digest
    assert served.live.memory == live_model(found.record).memory


def test_the_program_is_served_where_the_source_is_gone(
    lake: Lake, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal that was renamed or removed is no obstacle either, and an earlier version is gone back to."""
    monkeypatch.delattr(msd, "msd")
    found = replay(bundle, modules(lake))
    assert found.differences == []
    assert "msd" in str(found.why_program)
    assert roll_back(lake, "SYN", modules(lake)).version == "v0001"


def test_a_module_that_may_not_be_named_is_refused_all_the_same(lake: Lake, bundle: Bundle) -> None:
    """The program does not make data free to name any code."""
    other = dataclasses.replace(bundle, record=dataclasses.replace(bundle.record, signal_target="os.path.join"))
    (difference,) = replay(other, modules(lake)).differences
    assert "not among the modules that data may name" in difference


@pytest.mark.usefixtures("changed_source")
def test_a_program_that_scores_otherwise_is_not_served(lake: Lake, bundle: Bundle) -> None:
    """It is replayed like the source, and what differs is said behind why the source is not served."""
    said = bundle.recording.outputs
    recording = dataclasses.replace(
        bundle.recording, outputs=dataclasses.replace(said, scores=said.scores + np.float64(1e-6))
    )
    of_source, of_program = replay(dataclasses.replace(bundle, recording=recording), modules(lake)).differences
    assert of_source.startswith("the code of vpharness.signals.msd.msd has changed")
    assert of_program.startswith("the score of bin ")


@pytest.mark.usefixtures("changed_source")
@pytest.mark.parametrize(
    "values", [{"parameters": {}}, {"signal_target": "vpharness.signals.svac.svac"}, {"model_memory": None}]
)
def test_a_program_serves_only_what_was_exported(lake: Lake, bundle: Bundle, values: dict[str, Any]) -> None:
    """Another signal, other parameters, or a memory that nobody measured are refused in one line."""
    record = dataclasses.replace(replay(bundle, modules(lake)).record, **values)
    with pytest.raises(PromotionError, match="v0001 is served by the program in its bundle, whose signal, parameters"):
        live_model(record)


@pytest.mark.usefixtures("changed_source")
def test_a_bundle_without_a_program_says_what_has_changed(lake: Lake, bundle: Bundle, tmp_path: Path) -> None:
    """As bundles of earlier versions do; they are read as they are."""
    for name in FILES:
        (tmp_path / name).write_bytes((bundle.path / name).read_bytes())
    (tmp_path / "checksums.json").write_text(json.dumps({name: file_sha256(tmp_path / name) for name in FILES}))
    earlier = read_bundle(tmp_path)
    assert earlier.program is None
    (difference,) = replay(earlier, modules(lake)).differences
    assert difference.startswith("the code of vpharness.signals.msd.msd has changed")
    assert resolve("vpharness.signals.msd.msd").name == "msd"


def test_a_program_is_one_of_the_files_with_a_checksum(bundle: Bundle) -> None:
    """A bundle with a program lists it."""
    sums = json.loads((bundle.path / "checksums.json").read_text())
    assert sums[PROGRAM_FILE] == file_sha256(bundle.path / PROGRAM_FILE)
