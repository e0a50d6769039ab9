"""The stability of a candidate over the datasets that it was judged on, read one at a time."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from vpharness.evaluation import Evidence, fire_outcomes, outcomes_of_bins, parts_of, pooled
from vpharness.evaluation.day_stability import (
    TERCILES,
    Cell,
    Day,
    Decay,
    by_hour,
    by_tercile,
    day_of,
    decay_of,
    drawdown,
    equity,
    share_above_zero,
    terciles,
    worst_day,
)
from vpharness.evaluation.intervals import Interval, ratio_of_totals
from vpharness.results.ledger import LedgerCandidate
from vpharness.results.reevaluation import ViewOf

CONDITIONS: Final = ("volatility", "spread")
"""What days are sorted by into terciles."""


@dataclass(frozen=True)
class Stability:
    """A candidate day by day, over the part of each dataset that chooses.

    Attributes:
        candidate_id: the candidate.
        days: its days, in the order of time.
        evidence: the evidence of each day, from the ledger.
        decay: what its fires would have earned, entered later and held for fixed times.
        cell_width_ms: length of a bin.
    """

    candidate_id: str
    days: tuple[Day, ...]
    evidence: tuple[Evidence, ...]
    decay: Decay
    cell_width_ms: float

    @property
    def share_above_zero(self) -> float:
        """The share of days above zero among those with judged fires."""
        return share_above_zero(self.days)

    @property
    def worst_day(self) -> Day | None:
        """The day that earned least."""
        return worst_day(self.days)

    @cached_property
    def drawdown_ticks(self) -> float:
        """The drawdown of the fires' equity, ticks."""
        return drawdown(equity(self.days))

    @cached_property
    def hours(self) -> dict[int, Cell]:
        """What fires earned by hour of the session."""
        return by_hour(self.days)

    def values_of(self, condition: str) -> list[float]:
        """Return the value of one of CONDITIONS on each day, ticks."""
        return [getattr(day, f"{condition}_ticks") for day in self.days]

    def terciles_of(self, condition: str) -> dict[str, Cell]:
        """Return what fires earned on days by tercile of one of CONDITIONS."""
        return by_tercile(self.days, self.values_of(condition))

    def interval_of_tercile(self, condition: str, name: str) -> Interval:
        """Return the net mean of a tercile's days with its 95 % interval over blocks, ticks."""
        places = terciles(self.values_of(condition))
        chosen = [each for each, place in zip(self.evidence, places, strict=True) if place == TERCILES.index(name)]
        return net_interval(pooled(chosen))

    def intervals_of_days(self) -> list[Interval]:
        """Return the net mean of each day with its 95 % interval over blocks, ticks."""
        return [net_interval(each) for each in self.evidence]


def net_interval(evidence: Evidence) -> Interval:
    """Return the net mean of some evidence with its 95 % interval, ticks."""
    blocks = evidence.blocks
    return ratio_of_totals(blocks.tick("net_pnl"), blocks.count("n_net")).interval()


def stability_of(candidate: LedgerCandidate, view_of: ViewOf) -> Stability:
    """Return a candidate day by day; each dataset is read for itself, so that memory does not grow with their number.

    Raises DatasetError or ResultsError where one of its datasets is not at hand, or is not what it was.
    """
    trials = sorted(candidate.counted, key=lambda trial: (trial.first_bin_start_ns or 0, trial.dataset))
    days: list[Day] = []
    evidence: list[Evidence] = []
    decay: Decay | None = None
    for trial in trials:
        if trial.evidence is None:
            continue  # of an earlier version, whose dataset is not at hand
        view, evaluation = view_of(*trial.dataset), trial.evaluation
        part = next(each for each in parts_of(view, evaluation, trial.split) if each.name == trial.judged_part)
        table, fires = outcomes_of_bins(view, evaluation), trial.fires.within(part)
        days.append(day_of(view, fire_outcomes(table, fires, part)))
        own = decay_of(view, table, part, fires)
        decay = own if decay is None else decay + own
        evidence.append(trial.evidence)
    if decay is None:
        raise ValueError(f"candidate {candidate.candidate_id} was judged on no dataset")
    return Stability(
        candidate.candidate_id, tuple(days), tuple(evidence), decay, candidate.first.evaluation.cell_width_ms
    )


def stability_rows(found: Stability) -> list[dict[str, Any]]:
    """Return a candidate day by day as tidy rows: the column `of` says what a row is of.

    `all` is the whole, `day` a dataset, `hour` an hour of the session, `volatility` and `spread` a tercile of days, and
    `decay` an entry `delay_bins` later, held for `horizon_bins` or, where that is None, judged as the candidate is.
    """
    worst, whole = found.worst_day, net_interval(pooled(found.evidence))
    every = Cell(len([day for day in found.days if len(day.net)]), *_n_and_total(found))
    rows = [
        _row(found, "all", "", every, whole)
        | {
            "share_of_days_above_0": found.share_above_zero,
            "worst_day": None if worst is None else worst.name,
            "worst_day_ticks": None if worst is None else worst.total,
            "drawdown_ticks": found.drawdown_ticks,
        }
    ]
    for day, interval in zip(found.days, found.intervals_of_days(), strict=True):
        cell = Cell(int(len(day.net) > 0), len(day.net), day.total)
        kind = {"volatility_ticks": day.volatility_ticks, "spread_ticks": day.spread_ticks}
        rows.append(_row(found, "day", day.name, cell, interval) | kind)
    rows += [_row(found, "hour", str(hour), cell) for hour, cell in found.hours.items()]
    for condition in CONDITIONS:
        rows += [
            _row(found, condition, name, cell, found.interval_of_tercile(condition, name))
            for name, cell in found.terciles_of(condition).items()
        ]
    return [*rows, *_decay_rows(found)]


def _n_and_total(found: Stability) -> tuple[int, float]:
    return sum(len(day.net) for day in found.days), sum(day.total for day in found.days)


def _row(found: Stability, of: str, name: str, cell: Cell, interval: Interval | None = None) -> dict[str, Any]:
    return {
        "candidate_id": found.candidate_id,
        "of": of,
        "name": name,
        "days": cell.days,
        "n_net": cell.n,
        "net_pnl_ticks_sum": cell.total,
        "net_pnl_ticks": cell.mean,
        "net_pnl_ticks_low": None if interval is None else interval.low,
        "net_pnl_ticks_high": None if interval is None else interval.high,
    }


def _decay_rows(found: Stability) -> list[dict[str, Any]]:
    decay, rows = found.decay, list[dict[str, Any]]()
    for place, delay in enumerate(decay.delays):
        own: Mapping[str, Any] = {"candidate_id": found.candidate_id, "of": "decay", "delay_bins": delay}
        rows.append(
            {
                **own,
                "name": f"{delay} as judged",
                "n_net": int(decay.judged_n[place]),
                "net_pnl_ticks": float(decay.mean_judged[place]),
            }
        )
        rows += [
            {
                **own,
                "name": f"{delay} for {horizon}",
                "horizon_bins": horizon,
                "n_net": int(decay.touch_n[place, column]),
                "net_pnl_ticks": float(decay.mean_touch[place, column]),
                "mid_move_ticks": float(decay.mean_move[place, column]),
            }
            for column, horizon in enumerate(decay.horizons)
        ]
    return rows
