"""Neighbours of a candidate: the candidates that differ from it in one setting alone."""

from collections.abc import Sequence
from typing import Any

from vpharness.results.ledger import Trial
from vpharness.results.ranking import Ranked
from vpharness.results.sensitivity import settings_of, value_text

_DatasetIds = tuple[str, ...]


def neighbours_of(own: Ranked, ranked: Sequence[Ranked]) -> dict[str, list[Ranked]]:
    """Return the candidates that differ from one in a single setting, by that setting's full name; its own is in each.

    Neighbours have its signal and ran on the datasets that it ran on. The threshold is a setting like any other. A
    setting in which nothing else was tried is left out.

    Args:
        own: the candidate.
        ranked: all candidates, itself among them or not.
    """
    settings = _Settings()
    mine, datasets = settings.of(own.candidate.first), _datasets(own)
    found: dict[str, list[Ranked]] = {}
    for each in ranked:
        first = each.candidate.first
        if first.signal != own.candidate.first.signal or each.candidate.candidate_id == own.candidate.candidate_id:
            continue
        if _datasets(each) != datasets:
            continue
        theirs = settings.of(first)
        different = [name for name in {**mine, **theirs} if mine.get(name) != theirs.get(name)]
        if len(different) == 1:
            found.setdefault(different[0], [own]).append(each)
    order = list(mine)
    return dict(sorted(found.items(), key=lambda pair: order.index(pair[0]) if pair[0] in order else len(order)))


def _datasets(ranked: Ranked) -> _DatasetIds:
    return tuple(sorted(trial.dataset_id for trial in ranked.candidate.choosing))


class _Settings:
    """Settings as texts; those of an evaluation and parameters that many candidates share are written out once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], dict[str, str]] = {}
        self._held: list[Any] = []

    def of(self, trial: Trial) -> dict[str, str]:
        """Return a candidate's settings by full name, its threshold among them."""
        key = id(trial.parameters), id(trial.evaluation)
        if key not in self._known:
            self._known[key] = {name: value_text(value) for name, value in settings_of(trial).items()}
            # The objects are kept, so that no other ones come to have their numbers.
            self._held += [trial.parameters, trial.evaluation]
        return {**self._known[key], "threshold": trial.threshold_label}
