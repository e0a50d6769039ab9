"""The scorer of a model that is made of its signal's source."""

from vpharness.live import LiveModel
from vpharness.signals import Scorer


def source_scorer(model: LiveModel) -> Scorer:
    """Return a model's scorer, which must not be one that was exported."""
    assert isinstance(model.scorer, Scorer)
    return model.scorer
