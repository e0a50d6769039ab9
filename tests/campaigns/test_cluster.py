"""Campaigns on clusters: Ray and Slurm give the store that this process alone gives, whatever dies meanwhile."""

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.campaigns.market import EVALUATION, add_own_signal, small_dataset
from tests.campaigns.test_campaign import QUIET, results_of
from tests.commands.test_cli import in_process, vpharness
from vpharness.datasets.lake import Lake
from vpharness.engines import call_worker, ray_engine
from vpharness.engines.call_worker import Markers
from vpharness.engines.calls import Call, Emit, Parcel, Work, call_values
from vpharness.engines.settings import RaySettings
from vpharness.errors import DatasetError

SWEEP = ["-m", "signal=pfp,msd,svac", "tracking=none", *QUIET[1:], "source.seed=0,1", "eval.tp_ticks=3,4"]
SWEEP += [EVALUATION[0], "signal.thresholds=[0.1,0.3]"]
ON_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0"}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which this process alone has carried out the sweep."""
    folder = tmp_path_factory.mktemp("fused")
    for seed in (0, 1):
        small_dataset(folder / "lake", seed=seed)
    said = in_process(folder, *SWEEP)
    assert said.returncode == 0, said.stderr
    return folder


@pytest.fixture
def folder(tmp_path: Path, expected: Path) -> Path:
    """A folder whose lake has the same markets."""
    place = Lake(tmp_path / "lake").variants
    place.parent.mkdir(parents=True)
    place.symlink_to(Lake(expected / "lake").variants)
    return tmp_path


def assert_same_store(folder: Path, expected: Path) -> None:
    """The rows of finished runs, audits, and the files of run folders are the same."""
    found, wanted = results_of(folder), results_of(expected)
    for name, table in wanted.items():
        pd.testing.assert_frame_equal(found[name], table)
    for run_id in wanted["meta"]["run_id"]:
        ours, theirs = (each / "outputs" / "runs" / run_id for each in (folder, expected))
        assert (ours / "fires.parquet").read_bytes() == (theirs / "fires.parquet").read_bytes()
        assert (ours / "run_card.json").exists()
    assert not list(folder.rglob(".seen-by-*")), "no marker is left"


def test_a_launcher_that_cannot_work_is_refused_before_anything_begins(tmp_path: Path) -> None:
    """Unknown keys, wrong types, values out of range, all in one line."""
    words = ["-m", "signal=pfp", *EVALUATION, "tracking=none"]
    for launcher, setting, expected in (
        ("ray", "cpu=2", "cpu"),
        ("ray", "address=here", "hydra.launcher.address is 'here'; it must be auto, or HOST:PORT"),
        ("slurm", "cluster=pbs", "hydra.launcher.cluster is 'pbs'; it must be one of slurm, local"),
        ("joblib", "n_jobs=0", "hydra.launcher.n_jobs is 0"),
    ):
        said = in_process(tmp_path, *words, f"hydra/launcher={launcher}", f"hydra.launcher.{setting}")
        assert said.returncode == 2
        assert expected in said.stderr
        assert said.stderr.count("\n") == 1, said.stderr
        assert not (tmp_path / "lake").exists()


@pytest.mark.slow
def test_ray_on_this_machine_gives_the_same_store(folder: Path, expected: Path) -> None:
    """Without any set-up; what is on standard output is the campaign's alone."""
    said = vpharness(folder, *SWEEP, "hydra/launcher=ray", "hydra.launcher.n_jobs=2")
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout)["done_now"] == 12
    assert_same_store(folder, expected)


def _slurm_answers() -> bool:
    """Return whether there is a Slurm cluster with a node that takes jobs."""
    sinfo = shutil.which("sinfo")
    if sinfo is None:
        return False
    asked = subprocess.run(  # noqa: S603  # fixed words
        [sinfo, "--noheader", "--format=%a %t"], capture_output=True, text=True, check=False
    )
    return any(line.split() in (["up", "idle"], ["up", "mix"]) for line in asked.stdout.splitlines())


NO_SLURM = pytest.mark.skipif(not _slurm_answers(), reason="no Slurm cluster answers sinfo")
CLUSTERS = ["local", pytest.param("slurm", marks=NO_SLURM)]
"""Jobs as processes of this machine, which submitit starts as it starts jobs; and those of a cluster, where one is."""


@pytest.mark.slow
@pytest.mark.parametrize("cluster", CLUSTERS)
def test_slurms_jobs_give_the_same_store(folder: Path, expected: Path, cluster: str) -> None:
    """The store is that of one process, and the folder of the jobs is removed."""
    own = ["hydra/launcher=slurm", f"hydra.launcher.cluster={cluster}", "hydra.launcher.n_jobs=2"]
    said = vpharness(folder, *SWEEP, *own)
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout)["done_now"] == 12
    assert_same_store(folder, expected)
    assert not list((folder / "outputs" / "slurm").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("launcher", "cluster", "deaths", "failed"),
    [
        ("ray", None, 1, 0),
        ("ray", None, 9, 1),
        ("slurm", "local", 1, 0),
        pytest.param("slurm", "slurm", 1, 0, marks=NO_SLURM),
        pytest.param("slurm", "slurm", 9, 1, marks=NO_SLURM),
    ],
)
def test_a_process_that_dies_on_a_cluster_costs_its_group_a_retry(
    folder: Path, launcher: str, cluster: str | None, deaths: int, failed: int
) -> None:
    """A group whose process dies twice fails in one line, and the others are done."""
    own = [*add_own_signal(folder), "-m", "tracking=none", *QUIET, "signal.thresholds=[0.1]", "experiment=deaths"]
    own += [f"hydra/launcher={launcher}", "hydra.launcher.n_jobs=2"]
    own += [f"hydra.launcher.cluster={cluster}"] if cluster else []
    (folder / "my_conf" / "experiment").mkdir()
    (folder / "my_conf" / "experiment" / "deaths.yaml").write_text(
        f"# @package _global_\nsweep:\n  per_signal:\n    fragile:\n      deaths: ['{deaths}']\n    pfp:\n"
        "      lag_bins: [3]\n",
        encoding="utf-8",
    )
    said = vpharness(folder, *own)
    assert said.returncode == (2 if failed else 0), said.stderr
    assert (json.loads(said.stdout)["done_now"], json.loads(said.stdout)["failed"]) == (2 - failed, failed)
    assert ("the process that carried it out died, twice" in said.stderr) == bool(failed)


@contextmanager
def three_nodes(**of_nodes: Any) -> Iterator[Any]:
    """Yield a Ray cluster of three nodes on the loopback interface, of one core each."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ON_LOOPBACK.items():
            patch.setenv(name, value)
        from ray.cluster_utils import Cluster  # noqa: PLC0415  # an extra, and slow to load

        node: dict[str, Any] = {
            "num_cpus": 1,
            "node_ip_address": "127.0.0.1",
            "object_store_memory": 10**8,
            "include_dashboard": False,
        }
        cluster: Any = Cluster(initialize_head=True, head_node_args=node)
        try:
            for _ in range(2):
                cluster.add_node(**node, **of_nodes)
            yield cluster
        finally:
            cluster.shutdown()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_node_that_is_lost_in_the_middle_costs_nothing_but_time(folder: Path, expected: Path) -> None:
    """Three nodes; one is removed once the first results are in the store."""
    with three_nodes() as cluster:
        node = cluster.list_all_nodes()[-1]
        words = [*SWEEP, "hydra/launcher=ray", f"hydra.launcher.address={cluster.address}"]
        said: list[subprocess.CompletedProcess[str]] = []
        driver = threading.Thread(target=lambda: said.append(vpharness(folder, *words)))
        driver.start()
        meta = folder / "lake" / "research" / "vp_harness" / "results" / "runs_meta.parquet"
        while driver.is_alive() and not list(meta.glob("*.parquet")):
            time.sleep(0.02)
        cluster.remove_node(node, allow_graceful=False)
        assert driver.is_alive(), "it is removed in the middle"
        driver.join()
    assert said[0].returncode == 0, said[0].stderr
    assert json.loads(said[0].stdout)["failed"] == 0
    assert json.loads(said[0].stdout)["done_now"] == 12
    assert_same_store(folder, expected)


def see_another_lake(patch: pytest.MonkeyPatch) -> None:
    """Let the workers of an engine find other folders than this process has."""
    patch.setattr(Markers, "all_seen", lambda *_: False)  # of this process alone
    marked = call_worker.marked

    @contextmanager
    def of_another_lake(works: Any) -> Iterator[Markers]:
        with marked(works) as markers:
            yield Markers(markers.name, "of another lake")

    patch.setattr(ray_engine, "marked", of_another_lake)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_nodes_that_do_not_see_the_lake_give_the_same_store(
    folder: Path, expected: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are sent the datasets through the object store, and this process writes what they send back."""
    see_another_lake(monkeypatch)
    said = in_process(folder, *SWEEP, "hydra/launcher=ray", "hydra.launcher.n_jobs=2")
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout)["done_now"] == 12
    assert_same_store(folder, expected)


def echo(value: Any, parcel: Any, emit: Emit) -> tuple[Any, Any, int]:
    """Return a value and what was sent along."""
    emit("begun")
    return value, parcel, os.getpid()


def fail(emit: Emit) -> None:
    """Fail."""
    raise DatasetError("dataset a is damaged")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_ray_carries_out_any_works_and_sends_each_parcel_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a build uses it; what a call raises arrives as what it is."""
    monkeypatch.chdir(tmp_path)
    read: list[str] = []

    def noted(key: str) -> str:
        read.append(key)
        return key * 3

    def parcel(key: str) -> Parcel:
        return Parcel(key, lambda: noted(key))

    unseen = Path("never")
    works = [Work(Call(fail, ()), (unseen,), Call(echo, (place,)), parcel("ab"[place % 2])) for place in range(6)]
    engine = RaySettings(n_jobs=2).engine()
    with monkeypatch.context() as patch:
        see_another_lake(patch)
        found = call_values(engine, works)
    assert [(value, sent) for value, sent, _ in found] == [(place, "ab"[place % 2] * 3) for place in range(6)]
    assert all(pid != os.getpid() for _, _, pid in found)
    assert sorted(set(read)) == ["a", "b"]
    with pytest.raises(DatasetError, match="dataset a is damaged"):
        call_values(engine, [Work(Call(fail, ()))])
