"""Two commands from a winner to what is served, and one back: through the command line, on a simulated market."""

import dataclasses
import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.commands.test_cli import Said, in_process
from tests.datasets.compact import as_of_an_earlier_version
from tests.promotion import answers, recent_flow
from tests.promotion.market import LIMITS, MARKET, SHORT, TRUSTED, Winner, limits_with, run_winner
from vpharness.audit import AuditReport, Check
from vpharness.audit.audit_report import MeasuredMemory
from vpharness.commands.text import terminal
from vpharness.config.search_path import OWN_FOLDER_VARIABLE
from vpharness.datasets.find import Dataset, all_datasets, find_dataset
from vpharness.datasets.lake import Lake
from vpharness.datasets.read import load
from vpharness.errors import PromotionError
from vpharness.live import LiveModel, LiveSession
from vpharness.modules import PermittedModules
from vpharness.promotion import batch_run, live_proof, review
from vpharness.promotion.bundle import FILES
from vpharness.promotion.bundle_replay import record_lattice
from vpharness.promotion.live_proof import BatchOutputs, LiveProof
from vpharness.promotion.release import release, roll_back
from vpharness.promotion.review import Review
from vpharness.promotion.serving import Bundle, history, live_model, promoted, read_bundle, replay_differences
from vpharness.results.audits import FULL, audits_of
from vpharness.results.store import VIEWS, read, store_in
from vpharness.results.tracking import CHAMPION

GATES = ["dataset", "lattice", "code", "events", "rankable", "train chance", "train net"]
OWN_MODULES = PermittedModules(Path("no lake"), ("tests.promotion",))
LATER = ["audit", "memory", "live = batch", "latency", "test", "forward"]


@pytest.fixture(scope="module", autouse=True)
def processor_time() -> Iterator[None]:
    """Time steps by what the processor spends on them: on a busy machine they wait, and a gate would be closed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live_proof, "time", SimpleNamespace(perf_counter_ns=time.thread_time_ns))
        yield


@pytest.fixture(scope="module", autouse=True)
def proved_once() -> Iterator[None]:
    """Prove each candidate once, which takes most of a promotion: these tests change what is asked of the proof."""
    prove, proofs = live_proof.prove, dict[tuple[object, ...], LiveProof]()

    def once(model: LiveModel, lattice: Any, source: Any, end_ns: Any, whole: BatchOutputs, *rest: Any) -> LiveProof:
        key = (json.dumps(model.facts()), whole.timed, whole.recorded, whole.outputs.scores.tobytes())
        if key not in proofs:
            proofs[key] = prove(model, lattice, source, end_ns, whole, *rest)
        return proofs[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(review, "prove", once)
        yield


@pytest.fixture(scope="module")
def winner(tmp_path_factory: pytest.TempPathFactory) -> Winner:
    """A run that has won; nothing has been promoted."""
    return run_winner(tmp_path_factory.mktemp("winner"))


@pytest.fixture(scope="module")
def said(winner: Winner) -> Said:
    """What the command says that promotes it, by the beginning of the id that compare shows."""
    return in_process(winner.folder, "promote", f"run_id={winner.candidate_id[:6]}", *LIMITS, "json=true")


@pytest.fixture(scope="module")
def bundle(winner: Winner, said: Said) -> Bundle:
    """Its bundle."""
    path = promoted(Lake(winner.lake), "SYN")
    assert path is not None, said.stderr
    return read_bundle(path)


@pytest.fixture
def copied(winner: Winner, said: Said, tmp_path: Path) -> Winner:
    """The folder with the first version promoted, copied: to be changed."""
    shutil.copytree(winner.folder, tmp_path / "copy")
    return dataclasses.replace(winner, folder=tmp_path / "copy")


def test_a_winner_passes_every_gate_and_is_served(winner: Winner, said: Said, bundle: Bundle) -> None:
    """Each gate tells what it found; the bundle is what was run, with its evidence; the test part was opened once."""
    assert said.returncode == 0, said.stderr
    facts = json.loads(said.stdout)
    assert {gate["name"]: gate["passed"] for gate in facts["gates"]} == dict.fromkeys([*GATES, *LATER], True)
    record = bundle.record
    assert (record.instrument, record.version, record.forced) == ("SYN", "v0001", None)
    assert (record.run_id, record.candidate_id) == (winner.run_id, winner.candidate_id)
    assert record.signal_target == "tests.promotion.recent_flow.recent_flow"
    assert (record.threshold, record.threshold_label) == (0.2, "0.2")
    assert (record.tick_size, record.size_unit, record.lattice["cell_width_ms"]) == (0.25, 1.0, 100)
    assert record.lattice["evict_crossed_ms"] == 0
    assert record.evaluation["max_hold_bins"] == 100
    assert bundle.config["source"]["strength"] == 1
    assert bundle.config["promotion"]["slice_bins"] == 600
    assert [row["candidate_id"] for row in read(store_in(winner.lake), VIEWS)] == [winner.candidate_id]
    promised = record.evidence["promised"]
    assert promised["test"]["n_net"] >= 10
    assert promised["test"]["net_pnl_ticks"] > 0
    assert promised["train"]["net_pnl_ticks_low"] > 0
    assert record.evidence["test_openings"] == 1
    assert record.memory_bins == 0
    (audited,) = [each for each in audits_of(store_in(winner.lake)).values() if each.kind == FULL]
    assert (audited.key.signal_digest, audited.passed) == (record.signal_digest, True)
    assert (audited.memory_bins, audited.dataset_id) == (0, record.dataset_id)


def test_a_signal_that_holds_the_answers_is_refused_whatever_the_reason(copied: Winner) -> None:
    """Its table and its counting of bins are seen, and no server could come to its scores."""
    lake = Lake(copied.lake)
    (dataset_id,) = {audited.dataset_id for audited in audits_of(store_in(lake.root)).values()}
    loaded = load(find_dataset(lake, dataset_id))
    mid = loaded.bins["mid_price"][loaded.bins["book_valid"].astype(bool)]
    told = np.sign(np.concatenate([mid[60:] - mid[:-60], np.zeros(60)])) * (np.arange(len(mid)) % 40 < 5)
    # Those of eight minutes are too few to be seen by their size alone.
    answers.ANSWERS[:] = [np.concatenate([told, np.random.default_rng(0).normal(size=5_000)])]
    group = copied.folder / "my_conf" / "signal"
    (group / "answers.yaml").write_text("_target_: tests.promotion.answers.answers\n", encoding="utf-8")
    ran = in_process(copied.folder, "--config-dir", "my_conf", "signal=answers", *MARKET, *SHORT, "json=true")
    assert ran.returncode == 0, ran.stderr
    assert "signal answers fails the quick audit: its program holds constants of" in ran.stderr
    (best,) = json.loads(ran.stdout)["candidates"]
    assert best["net_pnl_ticks"] > 1
    own = [*LIMITS[:-1], "signal_modules=[tests.promotion.answers]"]
    said = in_process(copied.folder, "promote", f"run_id={best['run_ids'][0]}", *own, 'force="a drill"', "json=true")
    assert said.returncode == 2
    passed = {gate["name"]: gate["passed"] for gate in json.loads(said.stdout)["gates"]}
    assert {name: passed[name] for name in LATER} == dict.fromkeys(LATER, None) | {"audit": False, "memory": False}
    assert "memory cannot be forced: " in said.stderr
    assert "a table can hold the answers" in said.stderr
    assert "bins are too few to show that it forgets where the data began" in said.stderr
    assert len(history(lake, "SYN")) == 1


def test_what_was_recorded_is_replayed_bit_for_bit(bundle: Bundle) -> None:
    """A slice of the test part with valid books and fires; its state was saved before it."""
    said = bundle.recording.outputs
    assert len(said.bins) == 600
    assert said.bins["book_valid"].all()
    assert (said.fires != 0).sum() >= 5
    assert said.bins["bin_seq"][0] >= 0.6 * bundle.record.evidence["live"]["bins"]
    assert replay_differences(bundle, OWN_MODULES) == []


def test_the_projection_covers_what_it_claims_on_the_test_part(bundle: Bundle) -> None:
    """At least half, and nine tenths, of the moves; stronger scores lie higher."""
    covered, projection = bundle.record.evidence["projection"], bundle.record.projection
    assert projection is not None
    assert min(covered["coverage_50"]) >= 0.45
    assert min(covered["coverage_90"]) >= 0.85
    low, high = projection.bands_many([-0.3, 0.3])
    assert high[-1, 2] - low[-1, 2] > 2.0


def test_mlflow_knows_the_champion(winner: Winner, bundle: Bundle) -> None:
    """The alias names the version of the registered model, which names the bundle and the run."""
    from mlflow.tracking import MlflowClient  # noqa: PLC0415  # takes a second

    client = MlflowClient(f"sqlite:///{winner.folder / 'outputs' / 'mlflow.db'}")
    champion = client.get_model_version_by_alias("vpharness-SYN", CHAMPION)
    assert champion.tags == {"promoted": "v0001"}
    assert champion.source == bundle.path.resolve().as_uri()
    tags = client.get_run(str(champion.run_id)).data.tags
    assert (tags["promoted"], tags["run_id"]) == ("SYN v0001", winner.run_id)


@pytest.mark.parametrize("name", FILES)
def test_a_bundle_with_one_changed_byte_is_refused_by_name(bundle: Bundle, tmp_path: Path, name: str) -> None:
    """Whichever file it is in."""
    shutil.copytree(bundle.path, tmp_path / "v0001")
    path = tmp_path / "v0001" / name
    changed = bytearray(path.read_bytes())
    changed[len(changed) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(changed)
    with pytest.raises(PromotionError, match=rf"{name} is not as it was promoted: its SHA-256 is .* was written"):
        read_bundle(tmp_path / "v0001")


def test_a_bundle_with_a_file_too_many_or_too_few_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    """By the name of the file."""
    folder = tmp_path / "v0001"
    shutil.copytree(bundle.path, folder)
    folder.chmod(0o755)
    (folder / "more.npy").write_bytes(b"")
    with pytest.raises(PromotionError, match=r"has missing or additional files: more\.npy"):
        read_bundle(folder)
    (folder / "more.npy").rename(folder / "checksums.json")
    with pytest.raises(PromotionError, match=r"checksums\.json cannot be read"):
        read_bundle(folder)


def test_changed_code_is_refused_by_name(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a model nor a replay is made of a signal whose code has changed since, where there is no program."""
    original = recent_flow.recent_flow
    changed = dataclasses.replace(original, body=lambda time, grid, p: 2 * original.body(time, grid, p))
    monkeypatch.setattr(recent_flow, "recent_flow", changed)
    assert replay_differences(bundle, OWN_MODULES) == []
    (difference,) = replay_differences(dataclasses.replace(bundle, program=None), OWN_MODULES)
    assert difference.startswith("the code of tests.promotion.recent_flow.recent_flow has changed: its digest is ")
    with pytest.raises(PromotionError, match=r"v0001: the code of .*\.recent_flow has changed"):
        live_model(bundle.record)


def recorded(bundle: Bundle, **changes: Any) -> Bundle:
    """Return a bundle that recorded something else."""
    said = dataclasses.replace(bundle.recording.outputs, **changes)
    return dataclasses.replace(bundle, recording=dataclasses.replace(bundle.recording, outputs=said))


def test_every_difference_from_the_recording_is_named(bundle: Bundle) -> None:
    """A bin, a score, a fire, a lattice of another version, a state of another model, events that are missing."""
    said, record = bundle.recording.outputs, bundle.record
    number = said.bins["bin_seq"][7]
    bins, scores, fires = said.bins.copy(), said.scores.copy(), said.fires.copy()
    bins["best_bid_price_int"][7] += 1
    scores[7:9] += 1e-6
    quiet = int(np.flatnonzero(fires == 0)[0])
    fires[quiet] = 1
    (of_bins,) = replay_differences(recorded(bundle, bins=bins), OWN_MODULES)
    assert of_bins.startswith(f"best_bid_price_int of bin {number} is ")
    (of_scores,) = replay_differences(recorded(bundle, scores=scores), OWN_MODULES)
    assert of_scores.startswith(f"the score of bin {number} is ")
    assert of_scores.endswith("2 differ, by 1e-06 at the worst")
    (of_fires,) = replay_differences(recorded(bundle, fires=fires), OWN_MODULES)
    assert of_fires == f"bin {said.bins['bin_seq'][quiet]} fires +0, not +1; 1 differ"
    old = dataclasses.replace(bundle, record=dataclasses.replace(record, lattice_version=1))
    assert replay_differences(old, OWN_MODULES) == ["lattice_version is 1, that of this code is 2; promote a run of it"]
    other = dataclasses.replace(bundle, record=dataclasses.replace(record, threshold=0.3))
    assert "thresholds is [0.2], not [0.3]" in replay_differences(other, OWN_MODULES)[0]
    fewer = dataclasses.replace(bundle.recording, events=bundle.recording.events[:-2_000])
    assert replay_differences(dataclasses.replace(bundle, recording=fewer), OWN_MODULES)


def test_a_record_makes_what_a_live_session_is_made_of(bundle: Bundle) -> None:
    """Model and lattice fit together, and the model fires at the one threshold."""
    model = live_model(bundle.record)
    LiveSession(model, record_lattice(bundle.record))
    assert model.thresholds == (0.2,)
    assert (model.warmup_bins, model.cooldown_bins) == (300, 30)
    odd = dataclasses.replace(bundle.record, parameters=bundle.record.parameters | {"cellz": 3})
    with pytest.raises(PromotionError, match="recent_flow has missing or unknown keys: cellz"):
        live_model(odd)
    wide = dataclasses.replace(bundle.record, parameters=bundle.record.parameters | {"cells": 0})
    with pytest.raises(PromotionError, match=r"recent_flow\.cells is 0; it must be at least 1"):
        live_model(wide)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["promotion.max_p_adjusted=0.001"], "train chance: wanted p adjusted at most 0.001"),
        (
            ["promotion.min_train_net_low_ticks=9"],
            "train net: wanted lower end of the net mean, for all candidates at once, above 9 ticks",
        ),
        (["threshold=0.4"], "rankable: wanted enough data in training, nothing left out, found "),
        (["source=synthetic", "source.minutes=12"], "events cannot be forced: events: .*: strength differ"),
    ],
)
def test_a_gate_that_fails_early_refuses_and_the_test_part_stays_closed(
    winner: Winner, bundle: Bundle, words: list[str], message: str
) -> None:
    """One line names the gate; nothing that takes long is looked at; what is served stays."""
    opened = len(read(store_in(winner.lake), VIEWS))
    run = in_process(winner.folder, "promote", f"run_id={winner.run_id[:8]}", *LIMITS, "json=true", *words)
    assert run.returncode == 2
    assert re.search(message, run.stderr)
    assert run.stderr.count("\n") == 1
    facts = json.loads(run.stdout)
    assert not facts["promoted"]
    assert [gate["passed"] for gate in facts["gates"][-5:]] == [None] * 5
    assert len(read(store_in(winner.lake), VIEWS)) == opened
    assert promoted(Lake(winner.lake), "SYN") == bundle.path


def test_a_reason_overrides_and_is_recorded_and_one_command_goes_back(
    copied: Winner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second version is forced through two gates; the history tells it; rollback returns, once."""
    monkeypatch.setattr(terminal, "terminal_width", lambda: 100)
    limits = ["promotion.max_latency_share=1e-6", "promotion.min_test_fires=1000"]
    refused = in_process(copied.folder, "promote", f"run_id={copied.run_id}", *limits_with(limits[0]))
    assert refused.returncode == 2
    assert "latency: wanted 99th percentile at most 0.0001 ms" in refused.stderr
    reason = "force=a drill (of two): x=1, 'y'"
    forced = in_process(copied.folder, "promote", f"run_id={copied.run_id}", *limits_with(*limits), reason)
    assert forced.returncode == 0, forced.stderr
    assert "SYN now serves v0002 (before: v0001)" in forced.stdout
    assert max(map(len, forced.stdout.splitlines()[1:-4])) <= 100
    shown = json.loads(in_process(copied.folder, "promote", "show", "json=true").stdout)
    assert (shown["version"], shown["forced"]) == ("v0002", "a drill (of two): x=1, 'y'")
    assert [gate["name"] for gate in shown["evidence"]["gates"] if not gate["passed"]] == ["latency", "test"]
    assert shown["evidence"]["test_openings"] == 2, "the refused one did not open it"
    (difference,) = json.loads(in_process(copied.folder, "promote", "diff", "v0001", "v0002", "json=true").stdout)
    assert difference == {"key": "forced", "v0001": None, "v0002": "a drill (of two): x=1, 'y'"}
    back = in_process(copied.folder, "promote", "rollback", "tracking=none", TRUSTED)
    assert "SYN now serves v0001 (before: v0002)" in back.stdout
    entries = json.loads(in_process(copied.folder, "promote", "history", "json=true").stdout)["SYN"]
    assert [(entry["action"], entry["version"]) for entry in entries] == [
        ("promote", "v0001"), ("promote", "v0002"), ("rollback", "v0001"),
    ]  # fmt: skip
    again = in_process(copied.folder, "promote", "rollback", "tracking=none", TRUSTED)
    assert (again.returncode, again.stderr) == (
        2, "vpharness: SYN serves v0001, its first version: there is none before it\n",
    )  # fmt: skip


@pytest.mark.slow
def test_noise_is_not_promoted_by_looser_limits_without_a_reason_that_is_recorded(copied: Winner) -> None:
    """What passes only by limits looser than the defaults is forced, gate by gate, and its ledger stands beside it."""
    said = in_process(copied.folder, "signal=ads", *MARKET, *SHORT, "signal.thresholds=[0.05]", "json=true")
    assert said.returncode == 0, said.stderr
    (noise,) = json.loads(said.stdout)["candidates"]
    assert noise["p_adjusted"] > 0.05
    loose = [
        f"promotion.{name}" for name in ("max_p_adjusted=1", "min_train_net_low_ticks=-99", "min_test_net_ticks=-99")
    ]
    words = ["promote", f"run_id={noise['candidate_id']}", *LIMITS, *loose, "tracking=none"]
    refused = in_process(copied.folder, *words)
    assert refused.returncode == 2
    assert "train chance: wanted p adjusted at most 0.05" in refused.stderr
    assert 'force="REASON" overrides, and is recorded' in refused.stderr
    forced = in_process(copied.folder, *words, "force=to see it served")
    assert forced.returncode == 0, forced.stderr
    shown = json.loads(in_process(copied.folder, "promote", "show", "json=true").stdout)
    assert shown["forced"] == "to see it served"
    by_name = {gate["name"]: gate for gate in shown["evidence"]["gates"]}
    assert {name for name, gate in by_name.items() if gate["forced"]} >= {"train chance", "train net"}
    assert by_name["train chance"]["loosened"] == [{"name": "max_p_adjusted", "default": 0.05, "given": 1.0}]
    ledger = shown["evidence"]["ledger"]
    assert (ledger["candidates"], ledger["runs"], ledger["family_runs"]) == (3, 2, 2)
    assert ledger["oldest_run"] <= ledger["newest_run"]
    assert shown["evidence"]["forward"]["n_fires"] == 0, "the events are older than the candidate's first row"


@pytest.mark.slow
def test_a_failed_audit_is_overridden_by_two_words_and_marked_for_good(
    copied: Winner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a reason nor force_unsafe is enough alone; show and history say it, also after going back."""
    report = AuditReport((Check("with garbage from bin 9 on", 1.0, 4),), MeasuredMemory(0, 0, 5), 600)
    monkeypatch.setattr(batch_run, "audit", lambda *_, **__: report)
    words = ["promote", f"run_id={copied.run_id}", *LIMITS, "tracking=none"]
    for more, message in (
        (["force=a drill"], "(audit: force_unsafe=true overrides as well; served scores may then differ from"),
        (["force_unsafe=true"], 'force_unsafe also needs force="REASON"'),
    ):
        run = in_process(copied.folder, *words, *more)
        assert (run.returncode, run.stderr.count("\n")) == (2, 1)
        assert message in run.stderr
    forced = in_process(copied.folder, *words, "force=a drill", "force_unsafe=true")
    assert forced.returncode == 0, forced.stderr
    assert "UNSAFE: audit failed, so served scores may differ from the tested ones" in forced.stdout
    shown = json.loads(in_process(copied.folder, "promote", "show", "json=true").stdout)
    assert (shown["version"], shown["forced"], shown["unsafe"]) == ("v0002", "a drill", ["audit"])
    (audited,) = [gate for gate in shown["evidence"]["gates"] if not gate["passed"]]
    assert (audited["name"], audited["forced"], audited["unsafe"]) == ("audit", True, True)
    latency = next(gate for gate in shown["evidence"]["gates"] if gate["name"] == "latency")
    assert latency["loosened"] == [{"name": "max_latency_share", "default": 0.2, "given": 1.0}]
    assert "UNSAFE" in in_process(copied.folder, "promote", "show").stdout
    assert in_process(copied.folder, "promote", "rollback", "tracking=none", TRUSTED).returncode == 0
    again = in_process(copied.folder, "promote", "rollback", "to=v0002", "tracking=none", TRUSTED)
    assert again.returncode == 0, again.stderr
    entries = json.loads(in_process(copied.folder, "promote", "history", "json=true").stdout)["SYN"]
    assert [entry["unsafe"] for entry in entries] == [[], ["audit"], [], ["audit"]]
    assert "UNSAFE" in in_process(copied.folder, "promote", "history").stdout


def test_going_back_twice_goes_back_further(copied: Winner, bundle: Bundle) -> None:
    """From the third to the second to the first; and to a version by its name, if it is as it was."""
    lake, candidacy = Lake(copied.lake), Review((), bundle.record, bundle.recording)
    for name in ("v0002", "v0003"):
        assert release(lake, candidacy, {}).version == name
    assert [roll_back(lake, "SYN", OWN_MODULES).version for _ in range(2)] == ["v0002", "v0001"]
    assert roll_back(lake, "SYN", OWN_MODULES, "v0003").version == "v0003"
    for name, message in (("v0003", "SYN serves v0003 and has served v0001"), ("v0009", "to is v0009")):
        with pytest.raises(PromotionError, match=message):
            roll_back(lake, "SYN", OWN_MODULES, name)
    damaged = copied.lake / "promoted" / "SYN" / "v0002" / "scores.npy"
    damaged.chmod(0o644)
    damaged.write_bytes(b"")
    with pytest.raises(PromotionError, match=r"scores\.npy is not as it was promoted"):
        roll_back(lake, "SYN", OWN_MODULES)
    assert [entry.version for entry in history(lake, "SYN")] == [
        "v0001", "v0002", "v0003", "v0002", "v0001", "v0003",
    ]  # fmt: skip


def test_a_damaged_dataset_cannot_be_forced(copied: Winner, bundle: Bundle) -> None:
    """Even where its bins are whole, and a reason is given."""
    (grid,) = (copied.lake / "research" / "vp_harness" / "generated_grids").glob("*/grid_clean.parquet")
    changed = bytearray(grid.read_bytes())
    changed[len(changed) // 2] ^= 1
    grid.chmod(0o644)
    grid.write_bytes(changed)
    run = in_process(copied.folder, "promote", f"run_id={copied.run_id}", *LIMITS, "force=all the same")
    assert run.returncode == 2
    assert "is not promoted, and dataset cannot be forced: dataset: wanted files with their checksums" in run.stderr
    assert "grid_clean.parquet" in run.stderr
    assert promoted(Lake(copied.lake), "SYN") == copied.lake / "promoted" / "SYN" / "v0001"


def test_events_are_found_by_the_note_by_the_run_or_not_at_all(copied: Winner) -> None:
    """A dataset keeps its own; else the note tells, or the run's configuration, and without these no reason helps."""
    words = ["promote", f"run_id={copied.run_id}", "promotion.max_p_adjusted=0.001", TRUSTED, "json=true"]
    shutil.rmtree(copied.lake / "research" / "vp_harness" / "sources")
    for make_earlier in (False, True):
        if make_earlier:
            (dataset,) = [each for each in all_datasets(Lake(copied.lake)) if isinstance(each, Dataset)]
            as_of_an_earlier_version(dataset)
        gates = json.loads(in_process(copied.folder, *words).stdout)["gates"]
        assert [gate["passed"] for gate in gates if gate["name"] == "events"] == [True]
    shutil.rmtree(copied.folder / "outputs")
    run = in_process(copied.folder, *words, "force=all the same")
    assert run.returncode == 2
    assert "events cannot be forced" in run.stderr
    assert "where its events lie has not been noted; give source= and its keys" in run.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["promote"], "run_id must be given (python -m vpharness compare shows what there is)"),
        (["promote", "hist"], "does not accept 'hist'; expected KEY=VALUE, or promote history, promote "),
        (["promote", "run_id=12e45"], "run_id is '12e45', which is neither a run nor a candidate"),
        (["promote", "run_id=x", "force= "], "force is empty; it must be the reason"),
        (["promote", "run_id=x", "promotion.quantiles=[0.1,0.5]"], "promotion.quantiles is [0.1, 0.5]"),
        (["promote", "run_id=x", "promotion.min_fires=3"], "promotion.min_fires is not a key here"),
        (["promote", "diff"], "a version must be given"),
        (["promote", "diff", "v1", "v2", "v3"], "does not accept 'v3'; expected KEY=VALUE A B"),
        (["promote", "show", "v0099"], "SYN has no version v0099; there are v0001"),
        (["promote", "show", "../v0001"], "the version is '../v0001'; it must begin with a letter or digit"),
        (["promote", "rollback", "instrument=ESH4"], "instrument is ESH4; there are SYN: choose with instrument="),
    ],
)
def test_a_mistake_is_one_line(winner: Winner, bundle: Bundle, arguments: list[str], message: str) -> None:
    """What was expected and found; the exit code is not 0."""
    run = in_process(winner.folder, *arguments)
    assert run.returncode == 2
    assert message in run.stderr
    assert run.stderr.count("\n") == 1


def test_an_ambiguous_name_is_refused_with_what_it_could_mean(winner: Winner, bundle: Bundle) -> None:
    """The empty one begins them all; a threshold that the run does not have names those that it has."""
    run = in_process(winner.folder, "promote", "run_id=")
    assert "matches 3 ids" in run.stderr
    run = in_process(winner.folder, "promote", f"run_id={winner.run_id}", "threshold=0.3")
    assert f"threshold is 0.3; run {winner.run_id} has the thresholds 0.2, 0.4" in run.stderr


def test_history_and_show_are_readable(
    winner: Winner, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal of 100 columns; an empty lake has nothing to show."""
    monkeypatch.setattr(terminal, "terminal_width", lambda: 100)
    for words in (["history"], ["show"], ["diff", "v0001"]):
        said = in_process(winner.folder, "promote", *words)
        assert said.returncode == 0, said.stderr
        assert max(map(len, said.stdout.splitlines())) <= 100
    assert ", Net per fire +" in in_process(winner.folder, "promote", "show").stdout
    nothing = f"nothing has been promoted in the lake {tmp_path / 'lake'} yet"
    assert in_process(tmp_path, "promote", "history").stdout == f"{nothing}\n"
    assert nothing in in_process(tmp_path, "promote", "show").stderr


FAILS_EARLY = ("promotion.max_p_adjusted=0.001", "json=true")


def test_a_signal_that_only_data_names_is_refused_with_the_key_to_set(
    copied: Winner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger and a bundle name it; the configuration does not: neither promoted nor gone back to."""
    monkeypatch.delenv(OWN_FOLDER_VARIABLE, raising=False)
    said = "tests.promotion.recent_flow is not among the modules that data may name"
    for words in (["promote", f"run_id={copied.run_id}"], ["promote", "rollback", "to=v0001", "tracking=none"]):
        if "rollback" in words:
            release(Lake(copied.lake), candidacy_of(copied), {})
        run = in_process(copied.folder, *words)
        assert run.returncode == 2
        assert said in run.stderr
        assert "set signal_modules=[tests.promotion.recent_flow], or give the --config-dir" in run.stderr
        assert run.stderr.count("\n") == 1
    assert in_process(copied.folder, "promote", "show").returncode == 0, "it can be looked at"


def candidacy_of(winner: Winner) -> Review:
    """Return what a promoted version would be promoted of again."""
    path = promoted(Lake(winner.lake), "SYN")
    assert path is not None
    found = read_bundle(path)
    return Review((), found.record, found.recording)


@pytest.mark.parametrize("words", [["--config-dir", "my_conf"], [TRUSTED], ["signal_modules=[tests.promotion]"]])
def test_a_signal_that_the_configuration_names_comes_as_far_as_the_gates(
    winner: Winner, bundle: Bundle, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    """In a YAML of one's own, or by its module or what that lies below."""
    monkeypatch.delenv(OWN_FOLDER_VARIABLE, raising=False)
    run = in_process(winner.folder, "promote", f"run_id={winner.run_id}", *words, *FAILS_EARLY)
    assert "train chance: wanted p adjusted at most 0.001" in run.stderr


def test_what_was_promoted_tells_which_key_the_server_needs(copied: Winner) -> None:
    """The last line of what a rollback says."""
    release(Lake(copied.lake), candidacy_of(copied), {})
    run = in_process(copied.folder, "promote", "rollback", "to=v0001", "tracking=none", TRUSTED)
    assert run.stdout.splitlines()[-1].startswith(
        "next: python -m runtime runtime.signal_modules=[tests.promotion.recent_flow] serves it; "
    )


def test_a_source_that_a_note_names_is_of_the_package_or_the_configuration(
    copied: Winner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lake lies below the working directory, which is on the Python path: nothing of it is imported."""
    monkeypatch.syspath_prepend(copied.folder)
    (copied.lake / "planted.py").write_text("raise AssertionError('imported')\n", encoding="utf-8")
    (note,) = (copied.lake / "research" / "vp_harness" / "sources").iterdir()
    note.write_text('{"_target_": "lake.planted.Source"}', encoding="utf-8")
    run = in_process(copied.folder, "promote", f"run_id={copied.run_id}", TRUSTED)
    assert run.returncode == 2
    assert "lake.planted is not among the modules that data may name" in run.stderr
    run = in_process(copied.folder, "promote", f"run_id={copied.run_id}", "signal_modules=[tests,lake]")
    assert run.returncode == 2
    assert f"lies in the lake {copied.lake.resolve()}, which holds data and no code" in run.stderr
    given = ["source=synthetic", *MARKET]
    run = in_process(copied.folder, "promote", f"run_id={copied.run_id}", TRUSTED, *given, *FAILS_EARLY)
    assert "train chance: wanted p adjusted at most 0.001" in run.stderr
