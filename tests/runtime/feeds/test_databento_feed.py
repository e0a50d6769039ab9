"""The live feed against a stand-in for the gateway: silent, cut, away and back."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.feeds import gateway_session
from runtime.feeds.databento_feed import LONGEST_STEP_NS, DatabentoFeed, DatabentoParameters
from runtime.feeds.feed import FeedContext, FeedStep
from runtime.feeds.feed_clock import SystemClock
from runtime.feeds.feed_recorder import recorded
from runtime.feeds.recording_feed import RecordingReplayParameters
from tests.runtime.feeds.fake_clock import lattice_for, taken, through
from tests.runtime.feeds.gateway import (
    INSTRUMENT_ID,
    KEY,
    PRICE,
    SYMBOL,
    TICK,
    Gateway,
    Session,
    gateway,
    record,
    snapshot,
)
from vpharness.errors import ConfigError, FeedError
from vpharness.events.mbo_event import CLEAR, FLAG_SNAPSHOT

pytest.importorskip("databento")

WIDTH_MS = 100
WIDTH_NS = WIDTH_MS * 10**6


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key stands where users keep it."""
    monkeypatch.setenv("DATABENTO_API_KEY", KEY)


def live(stand_in: Gateway | None = None, port: int = 1, **parameters: Any) -> DatabentoParameters:
    """Return a feed that calls the stand-in."""
    given = {"close_delay_ms": 50, "shortest_backoff_s": 0.05, "longest_backoff_s": 0.2, **parameters}
    port = stand_in.port if stand_in else port
    return DatabentoParameters("GLBX.MDP3", SYMBOL, 0.25, gateway="127.0.0.1", port=port, **given)


@contextmanager
def followed(feed: DatabentoParameters, clock: SystemClock | None = None) -> Iterator[tuple[DatabentoFeed, "Steps"]]:
    """Open a feed, and stop its steps after 20 s whatever happens."""
    stop = threading.Event()
    watchdog = threading.Timer(20, stop.set)
    watchdog.start()
    try:
        with feed.open(FeedContext(WIDTH_MS, clock=clock or SystemClock())) as opened:
            yield opened, Steps(opened.steps(stop), stop)
    finally:
        watchdog.cancel()


class Steps:
    """The steps of a feed, taken until something is found."""

    def __init__(self, steps: Iterator[FeedStep], stop: threading.Event) -> None:
        """Begin."""
        self._steps, self.stop = steps, stop
        self.all: list[FeedStep] = []

    def until(self, found: Callable[[FeedStep], bool]) -> FeedStep:
        """Return the first step from here on of which something is so."""
        for step in self._steps:
            self.all.append(step)
            if found(step):
                return step
        raise AssertionError(f"not found in {len(self.all)} steps; the last was {self.all[-1:]}")

    def until_bins(self, count: int) -> None:
        """Go on until so many bins have passed from now on."""
        end_ns = time.time_ns() + count * WIDTH_NS
        self.until(lambda step: (step.complete_to_ns or 0) > end_ns)

    def until_called(self, stand_in: Gateway) -> Session:
        """Go on until the gateway has been called again: the feed does so while its steps are taken."""
        self.until(lambda _: not stand_in.sessions.empty())
        return stand_in.session()

    def orders(self) -> list[int]:
        """Return the order ids of all events."""
        return [int(order) for step in self.all for order in step.events["order_id"]]


def has_order(order_id: int) -> Callable[[FeedStep], bool]:
    """Ask for a step with an event of an order."""
    return lambda step: order_id in step.events["order_id"]


def test_the_book_is_asked_for_and_records_become_events() -> None:
    """A snapshot, then flow of the instrument alone; the subscription is what was asked for."""
    with gateway() as stand_in, followed(live(stand_in)) as (feed, steps):
        session = stand_in.session()
        assert session.subscription["dataset"] == "GLBX.MDP3"
        assert (session.subscription["schema"], session.subscription["symbols"]) == ("mbo", SYMBOL)
        assert (session.subscription["stype_in"], session.subscription["snapshot"]) == ("raw_symbol", "1")
        assert steps.until(lambda _: True).state == "connecting"
        other = record("A", "B", 9, PRICE).replace(INSTRUMENT_ID.to_bytes(4, "little"), (8).to_bytes(4, "little"), 1)
        session.send(snapshot() + other + record("A", "B", 3, PRICE))
        assert steps.until(has_order(3)).state == "live"
        assert steps.orders() == [0, 1, 2, 3]
        bins, problems = through(lattice_for(feed), [*steps.all, steps.until(lambda step: not len(step.events))])
        assert not any(problems.values())
        assert bins["book_valid"].all()


def test_bins_close_by_the_clock_where_nothing_comes() -> None:
    """Every tenth of a second there is a watermark, 50 ms behind the clock; after a while the feed counts as silent."""
    with gateway() as stand_in, followed(live(stand_in, silent_after_s=0.3)) as (_, steps):
        stand_in.session().send(snapshot() + record("A", "B", 3, PRICE))
        first = steps.until(has_order(3)).complete_to_ns
        steps.until(lambda step: step.state == "silent")
        marks = [step.complete_to_ns for step in steps.all if step.complete_to_ns is not None]
        assert first is not None
        assert all(mark % WIDTH_NS == 0 for mark in marks)
        assert set(np.diff(np.unique(marks))) == {WIDTH_NS}
        assert marks[-1] - first >= 0.2e9
        assert 0 <= time.time_ns() - marks[-1] - 50_000_000 < 2 * WIDTH_NS


def test_a_cut_leaves_no_book_and_a_new_session_makes_it_whole(caplog: pytest.LogCaptureFixture) -> None:
    """Cut and away for a while, called again and again, back with a snapshot: bins are valid, not valid, valid."""
    with gateway() as stand_in, followed(live(stand_in)) as (feed, steps):
        session = stand_in.session()
        session.send(snapshot() + record("A", "B", 3, PRICE))
        steps.until(has_order(3))
        steps.until_bins(2)
        stand_in.away()
        session.send(record("A", "B", 4, PRICE))
        session.cut()
        cut = steps.until(lambda step: step.state == "disconnected")
        assert 4 in steps.orders()
        assert (cut.events["action"][-1], cut.events["flags"][-1]) == (CLEAR, FLAG_SNAPSHOT)
        cut_ns = time.time_ns()
        steps.until_bins(8)
        waits = [
            float(text.split("reconnecting in ")[1].split(" s")[0])
            for text in caplog.messages
            if "reconnecting in" in text
        ]
        assert waits[:4] == [0.05, 0.1, 0.2, 0.2]
        assert len(steps.orders()) == 6
        stand_in.listen()
        session = steps.until_called(stand_in)
        assert session.subscription["snapshot"] == "1"
        session.send(snapshot())
        assert steps.until(has_order(2)).state == "live"
        back_ns = time.time_ns()
        steps.until_bins(2)
        bins, _ = through(lattice_for(feed), steps.all)
        ends, valid = bins["bin_end_ns"], bins["book_valid"]
        assert valid[0]
        assert valid[-1]
        away = (ends > cut_ns + WIDTH_NS) & (ends < back_ns - WIDTH_NS)
        assert away.any()
        assert not valid[away].any()
        assert not bins["best_bid_price_int"][away].any(), "nothing is left of the book of before"
        assert not bins["best_ask_price_int"][away].any()
        assert (np.diff(ends) == WIDTH_NS).all()


def test_after_a_cut_a_book_of_two_venues_is_whole_with_the_second_snapshot() -> None:
    """Orders of both are gone at once, and the first venue's snapshot alone does not make the book valid."""
    with gateway() as stand_in, followed(live(stand_in)) as (feed, steps):
        session = stand_in.session()
        session.send(snapshot() + snapshot(2) + record("A", "B", 3, PRICE) + record("A", "B", 4, PRICE, publisher=2))
        steps.until(has_order(4))
        steps.until_bins(2)
        session.cut()
        steps.until(lambda step: step.state == "disconnected")
        cut_ns = time.time_ns()
        session = steps.until_called(stand_in)
        steps.until_bins(3)
        session.send(snapshot(2, PRICE - 4 * TICK) + record("A", "B", 5, PRICE - 4 * TICK, publisher=2))
        steps.until(has_order(5))
        first_ns = time.time_ns()
        steps.until_bins(4)
        second_ns = time.time_ns()
        session.send(snapshot(1, PRICE - 4 * TICK) + record("A", "B", 6, PRICE - 4 * TICK))
        steps.until(has_order(6))
        steps.until_bins(2)
        bins, _ = through(lattice_for(feed), steps.all)
        ends, valid = bins["bin_end_ns"], bins["book_valid"]
        bids, asks = bins["best_bid_price_int"], bins["best_ask_price_int"]
        assert valid[0]
        away = (ends > cut_ns + WIDTH_NS) & (ends < first_ns - WIDTH_NS)
        assert away.any()
        assert not (valid | (bids != 0) | (asks != 0))[away].any()
        half = (ends > first_ns + WIDTH_NS) & (ends < second_ns - WIDTH_NS)
        assert half.any()
        assert not valid[half].any()
        assert (bids[half] == PRICE - 4 * TICK).all()
        assert valid[-1]
        assert (bids[-1], asks[-1]) == (PRICE - 4 * TICK, PRICE - 3 * TICK)


def test_a_complaint_of_the_gateway_ends_the_session(caplog: pytest.LogCaptureFixture) -> None:
    """A gateway that skips records of a slow reader leaves a book with holes: it is asked for anew."""
    with gateway() as stand_in, followed(live(stand_in)) as (_, steps):
        session = stand_in.session()
        session.send(snapshot() + record("A", "B", 3, PRICE))
        steps.until(has_order(3))
        stand_in.complaint = "records were skipped"
        session.cut()
        steps.until_called(stand_in)
        stand_in.complaint = None
        steps.until(lambda _: "connection lost: records were skipped" in caplog.text)
        steps.until_called(stand_in).send(snapshot())
        assert steps.until(has_order(2)).state == "live"


def test_a_reader_that_falls_behind_begins_anew(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More records than may wait are not kept: the book is asked for again."""
    with gateway() as stand_in, followed(live(stand_in)) as (_, steps):
        session = stand_in.session()
        session.send(snapshot() + record("A", "B", 3, PRICE))
        steps.until(has_order(3))
        monkeypatch.setattr(gateway_session, "MOST_HELD_BYTES", 1000)
        session.send(b"".join(record("A", "B", order_id, PRICE) for order_id in range(10, 1000)))
        steps.until(lambda step: step.state == "disconnected")
        assert "records were not taken in time" in caplog.text
        steps.until_called(stand_in).send(snapshot())
        assert steps.until(has_order(2)).state == "live"


def test_a_recording_of_it_gives_the_same_bins_with_its_late_records(tmp_path: Path) -> None:
    """A record that comes half a second late is moved into the open bin and counted; so it is when played again."""
    with gateway() as stand_in, followed(live(stand_in)) as (feed, _):
        with recorded(feed, tmp_path) as recording:
            stop = threading.Event()
            steps = Steps(recording.steps(stop), stop)
            session = stand_in.session()
            session.send(snapshot() + record("A", "B", 3, PRICE))
            steps.until(has_order(3))
            steps.until_bins(1)
            session.send(record("A", "A", 4, PRICE + TICK, ts_ns=time.time_ns() - 500_000_000))
            steps.until(has_order(4))
            steps.until_bins(1)
        served, problems = through(lattice_for(feed), steps.all)
        with RecordingReplayParameters(path=str(tmp_path), speed="max").open(FeedContext(WIDTH_MS)) as again:
            bins, problems_again = through(lattice_for(again), taken(again))
    assert len(served) >= 2
    np.testing.assert_array_equal(bins, served)
    assert problems["clamped_ts"] == problems_again["clamped_ts"] == 1


class Sleeper(SystemClock):
    """The machine's clock, that may leap."""

    leap_ns = 0

    def now_ns(self) -> int:
        """Return the time of day."""
        return super().now_ns() + self.leap_ns


def test_a_machine_that_has_slept_catches_up_an_hour_a_step() -> None:
    """A session refuses time that leaps by more than two."""
    clock = Sleeper()
    with gateway() as stand_in, followed(live(stand_in), clock) as (_, steps):
        stand_in.session().send(snapshot() + record("A", "B", 3, PRICE))
        before = steps.until(has_order(3)).complete_to_ns
        clock.leap_ns = 5 * LONGEST_STEP_NS
        steps.until(lambda step: (step.complete_to_ns or 0) >= (before or 0) + 5 * LONGEST_STEP_NS)
        marks = [step.complete_to_ns for step in steps.all if step.complete_to_ns is not None]
        assert max(np.diff(marks)) == LONGEST_STEP_NS


def test_stopping_is_quick() -> None:
    """While nothing comes the steps end within a fifth of a second."""
    with gateway() as stand_in, followed(live(stand_in)) as (_, steps):
        stand_in.session()
        steps.until(lambda _: True)
        threading.Timer(0.05, steps.stop.set).start()
        begun = time.monotonic()
        with pytest.raises(AssertionError, match="not found in 1 steps"):
            steps.until(lambda _: False)
        assert time.monotonic() - begun < 0.25


def refused(feed: DatabentoParameters) -> str:
    """Return the message with which a feed is not opened."""
    with pytest.raises((ConfigError, FeedError)) as error, feed.open(FeedContext(WIDTH_MS)):
        pass
    return str(error.value)


def test_what_the_gateway_refuses_is_said_before_anything_is_served(caplog: pytest.LogCaptureFixture) -> None:
    """The key, the symbol, or everything, because nobody is there; the key is in no message."""
    caplog.set_level(logging.DEBUG)
    with gateway(refusal="User authentication failed") as stand_in:
        assert refused(live(stand_in)) == ("Databento's live service, GLBX.MDP3, ESH4: User authentication failed")
    with gateway(complaint="ESH4: symbol not found") as stand_in:
        assert refused(live(stand_in)).endswith("ESH4: ESH4: symbol not found")
        port = stand_in.port
    assert "Connection to 127.0.0.1" in refused(live(port=port))
    assert KEY not in caplog.text
    assert KEY[-5:] not in caplog.text


def test_the_key_is_read_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is none, the message says where one should be."""
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    monkeypatch.delenv("DATABENTO_API_KEY")
    with gateway() as stand_in, live(stand_in, key_file=str(file)).open(FeedContext(WIDTH_MS)):
        stand_in.session()
    assert refused(live()).startswith("the environment variable DATABENTO_API_KEY holds no key; set it, or name a file")
    assert refused(live(key_variable="OTHER")).startswith("the environment variable OTHER holds no key")
    file.write_text(f"{KEY} {KEY}")
    found = refused(live(key_file=str(file)))
    assert "holds more than a key" in found
    assert KEY not in found
    assert "the key cannot be read: No such file" in refused(live(key_file=str(tmp_path / "none")))


def test_parameters_out_of_range_are_refused_together() -> None:
    """Each is named with its bounds."""
    found = refused(live(port=0, close_delay_ms=-1))
    assert "feed.close_delay_ms is -1" in found
    assert "feed.port is 0" in found
    assert "the longest must not be shorter" in refused(live(shortest_backoff_s=2.0, longest_backoff_s=1.0))
