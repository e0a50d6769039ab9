"""Walk-forward as tidy frames: a procedure of choosing candidates, judged from what the ledger holds."""

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from vpharness.api.folders import Folder, lake_in
from vpharness.api.running import one_sentence
from vpharness.commands.ledger_access import readable_ledger
from vpharness.commands.text.walk_forward_tables import step_rows
from vpharness.commands.walk_forward import WalkForwardQuestion, walked_forward
from vpharness.config.command_schemas import CompareCommand
from vpharness.errors import ConfigError
from vpharness.parameters import problems
from vpharness.results.store import store_in
from vpharness.results.walk_forward import judged
from vpharness.results.walk_forward.summary import values_of
from vpharness.results.walk_forward.tried import Procedure
from vpharness.storage.arrow import table_of_rows


@dataclass(frozen=True)
class WalkForwardResult:
    """A procedure with what it chose and earned.

    Attributes:
        figures: its settings and figures by name: `net_pnl_ticks` with its interval, `p_value`, `p_adjusted` over all
            procedures that were tried on the same market time, `share_above_zero`, `pbo` and others; None for what
            there is not.
        steps: a row for each step: what was chosen, with its parameters, and its results in and out of sample. The last
            one is the choice that is in force.
        fires: a row for each out-of-sample fire, in the order of time, with the sum of net ticks so far as `equity`.
        pbo: a row for each half of the segments: λ (`logit`), and the net mean of its best candidate in that half
            (`in_sample_net_pnl_ticks`) and in the other one (`net_pnl_ticks`); none where PBO is not defined.
    """

    figures: dict[str, Any]
    steps: pd.DataFrame = field(repr=False)
    fires: pd.DataFrame = field(repr=False)
    pbo: pd.DataFrame = field(repr=False)


def walk_forward(  # noqa: PLR0913  # what compare takes
    campaign: str | None = None,
    *,
    train: int = CompareCommand.train,
    step: int = CompareCommand.step,
    segments: int | None = None,
    collection: str | None = None,
    dataset: str | None = None,
    signal: str | None = None,
    mixed_horizon: bool = CompareCommand.mixed_horizon,
    show_test: bool = False,
    lake: Folder | None = None,
) -> WalkForwardResult:
    """Return what `compare walk_forward=true` computes: nothing runs, and no dataset is read. Every procedure counts.

    Args:
        campaign: whose candidates are chosen from (default: all of the ledger).
        train: how many segments before a step choose; 0 for all before.
        step: how many segments a choice is in force.
        segments: equal spans that a single dataset is cut into (default: each dataset is a segment).
        collection: whose datasets are the segments: its id, or a version such as ES@3.
        dataset: the dataset that is cut into spans.
        signal: whose candidates are chosen from.
        mixed_horizon: whether candidates that hold for different times are chosen among.
        show_test: opens segments that are kept for the test, which is counted for good.
        lake: the folder of datasets and results.

    Raises VpharnessError for a value out of range, for a name that is not known, and where there are too few segments.
    """
    found = lake_in(lake)
    asked = CompareCommand(
        lake=str(found.root),
        of_signal=signal,
        campaign=campaign,
        mixed_horizon=mixed_horizon,
        show_test=show_test,
        walk_forward=True,
        train=train,
        step=step,
        segments=segments,
    )
    if wrong := problems(asked):
        raise ConfigError("; ".join(wrong))
    procedure = Procedure(campaign, train, step, segments, collection, dataset, signal)
    with one_sentence():
        ledger = readable_ledger(store_in(found.root), found)
        walked = walked_forward(found, ledger, WalkForwardQuestion(procedure, mixed_horizon, show_test))
    steps: pd.DataFrame = table_of_rows(step_rows(walked)).to_pandas()
    return WalkForwardResult(values_of(walked), steps, _fires(walked), _halves(walked))


def _fires(walked: "judged.WalkForward") -> pd.DataFrame:
    own = walked.fires
    return pd.DataFrame(
        {
            "step": own.step,
            "dataset_id": own.dataset,
            "candidate_id": own.candidate,
            "time": pd.to_datetime(own.time_ns, unit="ns", utc=True),
            "direction": own.direction,
            "fires": own.fires,
            "net_pnl_ticks": own.net_ticks,
            "equity": own.equity,
        }
    )


def _halves(walked: "judged.WalkForward") -> pd.DataFrame:
    over = walked.overfitting
    names = ("logit", "in_sample_net_pnl_ticks", "net_pnl_ticks")
    columns = ([], [], []) if over is None or over.undefined else (over.logits, over.chosen_net, over.later_net)
    return pd.DataFrame(dict(zip(names, columns, strict=True)), dtype="float64")
