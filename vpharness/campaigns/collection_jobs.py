"""Jobs on a collection: one job for each of its datasets, all of one candidate.

A run is on one dataset. With `split=time` a collection puts whole datasets, in the order of time, into the training
part (the first `train_share` of them, half up, at least one) and the test part. A run's identity says on which side its
dataset stands and nothing of the collection, its name, version or other datasets; a candidate's does not even say that.
A signal that is fitted on the datasets before one (refit_every=dataset) is the exception: which these are is part of
the run. So a collection that grows makes no run of before anew, but for datasets that move from the test into training,
which become new runs; and all versions of all collections that hold a dataset share its runs.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from vpharness.campaigns.campaign_plan import CollectionName, Job
from vpharness.campaigns.collection_members import train_count
from vpharness.datasets.collection import Collection, find_collection
from vpharness.datasets.find import find_dataset
from vpharness.datasets.lake import Lake
from vpharness.errors import ConfigError
from vpharness.evaluation import SplitParameters
from vpharness.learning.earlier_datasets import labelled_bins
from vpharness.signals import LearnedParameters
from vpharness.signals.core.learned import DATASET

COLLECTION_KEY = "dataset.collection"


@dataclass(frozen=True)
class ExpandedJobs:
    """The jobs of datasets, and what is to be said of those that were left out, a sentence each."""

    jobs: tuple[Job, ...]
    notes: tuple[str, ...] = ()


def expanded(jobs: Sequence[Job], lake: Lake) -> ExpandedJobs:
    """Return jobs with each job on a collection replaced by one on each of its datasets, in the order of time.

    Thresholds by quantile are chosen on the training part of each dataset, so a dataset that is kept for the test has
    none to choose them on: such jobs are left out, which is noted.

    Raises ConfigError or DatasetError where there is no such collection, and ConfigError where `split.test_datasets`
    names a dataset that it does not hold.
    """
    collections: dict[str, Collection] = {}
    splits: dict[tuple[int, str], tuple[SplitParameters, tuple[SplitParameters, ...]]] = {}
    found: list[Job] = []
    untested: dict[str, str] = {}
    unfitted: dict[tuple[str, str], int] = {}
    bins_of = functools.cache(lambda dataset_id: find_dataset(lake, dataset_id).manifest.bins)
    for job in jobs:
        if not isinstance(job.data, CollectionName):
            found.append(job)
            continue
        name = job.data.name
        collection = collections.get(name) or collections.setdefault(name, find_collection(lake, name))
        # The split is kept beside its key: another object could come to have its number.
        key = id(job.split), name
        if key not in splits:
            splits[key] = job.split, _splits(job.split, collection)
        shared = splits[key][1]
        words, kept = _pinned(job.words, collection.name), _kept(collection, shared)
        for place, (dataset_id, split) in enumerate(zip(collection.dataset_ids, shared, strict=True)):
            before = collection.dataset_ids[:place] if _is_fitted_on_earlier(job) else ()
            # Nothing that chooses may come of a dataset that is kept for the test.
            earlier = tuple(each for each in before if each not in kept or dataset_id in kept)
            if _is_fitted_on_earlier(job) and not _can_be_fitted(job, [bins_of(each) for each in earlier]):
                unfitted[job.signal_target, collection.name] = max(
                    place + 1, unfitted.get((job.signal_target, collection.name), 0)
                )
            elif not job.parameters.thresholds and dataset_id in kept:
                untested[job.signal_target] = collection.name
            else:
                config = _config(job.config, dataset_id, collection.name)
                found.append(replace(job, words=words, config=config, data=dataset_id, split=split, earlier=earlier))
    notes = [_untested(*each) for each in untested.items()]
    notes += [_unfitted(*key, number) for key, number in unfitted.items()]
    return ExpandedJobs(tuple(found), tuple(notes))


def _is_fitted_on_earlier(job: Job) -> bool:
    return isinstance(job.parameters, LearnedParameters) and job.parameters.refit_every == DATASET


def _can_be_fitted(job: Job, bins: Sequence[int]) -> bool:
    """Whether earlier datasets of so many bins have enough labels for a fit."""
    parameters = cast("LearnedParameters", job.parameters)
    return labelled_bins(parameters, bins) >= parameters.min_train_bins


def _splits(split: SplitParameters, collection: Collection) -> tuple[SplitParameters, ...]:
    """Return the split of each dataset of a collection; datasets on the same side share the object where they can."""
    ids = collection.dataset_ids
    if split.by_dataset:
        if strangers := sorted(set(split.test_datasets) - set(ids)):
            raise ConfigError(
                f"split.test_datasets names {', '.join(strangers)}, which collection {collection.name} does not hold; "
                f"it holds {', '.join(ids[:3])}{' and others' if len(ids) > 3 else ''}"
            )
        return (split,) * len(ids)
    if split.kind == "none":
        return (split,) * len(ids)
    n_train = train_count(len(ids), split.train_share)
    train = SplitParameters.of_whole_dataset("", is_test=False)
    return (train,) * n_train + tuple(SplitParameters.of_whole_dataset(each, is_test=True) for each in ids[n_train:])


def _kept(collection: Collection, splits: Sequence[SplitParameters]) -> frozenset[str]:
    """Return the datasets of a collection that are kept for the test, given the split of each."""
    pairs = zip(collection.dataset_ids, splits, strict=True)
    return frozenset(each for each, split in pairs if split.by_dataset and each in split.test_datasets)


def _pinned(words: Sequence[str], name: str) -> tuple[str, ...]:
    """Return overrides that name the version of a collection: whatever is added to it, they mean the same."""
    return tuple(f"{COLLECTION_KEY}={name}" if each.partition("=")[0] == COLLECTION_KEY else each for each in words)


def _config(config: Mapping[str, Any], dataset_id: str, name: str) -> dict[str, Any]:
    return {**config, "dataset": {**config["dataset"], "id": dataset_id, "collection": name}}


def _unfitted(signal_target: str, name: str, number: int) -> str:
    signal = signal_target.rpartition(".")[2]
    which = "first dataset" if number == 1 else f"first {number} datasets"
    return (
        f"signal {signal} is fitted at the beginning of each dataset on those before, so it is not run on the {which} "
        f"of collection {name}, before which too few bins have a label (signal.min_train_bins)"
    )


def _untested(signal_target: str, name: str) -> str:
    signal = signal_target.rpartition(".")[2]
    return (
        f"signal {signal} chooses its thresholds by quantile on each dataset that it is trained on, so it is not run "
        f"on the datasets of collection {name} that are kept for the test; give signal.thresholds to test it there"
    )
