"""Taker or maker: what the fires of leading candidates earn at the touch, and as resting orders by latency."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from xml.etree.ElementTree import Element

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture
from numpy.typing import NDArray

from vpharness.errors import ResultsError, VpharnessError
from vpharness.evaluation import DatasetView, Figures, ResolvedEvaluation
from vpharness.evaluation.figures import figure_named
from vpharness.results.execution import StoredWays, alternative, at_latencies, at_touch, looked_at
from vpharness.results.explored import keep_explored
from vpharness.results.ledger import LedgerCandidate
from vpharness.results.ranking import Ranked, judged
from vpharness.results.reevaluation import ViewOf
from vpharness.results.report.candidates import figure_text, name_of, net_text, short_id
from vpharness.results.report.charts import BAD_COLOUR, GOOD_COLOUR, chart, fitted, interval_marks, thinned, zero_line
from vpharness.results.report.findings import Findings, signals_first
from vpharness.results.report.markup import element, note, section, table
from vpharness.results.report.panels import MOST_LETTERS, panels_height, panels_of, panels_share

MOST_CANDIDATES: Final = 3
_ABREAST: Final = 3
_COLUMNS: Final = 500
_NS_PER_MS: Final = 1_000_000
_MS_PER_HOUR: Final = 3_600_000.0
_OF_ORDERS: Final = ("fill_rate", "median_wait_ms", "markout_100ms_ticks", "markout_1s_ticks")


@dataclass(frozen=True)
class _Ways:
    """A leading candidate: what it earned at the touch, and as resting orders by latency; its own entry is one."""

    ranked: Ranked
    touch: Figures
    rests: tuple[tuple[str, Figures, bool], ...]  # latency as it is written, figures, whether runs have it
    explored: tuple[LedgerCandidate, ...]  # those that neither runs nor earlier looks have left in the ledger


def execution_by_latency(findings: Findings) -> Element | None:
    """Return the leading resting candidates at the touch and by latency, and the latencies that were recorded.

    There is none where no candidate rests: the tables of virtual orders are made for those who ask for them.
    """
    leading = _leading(findings.rankable)
    if not leading:
        return None
    stored = StoredWays([each.candidate for each in findings.ranked])
    found, lost = [], []
    for each in leading:
        try:
            found.append(_ways_of(each, findings.view_of, stored))
        except VpharnessError as error:
            lost.append(element("p", f"{name_of(each)} ({short_id(each)}) is left out: {error}"))
    if findings.store is not None:
        try:
            keep_explored(findings.store, {each.ranked.candidate.candidate_id: each.explored for each in found})
        except ResultsError as error:
            told = f"Left out, since what is looked at must be written down, so that it counts: {error}"
            return section("execution", "Taker or maker", element("p", told))
    words = note(
        "The same fires, entered at the touch (the band: mean and 95 % interval) and with resting orders that arrive "
        "so long after the decision (●); unfilled orders are no trades. Latencies that no run has are an exploration: "
        "looked up for this picture, written down, and part of every p-value from now on; none of them wins anything "
        "before it is run. compare execution=ID judges all of them together."
    )
    parts: list[Element] = []
    if found:
        size = len(found), _ABREAST
        names = ", ".join(name_of(each.ranked) for each in found)
        described = f"Net ticks per fire by latency, beside the touch, of {names}; the numbers stand below."

        def paint(picture: Picture) -> None:
            for axes, ways in zip(panels_of(picture, len(found), _ABREAST), found, strict=True):
                _paint_ways(axes, ways)

        parts = [chart("execution", described, panels_height(*size), paint, share=panels_share(*size)), _numbers(found)]
    return section("execution", "Taker or maker", words, *parts, *lost, *_recorded(leading, findings.view_of))


def _leading(rankable: Sequence[Ranked]) -> list[Ranked]:
    """Return the best resting candidate of each signal, then the others, each score and pair of barriers once."""
    found: dict[tuple[object, ...], Ranked] = {}
    for each in signals_first([one for one in rankable if one.candidate.first.evaluation.in_queue]):
        first = each.candidate.first
        evaluation = at_touch(first.evaluation)
        key = (first.signal, first.fires.digest, evaluation.tp_ticks, evaluation.sl_ticks, evaluation.max_hold_bins)
        if len(found) < MOST_CANDIDATES:
            found.setdefault(key, each)
    return list(found.values())


def _ways_of(ranked: Ranked, view_of: ViewOf, stored: StoredWays) -> _Ways:
    candidate, own = ranked.candidate, ranked.candidate.first.evaluation
    evaluations = [at_touch(own), *dict.fromkeys([*at_latencies(own), own])]
    ways = [alternative(candidate, each, view_of, stored) for each in evaluations]
    figures = [each.figures for each in judged([way.candidate for way in ways])]
    labels = [_latency_text(each) for each in evaluations]
    rests = sorted(
        zip(evaluations[1:], labels[1:], figures[1:], (way.is_stored for way in ways[1:]), strict=True),
        key=lambda each: (bool(each[0].latency_digest), each[0].latency_ms),
    )
    numbers = tuple((label, f, is_stored) for _, label, f, is_stored in rests)
    return _Ways(ranked, figures[0], numbers, tuple(looked_at(candidate, ways)))


def _latency_text(evaluation: ResolvedEvaluation) -> str:
    return "recorded" if evaluation.latency_digest else f"{evaluation.latency_ms:g}"


def _paint_ways(axes: Axes, ways: _Ways) -> None:
    zero_line(axes)
    touch, at = ways.touch, np.arange(len(ways.rests), dtype=np.float64)
    axes.axhspan(touch.net_pnl_ticks_low, touch.net_pnl_ticks_high, color=BAD_COLOUR, alpha=0.15, linewidth=0)
    axes.axhline(touch.net_pnl_ticks, color=BAD_COLOUR, linewidth=1.2)
    figures = [each for _, each, _ in ways.rests]
    interval_marks(
        axes,
        at,
        np.array([f.net_pnl_ticks for f in figures]),
        np.array([f.net_pnl_ticks_low for f in figures]),
        np.array([f.net_pnl_ticks_high for f in figures]),
    )
    axes.set_title(fitted(f"{name_of(ways.ranked)} ({short_id(ways.ranked)})", 2 * MOST_LETTERS))
    axes.set_xticks(at, [label for label, _, _ in ways.rests])
    axes.set_xlim(-0.6, len(ways.rests) - 0.4)
    axes.set_xlabel("latency, ms")


def _numbers(found: Sequence[_Ways]) -> Element:
    of_orders = [figure_named(name) for name in _OF_ORDERS]
    head = ["candidate", "entry", "latency, ms", "fires", "net, 95 %", *(each.title() for each in of_orders), "run"]
    rows: list[list[Element | str]] = []
    for ways in found:
        name = element("th", f"{name_of(ways.ranked)} ({short_id(ways.ranked)})", scope="row")
        rows.append([name, "taker", "", f"{ways.touch.n_net:,}", net_text(ways.touch), *("" for _ in of_orders), ""])
        for label, f, is_stored in ways.rests:
            texts = [figure_text(each, f) for each in of_orders]
            run = "yes" if is_stored else "explored"
            rows.append([element("th", "", scope="row"), "maker", label, f"{f.n_net:,}", net_text(f), *texts, run])
    return table(head, rows)


def _recorded(leading: Sequence[Ranked], view_of: ViewOf) -> list[Element]:
    """Return pictures of recorded latencies, over the time of the datasets that leading candidates ran on."""
    drawn: dict[tuple[str, str], Element] = {}
    for each in leading:
        for trial in each.candidate.choosing:
            digest, key = trial.evaluation.latency_digest, (trial.evaluation.latency_digest, trial.dataset_id)
            if not digest or key in drawn:
                continue
            try:
                view = view_of(*trial.dataset)
                latencies = _latencies(view, trial.evaluation)
            except VpharnessError:
                continue  # the candidate is left out above, with the reason
            if latencies is not None:
                drawn[key] = _latency_picture(len(drawn), view, latencies, digest)
    return list(drawn.values())


def _latencies(view: DatasetView, evaluation: ResolvedEvaluation) -> NDArray[np.float64] | None:
    """Return [T] the recorded latency of each bin's decision, ms."""
    if view.recorded_orders is None:
        return None
    _, latency_ns = view.recorded_orders(evaluation.latency_digest, evaluation.max_wait_ns)
    found: NDArray[np.float64] = latency_ns / _NS_PER_MS
    return found


def _latency_picture(number: int, view: DatasetView, latencies: NDArray[np.float64], digest: str) -> Element:
    hours = np.arange(1, view.n_bins + 1) * view.cell_width_ms / _MS_PER_HOUR
    low, middle, high = np.quantile(latencies, [0.05, 0.5, 0.95])
    words = (
        f"Recorded latencies {digest} over {view.name}: {middle:.3g} ms in the median, {low:.3g} to {high:.3g} ms in "
        f"nine of ten decisions, {latencies.max():.3g} ms at most"
    )

    def paint(picture: Picture) -> None:
        axes = picture.subplots()
        axes.step(
            *thinned(hours.astype(np.float64), latencies, _COLUMNS), where="post", color=GOOD_COLOUR, linewidth=0.9
        )
        axes.set_ylabel("latency, ms")
        axes.set_xlabel("hours from the first bin on")
        axes.set_ylim(bottom=0)

    return chart(f"latency-{number}", words, 1.8, paint, caption=words)
