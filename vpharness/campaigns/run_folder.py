"""The folder of a run: its configuration, its run card, its fires and its scores."""

import contextlib
import functools
import json
import math
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import yaml
from numpy.typing import NDArray

from vpharness.campaigns.campaign_plan import Job
from vpharness.campaigns.execute import RunOutcome
from vpharness.campaigns.run_spec import RunSpec
from vpharness.errors import ResultsError, require_memory
from vpharness.evaluation import MARKOUT_MS, OUTCOME_NAMES, DatasetView, FireOrders
from vpharness.order_fates import REASONS
from vpharness.results.plots import RunPlot
from vpharness.storage.arrow import arrow_array, table_of_columns
from vpharness.storage.durable import aside_of, unfinished_names, writing_in
from vpharness.storage.parquet import open_parquet, write_parquet

_PACKAGES: Final = ("jax", "numba", "numpy", "pyarrow", "vpharness")
_FIRES_FILE: Final = "fires.parquet"
_RUNS: Final = "runs"
CONFIG_FILE: Final = "config.yaml"
CARD_FILE: Final = "run_card.json"
FIGURE_FILE: Final = "figure.png"


def folder_of(outputs: Path, run_id: str) -> Path:
    """Return the folder of a run."""
    return outputs / _RUNS / run_id


def sweep_run_folders(outputs: Path) -> None:
    """Delete what processes that were killed have left of run folders; nothing where somebody writes some now."""
    with writing_in(outputs / _RUNS, *unfinished_names("*")):
        pass


def writing_run_folders(outputs: Path) -> AbstractContextManager[None]:
    """Return a context in which run folders are written: nobody sweeps them meanwhile."""
    with contextlib.suppress(OSError):  # where it cannot be made, writing into it says why
        (outputs / _RUNS).mkdir(parents=True, exist_ok=True)
    return writing_in(outputs / _RUNS)


def write_run_folder(outcome: RunOutcome, job: Job, folder: Path, *, save_series: bool) -> None:
    """Write the run folder, first under a temporary name, so that it exists whole or not at all.

    Raises ResultsError where it cannot be written.
    """
    with _written_whole(folder) as aside:
        # What jobs have in common, a group of keys each, is put into YAML once.
        config = "".join(_yaml(json.dumps({key: value})) for key, value in job.config.items())
        (aside / CONFIG_FILE).write_text(config, encoding="utf-8")
        (aside / "overrides.yaml").write_text(_yaml(json.dumps(job.words)), encoding="utf-8")
        card = ",\n".join(
            f" {json.dumps(key)}: {json.dumps(value)}" for key, value in _run_card(outcome, job.config).items()
        )
        (aside / CARD_FILE).write_text(f"{{\n{card}\n}}\n", encoding="utf-8")
        if save_series:
            series = table_of_columns({"bin_seq": outcome.bin_seq, "score": outcome.score})
            write_parquet(series, aside / "score.parquet", use_dictionary=False)
        write_parquet(_fires(outcome), aside / _FIRES_FILE)


def put_run_folder(files: Mapping[str, bytes], folder: Path) -> None:
    """Write a run folder whose files were written elsewhere, whole or not at all.

    Raises ResultsError where it cannot be written, or where a name is not that of a file.
    """
    for name in files:
        if Path(name).name != name:
            raise ResultsError(f"the run folder {folder} cannot have a file {name!r}")
    with _written_whole(folder) as aside:
        for name, content in files.items():
            (aside / name).write_bytes(content)


@contextlib.contextmanager
def _written_whole(folder: Path) -> Iterator[Path]:
    """Yield a folder to write in, which becomes `folder` when the block ends; an OSError becomes a ResultsError."""
    aside = aside_of(folder)
    try:
        aside.mkdir(parents=True)
        yield aside
        if folder.exists():
            folder.rename(aside.with_name(f"{aside.name}-old"))
        aside.rename(folder)
    except OSError as error:
        raise ResultsError(f"the run folder {folder} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        shutil.rmtree(aside.with_name(f"{aside.name}-old"), ignore_errors=True)


@functools.lru_cache(maxsize=1024)
def _yaml(as_json: str) -> str:
    """Return a value in YAML."""
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # ten times as fast, where it has been compiled
    text: str = yaml.dump(json.loads(as_json), Dumper=dumper, sort_keys=False, allow_unicode=True)
    return text


def _run_card(outcome: RunOutcome, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything that is needed to run it again."""
    spec = outcome.spec
    return {
        "run_id": spec.run_id,
        "identity": spec.identity,
        "dataset": vars(spec.dataset.manifest),
        "config": config,
        "versions": _versions(),
        "python": sys.version.split()[0],
        "seconds": outcome.seconds,
    }


@functools.cache
def _versions() -> dict[str, str]:
    return {name: version(name) for name in _PACKAGES}


def _fires(outcome: RunOutcome) -> pa.Table:
    """Return the fires of the part that was judged, with their outcomes; the test part stays closed."""
    names = pa.array(OUTCOME_NAMES)
    tables = []
    for candidate in outcome.candidates:
        if candidate.judgement is None:
            continue
        judged = candidate.evaluation.parts[outcome.judged_part].outcomes
        columns = {
            "threshold": np.full(len(judged.fires), candidate.evaluation.threshold),
            "bin_seq": outcome.bin_seq[judged.fires.bins],
            "direction": judged.fires.directions,
            "score": outcome.score[judged.fires.bins],
            "outcome": names.take(arrow_array(judged.mid_code)),
            "pnl_ticks": judged.mid_pnl_ticks,
            "net_outcome": names.take(arrow_array(judged.net_code)),
            "net_pnl_ticks": judged.net_pnl_ticks,
            **_orders(judged.orders),
            "within_memory": _within_memory(outcome, judged.fires.bins),
        }
        tables.append(table_of_columns(columns))
    return pa.concat_tables(tables) if tables else pa.table({"threshold": [], "bin_seq": []})


def _orders(orders: FireOrders | None) -> dict[str, Any]:
    """Return what became of the resting order of each fire; nothing where every entry is at the touch."""
    if orders is None:
        return {}
    return {
        "order": pa.array(REASONS).take(arrow_array(orders.reason)),
        "order_wait_ms": orders.wait_ms,
        **{f"markout_{after}ms_ticks": each for after, each in zip(MARKOUT_MS, orders.markout_ticks, strict=True)},
    }


def _within_memory(outcome: RunOutcome, bins: NDArray[np.int64]) -> pa.Array:
    """Return for each fire whether its score may depend on where the data began; null without an audit."""
    within = outcome.within_memory
    return pa.nulls(len(bins), pa.bool_()) if within is None else arrow_array(within[bins])


def fires_within_memory(folder: Path) -> tuple[int, int]:
    """Return how many of a run's judged fires lie inside its signal's memory, and their total number.

    Folders of earlier versions lack the column: none of theirs is counted. Raises ResultsError where the folder cannot
    be read.
    """
    try:
        with open_parquet(folder / _FIRES_FILE) as file:
            if "within_memory" not in file.schema_arrow.names:
                return 0, file.metadata.num_rows
            within = file.read(["within_memory"])["within_memory"].to_pylist()
    except (OSError, pa.ArrowException) as error:
        require_memory(error)
        raise ResultsError(f"the fires of {folder} cannot be read: {error}") from error
    return sum(map(bool, within)), len(within)


def picture_of(
    spec: RunSpec, view: DatasetView, bin_seq: NDArray[np.int64], rows: Sequence[Mapping[str, Any]], folder: Path
) -> RunPlot:
    """Return the picture of the candidate with the best lower end of the net interval, over the part that was judged.

    Args:
        spec: the run.
        view: its dataset.
        bin_seq: [T] the numbers of the dataset's bins.
        rows: its candidates, as `candidate_rows` has them.
        folder: its folder.

    Raises ResultsError where the folder cannot be read.
    """
    best = max(rows, key=lambda row: _or_least(row["net_pnl_ticks_low"]))
    try:
        with open_parquet(folder / _FIRES_FILE) as file:
            table = file.read()
    except (OSError, pa.ArrowException) as error:
        require_memory(error)
        raise ResultsError(f"the fires of {folder} cannot be read: {error}") from error
    fires = table.filter(table["threshold"].to_numpy() == best["threshold"]).to_pydict()
    bins = np.searchsorted(bin_seq, np.array(fires["bin_seq"], np.int64))
    last = int(bins[-1]) + spec.resolved.net_reach_bins if len(bins) else view.n_bins
    shown = slice(0, min(last, view.n_bins))
    return RunPlot.of(
        f"{spec.signal.name} at {best['threshold_label']} on {view.name}",
        hours=np.arange(view.n_bins)[shown] * view.cell_width_ms / 3_600_000,
        mid=np.where(view.has_mid, view.mid, np.nan)[shown],
        fire_bins=bins,
        directions=fires["direction"],
        net_pnl_ticks=fires["net_pnl_ticks"],
        scores=fires["score"],
    )


def _or_least(value: float) -> float:
    return -math.inf if math.isnan(value) else value
