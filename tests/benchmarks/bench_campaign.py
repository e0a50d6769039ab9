"""What a campaign costs: `tune_perm_derivative` from the shell, and where its time goes.

    python -m tests.benchmarks.bench_campaign [--dataset ID] [--lake PATH] [--alone 8]

Without a dataset, an hour of synthetic market is built. Compared with the same runs, one process each.
"""

import argparse
import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

PROJECT = Path(__file__).resolve().parents[2]
CAMPAIGN = ["-m", "experiment=tune_perm_derivative", "json=true"]
STAGES = {
    "compose": "vpharness.tasks.campaign.compose_jobs",
    "check and freeze": "vpharness.tasks.campaign.freeze",
    "carry out": "vpharness.tasks.campaign.carry_out",
    "  write folders": "vpharness.campaigns.carry_out.write_run_folder",
    "  write store": "vpharness.campaigns.carry_out.save",
    "rank": "vpharness.tasks.campaign_end.rank",
    "read ledger": "vpharness.tasks.campaign_end.readable_ledger",
    "hand over pictures": "vpharness.tasks.campaign_end._draw",
    "wait for tracking": "vpharness.results.tracking_process.TrackingProcess.close",
}


def shell(*words: str, environment: dict[str, str]) -> float:
    """Run a command and return its wall time, seconds."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", "vpharness", *words]
    subprocess.run(command, check=True, env=environment, cwd=PROJECT, stdout=subprocess.DEVNULL)  # noqa: S603  # ours
    return time.perf_counter() - begun


@contextlib.contextmanager
def timed(seconds: Counter[str]) -> Iterator[None]:
    """Add up the time that each stage takes."""
    with contextlib.ExitStack() as stack:
        for name, target in STAGES.items():
            module, _, attribute = target.rpartition(".")
            owner = _located(module)
            stack.enter_context(mock.patch(target, _timing(getattr(owner, attribute), name, seconds)))
        yield


def _located(path: str) -> Any:
    import pkgutil  # noqa: PLC0415  # for this alone

    return pkgutil.resolve_name(path)


def _timing(function: Callable[..., Any], name: str, seconds: Counter[str]) -> Callable[..., Any]:
    def called(*arguments: Any, **keywords: Any) -> Any:
        begun = time.perf_counter()
        try:
            return function(*arguments, **keywords)
        finally:
            seconds[name] += time.perf_counter() - begun  # type: ignore[assignment]  # a Counter may hold floats

    return called


def stages(words: list[str]) -> Counter[str]:
    """Run a campaign in this process and return the time of each stage, seconds."""
    from vpharness.tasks.cli import main  # noqa: PLC0415  # imports the compilers

    seconds: Counter[str] = Counter()
    begun = time.perf_counter()
    import vpharness.tasks.campaign  # noqa: F401, PLC0415  # as above

    seconds["import"] = time.perf_counter() - begun  # type: ignore[assignment]  # as above
    with timed(seconds), contextlib.redirect_stdout(io.StringIO()):
        begun = time.perf_counter()
        if main(words):
            raise SystemExit("the campaign failed")
        seconds["whole, without import"] = time.perf_counter() - begun  # type: ignore[assignment]  # as above
    return seconds


def run() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--lake")
    parser.add_argument("--dataset")
    parser.add_argument("--alone", type=int, default=8, help="runs that are timed one process each")
    parser.add_argument("--stages", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.stages is not None:
        print(json.dumps(stages(asked.stages)))
        return
    folder = Path(tempfile.mkdtemp())
    environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(folder / "jax")}
    lake = asked.lake or str(folder / "lake")
    if asked.dataset is None:
        shell("build", "source.minutes=60", "dataset.id=hour", f"lake={lake}", environment=environment)
    data = [f"dataset.id={asked.dataset or 'hour'}"]
    found: dict[str, Any] = {}
    for name in ("cold", "warm", "stages"):
        # A lake of its own for each, on the same datasets: what is done already would be skipped.
        here = folder / name
        (here / "lake" / "research").mkdir(parents=True)
        (here / "lake" / "research" / "vp_immutable").symlink_to(Path(lake).resolve() / "research" / "vp_immutable")
        places = [f"lake={here}/lake", f"outputs={here}/outputs"]
        if name != "cold":
            # The tracking store is there already, as it is on any day but the first.
            shell("signal=ads", *data, *places, environment=environment)
        if name == "stages":
            command = [sys.executable, "-m", "tests.benchmarks.bench_campaign", "--stages", *CAMPAIGN, *data, *places]
            said = subprocess.run(command, check=True, env=environment, cwd=PROJECT, capture_output=True)  # noqa: S603  # ours
            found["stages"] = json.loads(said.stdout.splitlines()[-1])
        else:
            found[name] = shell(*CAMPAIGN, *data, *places, environment=environment)
    places = [f"lake={folder}/warm/lake", f"outputs={folder}/alone"]
    each = [
        shell(
            "experiment=tune_perm_derivative",
            "sweep=null",
            f"signal.d2_weight={place / 100}",
            *data,
            *places,
            environment=environment,
        )
        for place in range(1, asked.alone + 1)
    ]
    found["one process a run, each"] = sum(each) / len(each)
    found["times as fast as one process a run"] = 192 * found["one process a run, each"] / found["warm"]
    shutil.rmtree(folder)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    run()
