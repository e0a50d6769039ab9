"""The forward record: a candidate's fires on events later than its first row in the ledger."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from vpharness.evaluation import Fires, Judgement, SplitParameters, judge
from vpharness.evaluation.split import WHOLE
from vpharness.events.times import time_text
from vpharness.results.ledger import Trial
from vpharness.results.reevaluation import ViewOf, reevaluate

_NS_PER_MS = 1_000_000


@dataclass(frozen=True)
class ForwardRecord:
    """Fires on events later than a candidate's first row in the ledger: nothing of theirs can have chosen it.

    Attributes:
        since_ns: when that row was written, ns since the Unix epoch, UTC.
        n_fires: fires in bins that ended later.
        judgement: their judgement; None where there are none.
    """

    since_ns: int
    n_fires: int
    judgement: Judgement | None

    @property
    def text(self) -> str:
        """The record in words."""
        found = f"{self.n_fires} fires on events since {time_text(self.since_ns)}"
        if self.judgement is None or not self.judgement.figures.n_net:
            return found
        f = self.judgement.figures
        return f"{found}, net {f.net_pnl_ticks:+.2f} ticks over {f.n_net}"

    def values(self) -> dict[str, Any]:
        """Return it as JSON values."""
        f = None if self.judgement is None else self.judgement.figures
        return {
            "since": time_text(self.since_ns),
            "n_fires": self.n_fires,
            "n_net": 0 if f is None else f.n_net,
            "net_pnl_ticks": None if f is None or math.isnan(f.net_pnl_ticks) else f.net_pnl_ticks,
        }


def forward_record(trials: Sequence[Trial], view_of: ViewOf) -> ForwardRecord:
    """Return the forward record of a candidate from its trials on one instrument that do not overlap."""
    since_ns = min(trial.created_ns for trial in trials)
    whole = SplitParameters(kind="none")
    later = [replace(trial, fires=_later_than(trial, since_ns), split=whole) for trial in trials]
    fired = [trial for trial in later if len(trial.fires)]
    evidence = list(reevaluate(fired, view_of, lambda _: WHOLE).values())
    judgement = judge(evidence, trials[0].evaluation) if evidence else None
    return ForwardRecord(since_ns, sum(len(trial.fires) for trial in fired), judgement)


def _later_than(trial: Trial, since_ns: int) -> Fires:
    """Return the fires of bins that ended later than a time, and before their run: data may be dated in the future."""
    width_ns = round(trial.evaluation.cell_width_ms * _NS_PER_MS)
    ends_ns = (trial.first_bin_start_ns or 0) + (trial.fires.bins + 1) * width_ns
    later = (ends_ns > since_ns) & (ends_ns <= trial.created_ns)
    return Fires(trial.fires.bins[later], trial.fires.directions[later])
