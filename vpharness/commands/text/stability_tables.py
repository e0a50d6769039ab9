"""A candidate day by day, and candidates on the days after they were chosen, as text for people."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from vpharness.commands.ledger_access import lattices_in
from vpharness.commands.text.rankings import line_of_test, row_of
from vpharness.commands.text.terminal import console, minute_text, print_table
from vpharness.commands.text.varied_settings import differences
from vpharness.datasets.lake import Lake
from vpharness.evaluation.day_stability import Cell
from vpharness.evaluation.intervals import Interval
from vpharness.events.times import time_text
from vpharness.results.candidate_stability import CONDITIONS, Stability
from vpharness.results.ranking import Ranked
from vpharness.results.session_names import with_session
from vpharness.results.since_chosen import ChosenCandidate
from vpharness.wording import counted

MOST_DAYS: Final = 40
"""Days that are listed one by one; of more, the best and the worst are."""
_NET: Final = "net per fire, ticks [95 %]"


def print_stability(found: Stability, sessions: Mapping[str, str]) -> None:
    """Print a candidate day by day: what each day earned, then by hour, kind of day, and delay of the entry.

    Args:
        found: the candidate.
        sessions: the names of datasets' sessions, by id.
    """
    out, worst = console(), found.worst_day
    fires = sum(len(day.net) for day in found.days)
    out.print(f"candidate {found.candidate_id}: {counted(fires, 'judged fire')} on {counted(len(found.days), 'day')}")
    if worst is None:
        out.print("none of its fires was judged net")
        return
    named = f"{with_session(worst.name, sessions)}, {worst.total:+,.1f} ticks"
    out.print(
        f"days above zero: {found.share_above_zero:.0%}; worst day: {named}; drawdown "
        f"of the fires' equity: {found.drawdown_ticks:,.1f} ticks"
    )
    out.print()
    _print_days(found, sessions)
    out.print()
    _print_cells("hour of the session", {f"{hour} to {hour + 1}": cell for hour, cell in found.hours.items()})
    for condition in CONDITIONS:
        cells = found.terciles_of(condition)
        if cells:
            out.print()
            intervals = [found.interval_of_tercile(condition, name) for name in cells]
            _print_cells(f"{condition} of the day", cells, intervals)
    out.print()
    _print_decay(found)


def _print_days(found: Stability, sessions: Mapping[str, str]) -> None:
    rows = list(zip(found.days, found.intervals_of_days(), strict=True))
    if len(rows) > MOST_DAYS:
        ordered = sorted(rows, key=lambda row: row[0].total)
        kept = {id(day) for day, _ in (*ordered[: MOST_DAYS // 2], *ordered[-MOST_DAYS // 2 :])}
        rows = [row for row in rows if id(row[0]) in kept]
    columns = {
        "day": [with_session(day.name, sessions) for day, _ in rows],
        "from": [f"{datetime.fromtimestamp(day.start_ns // 10**9, UTC):%Y-%m-%d %H:%M}" for day, _ in rows],
        "fires": [f"{len(day.net):,}" for day, _ in rows],
        "net, ticks": [f"{day.total:+,.1f}" if len(day.net) else "" for day, _ in rows],
        _NET: [interval_text(interval) for _, interval in rows],
        "volatility, ticks a minute": [_number(day.volatility_ticks) for day, _ in rows],
        "spread, ticks": [_number(day.spread_ticks) for day, _ in rows],
    }
    print_table(columns, texts=("day", "from"), key="day")
    if len(rows) < len(found.days):
        console().print(f"the best and the worst {MOST_DAYS // 2} of {len(found.days)} days (json=true has all)")


def _print_cells(heading: str, cells: Mapping[str, Cell], intervals: Sequence[Interval] | None = None) -> None:
    columns = {
        heading: list(cells),
        "days": [f"{cell.days:,}" for cell in cells.values()],
        "fires": [f"{cell.n:,}" for cell in cells.values()],
        "net, ticks": [f"{cell.total:+,.1f}" for cell in cells.values()],
        "net per fire, ticks" if intervals is None else _NET: [_signed(cell.mean) for cell in cells.values()]
        if intervals is None
        else [interval_text(each) for each in intervals],
    }
    print_table(columns, texts=(heading,), key=heading)


def _print_decay(found: Stability) -> None:
    decay, out = found.decay, console()
    out.print(
        f"entered later, of {counted(decay.n_fires, 'fire')} whose look-ups all fit: net per fire as judged, and the "
        "move of the mid by the time held, ticks"
    )
    columns = {
        "delay, bins": [str(delay) for delay in decay.delays],
        "net": [_signed(mean) for mean in decay.mean_judged],
    }
    for column, horizon in enumerate(decay.horizons):
        seconds = horizon * found.cell_width_ms / 1000
        columns[f"mid {seconds:g} s"] = [_signed(mean) for mean in decay.mean_move[:, column]]
    print_table(columns, key="delay, bins")


@dataclass(frozen=True)
class SinceTable:
    """Candidates on the days that were added after they were chosen.

    Attributes:
        shown: those that are shown, in their order.
        ranked: by id, those of them that were judged on later days, or whose later test days were opened.
        without: those that are left out, since they were run on no later day.
        beyond: how many more have later days than are shown.
    """

    shown: Sequence[ChosenCandidate]
    ranked: Mapping[str, Ranked]
    without: Sequence[ChosenCandidate]
    beyond: int = 0


def print_since_chosen(since: SinceTable, lake: Lake | None = None, *, shows_test: bool) -> None:
    """Print candidates on the days that were added after they were chosen.

    Args:
        since: the candidates.
        lake: where their datasets are.
        shows_test: whether later days that are kept for the test were asked for.
    """
    out, chosen, ranked = console(), since.shown, since.ranked
    judged = [each for each in chosen if each.training_days]
    if judged:
        rows = [ranked[each.candidate.candidate_id] for each in judged]
        figures = [row.judgement.figures for row in rows]
        columns = {
            "signal": [row.candidate.first.signal for row in rows],
            "θ": [row.candidate.first.threshold_label for row in rows],
            "varied": list(differences([[row] for row in rows], lattices_in(lake)).varied),
            "chosen": [minute_text(each.at_ns) for each in judged],
            "by": ["promotion" if each.by_promotion else "first run" for each in judged],
            "later days": [str(each.training_days) for each in judged],
            "fires": [f"{f.n_net:,}" for f in figures],
            _NET: [
                interval_text(Interval(f.net_pnl_ticks, f.net_pnl_ticks_low, f.net_pnl_ticks_high)) for f in figures
            ],
            "p": [f"{row.judgement.p_value:.3f}" for row in rows],
            "p adj.": ["" if row.p_adjusted is None else f"{row.p_adjusted:.3f}" for row in rows],
            "id": [row.candidate.candidate_id for row in rows],
        }
        kept_columns = {name: cells for name, cells in columns.items() if name != "varied" or any(cells)}
        print_table(kept_columns, texts=("signal", "varied", "chosen", "by"), key="id")
        more = f"; {since.beyond:,} more have later days (top=)" if since.beyond else ""
        out.print(f"in the order of the lower end of the net interval, the highest first{more}")
        out.print(
            "on days that were added after each was chosen, and that nothing of its signal had been judged on by then; "
            "p adj. is against everything tried on these days"
        )
    for each in chosen:
        found = ranked.get(each.candidate.candidate_id)
        if found is not None and found.holdout is not None:
            out.print(line_of_test(found, found.holdout))
        elif found is not None and found.test_refused:
            out.print(f"test of {each.candidate.candidate_id}: {found.test_refused}")
    kept = [each for each in chosen if each.test_days]
    if kept and not shows_test:
        out.print(
            f"{counted(len(kept), 'candidate')} with later days that are kept for the test, up to "
            f"{max(each.test_days for each in kept)}: show_test=true opens them for what is shown, which is counted"
        )
    for line in _left_out(since.without):
        out.print(line)
    if not any(each.days_added for each in (*chosen, *since.without)):
        out.print("no day has been added since any of these candidates was chosen")


def _left_out(without: Sequence[ChosenCandidate]) -> Iterator[str]:
    """Yield how many candidates are left out since they have no later day, with the reason."""
    idle = [each for each in without if each.days_added]
    if idle:
        yield (
            f"left out: {counted(len(idle), 'candidate')} without a run on a later day: run them again on the "
            "collection, which runs the new days alone"
        )
    promoted: dict[int, int] = {}
    for each in without:
        if each.by_promotion and not each.days_added:
            promoted[each.at_ns] = promoted.get(each.at_ns, 0) + 1
    for at_ns, count in sorted(promoted.items()):
        yield f"left out: {counted(count, 'candidate')} chosen by promotion at {minute_text(at_ns)}, no later day yet"
    young = sum(not each.by_promotion and not each.days_added for each in without)
    if young:
        yield f"left out: {counted(young, 'candidate')} chosen by the first run, no later day yet"


def since_row(chosen: ChosenCandidate, ranked: Ranked | None) -> dict[str, Any]:
    """Return a candidate on the days after it was chosen as a tidy row: what it is, when, how many days, its figures.

    Args:
        chosen: the candidate.
        ranked: as it stands on the later days; None where it was not run on any, or these are kept for the test.
    """
    first = chosen.candidate.first
    row = {
        "candidate_id": chosen.candidate.candidate_id,
        "signal": first.signal,
        "threshold": first.threshold_label,
        "chosen": time_text(chosen.at_ns),
        "chosen_by": "promotion" if chosen.by_promotion else "first run",
        "later_days": chosen.training_days,
        "later_test_days": chosen.test_days,
    }
    return row if ranked is None else {**row_of(ranked), **row}


def interval_text(interval: Interval) -> str:
    """Return a mean with its interval, as far as there are any."""
    if math.isnan(interval.mean):
        return ""
    ends = f" [{interval.low:+.2f}, {interval.high:+.2f}]" if math.isfinite(interval.low) else ""
    return f"{interval.mean:+.2f}{ends}"


def _signed(value: float) -> str:
    return "" if math.isnan(value) else f"{value:+.2f}"


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}"
