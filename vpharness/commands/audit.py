"""The command `audit`."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from vpharness.audit import AuditReport, audit
from vpharness.campaigns.collection_members import labels_of_datasets, train_count
from vpharness.campaigns.dataset_cache import DatasetCache
from vpharness.config.command_schemas import AuditCommand, DatasetChoice
from vpharness.config.lake_of_command import lake_of
from vpharness.config.typed_config import check, check_command, instance
from vpharness.datasets.collection import find_collection, member_dataset
from vpharness.datasets.find import find_dataset
from vpharness.datasets.lake import Lake
from vpharness.datasets.read import load
from vpharness.errors import ConfigError, ResultsError, VpharnessError
from vpharness.evaluation import SplitParameters
from vpharness.learning import AUDITED_FITS, audit_fits
from vpharness.learning.earlier_datasets import EarlierDatasets
from vpharness.learning.shuffled_labels import SHUFFLES, ShuffledLabels, shuffled_labels
from vpharness.results.audits import FOUND_ON_SHUFFLED, FULL, SHUFFLED, AuditRecord, keep_audits, key_of
from vpharness.results.session_names import with_session
from vpharness.results.store import store_in
from vpharness.signals import LearnedParameters, LearnedSignal, digest, identifying_parameters, resolve
from vpharness.signals.core.learned import DATASET


def run_audit(config: DictConfig) -> None:
    """Audit a signal; one that looks ahead, breaks the chunk law, or cannot be decided on these data, is an error."""
    asked, choice = check_command(config, AuditCommand), instance(config.dataset, "dataset")
    if choice.id is None and choice.collection is None:
        raise ConfigError("dataset.id must be given (python -m vpharness list-datasets shows what there is)")
    signal, params = resolve(str(config.signal["_target_"])), instance(config.signal, "signal")
    check(signal=params)
    lake = lake_of(asked)
    dataset = find_dataset(lake, audited_dataset(lake, choice))
    if choice.collection is not None:
        on = with_session(dataset.manifest.dataset_id, labels_of_datasets(lake))
        print(f"vpharness: the audit is on dataset {on} of the collection", file=sys.stderr)
    width_ms = dataset.manifest.cell_width_ms
    shuffled: ShuffledLabels | None = None
    earlier: EarlierDatasets | None = None
    if isinstance(signal, LearnedSignal):
        cache = DatasetCache.of(dataset)
        earlier = _earlier(lake, choice, params, dataset.manifest.dataset_id)
        run = cache.learned_run(signal, params, earlier)
        report = audit_fits(run, cache.inputs(signal), run.scores(), seed=asked.seed, most=AUDITED_FITS, full=True)
        shuffled = shuffled_labels(run, asked.shuffles, asked.seed) if asked.shuffles else None
        if asked.shuffles and shuffled is None:
            print("vpharness: no labels were shuffled: it has no fit to those of its own dataset", file=sys.stderr)
    else:
        loaded = load(dataset, signal.columns)
        valid = loaded.bins["book_valid"].astype(bool)
        shown = signal.with_series(loaded.grid, loaded.bins, dataset.manifest.tick_size)
        report = audit(signal, params, shown, valid, cell_width_ms=width_ms, seed=asked.seed)
    if asked.json:
        more = {} if shuffled is None else {"shuffled_labels": dataclasses.asdict(shuffled)}
        print(json.dumps(_facts(report) | more, indent=1))
    else:
        _print(report, signal.name, width_ms)
        if shuffled is not None:
            _print_shuffled(shuffled)
    key = key_of(
        str(config.signal["_target_"]),
        digest(signal, params),
        dataset.checksum,
        identifying_parameters(params),
        () if earlier is None else earlier.identity,
    )
    knows = None if shuffled is None or shuffled.passed else _knows(shuffled)
    dataset_id = dataset.manifest.dataset_id
    audits = [AuditRecord.now(key, dataset_id, report.failures, report.memory_bins, FULL)]
    if shuffled is not None and shuffled.is_decided:
        audits.append(AuditRecord.now(key, dataset_id, filter(None, [knows]), None, SHUFFLED))
    try:
        keep_audits(store_in(Path(asked.lake)), audits)
    except ResultsError as error:
        print(f"vpharness: the audit's result could not be stored: {error}", file=sys.stderr)
    _require_passed(signal.name, report, knows)


def _require_passed(name: str, report: AuditReport, knows: str | None) -> None:
    """Raise VpharnessError where an audit, or the fits to shuffled labels, found something."""
    if report.not_checked is not None:
        raise VpharnessError(f"signal {name} was not checked: {report.not_checked}")
    if report.undecided:
        raise VpharnessError(f"the audit of signal {name} is {report.failures[0]}")
    if report.failures:
        raise VpharnessError(f"signal {name} fails the audit: {'; '.join(report.failures)}")
    if knows is not None:
        raise VpharnessError(f"signal {name} fails the audit: {knows}")


def _earlier(lake: Lake, choice: DatasetChoice, params: LearnedParameters, dataset_id: str) -> EarlierDatasets | None:
    """Return the datasets before one in the collection, for a signal that is fitted on these; None for any other."""
    if params.refit_every != DATASET or choice.collection is None:
        return None
    collection = find_collection(lake, choice.collection)
    before = collection.members[: collection.dataset_ids.index(dataset_id)]
    found = tuple(member_dataset(lake, collection, each) for each in before)
    return EarlierDatasets(found) if found else None


def _knows(found: ShuffledLabels) -> str:
    """Return what is wrong with a signal whose scores know of later moves although its labels were shuffled."""
    return (
        f"{FOUND_ON_SHUFFLED} its scores still agree with later moves, by a coefficient of "
        f"{found.interval.mean:+.3f} in the mean; its features or its model know of them from elsewhere"
    )


def audited_dataset(lake: Lake, choice: DatasetChoice) -> str:
    """Return the dataset that is audited on: the one that is named, or the last one of a collection that trains.

    Which that is with `split=time` and its default share: an audit looks at no outcome, so the test stays closed.
    """
    if choice.id is not None and choice.collection is not None:
        raise ConfigError(
            f"dataset.id={choice.id} and dataset.collection={choice.collection} were both given; give one of them"
        )
    if choice.collection is None:
        return str(choice.id)
    ids = find_collection(lake, choice.collection).dataset_ids
    return ids[train_count(len(ids), SplitParameters.train_share) - 1]


def _print_shuffled(found: ShuffledLabels) -> None:
    mean, low, high = dataclasses.astuple(found.interval)
    print(
        f"  fitted to labels shuffled in blocks {len(found.coefficients)} times: information coefficient {mean:+.3f} "
        f"[{low:+.3f}, {high:+.3f}] in the mean, {_shuffled_verdict(found)}"
    )


def _shuffled_verdict(found: ShuffledLabels) -> str:
    if not found.is_decided:
        return f"which {len(found.coefficients)} cannot decide: give shuffles={SHUFFLES}"
    return "as chance has it" if found.passed else "NOT 0"


def _facts(report: AuditReport) -> dict[str, Any]:
    checks = [{**dataclasses.asdict(each), "passed": each.passed} for each in report.checks]
    return {
        "passed": report.passed,
        "undecided": report.undecided,
        "not_checked": report.not_checked,
        "failures": list(report.failures),
        "memory_bins": report.memory_bins,
        "memory": report.memory and dataclasses.asdict(report.memory),
        "program": report.program and dataclasses.asdict(report.program),
        "bins": report.bins,
        "checks": checks,
    }


def _print(report: AuditReport, name: str, width_ms: int) -> None:
    print(f"audit of {name} over {report.bins:,} valid bins")
    for each in report.checks:
        verdict = f"same {each.compared}" if each.passed else f"{each.compared} differ from bin {each.first_bin} on"
        counted = "" if each.finite is None else f", {each.finite:,} bins compared"
        print(f"  {each.name:<36}{verdict}, worst {each.worst:.2g}{counted}")
    if report.program is not None:
        calls = ", ".join(report.program.calls_out) or "nothing"
        print(f"  its program holds constants of {report.program.total_bytes:,} bytes and calls {calls} outside of it")
    memory = report.memory
    if memory is None:
        return
    if memory.bins is None:
        print(f"  it still remembers where the data began {memory.at_least:,} bins after it")
    else:
        print(f"  it forgets where the data began after {memory.bins} valid bins, {memory.bins * width_ms} ms")
