"""Gradient-boosted trees by XGBoost: P(up) - P(down) of the label `touch`, or the predicted move.

XGBoost compares in single precision, x < condition to the left. Features are of single precision, so that this is
x <= the next smaller single-precision number, exactly. A missing value goes where the node's training data sent it.
"""

import json
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from vpharness.parameters import parameter
from vpharness.signals.core.learned import TOUCH, Fitted, LearnedParameters, Model
from vpharness.signals.models.classes import classes_of
from vpharness.signals.models.tree_arrays import TreeNodes, arrays_of, score


def train(features: NDArray[np.float64], labels: NDArray[np.float64], p: "TreesXgb") -> tuple[Any, Any, float]:
    """Return XGBoost's booster, the labels [C] that it tells apart (None for a regression), and its training loss."""
    import xgboost as xgb  # noqa: PLC0415  # of the extra `learn`

    kinds, places = classes_of(labels) if p.label == TOUCH else (None, labels)
    objective: dict[str, Any] = {"objective": "reg:squarederror", "eval_metric": "rmse"}
    if kinds is not None:
        objective = {"objective": "multi:softprob", "num_class": len(kinds), "eval_metric": "mlogloss"}
    settings = {
        **objective,
        "max_depth": p.max_depth,
        "learning_rate": p.learning_rate,
        "min_child_weight": p.min_child_weight,
        "lambda": p.l2,
        "colsample_bytree": p.feature_share,
        "tree_method": "hist",
        "seed": p.seed,
        "nthread": 1,
        "verbosity": 0,
    }
    data = xgb.DMatrix(features.astype(np.float32), places, nthread=1)
    evaluated: dict[str, Any] = {}
    booster = xgb.train(settings, data, p.rounds, evals=[(data, "train")], evals_result=evaluated, verbose_eval=False)
    loss = float(evaluated["train"][objective["eval_metric"]][-1])
    return booster, kinds, loss if kinds is not None else loss**2


def fit(features: NDArray[np.float64], labels: NDArray[np.float64], p: "TreesXgb") -> Fitted:
    """Return boosted trees as arrays; the training loss is the mean log loss, or the mean squared error."""
    booster, kinds, loss = train(features, labels, p)
    return Fitted(weights_of(booster, kinds), loss)


def weights_of(booster: Any, kinds: NDArray[np.float64] | None) -> dict[str, NDArray[Any]]:
    """Return the trees of a booster as arrays."""
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    trees = learner["gradient_booster"]["model"]
    count = 1 if kinds is None else len(kinds)
    base = np.atleast_1d(json.loads(learner["learner_model_param"]["base_score"])).astype(np.float64)
    return arrays_of(
        [_nodes(tree) for tree in trees["trees"]], trees["tree_info"], np.broadcast_to(base, count).copy(), kinds
    )


def _nodes(tree: dict[str, Any]) -> TreeNodes:
    """Return the nodes of a tree, in XGBoost's own order."""
    nodes = TreeNodes()
    conditions = np.asarray(tree["split_conditions"], np.float32)
    for place, (left, right) in enumerate(zip(tree["left_children"], tree["right_children"], strict=True)):
        if left < 0:
            nodes.leaf(float(conditions[place]))
            continue
        threshold = float(np.nextafter(conditions[place], np.float32(-np.inf)))
        nodes.split(int(tree["split_indices"][place]), threshold, missing_left=bool(tree["default_left"][place]))
        nodes.left[place], nodes.right[place] = int(left), int(right)
    return nodes


TREES_XGB: Final = Model("trees_xgb", fit, score, ("xgboost",), takes_missing=True)


@dataclass(frozen=True)
class TreesXgb(LearnedParameters):
    """Parameters of signals with boosted trees by XGBoost."""

    MODEL: ClassVar[Model] = TREES_XGB

    rounds: int = parameter(60, meaning="boosting rounds", minimum=1, maximum=10_000)
    max_depth: int = parameter(4, meaning="levels of a tree, at most", minimum=1, maximum=16)
    learning_rate: float = parameter(0.05, meaning="what a tree's answer is multiplied by", above=0, maximum=1)
    min_child_weight: float = parameter(20.0, meaning="sum of second derivatives of a leaf, at least", minimum=0)
    l2: float = parameter(1.0, meaning="penalty of squared leaf values", minimum=0)
    feature_share: float = parameter(1.0, meaning="share of the features that a tree is shown", above=0, maximum=1)
