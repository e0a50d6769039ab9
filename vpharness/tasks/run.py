"""The main job: one signal on one dataset, judged, stored and shown."""

import dataclasses
import json
import os
import shutil
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from omegaconf import DictConfig, OmegaConf

from vpharness.campaigns.execute import RunOutcome, execute
from vpharness.campaigns.saving import save_failure, save_outcome
from vpharness.campaigns.spec import RunSpec, spec_problems
from vpharness.datasets.build import build
from vpharness.datasets.find import Dataset, find_dataset
from vpharness.datasets.lake import Lake
from vpharness.errors import ConfigError, ResultsError, VpharnessError
from vpharness.evaluation import OUTCOME_NAMES
from vpharness.parameters import problems
from vpharness.results.records import Labels, finished_runs
from vpharness.results.store import Store, check_version, store_in
from vpharness.tasks.progress import shown
from vpharness.tasks.schema import instance
from vpharness.tasks.spans import parse_time_ns
from vpharness.tasks.tables import print_candidates

_PACKAGES = ("jax", "numba", "numpy", "pyarrow", "vpharness")


def run_run(config: DictConfig) -> None:
    """Run a signal over a dataset, and say what its fires came to."""
    lake = Lake(Path(config.lake))
    store = store_in(lake.root)
    check_version(store)
    _refuse_axes(config)
    spec = _spec(config, lake)
    labels = Labels(experiment=config.experiment_name)
    folder = Path(config.outputs) / "runs" / spec.run_id
    if spec.run_id in finished_runs(store) and folder.is_dir():
        print(f"run {spec.run_id} is in the store already; its candidates:", file=sys.stderr)
    else:
        _carry_out(spec, config, store, labels, folder)
    print_candidates(store, lake, [spec.run_id], as_json=config.json, folder=folder)


def _refuse_axes(config: DictConfig) -> None:
    if config.sweep is None:
        return
    if config.sweep.universal or any(config.sweep.per_signal.values()):
        name = config.experiment_name or "NAME"
        raise ConfigError(
            f"experiment {name} has axes to sweep; one run has one value of each: "
            f"python -m vpharness -m experiment={name}"
        )


def _spec(config: DictConfig, lake: Lake) -> RunSpec:
    """Check everything that can be checked before work, then find or build the dataset."""
    source, lattice = instance(config.source, "source"), instance(config.lattice, "lattice")
    parts = {"signal": instance(config.signal, "signal"), "eval": instance(config.eval, "eval")}
    parts["split"] = instance(config.split, "split")
    choice = instance(config.dataset, "dataset")
    checked = parts if choice.id is not None else {**parts, "source": source, "lattice": lattice}
    wrong = [sentence for name, part in checked.items() for sentence in problems(part, f"{name}.")]
    if wrong:
        raise ConfigError("; ".join(wrong))
    dataset = find_dataset(lake, choice.id) if choice.id is not None else _built(config, lake, source, lattice)
    spec = RunSpec(dataset, str(config.signal["_target_"]), parts["signal"], parts["eval"], parts["split"])
    wrong = list(spec_problems(spec))
    if wrong:
        raise ConfigError("; ".join(wrong))
    return spec


def _built(config: DictConfig, lake: Lake, source: Any, lattice: Any) -> Dataset:
    start_ns, end_ns = parse_time_ns(config.start, "start"), parse_time_ns(config.end, "end")
    with shown() as report:
        built = build(lake, source, lattice, start_ns=start_ns, end_ns=end_ns, report=report)
    return Dataset(built.path, built.manifest)


def _carry_out(spec: RunSpec, config: DictConfig, store: Store, labels: Labels, folder: Path) -> None:
    try:
        outcome = execute(spec)
    except VpharnessError as error:
        save_failure(store, spec, labels, str(error))
        raise
    save_outcome(store, [outcome], labels)
    _write_folder(outcome, config, folder)


def _write_folder(outcome: RunOutcome, config: DictConfig, folder: Path) -> None:
    """Write the run folder: aside first, so that it is there whole or not at all."""
    aside = folder.with_name(f".{folder.name}-{os.getpid()}")
    try:
        aside.mkdir(parents=True)
        OmegaConf.save(config, aside / "config.yaml", resolve=True)
        card = json.dumps(_run_card(outcome, config), indent=1)
        (aside / "run_card.json").write_text(card + "\n", encoding="utf-8")
        if config.save_series:
            series = pa.table({"bin_seq": outcome.bin_seq, "score": outcome.score})
            pq.write_table(series, aside / "score.parquet")
        pq.write_table(_fires(outcome), aside / "fires.parquet")
        shutil.rmtree(folder, ignore_errors=True)
        aside.rename(folder)
    except OSError as error:
        raise ResultsError(
            f"the run is in the store, but its folder {folder} cannot be written: {error.strerror or error}"
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _run_card(outcome: RunOutcome, config: DictConfig) -> dict[str, Any]:
    """Return everything that is needed to run it again."""
    spec = outcome.spec
    return {
        "run_id": spec.run_id,
        "identity": spec.identity,
        "dataset": dataclasses.asdict(spec.dataset.manifest),
        "config": OmegaConf.to_container(config, resolve=True),
        "versions": {name: version(name) for name in _PACKAGES},
        "python": sys.version.split()[0],
        "seconds": outcome.seconds,
    }


def _fires(outcome: RunOutcome) -> pa.Table:
    """Return the fires of the part that was judged, with their outcomes; the test part stays closed."""
    tables = []
    names = np.array(OUTCOME_NAMES)
    for candidate in outcome.candidates:
        judged = candidate.evaluation.parts[outcome.judged_part].sample.outcomes
        columns = {
            "threshold": np.full(len(judged.fires), candidate.evaluation.threshold),
            "bin_seq": outcome.bin_seq[judged.fires.bins],
            "direction": judged.fires.directions,
            "outcome": names[judged.mid_code],
            "pnl_ticks": judged.mid_pnl_ticks,
            "net_outcome": names[judged.net_code],
            "net_pnl_ticks": judged.net_pnl_ticks,
        }
        tables.append(pa.table(columns))
    return pa.concat_tables(tables)
