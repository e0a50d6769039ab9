"""`compare execution=CANDIDATE`: a trader's questions of one candidate, as a table for people and rows for programs."""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any

from vpharness.commands.text.terminal import console, print_table
from vpharness.evaluation import figure_named
from vpharness.evaluation.figure_registry import REPORT
from vpharness.evaluation.figures import HEADLINE
from vpharness.evaluation.intervals import Interval
from vpharness.results.execution import Execution, in_queue, longest_paying_latency, median_and_mean
from vpharness.results.sensitivity import settings_of


def execution_row(each: Execution) -> dict[str, Any]:
    """Return one way of entering as a tidy row; missing numbers are None."""
    per_order, (median, mean) = each.net_per_order, median_and_mean(each.executed)
    settings = settings_of(each.ranked.candidate.first)
    row = {
        "candidate_id": each.ranked.candidate.candidate_id if each.is_stored else None,
        "is_own": each.is_own,
        "is_explored": not each.is_stored,
        **{name: settings[f"eval.{name}"] for name in ("fill", "latency_ms", "latency_digest", "max_wait_bins")},
        "pays": each.pays,
        "p_value": each.ranked.judgement.p_value,
        "p_adjusted": each.ranked.p_adjusted,
        "family_size": each.ranked.family.n_rankable,
        "lacks": "; ".join(each.ranked.lacks),
        "net_per_order_ticks": per_order.mean,
        "net_per_order_ticks_low": per_order.low,
        "net_per_order_ticks_high": per_order.high,
        "executed_median": median,
        "executed_mean": mean,
        **dataclasses.asdict(each.ranked.judgement.figures),
    }
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in row.items()}


def print_executions(found: Sequence[Execution]) -> None:
    """Print a candidate's ways of entering, and below them the answers to a trader's questions."""
    out = console()
    own = next(each for each in found if each.is_own)
    first = own.ranked.candidate.first
    tp, sl = first.evaluation.tp_ticks, first.evaluation.sl_ticks
    out.print(
        f"{first.signal} at {first.threshold_label}, tp {tp:g} sl {sl:g}: the same fires, entered in {len(found)} ways"
    )
    figures = [figure_named(name) for name in ("fill_rate", "median_wait_ms", "markout_1s_ticks")]
    columns = {
        "entry": [("* " if each.is_own else "  ") + _entry(each) for each in found],
        "latency, ms": [_latency(each) for each in found],
        "wait, bins": [str(each.evaluation.max_wait_bins) if each.evaluation.in_queue else "" for each in found],
        HEADLINE.title(): [HEADLINE.text(vars(each.ranked.judgement.figures)) for each in found],
        "net per order, ticks": [_interval(each.net_per_order) for each in found],
        "p": [f"{each.ranked.judgement.p_value:.3f}" for each in found],
        "p adj.": ["" if each.ranked.p_adjusted is None else f"{each.ranked.p_adjusted:.3f}" for each in found],
        **{
            figure.title(REPORT): [
                figure.text(vars(each.ranked.judgement.figures), REPORT) if each.evaluation.in_queue else ""
                for each in found
            ]
            for figure in figures
        },
        "executed": [_quantity(each) for each in found],
        "id": [each.ranked.candidate.candidate_id if each.is_stored else "not run" for each in found],
    }
    print_table(columns, texts=("entry",), key="id")
    for line in (*answers(found), *_terms(found)):
        out.print(line)


def answers(found: Sequence[Execution]) -> Iterator[str]:
    """Yield a sentence for each question: taker or maker, which latency, which wait, how much."""
    own = next(each for each in found if each.is_own)
    rests = in_queue(own.evaluation)
    taker = next(each for each in found if not each.evaluation.in_queue)
    maker = next(each for each in found if each.evaluation == rests)
    yield (
        f"taker or maker: an order earns {_interval(taker.net_per_order)} ticks as a taker, "
        f"{_interval(maker.net_per_order)} as a maker at a latency of {_latency(maker)} ms, unfilled ones with 0"
    )
    longest = longest_paying_latency(found, rests.max_wait_bins)
    yield (
        "which latency still pays: none of those shown"
        if longest is None
        else f"which latency still pays: all shown up to {longest:g} ms"
    )
    waits = sorted(
        each.evaluation.max_wait_bins
        for each in found
        if each.pays and dataclasses.replace(each.evaluation, max_wait_bins=rests.max_wait_bins) == rests
    )
    paying = ", ".join(map(str, waits))
    yield f"which wait: {f'{paying} bins pay' if paying else 'none of those shown pays'} at {_latency(maker)} ms"
    median, mean = median_and_mean(maker.executed)
    if not math.isnan(median):
        yield (
            f"how much: within {rests.max_wait_bins} bins, {median:g} was executed at the order's price in the median, "
            f"{mean:.3g} in the mean; what fills in turn is no more than that"
        )


def _terms(found: Sequence[Execution]) -> Iterator[str]:
    yield (
        "*: the candidate itself; p adj.: among everything tried on this market time and all rows here; pays: p adj. "
        "of 0.05 or less, and an interval above 0"
    )
    yield "executed: the median quantity executed at an order's price within its wait, whether that was filled or not"
    own = next(each for each in found if each.is_own)
    if not own.evaluation.in_queue and (own.evaluation.taker_fee_ticks or own.evaluation.taker_fee_bps):
        yield "a maker's fee is not known of a run entered at the touch: makers are taken to pay what takers do"
    if any(not each.is_stored for each in found):
        yield (
            "rows not run are an exploration: they are written down, and count in every p-value from now on; none of "
            "them wins or can be promoted before it is run, with eval.fill=queue and the values above"
        )


def _entry(each: Execution) -> str:
    return "maker" if each.evaluation.in_queue else "taker"


def _latency(each: Execution) -> str:
    if not each.evaluation.in_queue:
        return ""
    return "recorded" if each.evaluation.latency_digest else f"{each.evaluation.latency_ms:g}"


def _quantity(each: Execution) -> str:
    median, _ = median_and_mean(each.executed)
    return "" if math.isnan(median) else f"{median:,.6g}"


def _interval(interval: Interval) -> str:
    if math.isnan(interval.mean):
        return "none"
    if math.isnan(interval.low):
        return f"{interval.mean:+.2f}"
    return f"{interval.mean:+.2f} [{interval.low:+.2f}, {interval.high:+.2f}]"
