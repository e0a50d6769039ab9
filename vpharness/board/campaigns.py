"""Campaigns: how far each has come, which are being carried out now, and what came of their runs.

A campaign writes its runs down when it starts, and each run as it finishes: both are read off the store. Whether a
process carries it out at this moment is told by the lock that it holds on its runs, which is asked for and never taken.
Where locks do not reach, as from another machine, a campaign counts as running while runs finish now and then.
"""

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from xml.etree.ElementTree import Element

from vpharness.board.pages import Page, disclosure, link
from vpharness.board.queries import one_of
from vpharness.commands.text.terminal import minute_text
from vpharness.config.lake_of_command import lake_key
from vpharness.datasets.lake import Lake
from vpharness.results.report.markup import Content, element, note, section, table
from vpharness.results.run_locks import are_runs_locked
from vpharness.results.store import ADAPTIVE, CAMPAIGNS, META, read, store_in
from vpharness.results.table_schemas import DONE
from vpharness.wording import counted

RECENT_S: Final = 300.0
"""A campaign whose lock cannot be seen is taken to be running for so long after its last sign of life."""
_MOST_SHOWN: Final = 100
_MOST_FAILURES: Final = 50
RUNNING, FINISHED, STOPPED = "running", "finished", "stopped"


@dataclass
class StoredCampaign:
    """A campaign as the store has it.

    Attributes:
        name: its name.
        started_ns: when it was first started, ns since the Unix epoch, UTC; `resumed_ns` when last.
        words: the overrides that it was last started with.
        run_ids: all runs that were ever planned under its name, in their order.
        starts: the runs of each start.
        done, failed: ids of those that are finished, with the time; of the others that failed, with time and error.
        seconds: what its finished runs took in all.
        adaptive: runs that an adaptive search chose.
        is_locked: whether a process of this machine carries it out.
    """

    name: str
    started_ns: int
    resumed_ns: int
    words: Sequence[str]
    run_ids: dict[str, None] = field(default_factory=dict)
    starts: list[Sequence[str]] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=dict)
    failed: dict[str, tuple[int, str]] = field(default_factory=dict)
    seconds: float = 0.0
    adaptive: int = 0
    is_locked: bool = False

    @property
    def left(self) -> int:
        """How many of its runs are neither done nor failed."""
        return len(self.run_ids) - len(self.done) - len(self.failed)

    @property
    def last_ns(self) -> int:
        """When it last gave a sign of life."""
        return max([self.resumed_ns, *self.done.values(), *(at_ns for at_ns, _ in self.failed.values())])

    def state(self, now_ns: int) -> str:
        """Return whether it is running, finished, or stopped before its end."""
        if self.is_locked or (self.left and now_ns - self.last_ns < RECENT_S * 1e9):
            return RUNNING
        return FINISHED if not self.left else STOPPED

    def seconds_left(self, now_ns: int) -> float | None:
        """Return about how long the rest takes, from the runs since the last start; None where nothing tells it."""
        times = [*self.done.values(), *(at_ns for at_ns, _ in self.failed.values())]
        since = sum(at_ns > self.resumed_ns for at_ns in times)
        elapsed = (now_ns - self.resumed_ns) / 1e9
        return self.left * elapsed / since if since and self.left else None


def campaigns_in(lake: Lake) -> list[StoredCampaign]:
    """Return every campaign of a lake, the newest start first. Raises ResultsError where the store cannot be read."""
    store = store_in(lake.root)
    found: dict[str, StoredCampaign] = {}
    of_run: dict[str, list[StoredCampaign]] = defaultdict(list)
    for row in sorted(read(store, CAMPAIGNS), key=lambda row: int(row["created_ns"])):
        name, at_ns = row["campaign"], int(row["created_ns"])
        own = found.setdefault(name, StoredCampaign(name, at_ns, at_ns, ()))
        own.resumed_ns, own.words = at_ns, tuple(row["words"] or ())
        own.starts.append(row["run_ids"])
        for run_id in row["run_ids"]:
            if run_id not in own.run_ids:
                own.run_ids[run_id] = None
                of_run[run_id].append(own)
    if not found:
        return []
    for row in read(store, META, ["run_id", "status", "error", "created_ns", "seconds"]):
        for own in of_run.get(row["run_id"], ()):
            _count(own, row)
    for row in read(store, ADAPTIVE, ["run_id"]):
        for own in of_run.get(row["run_id"], ()):
            own.adaptive += 1
    for own in found.values():
        own.is_locked = bool(own.left) and are_runs_locked(store, own.starts[-1])
    return sorted(found.values(), key=lambda own: -own.resumed_ns)


def _count(own: StoredCampaign, row: Mapping[str, Any]) -> None:
    run_id, at_ns = row["run_id"], int(row["created_ns"])
    if row["status"] == DONE:
        if run_id not in own.done:
            own.seconds += float(row["seconds"] or 0.0)
        own.done[run_id] = at_ns
        own.failed.pop(run_id, None)  # carried out again, it was well
    elif run_id not in own.done:
        own.failed[run_id] = at_ns, str(row["error"] or "")


def running_campaigns(campaigns: Sequence[StoredCampaign], now_ns: int) -> list[Element]:
    """Return a line with a bar for each campaign that is running."""
    return [progress_line(each, now_ns) for each in campaigns if each.state(now_ns) == RUNNING]


def progress_line(own: StoredCampaign, now_ns: int) -> Element:
    """Return a campaign's progress: its name, a bar, and how much is done and left in words."""
    total, over = len(own.run_ids), len(own.done) + len(own.failed)
    label = f"{own.name}: {over:,} of {counted(total, 'run')}"
    bar = element("progress", value=str(over), max=str(max(total, 1)), aria_label=label)
    return element(
        "p", link(own.name, "campaign", name=own.name), " ", bar, " ", _progress_text(own, now_ns), class_="progress"
    )


def _progress_text(own: StoredCampaign, now_ns: int) -> str:
    parts = [f"{len(own.done):,} of {counted(len(own.run_ids), 'run')} done"]
    if own.failed:
        parts.append(f"{len(own.failed):,} failed")
    seconds = own.seconds_left(now_ns) if own.state(now_ns) == RUNNING else None
    if seconds is not None:
        parts.append(f"about {_duration(seconds)} left")
    if own.left:
        parts.append(f"last sign of life {_duration(max(0.0, (now_ns - own.last_ns) / 1e9))} ago")
    return ", ".join(parts)


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 2 * 86_400 else f"{seconds / 86_400:.0f} days"


def campaigns_page(lake: Lake, now_ns: int | None = None) -> Page:
    """Return the list of all campaigns, those that are running first."""
    at_ns = time.time_ns() if now_ns is None else now_ns
    found = campaigns_in(lake)
    running = running_campaigns(found, at_ns)
    words = "Nothing is running." if found else "There is no campaign yet: python -m vpharness -m … makes one."
    now = element("div", *(running or [element("p", words)]), id="running", class_="running", data_live="yes")
    rows: list[list[Content]] = [
        [
            element("th", link(each.name, "campaign", name=each.name), scope="row"),
            each.state(at_ns),
            f"{len(each.run_ids):,}",
            f"{len(each.done):,}",
            f"{len(each.failed):,}" if each.failed else "",
            f"{each.adaptive:,}" if each.adaptive else "",
            minute_text(each.started_ns),
            minute_text(each.last_ns),
            link("candidates", "", campaign=each.name, hold="all", kind="all"),
        ]
        for each in found[:_MOST_SHOWN]
    ]
    head: list[Content] = ["campaign", "state", "runs", "done", "failed", "adaptive", "first started", "last sign", ""]
    listing = element("div", table(head, rows, class_="words"), id="campaigns", data_live="yes") if rows else None
    rest = len(found) - _MOST_SHOWN
    more = note(f"{counted(rest, 'older campaign')} are not listed.") if rest > 0 else None
    values = {"campaigns": [campaign_values(each, at_ns) for each in found]}
    return Page("Campaigns", [now, listing, more], values, place="campaigns", is_live=True)


def campaign_page(lake: Lake, name: str | None, now_ns: int | None = None) -> Page:
    """Return the page of one campaign. Raises NotFoundError where the store has none of that name."""
    at_ns = time.time_ns() if now_ns is None else now_ns
    found = {each.name: each for each in campaigns_in(lake)}
    own = found[one_of("campaign", name, found)]
    told = f"{own.state(at_ns).capitalize()}; started {minute_text(own.started_ns)}"
    again = f", last {minute_text(own.resumed_ns)}" if own.resumed_ns != own.started_ns else ""
    cost = f"{_duration(own.seconds)} of work in {counted(len(own.done), 'finished run')}."
    live = element(
        "div", element("p", f"{told}{again}. {cost}"), progress_line(own, at_ns), id="progress", data_live="yes"
    )
    content: list[Content] = [
        live,
        element(
            "p",
            link("Its candidates in the ranking", "", campaign=own.name, hold="all", kind="all"),
            "; p against this campaign alone beside that of the whole search: ",
            element("code", f"python -m vpharness compare{lake_key(lake)} campaign={own.name}"),
        ),
        section(
            "words", "How it was started", element("pre", element("code", " ".join(own.words) or "without overrides"))
        ),
        _failures(own),
    ]
    return Page(own.name, content, campaign_values(own, at_ns), place="campaigns", is_live=own.state(at_ns) == RUNNING)


def _failures(own: StoredCampaign) -> Element | None:
    if not own.failed:
        return None
    rows: list[list[Content]] = [
        [element("th", run_id, scope="row"), minute_text(at_ns), element("td", error[:500], class_="words")]
        for run_id, (at_ns, error) in list(own.failed.items())[-_MOST_FAILURES:]
    ]
    listing = table(["run", "at", "error"], rows, class_="words")
    return section("failures", "Failed runs", disclosure(counted(len(own.failed), "run"), listing, is_open=True))


def campaign_values(own: StoredCampaign, now_ns: int) -> dict[str, Any]:
    """Return a campaign as plain values."""
    return {
        "campaign": own.name,
        "state": own.state(now_ns),
        "runs": len(own.run_ids),
        "done": len(own.done),
        "failed": len(own.failed),
        "adaptive": own.adaptive,
        "left": own.left,
        "seconds_left": own.seconds_left(now_ns),
        "work_seconds": own.seconds,
        "first_started": minute_text(own.started_ns),
        "last_started": minute_text(own.resumed_ns),
        "last_sign": minute_text(own.last_ns),
        "words": list(own.words),
    }
