"""About how long a fit takes: seconds of one core's processor, by rows and features, for plans.

Every library is held to one thread, so that these are seconds by the clock too where a core is free. The formulas
follow what each method does; their constants were fitted to measured fits of 2,000 to 360,000 rows and 10 to 160
features (504 for networks), which they give within a factor of 1.5: tests/benchmarks/RESULTS.md ("Learned signals: time
and memory"). Two things they cannot know: a process that compiles the first step of a network takes some two seconds
more, and a linear support vector machine whose features are nearly collinear stops ten to twenty times later than one
that converges, whose time is given here.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from vpharness.signals import Model
from vpharness.signals.core.learned import TOUCH

FIXED_SECONDS: Final = 0.01
"""What writing weights takes, and whatever else does not grow with rows."""
_CHOOSING: Final = 8e-9
"""Seconds a row and feature: looking for what is missing, and copying the rows that are known."""


def fit_seconds(model: Model, params: Any, rows: int, features: int) -> float | None:
    """Return about how long a fit on so many rows and features takes; None for a model that was never measured."""
    found = _SECONDS.get(model.name)
    if found is None:
        return None
    return FIXED_SECONDS + _CHOOSING * rows * features + found(params, rows, features)


def _trees(p: Any, rows: int, features: int) -> float:
    """LightGBM: features are sorted into histograms once; a tree adds rows to these, and searches them at each leaf."""
    leaves = min(p.num_leaves, max(2, rows // p.min_leaf_bins))
    shown = p.feature_share * features
    tree = rows * (8e-8 + 1.2e-9 * shown) + 5e-6 * shown * leaves
    return float(3.2e-7 * rows * features + p.rounds * _outputs(p) * tree)


def _trees_xgb(p: Any, rows: int, features: int) -> float:
    """XGBoost: the same, level by level; features that a tree is not shown are added to its histograms all the same."""
    # A row's second derivative is at most 1/2, and leaves end up some times as large as they must be.
    leaves = min(2.0**p.max_depth, max(2.0, rows / (4.0 * max(p.min_child_weight, 0.5))))
    tree = 5e-4 + rows * features * (2.3e-9 + 4.2e-10 * p.max_depth) + 2.4e-6 * p.feature_share * features * leaves
    return float(2.2e-7 * rows * features + p.rounds * _outputs(p) * tree)


def _mlp(p: Any, rows: int, features: int) -> float:
    """A network: each row is drawn and multiplied with all weights once an epoch; each batch is a call."""
    first, second = p.hidden
    weights = features * first + first * second + second * _outputs(p)
    steps = p.epochs * max(1, rows // p.batch_bins)
    return float(p.epochs * rows * (5e-7 + 8e-9 * features + 2.4e-10 * weights) + 5e-4 * steps)


def _outputs(p: Any) -> int:
    """Return the raw values of a model: one for each class of the label touch, or the move itself."""
    return 3 if p.label == TOUCH else 1


_SECONDS: Final[Mapping[str, Callable[[Any, int, int], float]]] = {
    "ridge": lambda _, rows, features: 5e-8 * rows * features,
    "logistic": lambda _, rows, features: 0.02 + 5e-8 * rows * features,
    "linear_svm": lambda _, rows, features: rows * (4e-6 + 1.2e-7 * features),
    "knn": lambda _, rows, features: 1e-8 * rows * features,
    "pca": lambda _, rows, features: rows * features * (1e-8 + 4e-10 * features),
    "trees": _trees,
    "trees_xgb": _trees_xgb,
    "mlp": _mlp,
}
"""Of each model: from its parameters, rows and features to seconds."""
