"""Walk-forward as tables for people, and as rows for programs."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from vpharness.commands.text.ranking_lines import shortage_text
from vpharness.commands.text.stability_tables import interval_text
from vpharness.commands.text.terminal import console, print_table
from vpharness.evaluation import pooled
from vpharness.evaluation.figure_registry import without_nan
from vpharness.evaluation.intervals import Interval
from vpharness.evaluation.significance import SIGNIFICANCE_LEVEL, lacking
from vpharness.events.times import time_text
from vpharness.results.ledger import LedgerCandidate
from vpharness.results.report.candidates import candidate_name
from vpharness.results.sensitivity import setting_text, settings_in_words, settings_of, short_name, value_text
from vpharness.results.session_names import segment_text, with_session
from vpharness.results.walk_forward.judged import WalkForward
from vpharness.results.walk_forward.overfitting import FEW_GROUPS, Overfitting
from vpharness.results.walk_forward.segments import segments_of
from vpharness.results.walk_forward.steps import Step
from vpharness.wording import counted

_TERMS: Final = (
    "in sample: what chose it, over the segments before; out of sample: the segments behind, which had no say",
    "PBO: how often the best of one half of the segments is at best average in the other half; 0.5 by chance",
)
_QUANTILE: Final = "q"
_NAMED_AT_MOST: Final = 3


def step_rows(found: WalkForward) -> list[dict[str, Any]]:
    """Return the steps as tidy rows: what was chosen, and its results in and out of sample; missing numbers are None.

    Parameters of the signal and the evaluation are columns of their own, named as on the command line.
    """
    return [_step_row(step) for step in found.steps]


def _step_row(step: Step) -> dict[str, Any]:
    chosen, candidate, out = step.chosen, step.candidate, step.net
    return without_nan(
        {
            "step": step.number,
            "in_sample_first": step.in_sample[0].name,
            "in_sample_last": step.in_sample[-1].name,
            "in_sample_segments": len(step.in_sample),
            "out_of_sample_segments": [each.name for each in step.out_of_sample],
            "out_of_sample_start": time_text(step.out_of_sample[0].start_ns) if step.out_of_sample else None,
            "out_of_sample_stop": time_text(step.out_of_sample[-1].stop_ns) if step.out_of_sample else None,
            "is_test": step.is_test,
            "test_refused": step.refused or None,
            "rankable": 0 if chosen is None else chosen.n_rankable,
            "candidate_id": None if candidate is None else candidate.candidate_id,
            "signal": None if candidate is None else candidate.first.signal,
            "in_sample_n_net": None if chosen is None else chosen.n_net,
            "in_sample_net_pnl_ticks": None if chosen is None else chosen.net.mean,
            "in_sample_net_pnl_ticks_low": None if chosen is None else chosen.net.low,
            "in_sample_net_pnl_ticks_high": None if chosen is None else chosen.net.high,
            "n_net": step.n_net,
            "net_total_ticks": step.net_total,
            "net_pnl_ticks": out.mean,
            "net_pnl_ticks_low": out.low,
            "net_pnl_ticks_high": out.high,
            **({} if candidate is None else settings_of(candidate.first)),
        }
    )


def print_walk_forward(found: WalkForward, sessions: Mapping[str, str], notes: Sequence[str] = ()) -> None:
    """Print a procedure: its steps, and what they come to; datasets are shown by their sessions' names.

    `notes` are further lines, such as why nothing could be chosen.
    """
    out = console()
    out.print(headline(found))
    print_table(_columns(found, sessions), texts=("out of sample", "chosen", "varied"), key="step")
    for line in (*_TERMS, *verdict_lines(found, sessions), *notes):
        out.print(line)


def unrankable_text(found: WalkForward, candidates: Sequence[LedgerCandidate]) -> str | None:
    """Return at which steps nothing could be ranked, and what candidates lack at the newest of them; None without any.

    Args:
        found: the procedure.
        candidates: those that it chose from, each with the trials that are meant.
    """
    empty = [step for step in found.steps if step.candidate is None and not step.is_test]
    if not empty:
        return None
    step = empty[-1]
    timeline = segments_of(candidates, found.procedure.segments)
    start = timeline.segments.index(step.in_sample[0])
    chose_before = start + len(step.in_sample)
    ran = timeline.ran_on(start, chose_before + len(step.out_of_sample))
    poor = []
    for history, is_there in zip(timeline.histories, ran, strict=True):
        some = [each.evidence for each in history.in_segments[start:chose_before] if each is not None]
        if is_there and (lacks := lacking(pooled(some))):
            poor.append(lacks)
    reasons = [shortage_text(poor)] if poor else []
    if absent := int((~ran).sum()):
        reasons.append(f"{counted(absent, 'candidate')} did not run on all of its segments")
    numbers = [str(each.number) for each in empty]
    at = f"step {numbers[0]}" if len(empty) == 1 else f"{len(empty)} steps (the newest is {numbers[-1]})"
    window = counted(len(step.in_sample), "segment")
    why = f": {'; '.join(reasons)}" if reasons else ""
    return f"nothing is rankable at {at}, from {window} in sample there{why}; try a larger train"


def headline(found: WalkForward) -> str:
    """Return what the procedure is, in words."""
    own = found.procedure
    of = f"campaign {own.campaign}" if own.campaign is not None else "the whole ledger"
    on = f" on collection {own.collection}" if own.collection is not None else ""
    on += f" on dataset {own.dataset_id}" if own.dataset_id is not None else ""
    window = f"the last {counted(own.train, 'segment')}" if own.train else "all segments before"
    return (
        f"walk-forward of {of}{on}: {counted(found.n_candidates, 'candidate')} over {len(found.segments):,} segments; "
        f"chosen on {window}, in force for {counted(own.step, 'segment')}"
    )


def _columns(found: WalkForward, sessions: Mapping[str, str]) -> dict[str, list[str]]:
    varied = varied_of(found)
    rows: list[dict[str, str]] = []
    for step in found.steps:
        chosen, candidate, net = step.chosen, step.candidate, step.net
        rows.append(
            {
                "step": str(step.number),
                "out of sample": stretch_text(step, sessions),
                "chosen": "nothing is rankable" if candidate is None else candidate_name(candidate),
                "varied": "" if candidate is None else settings_text(candidate, varied),
                "in sample: net per fire, ticks [95 %]": "" if chosen is None else interval_text(chosen.net),
                "in sample: fires": "" if chosen is None else f"{chosen.n_net:,}",
                "out of sample: net per fire, ticks": number_text(net.mean),
                "out of sample: fires": f"{step.n_net:,}" if step.found else "",
                "id": "" if candidate is None else candidate.candidate_id,
            }
        )
    cells = {name: [row[name] for row in rows] for name in rows[0]}
    return {name: texts for name, texts in cells.items() if any(texts)}


def stretch_text(step: Step, sessions: Mapping[str, str]) -> str:
    """Return which segments a step is judged on, in words: sessions by their names, by dataset id."""
    if step.is_open:
        return "to come"
    first, last = (segment_text(step.out_of_sample[place].name, sessions) for place in (0, -1))
    kind = " (test, not opened)" if step.refused else " (test)" if step.is_test else ""
    return (first if first == last else f"{first} to {last}") + kind


def varied_of(found: WalkForward) -> list[str]:
    """Return the names of the settings in which the candidates that were chosen differ, beside those that are shown."""
    chosen = [settings_in_words(step.candidate.first) for step in found.steps if step.candidate is not None]
    shown = {"threshold", "eval.tp_ticks", "eval.sl_ticks"}
    names = dict.fromkeys(name for values in chosen for name in values if name not in shown)
    return [name for name in names if len({value_text(values.get(name, "")) for values in chosen}) > 1]


def settings_text(candidate: LedgerCandidate, names: list[str]) -> str:
    """Return the values of some settings of a candidate."""
    values = settings_in_words(candidate.first)
    return " ".join(
        setting_text(short_name(name), value_text(values[name])) for name in names if values.get(name) is not None
    )


def number_text(value: float) -> str:
    """Return net ticks; nothing where there are none."""
    return "" if math.isnan(value) else f"{value:+.2f}"


def verdict_lines(found: WalkForward, sessions: Mapping[str, str]) -> Iterator[str]:
    """Yield the findings about a procedure, one or two sentences each."""
    judgement = found.judgement
    if judgement is None or not judgement.figures.n_net:
        yield "no step has an out-of-sample fire: nothing to judge; more segments in train, or longer ones, may help"
    else:
        yield from _judged(found)
    if found.overfitting is not None:
        yield overfitting_text(found.overfitting)
    yield from _remarks(found, sessions)
    last = found.last
    if last.candidate is not None:
        yield f"in force behind the newest segment: {candidate_name(last.candidate)} ({last.candidate.candidate_id})"


def _judged(found: WalkForward) -> Iterator[str]:
    judgement = found.judgement
    if judgement is None:
        return
    f, family = judgement.figures, found.family
    net = Interval(f.net_pnl_ticks, f.net_pnl_ticks_low, f.net_pnl_ticks_high)
    chance = (
        f"too little data to rank it: {'; '.join(map(str, judgement.lacks))}"
        if found.p_adjusted is None
        else f"p {judgement.p_value:.3f}, p adj. {found.p_adjusted:.3f} over {counted(family.n_rankable, 'procedure')} "
        f"tried on this market time, lower end for all {number_text(found.net_low_all) or 'none'}"
    )
    yield (
        f"out of sample: net {interval_text(net)} ticks over {counted(f.n_net, 'fire')} in "
        f"{counted(f.n_net_blocks, 'block')}; {chance}"
    )
    yield (
        "the procedure beats chance and costs"
        if found.winner
        else f"the procedure does not beat chance and costs (p adj. at most {SIGNIFICANCE_LEVEL:g}, lower end for all "
        "above 0)"
    )
    above = sum(step.net_total > 0 for step in found.judged_steps)
    yield (
        f"in sample the same choices earned {number_text(found.in_sample_net)} ticks per fire; "
        f"{above} of {counted(len(found.judged_steps), 'step')} above zero; all fires together "
        f"{found.fires.net_ticks.sum():+,.0f} ticks, largest drawdown {found.fires.drawdown_ticks:,.0f}"
    )
    if found.best_fixed is not None:
        chosen = found.best_fixed.chosen
        yield (
            f"with hindsight the best rankable candidate of these segments earned {interval_text(chosen.net)}: "
            f"{candidate_name(found.best_fixed.candidate)} ({found.best_fixed.candidate.candidate_id})"
        )


def overfitting_text(over: Overfitting) -> str:
    """Return the probability of backtest overfitting in words."""
    if over.undefined:
        return f"PBO is not defined: {over.undefined}"
    loses = f"the best of one half loses in the other in {over.loss_share:.0%}"
    few = f"; over fewer than {FEW_GROUPS} groups it means little" if over.n_groups < FEW_GROUPS else ""
    return (
        f"PBO {over.probability:.2f}, over {len(over.logits):,} halves of {over.n_groups} groups of segments and "
        f"{counted(over.n_candidates, 'candidate')}; {loses}{few}"
    )


def _remarks(found: WalkForward, sessions: Mapping[str, str]) -> Iterator[str]:
    if found.n_kept:
        are, them, it = ("is", "a segment", "it") if found.n_kept == 1 else ("are", "segments", "them")
        yield f"{counted(found.n_kept, 'day')} {are} kept for the test: not {them} (show_test=true adds {it})"
    for step in found.steps:
        if step.refused:
            yield f"test segments of step {step.number} were not opened: {step.refused}"
        elif step.opening is not None:
            held = "holds" if step.opening.holds else "does not hold"
            yield (
                f"test segments of step {step.number} were opened, as number {step.opening.number} on this market "
                f"time: what was chosen {held}, lower end {step.opening.low:+.2f} ticks at an error of "
                f"{step.opening.error:.2g}"
            )
    if found.n_fires_dropped:
        yield f"{counted(found.n_fires_dropped, 'fire')} left out whose walks may cross the end of a segment"
    if found.n_others:
        yield (
            f"{counted(found.n_others, 'candidate')} of the ledger on this market time could not be chosen: each "
            "counts as a procedure that keeps to it, since who chose the campaign or signal could know them"
        )
    if found.left_out:
        named = ", ".join(with_session(name, sessions) for name in found.left_out[:_NAMED_AT_MOST])
        yield (
            f"what was chosen was judged on {named}"
            f"{' and others' if len(found.left_out) > _NAMED_AT_MOST else ''} of the instrument too, which is left "
            "out: a part of the evidence wins nothing"
        )
    if found.n_adaptive:
        yield (
            f"{counted(found.n_adaptive, 'candidate')} came from a search that looked at results on these segments: "
            "out of sample for the choice among them, not for that search; only days kept for the test, with "
            "show_test=true, are judged against chance"
        )
    chosen = {step.candidate.first.threshold_label for step in found.steps if step.candidate is not None}
    if any(label.startswith(_QUANTILE) for label in chosen):
        yield "thresholds such as q90 are quantiles of scores on each dataset's own training part, later bins included"
