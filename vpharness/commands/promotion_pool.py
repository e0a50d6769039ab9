"""The datasets that a promotion's evidence is pooled over, where whole datasets of a collection train and test."""

from collections.abc import Sequence

from vpharness.config.command_schemas import DatasetChoice
from vpharness.datasets.collection import collection_ids, find_collection
from vpharness.datasets.lake import Lake
from vpharness.errors import ConfigError
from vpharness.evaluation import TEST
from vpharness.evaluation.evaluation_parameters import WHOLE_DATASETS
from vpharness.promotion.selection import PooledDatasets, trials_named
from vpharness.results.ledger import LedgerCandidate


def pool_of(lake: Lake, choice: DatasetChoice, name: str, ledger: Sequence[LedgerCandidate]) -> PooledDatasets | None:
    """Return the datasets of the collection that is named, or else of the only one that a candidate was run on.

    None where none is named and the candidate was run on datasets that no collection holds together, or a run is named
    that cuts its dataset by itself: the evidence is that of the instrument then.

    Args:
        lake: where collections are.
        choice: what the user chose: a collection, or nothing.
        name: the id of a run or a candidate, or how it begins.
        ledger: every candidate of the ledger.

    Raises ConfigError where a dataset is named, or where several collections are possible, and DatasetError where there
    is no such collection.
    """
    if choice.id is not None:
        raise ConfigError(f"dataset.id is {choice.id}, but a run names its dataset itself; leave it out")
    if choice.collection is not None:
        return _pooled(lake, choice.collection)
    trials = trials_named(name, ledger)
    ids = {trial.dataset_id for trial in trials if trial.split.kind == WHOLE_DATASETS}
    trained = {trial.dataset_id for trial in trials if trial.judged_part != TEST}
    is_candidate = {trial.candidate_id.startswith(name) for trial in trials} == {True}
    if not ids and is_candidate and len(trained) > 1:
        # Runs on a collection with split=none or split.test_datasets= do not say themselves that they are of one.
        ids = {trial.dataset_id for trial in trials}
    if not ids:
        return None
    holding = [each for each in (_pooled(lake, known) for known in collection_ids(lake)) if ids <= each.dataset_ids]
    if len({each.dataset_ids for each in holding}) > 1:
        raise ConfigError(
            f"the datasets of {name} are in several collections, {', '.join(each.collection for each in holding)}; "
            "choose one with dataset.collection="
        )
    return holding[0] if holding else None


def _pooled(lake: Lake, name: str) -> PooledDatasets:
    collection = find_collection(lake, name)
    return PooledDatasets(collection.name, frozenset(collection.dataset_ids))
