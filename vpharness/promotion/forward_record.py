"""The forward record: a candidate's fires on events later than its first row in the ledger."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from vpharness.evaluation import Fires, Judgement, SplitParameters, judge
from vpharness.evaluation.split import WHOLE
from vpharness.events.times import time_text
from vpharness.results.holdout import open_holdouts, trials_with_test
from vpharness.results.ledger import LedgerCandidate, Trial
from vpharness.results.ranking import unjudged
from vpharness.results.reevaluation import ViewOf, reevaluate
from vpharness.results.since_chosen import ChosenCandidate
from vpharness.results.store import Store

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


@dataclass(frozen=True)
class LaterDays:
    """What a promoted candidate did on days that came after its promotion, and that nothing had been judged on by then.

    Attributes:
        n_days: days with a run on which it was judged, or whose test was opened.
        n_kept: days with a run that are kept for the test, and were not opened.
        judgement: over all days that count; None where there are none.
        refused: why the days that are kept for the test are none; empty where nothing was refused.
    """

    n_days: int
    n_kept: int
    judgement: Judgement | None
    refused: str = ""

    @property
    def text(self) -> str:
        """The days in words; empty where there are none."""
        told = []
        if self.judgement is not None:
            f = self.judgement.figures
            ends = (f.net_pnl_ticks_low, f.net_pnl_ticks_high)
            interval = f" [{ends[0]:+.2f}, {ends[1]:+.2f}]" if math.isfinite(ends[0]) else ""
            net = f"net {f.net_pnl_ticks:+.2f}{interval} ticks over {f.n_net:,} fires" if f.n_net else "no net fires"
            told.append(f"{net} on {self.n_days} later {'day' if self.n_days == 1 else 'days'}")
        if self.refused:
            told.append(self.refused)
        elif self.n_kept:
            told.append(f"{self.n_kept} later {'day is' if self.n_kept == 1 else 'days are'} kept for the test")
        return "; ".join(told)

    def values(self) -> dict[str, Any]:
        """Return them as JSON values."""
        f = None if self.judgement is None else self.judgement.figures
        names = ("n_net", "net_pnl_ticks", "net_pnl_ticks_low", "net_pnl_ticks_high")
        figures = {
            name: None if f is None or not math.isfinite(getattr(f, name)) else getattr(f, name) for name in names
        }
        return {"days": self.n_days, "test_days": self.n_kept, **figures, "refused": self.refused}


def later_days(
    chosen: ChosenCandidate,
    ledger: Sequence[LedgerCandidate],
    store: Store,
    view_of: ViewOf,
    *,
    opens: bool,
) -> LaterDays:
    """Return what a promoted candidate did on later days; opening those that are kept for the test is counted.

    Args:
        chosen: the candidate, chosen by its promotion, and how it stands on the later days.
        ledger: every candidate that there is.
        store: the results.
        view_of: what evaluation sees of a dataset.
        opens: whether the days that are kept for the test are opened.
    """
    later = chosen.later
    if later is None:
        return LaterDays(0, 0, None)
    counted = later.counted
    evidence = [trial.evidence for trial in counted if trial.evidence is not None]
    n_days, n_kept, refused = len(evidence), len(trials_with_test(later)), ""
    if opens and n_kept:
        (opened,) = open_holdouts([unjudged(later)], ledger, store, view_of)
        refused = opened.test_refused
        if opened.holdout is not None:
            evidence.append(opened.holdout.judgement.evidence)
            n_days, n_kept = n_days + n_kept, 0
    judgement = judge(evidence, later.first.evaluation) if evidence else None
    return LaterDays(n_days, n_kept, judgement, refused)


def _later_than(trial: Trial, since_ns: int) -> Fires:
    """Return the fires of bins that ended later than a time, and before their run: data may be dated in the future."""
    width_ns = round(trial.evaluation.cell_width_ms * _NS_PER_MS)
    ends_ns = (trial.first_bin_start_ns or 0) + (trial.fires.bins + 1) * width_ns
    later = (ends_ns > since_ns) & (ends_ns <= trial.created_ns)
    return Fires(trial.fires.bins[later], trial.fires.directions[later])
