"""Which candidates a comparison is about: those of a signal, a holding time, a campaign, a dataset, or one by its id.

A name that the ledger does not know is refused, in a line that names those that there are.
"""

from collections.abc import Iterable, Sequence

from vpharness.config.command_schemas import CompareCommand
from vpharness.errors import ConfigError
from vpharness.results.ledger import LedgerCandidate
from vpharness.wording import did_you_mean

_MOST_NAMED = 3
_NO_RESULTS = "there are no results yet: python -m vpharness signal=ads makes some"


def candidate_id_named(key: str, begins: str, ids: Iterable[str]) -> str:
    """Return the id that is given, or the only one that begins so.

    Args:
        key: the key that gives it, which an error names.
        begins: the id of a candidate, or its beginning.
        ids: those that there are.

    Raises ConfigError where none or several begin so.
    """
    known = sorted(set(ids))
    found = [begins] if begins in known else [each for each in known if begins and each.startswith(begins)]
    if len(found) > 1:
        named = ", ".join(found[:_MOST_NAMED])
        raise ConfigError(f"{key} is {begins!r}, with which {len(found)} ids begin, such as {named}; give more of it")
    if not found:
        hint = did_you_mean(begins, known).strip() or "python -m vpharness compare lists the ids"
        raise ConfigError(f"{key} is {begins!r}, with which the id of no candidate here begins; {hint}")
    return found[0]


def is_shown(asked: CompareCommand, candidate: LedgerCandidate) -> bool:
    """Return whether a candidate is of the signal and the holding time that are asked for."""
    return asked.of_signal in {None, candidate.first.signal} and asked.max_hold_bins in {
        None,
        candidate.first.evaluation.max_hold_bins,
    }


def require_known_campaign(campaign: str | None, ledger: Sequence[LedgerCandidate]) -> None:
    """Raise ConfigError for a campaign of which no run is finished."""
    if campaign is None:
        return
    known = sorted(frozenset[str]().union(*(each.runs.campaigns for each in ledger)))
    if campaign not in known:
        raise ConfigError(
            f"campaign is {campaign!r}, which has no finished run; there are {', '.join(known) or 'no campaigns'}"
        )


def require_known(dataset_id: str | None, signal: str | None, ledger: Sequence[LedgerCandidate]) -> None:
    """Raise ConfigError for a dataset or a signal without any run."""
    if dataset_id is not None:
        datasets = sorted(set[str]().union(*(each.dataset_ids for each in ledger)))
        if dataset_id not in datasets:
            hint = did_you_mean(dataset_id, datasets, "dataset.id=")
            there_are = f"there are results on {', '.join(datasets)}" if datasets else _NO_RESULTS
            raise ConfigError(f"dataset.id is {dataset_id}; {hint or there_are}".strip())
    if signal is not None:
        signals = sorted({each.first.signal for each in ledger})
        if signal not in signals:
            hint = did_you_mean(signal, signals, "signal=")
            there_are = f"there are results of {', '.join(signals)}" if signals else _NO_RESULTS
            raise ConfigError(f"signal is {signal}; {hint or there_are}".strip())


def require_known_hold(max_hold_bins: int | None, ledger: Sequence[LedgerCandidate]) -> None:
    """Raise ConfigError for a holding time without any run."""
    if max_hold_bins is None:
        return
    known = sorted({each.first.evaluation.max_hold_bins for each in ledger})
    if max_hold_bins not in known:
        there_are = ", ".join(map(str, known)) or "none"
        raise ConfigError(f"max_hold_bins is {max_hold_bins}, with which nothing has been run; there are {there_are}")


def require_known_members(
    collection: str | None, members: frozenset[str] | None, ledger: Sequence[LedgerCandidate]
) -> None:
    """Raise ConfigError for a collection on none of whose datasets anything was run."""
    if members is not None and members.isdisjoint(known_id for each in ledger for known_id in each.dataset_ids):
        raise ConfigError(
            f"dataset.collection is {collection}, and there are no results on any of its datasets; run a signal on it: "
            f"python -m vpharness dataset.collection={collection}"
        )
