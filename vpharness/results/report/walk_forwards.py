"""Walk-forward on the page: what was chosen at each step, and what it earned where it had no say."""

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from typing import Final
from xml.etree.ElementTree import Element

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from vpharness.results.report.candidates import candidate_name
from vpharness.results.report.charts import (
    BAD_COLOUR,
    GOOD_COLOUR,
    GREY,
    INK,
    chart,
    thinned,
    zero_line,
)
from vpharness.results.report.findings import Findings
from vpharness.results.report.markup import DASH, element, note, number, section, table, true_minus
from vpharness.results.session_names import segment_text
from vpharness.results.walk_forward.judged import WalkForward
from vpharness.results.walk_forward.overfitting import Overfitting
from vpharness.results.walk_forward.steps import Step
from vpharness.wording import counted

STEPS_INCHES: Final = 2.7
EQUITY_INCHES: Final = 2.6
OVERFITTING_INCHES: Final = 2.4
MOST_ROWS: Final = 200
"""Steps that the table lists; of more the last ones."""
_BARS: Final = 40
_COLUMNS: Final = 600


def walk_forward_section(findings: Findings) -> Element | None:
    """Return the section of the procedure that was asked for; nothing where none was."""
    found = findings.walk_forward
    if found is None:
        return None
    own = found.procedure
    window = f"the last {counted(own.train, 'segment')}" if own.train else "all segments before"
    words = note(
        f"Before each step the candidate with the largest lower end of its net interval over {window} is chosen, of "
        f"{counted(found.n_candidates, 'candidate')} over {counted(len(found.segments), 'segment')}, and is in force "
        f"for {counted(own.step, 'segment')}. Its fires there had no say in the choice: all of them together are "
        "judged like a candidate's, and need no adjustment for the candidates; procedures that were tried on the same "
        "market time are adjusted for one another."
    )
    verdict = [element("p", true_minus(sentence)) for sentence in _verdict(found)]
    verdict += [note(true_minus(f"{text[:1].upper()}{text[1:]}.")) for text in findings.walk_forward_notes]
    pictures = [
        chart(f"walk-forward-{name}", description, height, paint, caption=caption)
        for name, description, caption, height, paint in pictures_of(found)
    ]
    return section("walk-forward", "Walk-forward", words, *verdict, *pictures, _steps(found, findings.sessions))


def pictures_of(found: WalkForward) -> Iterator[tuple[str, str, str, float, partial[None]]]:
    """Yield the pictures of a procedure: name, description, caption, height in inches, and what draws it."""
    if found.judged_steps:
        caption = "Net per fire at each step: hollow in sample, filled out of sample with its 95 % interval."
        yield "steps", caption, caption, STEPS_INCHES, partial(paint_steps, found)
    if len(found.fires.equity):
        caption = "Net ticks of all out-of-sample fires, summed in the order of time."
        yield "equity", caption, caption, EQUITY_INCHES, partial(paint_equity, found)
    over = found.overfitting
    if over is not None and not over.undefined:
        caption = (
            f"PBO {over.probability:.2f}: λ of {len(over.logits):,} halves of {over.n_groups} groups of segments; at "
            "or left of 0 the best candidate of a half is at best average in the other half."
        )
        yield "overfitting", caption, caption, OVERFITTING_INCHES, partial(paint_overfitting, over)


def _verdict(found: WalkForward) -> Iterator[str]:
    judgement = found.judgement
    if judgement is None or not judgement.figures.n_net:
        yield "No step has an out-of-sample fire: there is nothing to judge."
        return
    f = judgement.figures
    chance = (
        f"There is too little data to rank it: {'; '.join(map(str, judgement.lacks))}."
        if found.p_adjusted is None
        else f"p {judgement.p_value:.3f}, p adj. {found.p_adjusted:.3f} over "
        f"{counted(found.family.n_rankable, 'procedure')}; lower end for all {number(found.net_low_all, '+.2f')} ticks."
    )
    wins = "beats" if found.winner else "does not beat"
    yield (
        f"The procedure {wins} chance and costs: {f.net_pnl_ticks:+.2f} ticks per fire out of sample, 95 % interval "
        f"[{f.net_pnl_ticks_low:+.2f}, {f.net_pnl_ticks_high:+.2f}], over {f.n_net:,} fires in "
        f"{counted(f.n_net_blocks, 'stretch')} of time. {chance}"
    )
    above = sum(step.net_total > 0 for step in found.judged_steps)
    yield (
        f"In sample the same choices earned {found.in_sample_net:+.2f} ticks per fire. {above} of "
        f"{counted(len(found.judged_steps), 'step')} ended above zero; the largest drawdown is "
        f"{found.fires.drawdown_ticks:,.0f} ticks."
    )


def _steps(found: WalkForward, sessions: Mapping[str, str]) -> Element:
    head = ["step", "out of sample", "chosen", "in sample: net [95 %]", "fires", "out of sample: net", "fires", "id"]
    rows = [_row(step, sessions) for step in found.steps[-MOST_ROWS:]]
    return table(head, rows, class_="ranking")


def _row(step: Step, sessions: Mapping[str, str]) -> list[Element | str]:
    chosen, candidate = step.chosen, step.candidate
    names = [segment_text(each.name, sessions) for each in step.out_of_sample]
    stretch = "to come" if not names else names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
    net = "" if chosen is None else f"{chosen.net.mean:+.2f} [{chosen.net.low:+.2f}, {chosen.net.high:+.2f}]"
    return [
        str(step.number),
        f"{stretch} (test)" if step.is_test else stretch,
        "nothing is rankable" if candidate is None else candidate_name(candidate),
        true_minus(net),
        "" if chosen is None else f"{chosen.n_net:,}",
        number(step.net.mean, "+.2f") if step.found else DASH,
        f"{step.n_net:,}" if step.found else "",
        "" if candidate is None else element("span", candidate.candidate_id[:6], class_="fine"),
    ]


def paint_steps(found: WalkForward, figure: Figure) -> None:
    """Draw each step's net mean in sample and out of sample, and where the choice changed."""
    axes = figure.subplots()
    zero_line(axes)
    steps = found.judged_steps
    at = np.array([step.number for step in steps], np.float64)
    nets = [step.net for step in steps]
    means = np.array([net.mean for net in nets])
    half = np.array([(net.high - net.low) / 2 for net in nets])
    axes.errorbar(at, means, yerr=np.nan_to_num(half), fmt="o", color=GOOD_COLOUR, markersize=3.5, linewidth=1.1)
    inside = np.array([math.nan if step.chosen is None else step.chosen.net.mean for step in steps])
    axes.plot(at, inside, "o", markerfacecolor="none", markeredgecolor=INK, markersize=4)
    _mark_changes(axes, steps)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("step; dashed where the choice changed")
    axes.set_ylabel("net per fire, ticks")
    axes.margins(x=0.02)


def _mark_changes(axes: Axes, steps: tuple[Step, ...]) -> None:
    for before, step in pairwise(steps):
        one, other = (None if each.candidate is None else each.candidate.candidate_id for each in (before, step))
        if one != other:
            axes.axvline((before.number + step.number) / 2, color=GREY, linewidth=0.6, linestyle=(0, (3, 3)), zorder=0)


def paint_equity(found: WalkForward, figure: Figure) -> None:
    """Draw the net ticks of all out-of-sample fires, summed; time in which nothing fires is left out."""
    axes = figure.subplots()
    zero_line(axes)
    equity = np.concatenate([[0.0], found.fires.equity])
    fires = np.concatenate([[0.0], np.cumsum(found.fires.fires).astype(np.float64)])
    axes.step(*thinned(fires, equity, _COLUMNS), where="post", color=GOOD_COLOUR, linewidth=1.2)
    begin, end = (_day(int(found.fires.time_ns[place])) for place in (0, -1))
    axes.set_xlabel(f"fires, from {begin} to {end}")
    axes.set_ylabel("net, ticks, summed")
    axes.margins(x=0.01)


def _day(time_ns: int) -> str:
    return f"{datetime.fromtimestamp(time_ns // 10**9, UTC):%Y-%m-%d}"


def paint_overfitting(over: Overfitting, figure: Figure) -> None:
    """Draw the histogram of λ, and the net mean of each half's best candidate in the other half against its own."""
    left, right = figure.subplots(1, 2)
    left.hist(over.logits, bins=_BARS, color="#d5d5d5", edgecolor=GREY, linewidth=0.5, histtype="stepfilled")
    left.axvline(0, color=BAD_COLOUR, linewidth=1.2)
    left.set_xlabel("λ")
    left.set_ylabel("halves")
    some = slice(None, None, max(1, len(over.logits) // _COLUMNS))
    zero_line(right)
    right.plot(over.chosen_net[some], over.later_net[some], ".", color=GOOD_COLOUR, markersize=3, alpha=0.6)
    right.set_xlabel("net per fire in its half, ticks")
    right.set_ylabel("in the other half")
