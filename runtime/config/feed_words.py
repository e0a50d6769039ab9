"""The arguments of several feeds: `feeds.NAME.KEY=VALUE` is `KEY=VALUE` for the feed NAME alone.

Each feed is configured by the keys that a single one has, so whatever is said of `feed.speed` holds for
`feeds.es.feed.speed`. A key without a name holds for every feed, unless a feed is given its own.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from vpharness.errors import ConfigError

MOST_FEEDS: Final = 16
"""Each has a thread, a lattice and buffers of its own."""

FEED_SETTINGS: Final = ("backlog_bins", "buffer_bins", "on_drift", "stale_s", "watch_s")
"""Keys of the group `runtime` that a feed may have its own value of; the others belong to the server."""

_FEED_WORD: Final = re.compile(
    r"(?P<sign>\+\+|[+~])?feeds(?:\.(?P<name>[^.=]*)(?:\.(?P<key>[^=]*))?)?(?P<value>=.*)?", re.DOTALL
)
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,15}")
_OF_THE_SERVER: Final = ("lake", "feeds", "hydra")


@dataclass(frozen=True)
class FeedWords:
    """The arguments of a command line by feed.

    Attributes:
        shared: those without a feed's name, which hold for all feeds.
        of_feed: the further ones of each feed, without its name; empty where there is one feed, which has no name.
    """

    shared: tuple[str, ...]
    of_feed: dict[str, tuple[str, ...]] = field(default_factory=dict)


def words_by_feed(words: Sequence[str]) -> FeedWords:
    """Return arguments by feed, in the order in which the feeds are first named.

    Raises ConfigError, with everything that is wrong, for names that cannot be a feed's and keys that are no feed's.
    """
    shared, of_feed, wrong = list[str](), dict[str, list[str]](), list[str]()
    for word in words:
        found = _FEED_WORD.fullmatch(word)
        if found is None:
            shared.append(word)
            continue
        name, key = found["name"] or "", found["key"]
        if problem := _problem(word, name, key, found["value"]):
            wrong.append(problem)
            continue
        # `feeds.es=dataset` chooses what `feeds.es.feed=dataset` does.
        of_feed.setdefault(name, []).append(f"{found['sign'] or ''}{key or 'feed'}{found['value'] or ''}")
    if len(of_feed) > MOST_FEEDS:
        wrong.append(f"feeds are {len(of_feed)}; a server has at most {MOST_FEEDS}")
    if wrong:
        raise ConfigError("; ".join(wrong))
    return FeedWords(tuple(shared), {name: tuple(each) for name, each in of_feed.items()})


def _problem(word: str, name: str, key: str | None, value: str | None) -> str:
    """Return what is wrong with an argument of a feed; an empty text where nothing is."""
    if not name:
        return f"{word} names no feed; write feeds.NAME.KEY=VALUE, or feeds.NAME=dataset"
    if _NAME.fullmatch(name) is None:
        return (
            f"feeds.{name}: a feed's name has up to 16 of a to z, 0 to 9, _ and -, and begins with a letter or a digit"
        )
    if key == "" or (key is None and value is None):
        return f"{word} gives the feed {name} no key; write feeds.{name}.KEY=VALUE"
    first, _, rest = (key or "").partition(".")
    if first in _OF_THE_SERVER:
        return f"feeds.{name}.{key} belongs to the whole server; write {key}{value or ''}"
    if first == "runtime" and rest not in FEED_SETTINGS:
        own = ", ".join(f"runtime.{each}" for each in FEED_SETTINGS)
        return f"feeds.{name}.{key} is not a key of a feed: of the group runtime it has its own {own}"
    return ""
