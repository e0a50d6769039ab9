"""Composing the jobs of a campaign: Hydra composes each choice of groups once, values are checked and filled in.

Hydra takes a tenth of a second for a job; a campaign has thousands that differ in a few values.
"""

import copy
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from vpharness.campaigns.campaign_plan import CollectionName, Job, Variant, variant_of
from vpharness.config.command_schemas import DatasetChoice
from vpharness.config.lake_of_command import datasets_elsewhere
from vpharness.config.override_errors import one_line
from vpharness.config.search_path import conf_folder, is_group, prepare_process
from vpharness.config.time_parsing import parse_time_ns
from vpharness.config.typed_config import instance_of
from vpharness.datasets.lake import Lake, check_id
from vpharness.datasets.remote import remote_folder
from vpharness.errors import ConfigError
from vpharness.results.tracked_run import without_password

_GROUPS: Final = ("source", "lattice", "dataset", "signal", "eval", "split")
_WORKSHOP: Final = ("source", "lattice", "start", "end")
_REFERENCE: Final = re.compile(r"\$\{[^:{}]*\}")
"""An interpolation of another key, as opposed to a resolver such as ${oc.env:NAME}."""

Load = Callable[[Sequence[str]], DictConfig]
"""Composes a configuration with Hydra from overrides."""


@dataclass(frozen=True)
class HydraFunctions:
    """The functions of Hydra that composing uses."""

    load: Load
    parse: Callable[[str], Override]
    is_group: Callable[[str], bool]


def hydra_functions(loader: ConfigLoader, master: DictConfig) -> HydraFunctions:
    """Return the functions of Hydra that composing uses in a multirun.

    Args:
        loader: Hydra's own.
        master: the configuration without the overrides of any job.
    """
    parser = OverridesParser.create(config_loader=loader)
    return HydraFunctions(
        load=lambda overrides: loader.load_sweep_config(master, list(overrides)),
        parse=parser.parse_override,
        is_group=is_group,
    )


@dataclass
class _Base:
    """A configuration composed by Hydra, and the typed parts made from it so far."""

    refers: bool  # one value may change another: Hydra has to compose each job
    plain: dict[str, Any]
    scratch: DictConfig
    typed: dict[str, Any] = field(default_factory=dict)  # by override
    parts: dict[tuple[str, frozenset[str]], tuple[Any, Any]] = field(default_factory=dict)


def composed_config(config_name: str, overrides: Sequence[str]) -> DictConfig:
    """Return the configuration that one of the YAML files at the top of `conf/` has with some overrides.

    Raises HydraException or OmegaConfBaseException where they do not fit.
    """
    prepare_process()
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        config: DictConfig = hydra_compose(config_name=config_name, overrides=list(overrides))
        return config


def compose_jobs(jobs: Sequence[Sequence[str]], hydra: HydraFunctions) -> tuple[list[Job], list[str]]:
    """Return the jobs of lists of overrides, and everything that is wrong with those that could not be composed."""
    composer = _Composer(hydra)
    found: list[Job] = []
    problems: dict[str, None] = {}
    for number, job in enumerate(jobs):
        try:
            found.append(composer.job(number, tuple(job)))
        except (ConfigError, HydraException, OmegaConfBaseException) as error:
            problems[one_line(error)] = None
    return found, list(problems)


class _Composer:
    """Keeps what jobs have in common."""

    def __init__(self, hydra: HydraFunctions) -> None:
        self._hydra = hydra
        self._parsed: dict[str, Override] = {}
        self._bases: dict[tuple[str, ...], _Base | Exception] = {}

    def job(self, number: int, job: tuple[str, ...]) -> Job:
        """Compose one job."""
        base, quick = self._base(job)
        by_group: dict[str, list[str]] = {}
        for text in quick:
            by_group.setdefault(self._parse(text).key_or_group.partition(".")[0], []).append(text)
        config, parts = dict(base.plain), dict[str, Any]()
        for name in dict.fromkeys(["dataset", *_GROUPS, *by_group]):
            if name in _WORKSHOP and _is_built(parts["dataset"]):
                continue
            config[name], parts[name] = self._part(base, name, by_group.get(name, []))
        config["sweep"] = None
        _hide_password(config)
        return Job(
            number,
            (*job, "sweep=null"),
            config,
            _data(parts, config, job),
            str(config["signal"]["_target_"]),
            parts["signal"],
            parts["eval"],
            parts["split"],
        )

    def _parse(self, text: str) -> Override:
        if text not in self._parsed:
            self._parsed[text] = self._hydra.parse(text)
        return self._parsed[text]

    def _base(self, job: tuple[str, ...]) -> tuple[_Base, list[str]]:
        """Return the configuration that a job's choices of groups make, and its overrides that only set values."""
        quick = [text for text in job if self._only_sets_a_value(self._parse(text))]
        base = self._composed(tuple(text for text in job if text not in quick))
        return (self._composed(job), []) if base.refers else (base, quick)

    def _only_sets_a_value(self, override: Override) -> bool:
        key = override.key_or_group
        return (
            not (override.is_add() or override.is_force_add() or override.is_delete() or override.package)
            and key.count(".") < 2
            and not key.startswith("hydra")
            and not self._hydra.is_group(key)
            # What refers to other values is the job's own: Hydra composes it with all of them.
            and not any(_REFERENCE.search(text) for text in _texts(override.value()))
        )

    def _composed(self, overrides: tuple[str, ...]) -> _Base:
        if overrides not in self._bases:
            try:
                config = copy.copy(self._hydra.load(overrides))
                OmegaConf.set_struct(config, False)
                config.pop("hydra", None)
                OmegaConf.set_struct(config, True)
                refers = any(_REFERENCE.search(text) for text in _texts(OmegaConf.to_container(config)))
                plain: Any = OmegaConf.to_container(config, resolve=True)
                self._bases[overrides] = _Base(refers, plain, config)
            except (ConfigError, HydraException, OmegaConfBaseException) as error:
                self._bases[overrides] = error
        base = self._bases[overrides]
        if isinstance(base, Exception):
            raise base
        return base

    def _part(self, base: _Base, name: str, overrides: Sequence[str]) -> tuple[Any, Any]:
        """Return a group's plain values and its dataclass instance; jobs with equal overrides share them."""
        key = (name, frozenset(overrides))
        if key not in base.parts:
            plain: Any = base.plain.get(name)
            for text in overrides:
                value = self._typed(base, text)
                _, dot, leaf = self._parse(text).key_or_group.partition(".")
                plain = {**plain, leaf: value} if dot else value
            is_group = isinstance(plain, dict) and "_target_" in plain
            base.parts[key] = plain, instance_of(plain, name) if is_group else plain
        return base.parts[key]

    def _typed(self, base: _Base, text: str) -> Any:
        """Return an override's value in the type of its key. Raises an OmegaConf error where it does not fit."""
        if text not in base.typed:
            override = self._parse(text)
            OmegaConf.update(base.scratch, override.key_or_group, override.value(), merge=True)
            value = OmegaConf.select(base.scratch, override.key_or_group)
            base.typed[text] = OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
        return base.typed[text]


def _is_built(choice: DatasetChoice) -> bool:
    """Whether a dataset, or a collection of them, is named, as opposed to one that is built where it is not there."""
    return choice.id is not None or choice.collection is not None


def _data(parts: Mapping[str, Any], config: Mapping[str, Any], job: Sequence[str]) -> str | Variant | CollectionName:
    choice = parts["dataset"]
    if choice.id is not None and choice.collection is not None:
        raise ConfigError(
            f"dataset.id={choice.id} and dataset.collection={choice.collection} were both given; give one of them"
        )
    if not _is_built(choice):
        start_ns, end_ns = parse_time_ns(config["start"], "start"), parse_time_ns(config["end"], "end")
        return variant_of(parts["source"], parts["lattice"], start_ns, end_ns, parts["dataset"].columns)
    keys = [text.partition("=")[0] for text in job]
    idle = sorted({key for key in keys if key.partition(".")[0] in _WORKSHOP or key == "dataset.columns"})
    if idle:
        key = "dataset.collection" if choice.id is None else "dataset.id"
        if choice.id is not None:
            _require_built(str(choice.id), config, job, idle)
        raise ConfigError(
            f"{key}={choice.id or choice.collection} is built already, so {', '.join(idle)} would change nothing; "
            f"leave out {key} to have datasets built, or leave these out"
        )
    return CollectionName(str(choice.collection)) if choice.id is None else str(choice.id)


def _require_built(dataset_id: str, config: Mapping[str, Any], job: Sequence[str], building: Sequence[str]) -> None:
    """Raise ConfigError where the lake has no dataset of this id; it names the command that would build it.

    Args:
        dataset_id: the id.
        config: the configuration of the run.
        job: the overrides of the run.
        building: the keys among them that a build takes.
    """
    root = str(config["lake"])
    lake = Lake(Path(root), remote=datasets_elsewhere(config["lake_datasets"]))
    is_there = any(path.is_dir() for path in lake.places(check_id(dataset_id)))
    if not is_there and remote_folder(lake, dataset_id) is None:
        words = [text for text in job if text.partition("=")[0] in building] + [f"dataset.id={dataset_id}"]
        words += [f"lake={root}"] if root != "lake" and any(text.startswith("lake=") for text in job) else []
        raise ConfigError(
            f"no dataset {dataset_id}; build it: {shlex.join(['python', '-m', 'vpharness', 'build', *words])}"
        )


def _hide_password(config: dict[str, Any]) -> None:
    """Leave out of a run's configuration, which is written down, what a tracking server must know."""
    tracking = config["tracking"]
    if tracking.get("uri"):
        config["tracking"] = {**tracking, "uri": without_password(tracking["uri"])}


def _texts(values: Any) -> Iterator[str]:
    if isinstance(values, dict):
        values = values.values()
    if isinstance(values, str):
        yield values
    elif not isinstance(values, int | float | bool | type(None)):
        for value in values:
            yield from _texts(value)


def job_of(config: DictConfig, overrides: Sequence[str]) -> Job:
    """Return the one job that a composed configuration stands for; `overrides` are those of the command line."""
    plain: Any = OmegaConf.to_container(config, resolve=True)
    choice = instance_of(plain["dataset"], "dataset")
    wanted = [name for name in _GROUPS if not _is_built(choice) or name not in _WORKSHOP]
    parts = {name: instance_of(plain[name], name) for name in wanted}
    target = str(plain["signal"]["_target_"])
    data = _data(parts, plain, overrides)
    _hide_password(plain)
    return Job(0, tuple(overrides), plain, data, target, parts["signal"], parts["eval"], parts["split"])
