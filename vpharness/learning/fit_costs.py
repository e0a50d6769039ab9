"""About how long a fit takes: measured seconds of the processor by rows and features, for plans.

The figures are of one core that is not busy with anything else, see tests/benchmarks/RESULTS.md ("Learned signals: time
and memory"). They grow with rows N and features F as each method does; a fit has a fixed part as well.
"""

from typing import Any, Final

from vpharness.signals import Model

FIXED_SECONDS: Final = 0.01
"""What choosing rows, scaling them and writing weights takes."""
_PER_ROW_AND_FEATURE: Final = {
    "ridge": 5e-8,
    "logistic": 3e-7,
    "linear_svm": 3e-7,
    "knn": 2e-8,
    "pca": 3e-8,
    "trees": 3e-9,  # and round
    "trees_xgb": 4e-9,  # and round
    "mlp": 2e-9,  # and epoch and unit of the first layer
}


def fit_seconds(model: Model, params: Any, rows: int, features: int) -> float | None:
    """Return about how long a fit on so many rows and features takes; None for a model that was never measured."""
    rate = _PER_ROW_AND_FEATURE.get(model.name)
    if rate is None:
        return None
    factor = 1.0
    if model.name in {"trees", "trees_xgb"}:
        factor = params.rounds
    elif model.name == "mlp":
        factor = params.epochs * params.hidden[0]
    return FIXED_SECONDS + rate * rows * features * factor
