"""How well the scores of a candidate agree with what came after, and that as tidy rows.

These figures describe, and choose nothing: no p-value here or elsewhere depends on them, and whoever picks candidates
by them has looked at the data once more than the ledger knows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from vpharness.evaluation.information_coefficient import TENTHS, Deciles, InformationCoefficient
from vpharness.evaluation.intervals import Interval
from vpharness.evaluation.label_figures import CLASSES, LabelFigures

DECILE_BINS: Final = 10
"""How far ahead the moves of deciles are, where no label says it."""


@dataclass(frozen=True)
class FeatureImportance:
    """What the coefficient of scores and labels loses once a feature is shuffled in blocks.

    Attributes:
        feature: its place among the features, from 0.
        loss: what is lost, with its interval.
        name: what it is made of, such as "slope over 25 bins of v_add, v_pull".
    """

    feature: int
    loss: Interval
    name: str = ""


@dataclass(frozen=True)
class Information:
    """How well the scores of a candidate agree with later moves, over the parts that chose.

    Attributes:
        candidate_id, signal, threshold_label: whose.
        datasets: how many datasets it was judged on.
        cell_width_ms: length of a bin.
        coefficients: Spearman's coefficient of scores and moves, by how many bins the moves are.
        decile_bins: how many bins ahead the moves of `deciles` are: the reach of a learned signal's label.
        deciles: what followed each tenth of the scores.
        labels: of a learned signal how its scores agree with its labels; None for any other.
        importances: of a learned signal its features, the most important first; empty where they were not asked for.
    """

    candidate_id: str
    signal: str
    threshold_label: str
    datasets: int
    cell_width_ms: float
    coefficients: Mapping[int, InformationCoefficient]
    decile_bins: int
    deciles: Deciles
    labels: LabelFigures | None = None
    importances: tuple[FeatureImportance, ...] = ()


def information_rows(found: Information) -> list[dict[str, Any]]:
    """Return a candidate's information as tidy rows: the column `of` says what a row is of, `value` is its figure.

    `coefficient` is Spearman's of scores and moves over `horizon_bins`; `decile` the mean move after a tenth of the
    scores, `calibration` the mean label of it; `macro_f1`, `p_t` and `class` are of labels and the classes predicted at
    the threshold; `importance` is what the coefficient loses once the feature of the number `name` is shuffled, and
    `feature` what that is made of.
    """
    own = {"candidate_id": found.candidate_id, "signal": found.signal, "threshold": found.threshold_label}
    rows = [
        _row("coefficient", f"{h} bins", each.interval, each.bins) | {"horizon_bins": h, "blocks": each.blocks}
        for h, each in found.coefficients.items()
    ]
    rows += [each | {"horizon_bins": found.decile_bins} for each in _tenths("decile", found.deciles)]
    if (labels := found.labels) is not None:
        rows += [
            _row("macro_f1", labels.label, labels.macro_f1, labels.bins) | {"by_chance": labels.macro_f1_by_chance},
            _row("p_t", labels.label, labels.p_t, labels.round_trips) | {"by_chance": labels.p_t_by_chance},
            *(
                {"of": "class", "name": str(name), "value": float(share), "predicted_share": float(predicted)}
                for name, share, predicted in zip(CLASSES, labels.shares, labels.predicted_shares, strict=True)
            ),
            *_tenths("calibration", labels.calibration),
        ]
    rows += [
        _row("importance", str(each.feature), each.loss, None) | {"feature": each.name} for each in found.importances
    ]
    return [own | row for row in rows]


def _row(of: str, name: str, interval: Interval, n: int | None) -> dict[str, Any]:
    return {"of": of, "name": name, "value": interval.mean, "low": interval.low, "high": interval.high, "n": n}


def _tenths(of: str, found: Deciles) -> list[dict[str, Any]]:
    return [
        {
            "of": of,
            "name": str(place + 1),
            "value": float(found.mean_move[place]),
            "low": float(found.low[place]),
            "high": float(found.high[place]),
            "n": int(found.bins[place]),
            "mean_score": float(found.mean_score[place]),
            "hit_rate": float(found.hit_rate[place]),
        }
        for place in range(TENTHS)
    ]
