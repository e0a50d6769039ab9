"""Composing configurations, running signals and scoring datasets from Python."""

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from omegaconf import DictConfig

from vpharness.api.folders import Folder, lake_in
from vpharness.campaigns.dataset_cache import DatasetCache
from vpharness.campaigns.run_folder import folder_of
from vpharness.commands.cli import mistake_in
from vpharness.commands.collection_run import collection_runs
from vpharness.commands.command_table import COMMANDS
from vpharness.commands.ledger_access import readable_ledger
from vpharness.commands.run import finished_run, tidy
from vpharness.commands.text.rankings import rows_of
from vpharness.config.composition import composed_config
from vpharness.config.malformed_overrides import refuse_malformed
from vpharness.config.override_grammar import override_value, quoted
from vpharness.config.search_path import config_dir_added
from vpharness.config.typed_config import instance
from vpharness.datasets.find import find_dataset
from vpharness.errors import ConfigError
from vpharness.parameters import problems
from vpharness.results.ranking import rank
from vpharness.signals import LearnedSignal, Signal, resolve
from vpharness.signals import score as scores_of
from vpharness.storage.arrow import table_of_rows

_CHOSEN: Final = ("source", "lattice", "split", "tracking", "experiment")
"""Groups of which a text chooses an option, such as source="dbn"."""
_DATASET_IS: Final = re.compile(r"dataset\.id(?:=| is )([\w.-]*\w)(?![\w.-]*,\S)")
"""One dataset by its id, and not the first of several that commas separate, which no argument of this library takes."""
_DATASET_KEY: Final = re.compile(r"dataset\.id(?!=[\w.-]*,\S)")


@dataclass(frozen=True)
class RunResult:
    """A run that is in the store, or those on the datasets of a collection.

    Attributes:
        run_id: its id; on a collection that of the last dataset that trains.
        dataset_id: the dataset that it ran on.
        folder: its configuration, its card, its scores and its fires.
        candidates: its candidates, one a threshold, ranked within the whole ledger, as `results` has them.
        run_ids: the ids of all runs: on a collection those that train, in the order of time, then those kept for the
            test.
    """

    run_id: str
    dataset_id: str
    folder: Path
    candidates: pd.DataFrame
    run_ids: tuple[str, ...] = ()


def compose(overrides: Sequence[str] = (), *, command: str = "run", config_dir: Folder | None = None) -> DictConfig:
    """Return the configuration that a command has with some overrides, as they are written on the command line.

    Args:
        overrides: such as "eval.tp_ticks=6".
        command: its name.
        config_dir: a folder of your own YAML files, as `--config-dir` names it.

    Raises ConfigError where there is no such command, key or option, or a value does not fit.
    """
    if command not in COMMANDS:
        raise ConfigError(f"command is {command!r}; there are {', '.join(COMMANDS)}")
    words = [quoted(word) for word in overrides]
    config_name = command.replace(" ", "-")
    with one_sentence(), config_dir_added(_folder(config_dir)):
        refuse_malformed(words, config_name)
        return composed_config(config_name, words)


def run(
    signal: str,
    dataset: str | None = None,
    *,
    collection: str | None = None,
    lake: Folder | None = None,
    outputs: Folder = "outputs",
    parameters: Mapping[str, Any] | None = None,
    config_dir: Folder | None = None,
    **overrides: Any,
) -> RunResult:
    """Run a signal on a dataset as the command line does, unless the store has that run, and return its candidates.

    On a collection there is a run for each of its datasets, and a candidate is judged over all that train.

    Args:
        signal: its name, as `signal=` takes it.
        dataset: the name of a dataset; without one, it is built from `source` and `lattice` where it is not there yet.
        collection: the name of a collection in place of a dataset, as "ES" or "ES@3".
        lake: the folder of datasets and results.
        outputs: the folder of run folders.
        parameters: of the signal, such as {"thresholds": [0.5, 1]}.
        config_dir: a folder of your own YAML files, as `--config-dir` names it.
        overrides: any other key of the command `run`: a mapping sets keys of a group, as eval={"tp_ticks": 6} does, and
            a text chooses an option of one, as tracking="none" does.

    Raises VpharnessError where the run is not possible, fails, or never fires.
    """
    if dataset is not None and not isinstance(dataset, str):
        raise ConfigError(f'dataset is {dataset!r}; expected the name of a dataset, as dataset="mine"')
    if collection is not None and not isinstance(collection, str):
        raise ConfigError(f'collection is {collection!r}; expected the name of a collection, as collection="ES"')
    if dataset is not None and collection is not None:
        raise ConfigError(f"dataset={dataset!r} and collection={collection!r} were both given; give one of them")
    words = [f"signal={signal}", *_words("signal", dict(parameters or {}))]
    words += [] if collection is None else [f"dataset.collection={override_value(collection)}"]
    words += [] if dataset is None else [f"dataset.id={override_value(dataset)}"]
    words += [f"lake={override_value(str(lake_in(lake).root))}", f"outputs={override_value(str(Path(outputs)))}"]
    for key, value in overrides.items():
        words += _words(key, value)
    with one_sentence(), config_dir_added(_folder(config_dir)):
        config = compose(words)
        if instance(config.dataset, "dataset").collection is not None:
            several = collection_runs(config, words)
            runs, store = several.runs, several.settings.store
            last, is_judged = (several.training or runs)[-1], bool(several.training)
            folder = folder_of(several.settings.outputs, last.spec.run_id)
        else:
            found = finished_run(config, words)
            runs, store, last, folder = [found.run], found.store, found.run, found.folder
            is_judged = bool(found.rows)
        run_ids = tuple(run.spec.run_id for run in runs)
        ranked = rank(readable_ledger(store, lake_in(lake))) if is_judged else []
        mine = (each for each in ranked if not set(run_ids).isdisjoint(each.candidate.run_ids))
        rows = rows_of(mine, lake_in(lake))
        tidy(store)
    candidates = table_of_rows(rows).to_pandas()
    return RunResult(last.spec.run_id, last.spec.dataset.manifest.dataset_id, folder, candidates, run_ids)


def _folder(given: Folder | None) -> Path | None:
    return None if given is None else Path(given)


def score(
    signal: str | Signal[Any], dataset: str, *, lake: Folder | None = None, **parameters: Any
) -> NDArray[np.float64]:
    """Return the scores of a signal on a dataset: [bins], NaN where the book is not valid.

    Args:
        signal: its name, or the signal itself, which may have been written in a notebook.
        dataset: the name of the dataset.
        lake: the folder of datasets.
        parameters: of the signal; the others have their defaults.

    Raises VpharnessError where a parameter is unknown or out of range, and where the dataset lacks a column.
    """
    with one_sentence():
        chosen, values = _signal_of(signal, parameters)
        if wrong := problems(values, "signal."):
            raise ConfigError("; ".join(wrong))
        cache = DatasetCache.of(find_dataset(lake_in(lake), dataset))
        width = cache.dataset.manifest.cell_width_ms
        if isinstance(chosen, LearnedSignal):
            return cache.learned_run(chosen, values).scores()
        return scores_of(chosen, values, cache.inputs(chosen), cell_width_ms=width, valid=cache.view.book_valid)


def _signal_of(signal: str | Signal[Any], parameters: Mapping[str, Any]) -> tuple[Signal[Any], Any]:
    """Return a signal with its parameters."""
    if isinstance(signal, Signal):
        known = [field.name for field in fields(signal.parameters)]
        if unknown := [name for name in parameters if name not in known]:
            raise ConfigError(
                f"signal {signal.name} has no parameter {', '.join(unknown)}; it has {', '.join(known) or 'none'}"
            )
        return signal, signal.parameters(**parameters)
    config = compose([f"signal={signal}", *_words("signal", dict(parameters))])
    return resolve(str(config.signal["_target_"])), instance(config.signal, "signal")


def _words(key: str, value: Any) -> list[str]:
    """Return a key with its value as words of the command line; a mapping's keys stand below it."""
    if isinstance(value, Mapping):
        return [word for name, each in value.items() for word in _words(f"{key}.{name}", each)]
    if key in _CHOSEN and isinstance(value, str):
        return [f"{key}={value}"]
    if isinstance(value, Path):
        value = str(value)
    elif isinstance(value, np.generic):
        value = value.item()
    elif isinstance(value, tuple):
        value = list(value)
    return [f"{key}={override_value(value)}"]


@contextlib.contextmanager
def one_sentence() -> Iterator[None]:
    """Raise what a user's mistake makes others raise as a VpharnessError with one sentence."""
    try:
        yield
    except Exception as error:
        mistake = mistake_in(error)
        if mistake is None:
            raise
        told = in_python(str(mistake))
        if mistake is error and told == str(error):
            raise
        raise type(mistake)(told) from error


def in_python(message: str) -> str:
    """Return a message whose keys of datasets are written as arguments of this library; commands stay as they are."""
    words, command, rest = message.partition("python -m vpharness")
    words = _DATASET_IS.sub(r'dataset="\1"', words)
    return _DATASET_KEY.sub("dataset", words) + command + rest
