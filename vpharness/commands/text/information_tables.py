"""`compare information=CANDIDATE`: how well scores agree with what came after, as tables for people."""

import math
from collections.abc import Sequence
from typing import Final

from vpharness.commands.text.terminal import console, print_table
from vpharness.evaluation.information_coefficient import TENTHS, Deciles
from vpharness.evaluation.intervals import Interval
from vpharness.evaluation.label_figures import CLASSES, LabelFigures
from vpharness.results.information_rows import FeatureImportance, Information
from vpharness.wording import counted

MOST_FEATURES: Final = 15
"""Features that are listed; json=true has all."""
WARNING: Final = (
    "these figures describe scores, in the part that chose: no p-value here or elsewhere counts them, and one that is "
    "picked for them is judged by what its fires earn"
)


def print_information(found: Information) -> None:
    """Print a candidate's information: coefficients by horizon, tenths of its scores, labels, features."""
    out = console()
    on = counted(found.datasets, "dataset")
    out.print(f"{found.signal} at {found.threshold_label}, candidate {found.candidate_id}: its scores on {on}")
    out.print()
    seconds = [h * found.cell_width_ms / 1000 for h in found.coefficients]
    kept = list(found.coefficients.values())
    columns = {
        "moves over, bins": [str(h) for h in found.coefficients],
        "seconds": [f"{each:g}" for each in seconds],
        "information coefficient [95 %]": [_text(each.interval, "+.3f") for each in kept],
        "bins": [f"{each.bins:,}" for each in kept],
        "blocks": [f"{each.blocks:,}" for each in kept],
    }
    print_table(columns, texts=(), key="moves over, bins")
    out.print()
    _print_tenths(found.deciles, f"mean move over {found.decile_bins} bins, ticks [95 %]", found.labels)
    if found.labels is not None:
        out.print()
        _print_labels(found.labels)
    if found.importances:
        out.print()
        _print_features(found.importances)
    out.print()
    for line in _terms(found):
        out.print(line)


def _print_tenths(deciles: Deciles, moves: str, labels: LabelFigures | None) -> None:
    columns = {
        "tenth of the scores": [str(place + 1) for place in range(TENTHS)],
        "bins": [f"{n:,}" for n in deciles.bins],
        "mean score": [_number(value, "+.3f") for value in deciles.mean_score],
        moves: [_text(each, "+.3f") for each in _intervals(deciles)],
        "hit rate %": [_number(100 * value, ".0f") for value in deciles.hit_rate],
    }
    if labels is not None:
        columns["mean label [95 %]"] = [_text(each, "+.3f") for each in _intervals(labels.calibration)]
    print_table(columns, texts=(), key="tenth of the scores")


def _print_labels(labels: LabelFigures) -> None:
    out = console()
    out.print(f"label: {labels.label}; {labels.bins:,} bins have a score and a label")
    columns = {
        "class": [f"{name:+d}" if name else "0" for name in CLASSES],
        "label %": [_number(100 * share, ".0f") for share in labels.shares],
        "predicted %": [_number(100 * share, ".0f") for share in labels.predicted_shares],
    }
    print_table(columns, texts=(), key="class")
    out.print(f"macro-F1: {_text(labels.macro_f1, '.3f')}, {labels.macro_f1_by_chance:.3f} by chance")
    out.print(
        f"p_T: {_text(labels.p_t, '.3f')} of {counted(labels.round_trips, 'predicted round trip')} complete, "
        f"{labels.p_t_by_chance:.3f} by chance"
    )


def _print_features(importances: Sequence[FeatureImportance]) -> None:
    shown = importances[:MOST_FEATURES]
    columns = {
        "feature": [str(each.feature) for each in shown],
        "made of": [each.name for each in shown],
        "coefficient lost once it is shuffled [95 %]": [_text(each.loss, "+.3f") for each in shown],
    }
    print_table(columns, texts=("made of",), key="feature")
    if len(importances) > len(shown):
        console().print(f"the first {len(shown)} of {len(importances)} features (json=true has all)")


def _terms(found: Information) -> list[str]:
    terms = ["information coefficient: Spearman's, of scores and moves of the mid; intervals over blocks of time"]
    if found.labels is not None:
        terms.append(
            "classes are predicted at the threshold; by chance: predictions as frequent, independent of the labels; "
            "p_T: the share of predicted round trips, from one direction to the other, both of whose ends have the "
            "predicted label"
        )
    if found.importances:
        terms.append(
            "features are numbered from 0, as the signal's function stacks them; features that are alike share their "
            "importance"
        )
    return [*terms, WARNING]


def _intervals(deciles: Deciles) -> list[Interval]:
    return [Interval(*ends) for ends in zip(deciles.mean_move, deciles.low, deciles.high, strict=True)]


def _number(value: float, form: str) -> str:
    return "" if math.isnan(value) else format(value, form)


def _text(interval: Interval, form: str) -> str:
    if math.isnan(interval.mean):
        return "none"
    if math.isnan(interval.low):
        return format(interval.mean, form)
    return f"{format(interval.mean, form)} [{format(interval.low, form)}, {format(interval.high, form)}]"
