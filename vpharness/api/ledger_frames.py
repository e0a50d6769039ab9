"""The trial ledger as tidy frames: candidates as `compare` ranks them, and their fires."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from vpharness.api.folders import Folder, lake_in
from vpharness.api.running import one_sentence
from vpharness.commands.compare import compared
from vpharness.commands.comparison_filters import require_known, require_known_campaign
from vpharness.commands.ledger_access import readable_ledger
from vpharness.config.command_schemas import CompareCommand
from vpharness.errors import ConfigError
from vpharness.evaluation import Figures
from vpharness.parameters import problems
from vpharness.results.ledger import LedgerCandidate, Trial
from vpharness.results.sensitivity import settings_of
from vpharness.results.store import FIRES, Store, read, store_in
from vpharness.storage.arrow import table_of_rows

_ALL: Final = 10**9
_NO_RESULTS: Final = ("candidate_id", "run_ids", "datasets", "signal", "threshold", "p_value", "p_adjusted", "winner")
_NO_FIRES: Final = (
    "candidate_id", "run_id", "signal", "dataset_id", "threshold", "bin", "time", "direction", "net_pnl_ticks",
)  # fmt: skip


def results(  # noqa: PLR0913  # what compare takes
    *,
    signal: str | None = None,
    dataset: str | None = None,
    collection: str | None = None,
    campaign: str | None = None,
    candidate: str | None = None,
    by: str | None = None,
    sort: str = CompareCommand.sort,
    top: int | None = None,
    min_signals: int = CompareCommand.min_signals,
    max_hold_bins: int | None = None,
    mixed_horizon: bool = CompareCommand.mixed_horizon,
    show_test: bool = False,
    lake: Folder | None = None,
) -> pd.DataFrame:
    """Return the candidates of the ledger, the best first: what `compare` shows, a row for each.

    Parameters of the signal and the evaluation are columns, such as `signal.lag_bins` and `eval.tp_ticks`; every figure
    is one, with the ends of its interval beside it. What lacks data to be ranked comes last, and says so in `lacks`.

    Args:
        signal: of this signal alone.
        dataset: on this dataset alone.
        collection: on the datasets of this collection alone: "ID" for its newest version, "ID@3" for the third.
        campaign: of this campaign alone, with p against its own candidates beside.
        candidate: this candidate alone, by its id, or how that begins.
        by: "dataset" has a row for each dataset that a candidate ran on.
        sort: "net", or "tp_rate".
        top: maximum number of rows (default: all); `show_test` needs it.
        min_signals: the least fires at the mid that a candidate has.
        max_hold_bins: with this evaluation `max_hold_bins` alone.
        mixed_horizon: whether what holds for different times is ranked together; shorter ones come first otherwise.
        show_test: opens the test part of all that is shown, which is counted for good: `top` says of how many.
        lake: the folder of datasets and results.

    Raises VpharnessError for a value out of range, and for a name that the ledger does not know.
    """
    if show_test and top is None:
        raise ConfigError("show_test=True opens the test part of all that is shown, for good; give top=N with it")
    asked = CompareCommand(
        lake=str(lake_in(lake).root),
        of_signal=signal,
        campaign=campaign,
        candidate=candidate,
        by=by,
        sort=sort,
        top=_ALL if top is None else top,
        min_signals=min_signals,
        max_hold_bins=max_hold_bins,
        mixed_horizon=mixed_horizon,
        show_test=show_test,
    )
    if wrong := problems(asked):
        raise ConfigError("; ".join(wrong))
    with one_sentence():
        rows = compared(asked, dataset, collection).answer.rows
    if not rows:
        return pd.DataFrame(columns=[*_NO_RESULTS, *(field.name for field in dataclasses.fields(Figures))])
    frame: pd.DataFrame = table_of_rows(rows).to_pandas()
    return frame


def execution(candidate: str, *, dataset: str | None = None, lake: Folder | None = None) -> pd.DataFrame:
    """Return the ways of entering a candidate's fires, a row for each: as a taker, and as a maker of several latencies.

    `fill`, `latency_ms` and `max_wait_bins` say how; every figure is a column, with `net_per_order_ticks`, in which an
    order that is not filled counts as 0, `executed_median` and `executed_mean`, the quantity executed at the order's
    price within the wait, and `pays`. `p_adjusted` is among everything tried on the market time and all rows here.
    Rows that `is_explored` have not been run: they win nothing, and who chooses by them runs them all.

    Args:
        candidate: its id, or how that begins.
        dataset: on this dataset alone.
        lake: the folder of datasets and results.

    Raises VpharnessError where there is no such candidate, or its datasets are not at hand or have no queues.
    """
    asked = CompareCommand(lake=str(lake_in(lake).root), execution=candidate, min_signals=0)
    with one_sentence():
        rows = compared(asked, dataset).answer.rows
    frame: pd.DataFrame = table_of_rows(rows).to_pandas()
    return frame


def information(candidate: str, *, dataset: str | None = None, lake: Folder | None = None) -> pd.DataFrame:
    """Return how well a candidate's scores agree with later moves, in the part that chose, as tidy rows.

    The column `of` says what a row is of: `coefficient` is Spearman's of scores and moves over `horizon_bins`, `decile`
    the mean move after a tenth of the scores; of a learned signal also `calibration`, the mean label of each tenth,
    `macro_f1` and `p_t` of the classes predicted at the threshold, `class` with how often each is true and predicted,
    and `importance`, what the coefficient of scores and labels loses once the feature `name` is shuffled in blocks.
    `value` is the figure, `low` and `high` the ends of its 95 % interval over blocks of time. All of it describes; no
    p-value counts it.

    Args:
        candidate: its id, or how that begins.
        dataset: on this dataset alone.
        lake: the folder of datasets and results.

    Raises VpharnessError where there is no such candidate, or its datasets or its signal are not at hand as they were.
    """
    asked = CompareCommand(lake=str(lake_in(lake).root), information=candidate, min_signals=0)
    with one_sentence():
        rows = compared(asked, dataset).answer.rows
    frame: pd.DataFrame = table_of_rows(rows).to_pandas()
    return frame


def fires(
    *,
    signal: str | None = None,
    dataset: str | None = None,
    campaign: str | None = None,
    candidate: str | None = None,
    run: str | None = None,
    lake: Folder | None = None,
) -> pd.DataFrame:
    """Return the fires of candidates, a row for each fire, with parameters and evaluation as columns.

    `bin` and `time` are those of the fire, `direction` is 1 or -1, and `net_pnl_ticks` is what it earned net: NaN for
    fires outside the part that was judged, whose outcomes stay closed, and in results of an earlier version.

    Args:
        signal: of this signal alone.
        dataset: on this dataset alone.
        campaign: of this campaign alone.
        candidate: the id of a candidate, or how it begins.
        run: the id of a run, or how it begins.
        lake: the folder of datasets and results.

    Raises VpharnessError where the results cannot be read, and for a name that the ledger does not know.
    """
    found = lake_in(lake)
    store = store_in(found.root)
    ledger = readable_ledger(store, found)
    require_known(dataset, signal, ledger)
    require_known_campaign(campaign, ledger)
    _require_id("candidate", candidate, [each.candidate_id for each in ledger])
    _require_id("run", run, [run_id for each in ledger for run_id in each.run_ids])

    def is_meant(trial: Trial) -> bool:
        return (
            (signal is None or trial.signal == signal)
            and (dataset is None or trial.dataset_id == dataset)
            and (campaign is None or campaign in trial.campaigns)
            and (candidate is None or trial.candidate_id.startswith(candidate))
            and (run is None or any(run_id.startswith(run) for run_id in trial.run_ids))
        )

    frames = [*_frames(ledger, is_meant, _net_of_fires(store))]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(_NO_FIRES))


def _require_id(name: str, begins: str | None, known: Sequence[str]) -> None:
    if begins is not None and not any(each.startswith(begins) for each in known):
        raise ConfigError(f"{name} is {begins!r}; no id in the ledger begins so: vp.results() has them all")


def _net_of_fires(store: Store) -> dict[tuple[str, str], Any]:
    """Return what each fire earned net, ticks, by run and candidate; nothing where an earlier version wrote them."""
    rows = read(store, FIRES, ["run_id", "candidate_id", "net_pnl_ticks"])
    return {(row["run_id"], row["candidate_id"]): row.get("net_pnl_ticks") for row in rows}


def _frames(
    ledger: list[LedgerCandidate], is_meant: Callable[[Trial], bool], net: dict[tuple[str, str], Any]
) -> Iterator[pd.DataFrame]:
    for trial in (trial for each in ledger for trial in each.trials if is_meant(trial)):
        earned = net.get((trial.run_id, trial.candidate_id))
        bins = trial.fires.bins
        width_ns = round(trial.evaluation.cell_width_ms * 1_000_000)
        times = pd.to_datetime((trial.first_bin_start_ns or 0) + bins * width_ns, unit="ns", utc=True)
        settings = settings_of(trial)
        columns = {
            "candidate_id": trial.candidate_id,
            "run_id": trial.run_id,
            "signal": trial.signal,
            "dataset_id": trial.dataset_id,
            "threshold": settings.pop("threshold"),
            "bin": bins,
            "time": times if trial.first_bin_start_ns is not None else pd.NaT,
            "direction": trial.fires.directions,
            "net_pnl_ticks": np.full(len(bins), np.nan) if earned is None else np.array(earned, np.float64),
            # A list among the parameters would be taken for a column.
            **{name: [value] * len(bins) if isinstance(value, list) else value for name, value in settings.items()},
        }
        if len(bins):
            yield pd.DataFrame(columns)
