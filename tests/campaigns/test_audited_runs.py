"""The first run of a signal on a dataset audits it, in whatever way it is carried out, and marks its fires."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.campaigns.market import MINUTES, small_dataset, spec
from tests.commands.test_cli import in_process
from vpharness.audit.probes import poisoned
from vpharness.campaigns.dataset_cache import DatasetCache
from vpharness.campaigns.execute import RunOutcome, execute, execute_many
from vpharness.campaigns.run_folder import fires_within_memory
from vpharness.campaigns.run_spec import RunSpec
from vpharness.datasets.find import Dataset
from vpharness.datasets.read import load
from vpharness.errors import ResultsError
from vpharness.results.audits import FULL, NOT_OF_SCORES, QUICK, SHUFFLED, AuditRecord, audit_rows, audits_of, key_of
from vpharness.results.store import AUDITS, META, append, read, store_in
from vpharness.signals import SignalParameters, resolve

ADS, MSD = "vpharness.signals.ads.ads", "vpharness.signals.msd.msd"
WORDS = [f"source.minutes={MINUTES}", "eval.max_hold_bins=20", "eval.null_draws=99", "tracking=none"]

CHEATS = """
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jax import Array

from vpharness.parameters import parameter
from vpharness.signals import Clock, Grid, SignalParameters, signal

ANSWERS = np.random.default_rng(0).normal(size=20_000)


@dataclass(frozen=True)
class Table(SignalParameters):
    scale: float = parameter(1.0, meaning="factor of the score")


@signal(columns=("bid_depth",))
def table(time: Clock, grid: Grid, p: Table) -> Array:
    return p.scale * jnp.asarray(ANSWERS)[time.seen(grid.bid_depth[:, 0]) - 1]
"""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A few minutes of market."""
    return small_dataset(tmp_path_factory.mktemp("lake"))


def ads(dataset: Dataset, *, window: int = 25, blend_scale: float = 3.0, cooldown_bins: int = 10) -> RunSpec:
    """Return a run of ads with these numbers."""
    parameters = resolve(ADS).parameters(slope_windows=[5, 10, window], zscore_window=100, blend_scale=blend_scale)
    return spec(dataset, ADS, parameters, cooldown_bins=cooldown_bins)


def test_what_runs_share_is_audited_once_and_what_is_known_is_not(dataset: Dataset) -> None:
    """Scores alone count: another cooldown has the same, another number other ones, and each its own memory."""
    specs = [
        ads(dataset),
        ads(dataset, cooldown_bins=20),
        ads(dataset, window=60),
        ads(dataset, blend_scale=2.0, cooldown_bins=20),
    ]
    found = [each for each in execute_many(specs, DatasetCache.of(dataset), {}) if isinstance(each, RunOutcome)]
    assert [each.is_audit_new for each in found] == [True, False, True, True]
    audits = [each.audited for each in found if each.audited is not None]
    assert [(each.passed, each.failed, each.kind) for each in audits] == [(True, "", QUICK)] * 4
    assert [each.memory_bins for each in audits] == [100 + 25 - 2, 100 + 25 - 2, 100 + 60 - 2, 100 + 25 - 2]
    known = {each.key: each for each in audits}
    again = [each for each in execute_many(specs, DatasetCache.of(dataset), known) if isinstance(each, RunOutcome)]
    assert not any(each.is_audit_new for each in again)
    assert [each.audited for each in again] == audits


def test_a_run_alone_has_the_audit_that_it_has_in_a_sweep(dataset: Dataset) -> None:
    """Over all bins, or over a part of them."""
    several = [ads(dataset), ads(dataset, window=60)]
    shared = list(execute_many(several, DatasetCache.of(dataset), {}))
    for each, together in zip(several, shared, strict=True):
        (alone,) = execute_many([each], DatasetCache.of(dataset), {})
        assert isinstance(alone, RunOutcome)
        assert isinstance(together, RunOutcome)
        assert alone.audited is not None
        assert together.audited is not None
        assert dataclasses.replace(alone.audited, created_ns=0) == dataclasses.replace(together.audited, created_ns=0)


def test_fires_are_within_the_memory_until_as_many_valid_bins_have_been_shown(dataset: Dataset) -> None:
    """Nothing is said without an audit, and of a signal that is not shown to forget that all of them are."""
    (found,) = execute_many([ads(dataset)], DatasetCache.of(dataset), {})
    assert isinstance(found, RunOutcome)
    assert found.audited is not None
    within = found.within_memory
    assert within is not None
    valid = load(dataset).bins["book_valid"].astype(bool)
    assert np.count_nonzero(within & valid) == 123
    assert not within[np.flatnonzero(valid)[123] :].any()
    endless = dataclasses.replace(found, audited=dataclasses.replace(found.audited, memory_bins=None))
    assert endless.within_memory is not None
    assert endless.within_memory.all()
    assert execute(ads(dataset)).within_memory is None


def test_a_body_that_fails_in_the_audit_alone_is_marked_and_its_run_stored(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The audits of the sets behind it go on."""
    failures = iter([ValueError("no\nluck")])

    def fails_once(*arguments: Any) -> Any:
        for failure in failures:
            raise failure
        return poisoned(*arguments)

    monkeypatch.setattr("vpharness.audit.quick.poisoned", fails_once)
    specs = [ads(dataset), ads(dataset, window=60)]
    found = [each for each in execute_many(specs, DatasetCache.of(dataset), {}) if isinstance(each, RunOutcome)]
    first, second = (each.audited for each in found)
    assert first is not None
    assert second is not None
    assert (first.passed, first.memory_bins) == (False, None)
    assert first.failed == "not checked: signal ads fails while it runs: ValueError: no luck"
    assert second.passed


def test_a_run_of_a_table_is_stored_and_marked_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failing audit stops nothing; a second run does none again; the command says what failed."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "cheats.py").write_text(CHEATS, encoding="utf-8")
    group = tmp_path / "my_conf" / "signal"
    group.mkdir(parents=True)
    (group / "table.yaml").write_text("_target_: cheats.table\n", encoding="utf-8")
    words = ["--config-dir", "my_conf", "signal=table", *WORDS]
    said = in_process(tmp_path, *words)
    assert said.returncode == 0, said.stderr
    assert "vpharness: signal table fails the quick audit: its program holds constants of 160," in said.stderr
    assert "judged fires may depend on where the data began: table is not shown to forget it" in said.stderr
    store = store_in(tmp_path / "lake")
    (row,) = read(store, AUDITS)
    (meta,) = read(store, META)
    assert meta["status"] == "done"
    assert (row["signal_target"], row["dataset_checksum"]) == ("cheats.table", meta["dataset_checksum"])
    assert row["signal_digest"] == json.loads(meta["identity"])["code"]["signal_digest"]
    assert (row["passed"], row["memory_bins"], row["kind"]) == (False, None, QUICK)
    assert "bins are too few to show that it forgets where the data began" in row["failed"]
    (folder,) = (tmp_path / "outputs" / "runs").iterdir()
    assert pq.read_table(folder / "fires.parquet")["within_memory"].to_pylist().count(False) == 0
    other = in_process(tmp_path, *words, "eval.cooldown_bins=40")
    assert other.returncode == 0, other.stderr
    assert "fails the quick audit" in other.stderr
    assert len(read(store, AUDITS)) == 1
    dataset_id = meta["dataset_id"]
    asked = in_process(tmp_path, "audit", "--config-dir", "my_conf", "signal=table", f"dataset.id={dataset_id}")
    assert asked.returncode == 2
    assert "signal table fails the audit: its program holds constants of 160," in asked.stderr
    assert [each["kind"] for each in read(store, AUDITS)] == [QUICK, FULL]
    (audited,) = audits_of(store).values()
    assert audited.kind == FULL


@pytest.mark.parametrize("launcher", ["fused", pytest.param("joblib", marks=pytest.mark.slow)])
def test_every_run_of_a_campaign_has_its_audit(tmp_path: Path, launcher: str) -> None:
    """In one process or in several; a campaign of the same scores adds none; what was short of a warm-up is said."""
    how = [] if launcher == "fused" else ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    words = ["-m", "signal=msd,svac", "signal.thresholds=[1.0]", "eval.warmup_bins=10", *WORDS, *how]
    said = in_process(tmp_path, *words)
    assert said.returncode == 0, said.stderr
    store = store_in(tmp_path / "lake")
    found = {audited.key.signal_target.rpartition(".")[2]: audited for audited in audits_of(store).values()}
    assert {name: audited.passed for name, audited in found.items()} == {"msd": True, "svac": True}
    assert found["msd"].memory_bins == 0
    svac_bins = found["svac"].memory_bins
    assert svac_bins is not None
    assert 200 < svac_bins < 800
    again = in_process(tmp_path, *words, "eval.tp_ticks=3")
    assert again.returncode == 0, again.stderr
    assert len(read(store, AUDITS)) == 2
    alone = in_process(tmp_path, "signal=svac", "signal.thresholds=[1.0]", "eval.warmup_bins=10", *WORDS)
    assert f"lie within the memory of svac, {svac_bins} valid bins" in alone.stderr
    assert f"give eval.warmup_bins={svac_bins} or more" in alone.stderr


def audited(kind: str, created_ns: int, *, passed: bool = True, parameters: str = "{}") -> AuditRecord:
    """Return an audit."""
    key = key_of("a.b", "digest", "checksum", json.loads(parameters))
    return AuditRecord(
        key, "market", passed, "" if passed else "it fails", 7 if passed else None, kind, "1", created_ns
    )


def test_the_newest_full_audit_holds_before_any_quick_one(tmp_path: Path) -> None:
    """Parameters that scores depend on tell audits apart; thresholds do not."""
    store = store_in(tmp_path)
    assert audits_of(store) == {}
    several = [
        audited(FULL, 2, passed=False),
        audited(FULL, 3),
        audited(FULL, 1, passed=False),
        audited(QUICK, 9, passed=False),
        audited(QUICK, 1, parameters='{"window": 5, "thresholds": [1.0]}'),
        audited(QUICK, 2, parameters='{"threshold_quantiles": [], "window": 5}', passed=False),
    ]
    for each in several:
        append(store, audit_rows([each]))
    assert audits_of(store) == {several[1].key: several[1], several[5].key: several[5]}
    assert several[4].key == several[5].key
    assert frozenset(field.name for field in dataclasses.fields(SignalParameters)) == NOT_OF_SCORES


def test_no_audit_without_shuffled_labels_takes_back_what_they_showed(tmp_path: Path) -> None:
    """Neither an earlier nor a later one, whatever it found itself; fits to shuffled labels that find nothing do."""
    store = store_in(tmp_path)
    for each in (audited(FULL, 1), audited(SHUFFLED, 2, passed=False), audited(FULL, 3)):
        append(store, audit_rows([each]))
        (holds,) = audits_of(store).values()
        assert (holds.passed, holds.failed) == ((True, "") if each.created_ns == 1 else (False, "it fails"))
    append(store, audit_rows([dataclasses.replace(audited(FULL, 4, passed=False), failed="not decided: short")]))
    (holds,) = audits_of(store).values()
    assert (holds.failed, holds.undecided) == ("it fails; not decided: short", False)
    append(
        store, audit_rows([dataclasses.replace(audited(FULL, 5, passed=False), failed="fitted to shuffled labels …")])
    )
    append(store, audit_rows([audited(FULL, 6)]))
    (holds,) = audits_of(store).values()
    assert (holds.passed, holds.failed) == (False, "fitted to shuffled labels …")  # as earlier versions wrote it
    append(store, audit_rows([audited(SHUFFLED, 7), audited(FULL, 6)]))
    assert list(audits_of(store).values()) == [audited(FULL, 6)]


def test_a_folder_of_an_earlier_version_says_nothing_of_its_fires(tmp_path: Path) -> None:
    """None of them is counted; a folder without fires is named."""
    pq.write_table(pa.table({"threshold": [1.0, 2.0], "bin_seq": [4, 5]}), tmp_path / "fires.parquet")
    assert fires_within_memory(tmp_path) == (0, 2)
    with pytest.raises(ResultsError, match="cannot be read"):
        fires_within_memory(tmp_path / "nowhere")
