"""Two candidates side by side: what differs, their figures, the difference of their net results, and their equity."""

from collections.abc import Mapping, Sequence
from functools import partial
from xml.etree.ElementTree import Element

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture

from vpharness.board.candidate import figure_rows, ranked_named
from vpharness.board.candidate_names import candidate_link
from vpharness.board.ledger_watch import Seen
from vpharness.board.pages import Page, being_ranked, link, state_note
from vpharness.commands.text.rankings import row_of
from vpharness.errors import VpharnessError
from vpharness.evaluation.figure_registry import json_values
from vpharness.results.paired_difference import PairedDifference, paired_difference
from vpharness.results.ranking import Ranked
from vpharness.results.reevaluation import ViewOf
from vpharness.results.report.candidates import Scale, dataset_ids_of, net_text, short_id
from vpharness.results.report.charts import BAD_COLOUR, GOOD_COLOUR, chart, fitted, thinned, zero_line
from vpharness.results.report.equity import Path, path_of
from vpharness.results.report.markup import Content, element, note, number, section, table
from vpharness.results.sensitivity import settings_of, value_text
from vpharness.results.session_names import session_names, with_session

_MOST_DATASETS = 3
_COLUMNS = 600
_COLOURS = (GOOD_COLOUR, BAD_COLOUR)
_LETTERS = ("A", "B")


def comparison(seen: Seen, a: str | None, b: str | None, view_of: ViewOf, labels: Mapping[str, str]) -> Page:
    """Return two candidates side by side. Raises NotFoundError where the ledger has none of an id."""
    if seen.standing is None or seen.standing.ranked is None:
        return being_ranked(seen, "Two candidates", "")
    pair = [ranked_named(seen, name) for name in (a, b)]
    difference = paired_difference(pair[0].judgement.evidence, pair[1].judgement.evidence)
    content: list[Content] = [
        state_note(seen),
        _names(pair, labels),
        _difference(difference),
        _settings(pair, labels),
        _equities(pair, view_of, labels),
        section(
            "figures", "Figures", table(["", *_LETTERS, ""], figure_rows([each.judgement.figures for each in pair]))
        ),
    ]
    same, either = shared_fires(pair)
    values = {
        "a": row_of(pair[0]),
        "b": row_of(pair[1]),
        "net_difference_ticks": difference.net.mean,
        "net_difference_ticks_low": difference.net.low,
        "net_difference_ticks_high": difference.net.high,
        "blocks": difference.n_blocks,
        "shared_blocks": difference.n_shared,
        "block_s": difference.block_s,
        "shared_fires": same,
        "fires_of_either": either,
    }
    return Page("Two candidates", content, json_values(values), place="")


def shared_fires(pair: Sequence[Ranked]) -> tuple[int, int]:
    """Return how many fires two candidates share, bin and direction alike, and how many either has, where both ran."""
    same = either = 0
    first, second = ({trial.dataset: trial.fires for trial in each.candidate.counted} for each in pair)
    for dataset in first.keys() & second.keys():
        one, other = (set(fires[dataset].signed().tolist()) for fires in (first, second))
        same += len(one & other)
        either += len(one | other)
    return same, either


def _datasets(ranked: Ranked, labels: Mapping[str, str], most: int | None = None) -> str:
    """Return the datasets of a candidate by their labels, all or the first `most`."""
    names = session_names(sorted(dataset_ids_of(ranked)), labels)
    return ", ".join(names[:most]) + (" …" if most is not None and len(names) > most else "")


def _names(pair: Sequence[Ranked], labels: Mapping[str, str]) -> Element:
    scale = Scale.over([each.judgement.figures for each in pair])
    rows: list[list[Content]] = []
    for letter, each in zip(_LETTERS, pair, strict=True):
        f = each.judgement.figures
        rows.append(
            [
                element(
                    "th",
                    f"{letter} ",
                    candidate_link(each),
                    element("span", f" {short_id(each)}", class_="fine"),
                    scope="row",
                ),
                _datasets(each, labels, 3),
                net_text(f),
                element("td", scale.mark(f), class_="mark"),
                number(each.net_low_all, "+.2f"),
                f"{each.judgement.p_value:.3f}",
                "" if each.p_adjusted is None else f"{each.p_adjusted:.3f}",
            ]
        )
    head = ["candidate", "datasets", "net per fire, ticks [95 %]", "interval", "lower end for all", "p", "p adj."]
    return table(head, rows, class_="ranking")


def _difference(found: PairedDifference) -> Element:
    net = found.net
    words = (
        f"A earned {number(net.mean, '+.2f')} ticks per fire more than B, 95 % interval [{number(net.low, '+.2f')}, "
        f"{number(net.high, '+.2f')}], over {found.n_blocks:,} blocks of {found.block_s:,} s, in {found.n_shared:,} of "
        "which both fire. Blocks are paired, so that what the market did to both cancels."
    )
    caution = note(
        "The interval is of these two alone: who chose them out of many has chosen their difference too. Which of the "
        "two to believe, the adjusted p-values say."
    )
    return element("div", element("p", words), caution)


def _settings(pair: Sequence[Ranked], labels: Mapping[str, str]) -> Element:
    first, second = (_texts(each, labels) for each in pair)
    rows: list[list[Content]] = [
        [element("th", name, scope="row"), first.get(name, ""), second.get(name, "")]
        for name in {**first, **second}
        if first.get(name) != second.get(name)
    ]
    same, either = shared_fires(pair)
    shared = "They ran on no dataset in common." if not either else f"They share {same:,} of {either:,} fires."
    what = table(["setting", *_LETTERS], rows, class_="words") if rows else element("p", "Their settings are the same.")
    return section("differences", "What differs", what, element("p", shared))


def _texts(ranked: Ranked, labels: Mapping[str, str]) -> Mapping[str, str]:
    first = ranked.candidate.first
    texts = {name: value_text(value) for name, value in settings_of(first).items() if value is not None}
    return {"signal": first.signal, **texts, "datasets": _datasets(ranked, labels)}


def _equities(pair: Sequence[Ranked], view_of: ViewOf, labels: Mapping[str, str]) -> Element:
    """Return the running sums of both, on each dataset that both ran on, or why they cannot be drawn."""
    first, second = ({trial.dataset: trial for trial in each.candidate.counted} for each in pair)
    common = [dataset for dataset in first if dataset in second][:_MOST_DATASETS]
    if not common:
        return section("equity", "Equity", element("p", "They ran on no dataset in common.", class_="state"))
    try:
        paths = [[path_of(trials[dataset], view_of(*dataset)) for trials in (first, second)] for dataset in common]
    except VpharnessError as error:
        return section("equity", "Equity", element("p", f"Not drawn: {error}.", class_="state"))
    words = note("Net ticks of the fires, summed in their order: A blue, B orange and dashed. Many fires overlap.")
    described = "Summed net ticks of both candidates over time."
    links: list[Content] = ["On"]
    for dataset_id, _ in common:
        links += [" ", link(with_session(dataset_id, labels), "datasets", id=dataset_id)]
    picture = chart("pair", described, 2.6, partial(_paint, paths, labels))
    return section("equity", "Equity", words, element("p", *links), picture)


def _paint(paths: Sequence[Sequence[Path]], labels: Mapping[str, str], figure: Picture) -> None:
    axes_of = figure.subplots(1, len(paths), squeeze=False)
    for axes, both in zip(axes_of.ravel(), paths, strict=True):
        zero_line(axes)
        for path, letter, colour in zip(both, _LETTERS, _COLOURS, strict=True):
            _paint_sum(axes, path, letter, colour)
        axes.set_title(fitted(labels.get(both[0].dataset_id, both[0].dataset_id), 60 // len(paths)))
        axes.set_xlabel("hours from the first bin on")
        axes.margins(x=0.01)
    axes_of[0, 0].set_ylabel("net, ticks, summed")
    axes_of[0, 0].legend()


def _paint_sum(axes: Axes, path: Path, letter: str, colour: str) -> None:
    judged = np.isfinite(path.fires.net_pnl_ticks)
    times = np.concatenate([path.hours[:1], path.fire_hours[judged], path.hours[-1:]])
    summed = np.cumsum(path.fires.net_pnl_ticks[judged])
    steps = np.concatenate([[0.0], summed, summed[-1:] if len(summed) else [0.0]])
    line = "-" if letter == "A" else "--"
    axes.step(*thinned(times, steps, _COLUMNS), where="post", color=colour, linewidth=1.3, linestyle=line, label=letter)
