"""The folder of a run, and what is tracked of it."""

import dataclasses
import json
import math
import os
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from omegaconf import DictConfig, OmegaConf

from vpharness.campaigns.execute import RunOutcome
from vpharness.errors import ResultsError
from vpharness.evaluation import OUTCOME_NAMES
from vpharness.results.figure import draw_run
from vpharness.results.tracking import TrackedRun

_PACKAGES: Final = ("jax", "numba", "numpy", "pyarrow", "vpharness")


def write_run_folder(outcome: RunOutcome, config: DictConfig, folder: Path) -> None:
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
        _draw(outcome, aside / "figure.png")
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


def _draw(outcome: RunOutcome, path: Path) -> None:
    """Draw the candidate with the best lower end of the net interval, over the part that was judged."""
    best = max(outcome.candidates, key=lambda each: _or_least(each.judgement.figures.net_pnl_ticks_low))
    sample = best.evaluation.parts[outcome.judged_part].sample
    bins, view = sample.outcomes.fires.bins, outcome.view
    shown = slice(0, sample.part.limit)
    draw_run(
        path,
        f"{outcome.spec.signal.name} at {best.label} on {view.name}, {outcome.judged_part}",
        hours=np.arange(sample.part.limit) * view.cell_width_ms / 3_600_000,
        mid=np.where(view.mid[shown] > 0, view.mid[shown], np.nan),
        fire_bins=bins,
        directions=sample.outcomes.fires.directions,
        net_pnl_ticks=sample.outcomes.net_pnl_ticks,
        scores=outcome.score[bins],
    )


def _or_least(value: float) -> float:
    return -math.inf if math.isnan(value) else value


def tracked_run(outcome: RunOutcome, config: DictConfig, folder: Path) -> TrackedRun:
    """Return what is tracked of a run: its configuration, the figures of the judged part, and its folder."""
    spec, manifest = outcome.spec, outcome.spec.dataset.manifest
    container: Any = OmegaConf.to_container(config, resolve=True)
    chosen = {name: container[name] for name in ("signal", "eval", "split")}
    return TrackedRun(
        name=f"{spec.signal.name} {spec.run_id}",
        parameters={**dict(_flat(chosen)), "dataset.id": manifest.dataset_id},
        metrics=[
            (name, float(value), step)
            for step, candidate in enumerate(outcome.candidates)
            for name, value in _numbers(candidate.judgement.figures, candidate.evaluation.threshold)
        ],
        tags={"run_id": spec.run_id, "signal": spec.signal.name, "code_digest": spec.identity["code"]["signal_digest"]},
        dataset=(manifest.dataset_id, spec.dataset_checksum, str(spec.dataset.path)),
        folder=folder,
    )


def _flat(values: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _numbers(figures: Any, threshold: float) -> Iterator[tuple[str, float]]:
    """Yield the threshold and every figure that is there; the step of a metric is the threshold's place."""
    yield "threshold", threshold
    for name, value in dataclasses.asdict(figures).items():
        if not (isinstance(value, float) and math.isnan(value)):
            yield name, value
