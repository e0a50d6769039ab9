"""Campaigns on the board: how far each has come, and whether it is being carried out, read off the store alone."""

import contextlib
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.board.made_lake import board_of, finish_run, refused, shown, start_campaign
from vpharness.board.campaigns import FINISHED, RECENT_S, RUNNING, STOPPED, StoredCampaign, campaigns_in
from vpharness.datasets.lake import Lake
from vpharness.results.run_locks import LOCK_FILE, are_runs_locked, lock_place
from vpharness.results.store import store_in

PROJECT = Path(__file__).resolve().parents[2]
MINUTE_NS = 60 * 10**9
NOW_NS = 2_000_000_000 * 10**9
LONG_AGO_NS = NOW_NS - round(10 * RECENT_S * 1e9)


HOLDS_A_LOCK = """
import sys
from pathlib import Path
from vpharness.storage.locks import byte_locked
with byte_locked(Path(sys.argv[1]), int(sys.argv[2]), lambda: None):
    print("locked", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def carried_out_elsewhere(lake: Lake, run_ids: list[str]) -> Iterator[None]:
    """Have another process hold the lock of a campaign while the block runs."""
    place = [str(store_in(lake.root).root / LOCK_FILE), str(lock_place(run_ids))]
    command = [sys.executable, "-c", HOLDS_A_LOCK, *place]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=PROJECT, stdin=pipe, stdout=pipe) as other:  # noqa: S603  # our own
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == b"locked\n"
        yield
        other.stdin.close()


def the_campaign(lake: Lake) -> StoredCampaign:
    """Return the only campaign of a lake."""
    (found,) = campaigns_in(lake)
    return found


def test_runs_that_are_done_and_failed_are_counted_and_one_that_was_mended_is_done(tmp_path: Path) -> None:
    """A run that failed and was carried out again counts once."""
    lake = Lake(tmp_path)
    start_campaign(lake, "sweep", ["a", "b", "c", "d"], LONG_AGO_NS)
    finish_run(lake, "a", at_ns=LONG_AGO_NS + MINUTE_NS)
    finish_run(lake, "b", error="no data", at_ns=LONG_AGO_NS + 2 * MINUTE_NS)
    finish_run(lake, "c", error="no data", at_ns=LONG_AGO_NS + 2 * MINUTE_NS)
    finish_run(lake, "c", at_ns=LONG_AGO_NS + 3 * MINUTE_NS)
    finish_run(lake, "of nobody", at_ns=LONG_AGO_NS)
    own = the_campaign(lake)
    assert (set(own.done), set(own.failed), own.left) == ({"a", "c"}, {"b"}, 1)
    assert own.last_ns == LONG_AGO_NS + 3 * MINUTE_NS
    assert own.seconds == 4.0


def test_a_campaign_is_running_while_a_process_holds_its_lock_and_nothing_takes_it(tmp_path: Path) -> None:
    """However long ago its last run finished; asking leaves the lock with who has it."""
    lake, run_ids = Lake(tmp_path), ["a", "b"]
    start_campaign(lake, "sweep", run_ids, LONG_AGO_NS)
    assert the_campaign(lake).state(NOW_NS) == STOPPED
    with carried_out_elsewhere(lake, run_ids):
        assert the_campaign(lake).state(NOW_NS) == RUNNING
        assert are_runs_locked(store_in(lake.root), run_ids)
        assert not are_runs_locked(store_in(lake.root), ["a"])
    assert the_campaign(lake).state(NOW_NS) == STOPPED


def test_where_locks_do_not_reach_a_campaign_runs_while_runs_finish_now_and_then(tmp_path: Path) -> None:
    """On another machine, for example; one whose runs are all done is finished."""
    lake = Lake(tmp_path)
    start_campaign(lake, "sweep", ["a", "b"], NOW_NS - MINUTE_NS)
    assert the_campaign(lake).state(NOW_NS) == RUNNING
    assert the_campaign(lake).state(NOW_NS + round(2 * RECENT_S * 1e9)) == STOPPED
    finish_run(lake, "a", at_ns=NOW_NS)
    finish_run(lake, "b", at_ns=NOW_NS)
    assert the_campaign(lake).state(NOW_NS) == FINISHED


def test_the_time_left_follows_from_the_runs_since_the_last_start(tmp_path: Path) -> None:
    """Three of four left, one done a minute: three minutes; what an earlier start did says nothing."""
    lake = Lake(tmp_path)
    start_campaign(lake, "sweep", ["a", "b", "c", "d", "e"], LONG_AGO_NS)
    finish_run(lake, "e", at_ns=LONG_AGO_NS + 1)
    start_campaign(lake, "sweep", ["a", "b", "c", "d", "e"], NOW_NS - MINUTE_NS)
    assert the_campaign(lake).seconds_left(NOW_NS) is None
    finish_run(lake, "a", at_ns=NOW_NS - 1)
    assert the_campaign(lake).seconds_left(NOW_NS) == pytest.approx(180.0)


def test_pages_show_progress_failures_and_how_a_campaign_was_started(tmp_path: Path) -> None:
    """The list, a campaign's own page, and the strip above the leaderboard."""
    lake = Lake(tmp_path)
    start_campaign(lake, "sweep", ["a", "b", "c"])
    finish_run(lake, "a", error="a <bad> value", at_ns=time.time_ns())
    board = board_of(lake)
    listed = shown(board, "campaigns")
    assert '<progress value="1" max="3" aria-label="sweep: 1 of 3 runs"></progress>' in listed
    assert "0 of 3 runs done, 1 failed" in listed
    page = shown(board, "campaign", "name=sweep")
    assert "a &lt;bad&gt; value" in page
    assert "signal=made_up -m" in page
    assert re.search('<div (?=[^>]*id="running")[^>]*data-live="yes"', listed)
    assert "Running now" in shown(board)
    assert "there is sweep" in refused(board, 404, "campaign", "name=other")
