"""What a campaign costs: `tune_perm_derivative` from the shell, larger ones, and where their time goes.

    python -m tests.benchmarks.bench_campaign [--dataset ID] [--lake PATH] [--alone 8] [--sizes 1000 10000]

Without a dataset, an hour of synthetic market is built. Times are [by the clock, of the processor], seconds: where
other work shares the machine, only the latter tell much. Processor times of a stage are those of the campaign's own
process, its threads included; those of a command include the process that tracks and draws.
"""

import argparse
import contextlib
import io
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

PROJECT = Path(__file__).resolve().parents[2]
TUNE = ["-m", "experiment=tune_perm_derivative"]
STAGES = {
    "compose": "vpharness.commands.campaign.compose_jobs",
    "check and freeze": "vpharness.commands.campaign.make_plan",
    "carry out": "vpharness.commands.campaign.run_groups",
    "  write folders": "vpharness.campaigns.runner.write_run_folder",
    "  write store": "vpharness.campaigns.runner.save",
    "read ledger": "vpharness.commands.campaign_summary.readable_ledger",
    "rank": "vpharness.commands.campaign_summary.rank",
    "hand over pictures": "vpharness.commands.campaign_summary._draw",
    "wait for tracking and pictures": "vpharness.results.tracking_process.TrackingProcess.close",
}
WHOLE = "whole, without import"

Seconds = list[float]
"""By the clock, of the processor."""


def sweep_of(runs: int) -> list[str]:
    """Return a campaign of so many runs, a multiple of 100, that differ in windows, weights, barriers and cooldown."""
    weights = ",".join(f"{place / 1000:g}" for place in range(1, runs // 100 + 1))
    return [
        *("-m", "signal=perm_derivative", "save_series=false"),
        *("signal.zscore_window_bins=120,180,240,300,360", f"signal.d2_weight={weights}"),
        *("eval.tp_ticks=4,6,8,10,12", "eval.cooldown_bins=20,30,40,60"),
    ]


def shell(*words: str, environment: dict[str, str]) -> Seconds:
    """Run a command and return its time."""
    begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "vpharness", *words]
    subprocess.run(command, check=True, env=environment, cwd=PROJECT, stdout=subprocess.DEVNULL)  # noqa: S603  # ours
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return [
        time.perf_counter() - begun,
        after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
    ]


@contextlib.contextmanager
def timed(seconds: dict[str, Seconds]) -> Iterator[None]:
    """Add up the time that each stage takes."""
    with contextlib.ExitStack() as stack:
        for name, target in STAGES.items():
            module, _, attribute = target.rpartition(".")
            stack.enter_context(mock.patch(target, _timing(getattr(_located(module), attribute), name, seconds)))
        yield


def _located(path: str) -> Any:
    import pkgutil  # noqa: PLC0415  # for this alone

    return pkgutil.resolve_name(path)


@contextlib.contextmanager
def _adding(name: str, seconds: dict[str, Seconds]) -> Iterator[None]:
    begun = time.perf_counter(), time.process_time()
    try:
        yield
    finally:
        ended = time.perf_counter(), time.process_time()
        seconds[name] = [had + end - start for had, start, end in zip(seconds[name], begun, ended, strict=True)]


def _timing(function: Callable[..., Any], name: str, seconds: dict[str, Seconds]) -> Callable[..., Any]:
    def called(*arguments: Any, **keywords: Any) -> Any:
        with _adding(name, seconds):
            return function(*arguments, **keywords)

    return called


def stages(words: list[str]) -> dict[str, Any]:
    """Run a campaign in this process; return the time of each stage, its memory, and what was compiled."""
    from vpharness.commands.cli import main  # noqa: PLC0415  # imports the compilers

    seconds: dict[str, Seconds] = defaultdict(lambda: [0.0, 0.0])
    with _adding("import", seconds):
        import vpharness.commands.campaign  # noqa: F401, PLC0415  # as above
    from vpharness.signals.core.body_pieces import plan_of  # noqa: PLC0415  # as above

    with timed(seconds), contextlib.redirect_stdout(io.StringIO()), _adding(WHOLE, seconds):
        if main(words):
            raise SystemExit("the campaign failed")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {**seconds, "peak memory, MB": peak, "signals compiled": plan_of.cache_info().misses}


class Bench:
    """Runs campaigns, each on a lake of its own with the same datasets: what is done already would be skipped."""

    def __init__(self, folder: Path, lake: Path, dataset: str) -> None:
        self.folder, self.lake, self.data = folder, lake, f"dataset.id={dataset}"
        self.environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(folder / "jax")}

    def places(self, name: str) -> list[str]:
        """Return the words that name a lake without results; make it where it is not there yet."""
        here = self.folder / name
        (here / "lake" / "research").mkdir(parents=True, exist_ok=True)
        link = here / "lake" / "research" / "vp_immutable"
        if not link.is_symlink():
            link.symlink_to(self.lake.resolve() / "research" / "vp_immutable")
        return [self.data, f"lake={here}/lake", f"outputs={here}/outputs"]

    def track_something(self, name: str) -> None:
        """Create the tracking store beforehand, as it is on any day but the first."""
        shell("signal=ads", *self.places(name), environment=self.environment)

    def whole(self, name: str, *words: str) -> Seconds:
        """Run a command."""
        return shell(*words, *self.places(name), environment=self.environment)

    def stages(self, name: str, *words: str) -> Any:
        """Run a campaign and look at its stages."""
        command = [sys.executable, "-m", "tests.benchmarks.bench_campaign", "--stages", *words, *self.places(name)]
        said = subprocess.run(command, check=True, env=self.environment, cwd=PROJECT, stdout=subprocess.PIPE)  # noqa: S603  # ours
        return json.loads(said.stdout.splitlines()[-1])


def measured(bench: Bench, alone: int, sizes: list[int]) -> dict[str, Any]:
    """Return all figures."""
    found: dict[str, Any] = {"cold": bench.whole("cold", *TUNE)}
    for name in ("warm", "stages"):
        bench.track_something(name)
    found["warm"] = bench.whole("warm", *TUNE)
    found["stages"] = bench.stages("stages", *TUNE)
    if alone:
        word = "signal.d2_weight={}"
        one = [bench.whole("warm", *TUNE[1:2], "sweep=null", word.format(i / 100)) for i in range(1, alone + 1)]
        found["one process a run, each"] = [sum(each) / alone for each in zip(*one, strict=True)]
        pairs = zip(found["one process a run, each"], found["warm"], strict=True)
        found["times as fast as one process a run"] = [192 * each / warm for each, warm in pairs]
    for size in sizes:
        found[f"plan of {size:,} runs"] = bench.whole(f"of {size}", "plan", *sweep_of(size)[1:])
        found[f"campaign of {size:,} runs"] = bench.stages(f"of {size}", *sweep_of(size))
        found[f"campaign of {size:,} runs again"] = bench.whole(f"of {size}", *sweep_of(size))
        found[f"compare of {size:,} runs"] = bench.whole(f"of {size}", "compare", "json=true")
    return found


def run() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--lake")
    parser.add_argument("--dataset")
    parser.add_argument("--alone", type=int, default=8, help="runs that are timed one process each")
    parser.add_argument("--sizes", type=int, nargs="*", default=[], help="campaigns of so many runs, multiples of 100")
    parser.add_argument("--stages", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.stages is not None:
        print(json.dumps(stages(asked.stages)))
        return
    folder = Path(tempfile.mkdtemp())
    bench = Bench(folder, Path(asked.lake or folder / "built"), asked.dataset or "hour")
    if asked.dataset is None:
        build = ["build", "source.minutes=60", "dataset.id=hour", f"lake={bench.lake}"]
        shell(*build, environment=bench.environment)
    print(json.dumps(measured(bench, asked.alone, asked.sizes), indent=1))
    shutil.rmtree(folder)


if __name__ == "__main__":
    run()
