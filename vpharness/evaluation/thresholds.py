"""Thresholds chosen from the scores themselves, on the training part alone."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vpharness.errors import ConfigError
from vpharness.evaluation.split import TRAIN, Part


def quantile_thresholds(
    scores: Sequence[NDArray[np.float64]], parts: Sequence[Part], quantiles: Sequence[float]
) -> tuple[float, ...]:
    """Return the quantiles of |score| over the training bins, one for each of `quantiles`.

    Args:
        scores: [T] a score for each dataset; NaN is left out.
        parts: a training part for each dataset.
        quantiles: shares between 0 and 1.

    Raises:
        ConfigError: a part is not for training, or a quantile is 0 or missing and would make every bin fire.
    """
    if any(part.name != TRAIN for part in parts):
        raise ConfigError(
            "quantile thresholds are chosen on the training part, and there is none; split the data or give thresholds"
        )
    pairs = zip(scores, parts, strict=True)
    magnitudes = np.abs(np.concatenate([score[part.start : part.stop] for score, part in pairs]))
    magnitudes = magnitudes[np.isfinite(magnitudes)]
    chosen = tuple(np.quantile(magnitudes, list(quantiles)).tolist()) if len(magnitudes) else ()
    useless = [f"{100 * share:g} %" for share, value in zip(quantiles, chosen, strict=False) if value <= 0]
    if useless or not chosen:
        found = f"are 0 at {', '.join(useless)}" if useless else "do not exist: every score is missing"
        raise ConfigError(
            f"the quantiles of |score| over the training part {found}; give other quantiles or thresholds"
        )
    return chosen
