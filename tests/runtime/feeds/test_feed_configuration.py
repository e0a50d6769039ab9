"""Every choice of the group `feed` is a dataclass of parameters that says what each of them means."""

import dataclasses

import pytest
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from runtime.feeds.databento_feed import DatabentoParameters
from runtime.feeds.dataset_feed import DatasetReplayParameters
from runtime.feeds.recording_feed import RecordingReplayParameters
from runtime.feeds.source_feed import SourceReplayParameters
from tests.conftest import PROJECT
from vpharness.config.typed_config import instance, with_schema
from vpharness.parameters import rules_of

FOLDER = PROJECT / "conf" / "feed"


def made(name: str, *words: str) -> object:
    """Return the feed that a choice and some words make, as they are composed."""
    written = OmegaConf.load(FOLDER / f"{name}.yaml")
    assert isinstance(written, DictConfig)
    typed = with_schema(written, name)
    return instance(OmegaConf.merge({"feed": typed}, OmegaConf.from_dotlist(list(words))).feed, "feed")


def test_the_choices_are_the_feeds() -> None:
    """One file each."""
    assert {path.stem for path in FOLDER.iterdir()} == {"source", "dataset", "recording", "databento"}


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["source"], SourceReplayParameters()),
        (["source", "feed.speed=10", "feed.loop=false"], SourceReplayParameters(speed="10", loop=False)),
        (
            ["dataset", "feed.speed=max", "feed.longest_wait_s=5"],
            DatasetReplayParameters(speed="max", longest_wait_s=5.0),
        ),
        (["recording", "feed.path=FILE", "feed.speed=0.5"], RecordingReplayParameters(path="FILE", speed="0.5")),
        (
            ["databento", "feed.dataset=GLBX.MDP3", "feed.symbol=ESH4", "feed.tick_size=0.25"],
            DatabentoParameters("GLBX.MDP3", "ESH4", 0.25),
        ),
    ],
)
def test_what_is_written_is_what_is_opened(words: list[str], wanted: object) -> None:
    """Numbers and words become the parameters' types."""
    assert made(*words) == wanted


def test_a_key_is_no_parameter() -> None:
    """It would stand in a shell's history, and in a list of processes."""
    with pytest.raises(OmegaConfBaseException, match="key"):
        made("databento", "feed.key=SECRET")


@pytest.mark.parametrize(
    "kind", [SourceReplayParameters, DatasetReplayParameters, RecordingReplayParameters, DatabentoParameters]
)
def test_every_parameter_says_what_it_means(kind: type) -> None:
    """Help is derived from it."""
    for field in dataclasses.fields(kind):
        assert rules_of(field).meaning, field.name
