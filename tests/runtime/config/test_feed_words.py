"""Arguments of several feeds: which of them is whose, and which are refused before anything is opened."""

from pathlib import Path

import pytest

from runtime.assemble import composed_feeds
from runtime.config.feed_words import MOST_FEEDS, words_by_feed
from tests.runtime.serving import assert_refused
from vpharness.errors import ConfigError


def test_a_key_with_a_name_is_that_feed_s_and_one_without_is_for_all() -> None:
    """In the order in which the feeds are first named; signs of Hydra's grammar stay where they belong."""
    found = words_by_feed(
        [
            "runtime.port=0",
            "feeds.nq=dataset",
            "feeds.es.source.path=a=b.c",
            "+feeds.nq.challengers.fast={signal: pfp}",
            "feeds.es.runtime.on_drift=rollback",
            "feed.speed=10",
        ]
    )
    assert found.shared == ("runtime.port=0", "feed.speed=10")
    assert list(found.of_feed.items()) == [
        ("nq", ("feed=dataset", "+challengers.fast={signal: pfp}")),
        ("es", ("source.path=a=b.c", "runtime.on_drift=rollback")),
    ]


def test_without_names_there_is_one_feed_with_today_s_arguments() -> None:
    """A key that merely begins alike is no feed's."""
    words = ["feed=source", "feedsx=1", "source.seed=2"]
    found = words_by_feed(words)
    assert (list(found.shared), found.of_feed) == (words, {})


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("feeds.ES.feed=source", "feeds.ES: a feed's name has up to 16 of a to z"),
        ("feeds.-a.feed=source", "begins with a letter or a digit"),
        (f"feeds.{'a' * 17}=source", "up to 16"),
        ("feeds.a/b=source", "feeds.a/b: a feed's name"),
        ("feeds={es: source}", "names no feed; write feeds.NAME.KEY=VALUE"),
        ("feeds.es", "gives the feed es no key"),
        ("feeds.es.=1", "gives the feed es no key"),
        ("feeds.es.lake=other", "feeds.es.lake belongs to the whole server; write lake=other"),
        ("feeds.es.runtime.port=1", "not a key of a feed: of the group runtime it has its own runtime.backlog_bins"),
        ("feeds.es.feeds.nq=source", "belongs to the whole server"),
    ],
)
def test_what_is_no_feed_s_is_refused(word: str, said: str) -> None:
    """In words that say what to write."""
    with pytest.raises(ConfigError, match=r".") as refused:
        words_by_feed([word])
    assert said in str(refused.value)


def test_there_are_only_so_many_feeds() -> None:
    """Each has a thread and buffers."""
    with pytest.raises(ConfigError, match="a server has at most"):
        words_by_feed([f"feeds.f{n}=source" for n in range(MOST_FEEDS + 1)])


def test_each_feed_s_configuration_is_the_shared_one_with_its_own_keys() -> None:
    """A feed's own value stands before the shared one, wherever the two are on the command line."""
    found = composed_feeds(["feeds.a.feed.speed=2", "feed.speed=5", "feeds.b.source.seed=7"])
    assert {name: (each.feed.speed, each.source.seed) for name, each in found.feeds.items()} == {
        "a": ("2", 0),
        "b": ("5", 7),
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["feeds.a.source.sed=1", "feeds.b=nothing"],
            "feeds.a: source.sed is not a key here; did you mean source.seed?; feeds.b: feed has no choice 'nothing'",
        ),
        (
            ["feeds.a.record_mb=0", "feeds.b.version=v0001", "feeds.b.runtime.on_drift=rollback"],
            "feeds.a: record_mb is 0; it must be at least 1; feeds.b: runtime.on_drift is rollback and version is",
        ),
        (["feeds.a.source.seed=1", "feeds.b=dataset", "feeds.b.dataset.id=none"], "feeds.b: "),
        (["feeds.a.source.seed=1", "runtime.port=70000"], "runtime.port is 70000; it must be at most 65535"),
    ],
)
def test_what_is_wrong_with_feeds_is_said_by_name_before_anything_is_served(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    """In one line, of all feeds at once."""
    assert_refused([f"lake={tmp_path}", *words], said, capsys, monkeypatch)
