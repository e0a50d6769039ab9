"""What candidates are called on the page, and marks that say how they stand."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from xml.etree.ElementTree import Element

from vpharness.evaluation import Figure, Figures
from vpharness.evaluation.figure_registry import REPORT
from vpharness.evaluation.figures import HEADLINE
from vpharness.results.ledger import LedgerCandidate
from vpharness.results.ranking import Ranked
from vpharness.results.report.charts import BAD_COLOUR, GOOD_COLOUR, INK
from vpharness.results.report.findings import by_signal
from vpharness.results.report.markup import element, true_minus
from vpharness.results.sensitivity import setting_text, settings_in_words, short_name, value_text, varied_parameters

_BARRIERS: Final = ("eval.tp_ticks", "eval.sl_ticks")
_MARK_WIDTH, _MARK_HEIGHT = 150, 14


def name_of(ranked: Ranked) -> str:
    """Return what a candidate is called: its signal, threshold and barriers."""
    return candidate_name(ranked.candidate)


def candidate_name(candidate: LedgerCandidate) -> str:
    """Return what a candidate of the ledger is called: its signal, threshold and barriers."""
    trial = candidate.first
    tp, sl = trial.evaluation.tp_ticks, trial.evaluation.sl_ticks
    return f"{trial.signal} at {trial.threshold_label}, tp {tp:g} sl {sl:g}"


def varied_names(ranked: Sequence[Ranked]) -> dict[str, list[str]]:
    """Return for each signal the full names of what its candidates differ in, threshold and barriers aside."""
    return {
        signal: [name for name in varied_parameters(members) if name not in _BARRIERS]
        for signal, members in by_signal(ranked).items()
    }


def settings_text(ranked: Ranked, names: Sequence[str]) -> str:
    """Return the values of some parameters of a candidate."""
    settings = settings_in_words(ranked.candidate.first)
    return ", ".join(
        setting_text(short_name(name), value_text(settings[name]), " ")
        for name in names
        if settings.get(name) is not None
    )


def short_id(ranked: Ranked) -> str:
    """Return the beginning of a candidate's id, as tables show it."""
    return ranked.candidate.candidate_id[:6]


def dataset_ids_of(ranked: Ranked) -> list[str]:
    """Return the datasets that a candidate was judged on; not those that are kept for the test."""
    return [trial.dataset_id for trial in ranked.candidate.choosing]


def figure_text(figure: Figure, f: Figures) -> str:
    """Return one figure with its interval, where that is shown; empty where the figure is not shown for its value."""
    return true_minus(figure.text(vars(f), REPORT)) if figure.is_shown(vars(f)) else ""


def net_text(f: Figures) -> str:
    """Return the net mean with its interval, ticks."""
    return figure_text(HEADLINE, f)


def net_ends_text(f: Figures) -> str:
    """Return the interval of the net mean, ticks."""
    return net_text(f).partition(" ")[2]


@dataclass(frozen=True)
class Scale:
    """The range of net ticks that marks of one table share; 0 lies in it."""

    low: float
    high: float

    @classmethod
    def over(cls, figures: Sequence[Figures]) -> "Scale":
        """Return the scale that holds all intervals that there are."""
        ends = [end for f in figures for end in (f.net_pnl_ticks_low, f.net_pnl_ticks_high)]
        known = [end for end in ends if not math.isnan(end)] or [1.0]
        return cls(min(0.0, *known), max(0.0, *known))

    def place(self, value: float) -> str:
        """Return where a value stands in a mark."""
        share = (value - self.low) / (self.high - self.low or 1.0)
        return f"{4 + share * (_MARK_WIDTH - 8):.1f}"

    def mark(self, f: Figures) -> Element:
        """Return a candidate's interval and mean as a small picture, with a line at 0."""
        colour = BAD_COLOUR if f.net_pnl_ticks < 0 else GOOD_COLOUR
        middle, zero = f"{_MARK_HEIGHT / 2:g}", self.place(0.0)
        parts = [element("line", x1=zero, x2=zero, y1="0", y2=str(_MARK_HEIGHT), stroke=INK, stroke_width="0.8")]
        if not math.isnan(f.net_pnl_ticks_low):
            ends = {"x1": self.place(f.net_pnl_ticks_low), "x2": self.place(f.net_pnl_ticks_high)}
            parts.append(element("line", **ends, y1=middle, y2=middle, stroke=colour, stroke_width="2"))
            # A hollow mean is below 0: the two are told apart without their colours.
            fill = "#ffffff" if f.net_pnl_ticks < 0 else colour
            at = self.place(f.net_pnl_ticks)
            parts.append(element("circle", cx=at, cy=middle, r="3.2", fill=fill, stroke=colour, stroke_width="1.4"))
        box = {"viewBox": f"0 0 {_MARK_WIDTH} {_MARK_HEIGHT}", "class_": "mark", "aria-hidden": "true"}
        return element("svg", *parts, **box)
