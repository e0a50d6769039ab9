"""The status of a replay: that it is one and how fast, and that its deadlines and its pace alarm nobody."""

import dataclasses
import time

import pytest

from runtime.config.server_parameters import RuntimeParameters
from runtime.engine.models import served_model
from runtime.stream.live_stream import LiveStream
from runtime.stream.status import reasons_not_ready, status
from tests.runtime.market import ScriptedFeed
from tests.runtime.records import record_of

FACTS = ScriptedFeed().facts
MODEL = served_model(record_of())


def stream_of(*, live: bool, speed: float | None, silent_s: float = 0.0, late: int = 0) -> LiveStream:
    """Return a stream of which the last bin came some seconds ago, and so many too late."""
    stream = LiveStream(RuntimeParameters(), dataclasses.replace(FACTS, live=live, speed=speed), MODEL)
    stream.health.state = "live"
    for _ in range(max(late, 1)):
        at = time.monotonic() - silent_s
        stream.health.count(at, is_late=bool(late), is_live=live, bin_end_ns=1)
    return stream


@pytest.mark.parametrize("speed", [10.0, 0.1, None])
def test_a_replay_says_that_it_is_one_and_how_fast(speed: float | None) -> None:
    """A live feed is none; late bins of a replay are counted apart, and are no reason."""
    found = stream_of(live=False, speed=speed, late=3)
    told = status(found)
    assert told["feed"]["replay"] == {"speed": speed}
    assert (told["deadline_misses"], told["deadline_misses_recent"], told["replay_late_bins"]) == (0, 0, 3)
    assert not any("deadline" in reason for reason in told["reasons"])
    live = status(stream_of(live=True, speed=None, late=3))
    assert live["feed"]["replay"] is None
    assert (live["deadline_misses"], live["replay_late_bins"]) == (3, 0)
    assert any("3 deadlines" in reason for reason in live["reasons"])


@pytest.mark.parametrize(
    ("live", "speed", "silent_s", "is_said"),
    [
        (True, None, 6.0, True),
        (False, 1.0, 6.0, True),
        (False, 0.01, 15.0, False),
        (False, 0.01, 25.0, True),
        (False, None, 6.0, True),
    ],
)
def test_a_slow_replay_is_not_called_silent_between_its_bins(
    live: bool,  # a parameter of the test
    speed: float | None,
    silent_s: float,
    is_said: bool,  # as above
) -> None:
    """At a hundredth of the speed a bin comes in ten seconds."""
    reasons = reasons_not_ready(stream_of(live=live, speed=speed, silent_s=silent_s))
    assert any("no bin has come" in reason for reason in reasons) == is_said
