"""From the arguments of the command line to everything the server needs: composed, checked, and opened."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from runtime.alerts.webhook import receiver_of
from runtime.config.feed_words import words_by_feed
from runtime.config.server_parameters import ROLL_BACK, ChallengerParameters, RuntimeParameters, ServeCommand
from runtime.config.signal_overrides import overridden, typed
from runtime.engine.models import ServedModel, incompatibilities, lattice_in_force, served_model
from runtime.feeds.feed import Feed, FeedContext, FeedFacts, FeedParameters
from runtime.feeds.feed_recorder import recorded
from runtime.rollout.rollout import verified_record
from runtime.web.auth import required_token
from runtime.web.server_setup import FeedSetup, ServerSetup
from runtime.web.start_progress import Tell, tell_nothing
from vpharness.config.lake_of_command import lake_of
from vpharness.config.malformed_overrides import refuse_malformed
from vpharness.config.override_errors import one_line
from vpharness.config.override_grammar import quoted
from vpharness.config.search_path import conf_folder, permitted_modules, without_config_dir
from vpharness.config.typed_config import check, check_command, instance
from vpharness.datasets.lake import Lake
from vpharness.errors import ConfigError, VpharnessError
from vpharness.modules import PermittedModules
from vpharness.promotion.pointer import bundle_path
from vpharness.promotion.serving import PromotedRecord, defaults, lattice_parameters, promoted
from vpharness.signals import resolve

COMMAND: Final = "serve"
_WITH_SIGNALS: Final = "audit"
"""A command whose configuration has the group of signals."""
DEFAULTS_FILE: Final = Path(__file__).resolve().parent / "defaults.yaml"


def composed(words: Sequence[str], command: str = COMMAND) -> DictConfig:
    """Return the configuration that some words make of a command's YAML."""
    overrides = [quoted(word) for word in without_config_dir(words)]
    with initialize_config_dir(version_base="1.3", config_dir=str(conf_folder())):
        return compose(command, overrides)


@dataclass(frozen=True)
class ComposedFeeds:
    """The configurations of a server: its own, and that of each feed by name; a single feed's name is empty."""

    server: DictConfig
    feeds: Mapping[str, DictConfig]


def composed_feeds(words: Sequence[str]) -> ComposedFeeds:
    """Return the configurations that the arguments of a command line make.

    Raises ConfigError, naming the feed, where an argument of one feed is wrong.
    """
    by_feed = words_by_feed(without_config_dir(words))
    _refuse_malformed(by_feed.shared)
    server = composed(by_feed.shared)
    if not by_feed.of_feed:
        return ComposedFeeds(server, {"": server})
    feeds = dict[str, DictConfig]()
    with _all_errors() as collecting:
        for name, own in by_feed.of_feed.items():
            with collecting(name):
                _refuse_malformed(own)  # what a feed gives itself stands in place of what all feeds are given
                feeds[name] = composed([*by_feed.shared, *own])
    return ComposedFeeds(server, feeds)


def _refuse_malformed(words: Sequence[str]) -> None:
    refuse_malformed([quoted(word) for word in words], COMMAND)


@contextlib.contextmanager
def _all_errors() -> Iterator[Callable[[str], contextlib.AbstractContextManager[None]]]:
    """Yield what collects the errors of feeds, by name; afterwards ConfigError is raised with all of them, if any."""
    found = list[str]()

    @contextlib.contextmanager
    def collecting(name: str) -> Iterator[None]:
        try:
            yield
        except (VpharnessError, HydraException, OmegaConfBaseException) as error:
            found.append(_of_feed(name, error))

    yield collecting
    if found:
        raise ConfigError("; ".join(found))


@contextlib.contextmanager
def _naming(name: str) -> Iterator[None]:
    """Name the feed in an error."""
    try:
        yield
    except VpharnessError as error:
        if not name:
            raise
        raise ConfigError(_of_feed(name, error)) from error


def _of_feed(name: str, error: BaseException) -> str:
    return f"feeds.{name}: {error if isinstance(error, VpharnessError) else one_line(error)}"


@dataclass(frozen=True)
class _CheckedFeed:
    """What a feed's configuration says, all of it in range."""

    name: str
    config: DictConfig
    command: ServeCommand
    settings: RuntimeParameters
    challengers: Mapping[str, ChallengerParameters]


@contextlib.contextmanager
def serving(configs: ComposedFeeds, tell: Tell = tell_nothing) -> Iterator[ServerSetup]:
    """Yield all that is served, with the feeds open; `tell` is called with what is opened or read next.

    Raises ConfigError, PromotionError, SourceError, DatasetError or FeedError for whatever is wrong, before anything
    is served; of several feeds, the error names the one.
    """
    checked = _all_checked(configs)
    command = check_command(configs.server, ServeCommand)
    settings: RuntimeParameters = instance(configs.server.runtime, "runtime")
    receiver = receiver_of(settings.alerts)
    token, lake = required_token(settings), lake_of(command)
    modules = permitted_modules(lake.root, settings.signal_modules, "runtime.signal_modules")
    with contextlib.ExitStack() as stack:
        feeds = list[FeedSetup]()
        for each in checked:
            with _naming(each.name):
                feeds.append(stack.enter_context(_feed_setup(each, lake, modules, tell)))
        yield ServerSetup(settings, token, lake, tuple(feeds), modules, receiver)


def _all_checked(configs: ComposedFeeds) -> list[_CheckedFeed]:
    """Return what the configurations say; ConfigError, with everything that is wrong with any feed."""
    alone = _checked("", configs.server)  # what is wrong for all feeds is said once
    if "" in configs.feeds:
        return [alone]
    checked = list[_CheckedFeed]()
    with _all_errors() as collecting:
        for name, config in configs.feeds.items():
            with collecting(name):
                checked.append(_checked(name, config))
    return checked


def _checked(name: str, config: DictConfig) -> _CheckedFeed:
    """Return what a feed's configuration says. Raises ConfigError for what is out of range."""
    command = check_command(config, ServeCommand)
    settings: RuntimeParameters = instance(config.runtime, "runtime")
    check(runtime=settings)
    given: Any = OmegaConf.to_container(config.challengers, resolve=True)
    asked = {name: typed(ChallengerParameters, value, f"challengers.{name}") for name, value in given.items()}
    for challenger, each in asked.items():
        check(**{f"challengers.{challenger}": each})
    if settings.on_drift == ROLL_BACK and command.version is not None:
        raise ConfigError(
            f"runtime.on_drift is {ROLL_BACK} and version is {command.version}: a fixed version is never rolled back; "
            "leave one of them out"
        )
    return _CheckedFeed(name, config, command, settings, asked)


@contextlib.contextmanager
def _feed_setup(
    checked: _CheckedFeed, lake: Lake, modules: PermittedModules, tell: Tell = tell_nothing
) -> Iterator[FeedSetup]:
    """Yield a feed that is open, with the models that are served on it."""
    config, command = checked.config, checked.command
    choice = instance(config.dataset, "dataset")
    with _opened(checked, lake, choice.id, modules, tell) as (feed, record):
        if found := incompatibilities(record, feed.facts):
            raise ConfigError(f"the feed cannot be served: {'; '.join(found)}")
        instrument = command.instrument or feed.facts.instrument
        challengers = tuple(
            _challenger(name, each, record, lake, instrument, feed.facts, modules)
            for name, each in checked.challengers.items()
        )
        with _recorded(feed, command) as recorded_feed:
            yield FeedSetup(
                settings=checked.settings,
                instrument=instrument,
                follows=command.version is None,
                feed=recorded_feed,
                champion=served_model(record),
                challengers=challengers,
                name=checked.name,
                reopen=functools.partial(_feed_setup, checked, lake, modules),
            )


@contextlib.contextmanager
def _opened(
    checked: _CheckedFeed, lake: Lake, dataset_id: str | None, modules: PermittedModules, tell: Tell
) -> Iterator[tuple[Feed, PromotedRecord]]:
    """Yield the opened feed and the record served on it, both with bins of the same width.

    The record depends on the instrument, which some feeds know only once they are open.
    """
    config, command = checked.config, checked.command
    parameters: FeedParameters = instance(config.feed, "feed")
    source = instance(config.source, "source") if config.source is not None else None
    fresh = defaults(DEFAULTS_FILE)
    instrument, width_ms = command.instrument, lattice_parameters(fresh).cell_width_ms
    while True:
        record = fresh if instrument is None else _record(lake, instrument, command.version, modules, tell) or fresh
        if instrument is not None:
            width_ms = lattice_parameters(record).cell_width_ms
        tell(f"opening the feed{f' {checked.name}' if checked.name else ''}")
        with parameters.open(FeedContext(width_ms, source, lake, dataset_id)) as feed:
            if instrument is None:
                instrument = feed.facts.instrument
                record = _record(lake, instrument, command.version, modules, tell) or fresh
            if lattice_parameters(record).cell_width_ms == width_ms:
                yield feed, record
                return


def _recorded(feed: Feed, command: ServeCommand) -> contextlib.AbstractContextManager[Feed]:
    """Return the feed, recorded where that is configured."""
    if command.record is None:
        return contextlib.nullcontext(feed)
    return recorded(feed, Path(command.record), limit_mb=command.record_mb)


def _record(
    lake: Lake, instrument: str, version: str | None, modules: PermittedModules, tell: Tell
) -> PromotedRecord | None:
    """Return the record of a version, or of the one that the pointer names; None before anything was promoted."""
    folder = promoted(lake, instrument) if version is None else bundle_path(lake, instrument, version)
    if folder is None:
        tell(f"nothing is promoted for {instrument}: the defaults are served")
        return None
    tell(f"reading {folder.name} of {instrument}, and replaying its recorded slice to see that it is what was promoted")
    return verified_record(folder, modules)


def _challenger(
    name: str,
    asked: ChallengerParameters,
    champion: PromotedRecord,
    lake: Lake,
    instrument: str,
    facts: FeedFacts,
    modules: PermittedModules,
) -> ServedModel:
    begun = (
        champion if asked.version is None else verified_record(bundle_path(lake, instrument, asked.version), modules)
    )
    target = None if asked.signal is None else _signal_target(asked.signal)
    return challenger_model(name, asked, champion, begun, target, facts)


def _signal_target(name: str) -> str:
    """Return the function that a YAML of the group `signal` names, a user's own included."""
    return str(composed([f"signal={name}"], _WITH_SIGNALS).signal["_target_"])


def challenger_model(
    name: str,
    asked: ChallengerParameters,
    champion: PromotedRecord,
    begun: PromotedRecord,
    target: str | None,
    facts: FeedFacts,
) -> ServedModel:
    """Return a challenger on the champion's lattice.

    Args:
        name: what it is called.
        asked: how it differs.
        champion: what is served.
        facts: of the feed.
        begun: what it differs from: the champion, or another promoted version.
        target: "module.name" of the other signal, where one is asked for.

    Raises ConfigError, naming the challenger, where it cannot be made or runs on another lattice.
    """
    if lattice_in_force(begun, facts) != lattice_in_force(champion, facts):
        raise ConfigError(
            f"challenger {name} is made for another lattice than the champion, {champion.version}; challengers are "
            "scored on the champion's own bins"
        )
    try:
        if target is not None and target != begun.signal_target:
            if asked.threshold is None:
                raise ConfigError("threshold must be given beside another signal")
            fresh = dataclasses.asdict(resolve(target).parameters())
            begun = dataclasses.replace(begun, signal_target=target, parameters=fresh, memory_bins=None)
            begun = dataclasses.replace(begun, program=None, fit=None, weights=None)
        if target is not None or asked.parameters or asked.threshold is not None:
            begun = overridden(begun, asked.parameters, asked.threshold)
        if found := incompatibilities(begun, facts):
            raise ConfigError("; ".join(found))
        return served_model(begun, name)
    except VpharnessError as error:
        raise ConfigError(f"challenger {name}: {error}") from error
