"""Gradient-boosted trees by LightGBM: P(up) - P(down) of the label `touch`, or the predicted move.

Softmax over the labels that there are, or squared error. LightGBM splits at float64 thresholds between training values,
x <= threshold to the left. A missing value goes where the node's training data sent it; at a node whose feature was
never missing in training it counts as 0.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from vpharness.parameters import parameter
from vpharness.signals.core.learned import TOUCH, Fitted, LearnedParameters, Model
from vpharness.signals.models.classes import classes_of
from vpharness.signals.models.tree_arrays import TreeNodes, arrays_of, score


def train(features: NDArray[np.float64], labels: NDArray[np.float64], p: "Trees") -> tuple[Any, Any, float]:
    """Return LightGBM's booster, the labels [C] that it tells apart (None for a regression), and its training loss."""
    import lightgbm as lgb  # noqa: PLC0415  # of the extra `learn`

    kinds, places = classes_of(labels) if p.label == TOUCH else (None, labels)
    objective = {"objective": "regression"} if kinds is None else {"objective": "multiclass", "num_class": len(kinds)}
    metric = "l2" if kinds is None else "multi_logloss"
    settings = {
        **objective,
        "metric": metric,
        "num_leaves": p.num_leaves,
        "learning_rate": p.learning_rate,
        "min_data_in_leaf": p.min_leaf_bins,
        "lambda_l2": p.l2,
        "feature_fraction": p.feature_share,
        "seed": p.seed,
        "deterministic": True,
        "force_col_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    data = lgb.Dataset(features, places, free_raw_data=True)
    evaluated: dict[str, Any] = {}
    booster = lgb.train(
        settings, data, p.rounds, valid_sets=[data], valid_names=["train"], callbacks=[lgb.record_evaluation(evaluated)]
    )
    return booster, kinds, float(evaluated["train"][metric][-1])


def fit(features: NDArray[np.float64], labels: NDArray[np.float64], p: "Trees") -> Fitted:
    """Return boosted trees as arrays; the training loss is the mean log loss, or the mean squared error."""
    booster, kinds, loss = train(features, labels, p)
    return Fitted(weights_of(booster, kinds), loss)


def weights_of(booster: Any, kinds: NDArray[np.float64] | None) -> dict[str, NDArray[Any]]:
    """Return the trees of a booster as arrays."""
    dumped = booster.dump_model()
    trees = [_nodes(tree["tree_structure"]) for tree in dumped["tree_info"]]
    per_round = int(dumped["num_tree_per_iteration"])
    return arrays_of(trees, [place % per_round for place in range(len(trees))], np.zeros(per_round), kinds)


def _nodes(root: dict[str, Any]) -> TreeNodes:
    nodes = TreeNodes()
    waiting: list[tuple[dict[str, Any], list[int] | None, int]] = [(root, None, 0)]
    while waiting:
        node, children, parent = waiting.pop()
        if "split_feature" in node:
            threshold = float(node["threshold"])
            # Without missing values in training, LightGBM takes one for 0.
            left = node["default_left"] if node["missing_type"] == "NaN" else threshold >= 0
            place = nodes.split(int(node["split_feature"]), threshold, missing_left=bool(left))
            waiting += [(node["left_child"], nodes.left, place), (node["right_child"], nodes.right, place)]
        else:
            place = nodes.leaf(float(node["leaf_value"]))
        if children is not None:
            children[parent] = place
    return nodes


TREES: Final = Model("trees", fit, score, ("lightgbm",), takes_missing=True)


@dataclass(frozen=True)
class Trees(LearnedParameters):
    """Parameters of signals with boosted trees by LightGBM."""

    MODEL: ClassVar[Model] = TREES

    rounds: int = parameter(60, meaning="boosting rounds", minimum=1, maximum=10_000)
    num_leaves: int = parameter(15, meaning="leaves of a tree, at most", minimum=2, maximum=4_096)
    learning_rate: float = parameter(0.05, meaning="what a tree's answer is multiplied by", above=0, maximum=1)
    min_leaf_bins: int = parameter(
        50, meaning="training bins of a leaf, at least", unit="bins", minimum=1, maximum=2**20
    )
    l2: float = parameter(1.0, meaning="penalty of squared leaf values", minimum=0)
    feature_share: float = parameter(1.0, meaning="share of the features that a tree is shown", above=0, maximum=1)
