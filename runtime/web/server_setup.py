"""Everything that a server needs, checked and made before the first client can connect."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from runtime.alerts.webhook import Receiver
from runtime.config.server_parameters import RuntimeParameters
from runtime.engine.models import ServedModel, compiled_session
from runtime.engine.pipeline import Pipeline, new_pipeline, running_model
from runtime.feeds.feed import Feed
from runtime.web.start_progress import Tell, tell_nothing
from vpharness.datasets.lake import Lake
from vpharness.modules import PermittedModules


@dataclass(frozen=True)
class FeedSetup:
    """One feed with what is served on it.

    Attributes:
        name: what the feed is called; empty for the only feed of a server, which needs none.
        settings: those of the server, with this feed's own values of `FEED_SETTINGS`.
        instrument: whose pointer is followed.
        follows: whether the pointer is followed at all; a fixed version is served otherwise.
        feed: the opened feed.
        champion, challengers: the models.
        reopen: opens the feed anew, with what is served on it then; None where that cannot be done.
    """

    settings: RuntimeParameters
    instrument: str
    follows: bool
    feed: Feed
    champion: ServedModel
    challengers: tuple[ServedModel, ...] = ()
    name: str = ""
    reopen: "Callable[[], AbstractContextManager[FeedSetup]] | None" = None


@dataclass(frozen=True)
class ServerSetup:
    """A server with its feeds.

    Attributes:
        settings: how the server listens and what it allows.
        token: what clients must show; None where nothing.
        lake: where promotions lie.
        feeds: the feeds, at least one; where no feed is asked for by name, the first is meant.
        modules: those that the signals of promotions may come from.
        receiver: whom changes of what may be claimed are told; None where nobody.
    """

    settings: RuntimeParameters
    token: str | None
    lake: Lake
    feeds: tuple[FeedSetup, ...]
    modules: PermittedModules
    receiver: Receiver | None = None


def first_pipelines(server: ServerSetup, tell: Tell = tell_nothing) -> Mapping[str, Pipeline]:
    """Return the pipeline that is served first by the name of its feed, with all of its machine code compiled.

    `tell` is called with what is compiled next.
    """
    found = {}
    for each in server.feeds:
        models = [f"{model.name} ({model.live.scorer.name})" for model in (each.champion, *each.challengers)]
        on = f" on feed {each.name}" if each.name else ""
        tell(f"compiling the lattice and the step of {', '.join(models)}{on}; the first start takes longest")
        found[each.name] = first_pipeline(each)
    return found


def first_pipeline(setup: FeedSetup) -> Pipeline:
    """Return the pipeline that is served first on a feed, with all of its machine code compiled."""
    facts, champion = setup.feed.facts, setup.champion
    allows_what_ifs = setup.settings.max_shadows > 0
    pipeline = new_pipeline(0, champion, compiled_session(champion, facts), facts, allows_what_ifs=allows_what_ifs)
    pipeline.others = {
        each.name: running_model(each, compiled_session(each, facts), facts) for each in setup.challengers
    }
    return pipeline
