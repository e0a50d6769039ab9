"""Killed at any moment, and begun again, every command that writes leaves what an undisturbed one leaves.

Five commands follow one another in a lake: build, a campaign, a merge of the ledger's parts, compare with a test part
opened, and promote. Each is killed eight times, at moments spread over the time that it takes, on a copy of the lake as
it was before; then, a day later by the times of what was left, the same command is begun again and goes to its end.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq
import pytest

from tests.commands.test_cli import PROJECT, in_process
from tests.integrity.merge_store import BEGUN
from tests.promotion.market import LIMITS, MARKET, OWN, SHORT
from vpharness.datasets.lake import Lake
from vpharness.promotion.serving import current, history, promoted, read_bundle
from vpharness.results import store as tables
from vpharness.results.part_files import list_parts, read_part, write_part
from vpharness.results.store import Store, read, store_in
from vpharness.storage.durable import ABANDONED_S

KILLS: Final = 8
RANKING: Final = "ranking.parquet"
TEMPORARY: Final = (".*", "*unfinished*", "*-old")

NOT_COMPARED: Final = {
    "created_ns": "when a row was written",
    "opened_ns": "when a test part was opened",
    "seconds": "how long a run took",
    "part": "the name of the write, which ends with the time and random digits",
}
ONCE: Final = (tables.META, tables.CANDIDATES, tables.FIRES, tables.EVIDENCE)
"""Tables in which what a run leaves stands once, however often it was begun."""
AS_OFTEN_AS_BEGUN: Final = (tables.AUDITS, tables.CAMPAIGNS, tables.VIEWS)
"""Tables that count attempts: an audit, the beginning of a campaign, or the opening of a test part that was killed
afterwards has happened, and happens again. What differs between their rows beside the time must be the same."""


@dataclass(frozen=True)
class Stage:
    """A command: its name, and the module and words that Python is started with."""

    name: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class Undisturbed:
    """A stage that nobody disturbed: copies of its folder before and after it, and the seconds that it took."""

    stage: Stage
    before: Path
    after: Path
    seconds: float


CAMPAIGN: Final = ("vpharness", "-m", *OWN, *MARKET, *SHORT, "signal.cells=8,12,16", "eval.cooldown_bins=10,20")
STAGES: Final = (
    Stage("build", ("vpharness", "build", *MARKET)),
    Stage("campaign", (*CAMPAIGN, "tracking=none", "campaign=one", "json=true")),
    Stage("merge", ("tests.integrity.merge_store", "lake")),
    Stage("compare", ("vpharness", "compare", "top=1", "show_test=true", f"parquet={RANKING}")),
    Stage(
        "promote",
        ("vpharness", "promote", *LIMITS, "tracking=none", "force=the machine may be too busy for the latency"),
    ),
)


@dataclass
class Started:
    """A stage that runs in a process of its own, and since when; the merge since it has loaded what it needs."""

    process: "subprocess.Popen[str]"
    at: float

    @classmethod
    def of(cls, stage: Stage, folder: Path) -> "Started":
        """Start a stage in a folder, which holds its lake."""
        environment = {**os.environ, "PYTHONPATH": str(PROJECT), "VPHARNESS_LAKE": str(folder / "lake")}
        process = subprocess.Popen(  # noqa: S603  # our own command
            [sys.executable, "-m", *stage.words],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE if stage.name == "merge" else subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        if process.stdout is not None:
            assert process.stdout.readline() == f"{BEGUN}\n"
        return cls(process, time.monotonic())


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Undisturbed]:
    """Every stage, carried out one after the other in one folder."""
    folder = tmp_path_factory.mktemp("undisturbed") / "now"
    group = folder / "my_conf" / "signal"
    group.mkdir(parents=True)
    (group / "recent_flow.yaml").write_text("_target_: tests.promotion.recent_flow.recent_flow\n", encoding="utf-8")
    found = {}
    for each in STAGES:
        stage = each
        if stage.name == "merge":
            _split_parts(store_in(folder / "lake"))
        if stage.name == "promote":
            (best,) = json.loads(in_process(folder, "compare", "top=1", "json=true").stdout)
            stage = replace(stage, words=(*stage.words, f"run_id={best['run_ids'][0]}"))
        before, after = (folder.with_name(f"{when} {stage.name}") for when in ("before", "after"))
        shutil.copytree(folder, before)
        started = Started.of(stage, folder)
        assert _ended(started) == 0, stage.name
        seconds = time.monotonic() - started.at
        shutil.copytree(folder, after)
        found[stage.name] = Undisturbed(stage, before, after, seconds)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", [stage.name for stage in STAGES])
def test_killed_at_any_moment_and_begun_again_a_command_leaves_what_an_undisturbed_one_leaves(
    name: str, undisturbed: dict[str, Undisturbed], tmp_path: Path
) -> None:
    """Eight times: the same dataset, ledger and run folders, nothing left over, and whole bundles alone."""
    stage, before, seconds = undisturbed[name].stage, undisturbed[name].before, undisturbed[name].seconds
    expected, drawn = _content(undisturbed[name].after), random.Random(name)  # noqa: S311  # no secret
    killed, left_over = 0, list[str]()
    for turn in range(KILLS):
        folder = tmp_path / str(turn)
        shutil.copytree(before, folder)
        moment = (turn + drawn.random()) / KILLS * seconds
        where = f"{name} killed after {moment:.2f} of {seconds:.2f} s"
        killed += _kill(Started.of(stage, folder), moment)
        _require_sound(folder, before, where)
        if (folder / RANKING).exists() and not (before / RANKING).exists():
            # Once the file that was asked for is there, whole, the command refuses to write it again.
            assert pq.read_table(folder / RANKING).num_rows == 1, where
            (folder / RANKING).unlink()
        _let_a_day_pass(folder)
        assert _ended(Started.of(stage, folder)) == 0, where
        _require_sound(folder, before, where)
        found = _content(folder)
        assert found.keys() == expected.keys(), where
        for what, content in expected.items():
            assert found[what] == content, f"{where}: {what}"
        left_over += [f"{where}: {path}" for path in _temporary(folder) - _temporary(undisturbed[name].after)]
        shutil.rmtree(folder)
    print(f"{name}: {killed} of {KILLS} killed within {seconds:.1f} s")
    assert left_over == []
    assert killed >= KILLS // 2


def _kill(started: Started, moment: float) -> bool:
    """Kill a stage that many seconds after its start; return whether it was still running."""
    try:
        started.process.wait(timeout=max(0.0, started.at + moment - time.monotonic()))
    except subprocess.TimeoutExpired:
        started.process.send_signal(signal.SIGKILL)
        return _ended(started) == -signal.SIGKILL
    _ended(started)
    return False


def _ended(started: Started) -> int:
    """Wait for the end of a stage; return its exit code."""
    with started.process as process:
        return process.wait(timeout=600)


def _split_parts(store: Store) -> None:
    """Cut the parts of a store into parts of one row, as many small writes would have left them."""
    for folder in store.root.glob("*.parquet"):
        for number, part in enumerate(list_parts(folder)):
            rows = read_part(part)
            for row in range(rows.num_rows):
                stem = f"{part.name.partition('.')[0]}-{number}-{row:04d}"
                aside, place = write_part(folder, rows.slice(row, 1), stem, aside=f".{stem}.parquet")
                aside.rename(place)
            part.unlink()


def _require_sound(folder: Path, before: Path, where: str) -> None:
    """Check that all that can be read is as it was written, and that what is served is whole, as before or new."""
    verified = in_process(folder, "verify")
    assert verified.returncode == 0, f"{where}: {verified.stdout}{verified.stderr}"
    lake = Lake(folder / "lake")
    entries, known = history(lake, "SYN"), history(Lake(before / "lake"), "SYN")
    assert entries[: len(known)] == known, where
    path = promoted(lake, "SYN")
    assert (path is None) == (not entries), where
    if path is not None:
        assert entries[-1] == current(lake, "SYN"), where
        assert read_bundle(path).record.version == path.name == entries[-1].version, where


def _content(folder: Path) -> dict[str, Any]:
    """Return what a folder holds, without what tells one time from another, by what it is."""
    lake, store = Lake(folder / "lake"), store_in(folder / "lake")
    finished = {(row["run_id"], row["part"]) for row in read(store, tables.META) if row["status"] == "done"}
    found: dict[str, Any] = {}
    for table in ONCE:
        # Rows of a run that was not finished when they were written stand for nothing.
        rows = [row for row in read(store, table) if (row["run_id"], row["part"]) in finished]
        found[table] = Counter(map(_text, rows))
    for table in AS_OFTEN_AS_BEGUN:
        found[table] = set(map(_text, read(store, table)))
    for path in lake.variants.glob("*/*"):
        found[f"dataset {path.parent.name} {path.name}"] = path.read_bytes()
    for path in sorted(folder.glob("outputs/runs/*/*.parquet")):
        found[str(path.relative_to(folder))] = path.read_bytes()
    found["run folders"] = sorted(str(path.relative_to(folder)) for path in folder.glob("outputs/runs/*/[!.]*"))
    found["served"] = {entry.version for entry in history(lake, "SYN")[:1]}
    return found


def _text(row: dict[str, Any]) -> str:
    return repr([(name, value) for name, value in sorted(row.items()) if name not in NOT_COMPARED])


def _let_a_day_pass(folder: Path) -> None:
    """Make what has been left so old that it counts as abandoned."""
    then = time.time() - ABANDONED_S - 60
    for left in (folder / name for name in _temporary(folder)):
        for each in (left, *left.rglob("*")):
            os.utime(each, (then, then), follow_symlinks=False)


def _temporary(folder: Path) -> set[str]:
    """Return what a killed process has left below a folder that nobody will ever look at again."""
    found = {
        path for root in ("lake", "outputs") for pattern in TEMPORARY for path in folder.glob(f"{root}/**/{pattern}")
    }
    found |= set(folder.glob(".*"))
    return {str(path.relative_to(folder)) for path in found}
