"""The configuration of each command about runs, results and signals, and what the keys of several commands share.

Each dataclass is behind a YAML file at the top of `conf/`. Commands about datasets and promotions have files of their
own.
"""

import math
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from vpharness.board_address import BOARD_PORT
from vpharness.parameters import parameter

LAKE = "${oc.env:VPHARNESS_LAKE,lake}"
DATASETS_ELSEWHERE: Final = (
    "s3://BUCKET/PREFIX under which further datasets lie, which are fetched from there (written lake.datasets=; "
    "default: VPHARNESS_LAKE_DATASETS in the environment)"
)
MAX_SPEED = "max"
SIGNAL_MODULES = (
    "modules that signals may be imported from, in addition to this package and those named in --config-dir"
)


@dataclass(frozen=True)
class DatasetChoice:
    """Which dataset a command is about."""

    id: str | None = parameter(None, meaning="name of the dataset in the lake")
    collection: str | None = parameter(
        None,
        meaning="in place of dataset.id, all datasets of a collection: ID for its newest version, ID@3 for the third",
    )
    columns: Any = parameter(
        None,
        meaning="grid columns that build, run and convert store, all, a list, or [] for none; others are computed when "
        "they are read (default: all, of convert none)",
    )


@dataclass(frozen=True)
class CollectionChoice:
    """Which collection a command is about."""

    id: str | None = parameter(
        None, meaning="name of the collection; to look at, NAME@3 is its third version (default: the newest)"
    )


TRAIN_SEGMENTS: Final = "with walk_forward: so many segments before a step choose its candidate; 0 for all before"
STEP_SEGMENTS: Final = "with walk_forward: so many segments a choice is in force"
SEGMENTS: Final = "with walk_forward: equal spans that a single dataset is cut into (default: a dataset is a segment)"
CACHE_GB: Final = (
    "disk space below lake/cache for grid columns that were computed and files that were fetched, the least recently "
    "used go first"
)


@dataclass  # not frozen: Hydra would not let an experiment fill it in
class Sweep:
    """The axes of an experiment: each key's values, for every signal and for one signal alone."""

    universal: dict[str, Any] = field(default_factory=dict)
    per_signal: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RunCommand:
    """Run a signal over a dataset, judge its fires, and store and rank the results."""

    lake: str = parameter(LAKE, meaning="folder of datasets and results")
    lake_datasets: str | None = parameter(None, meaning=DATASETS_ELSEWHERE)
    outputs: str = parameter("outputs", meaning="folder of run folders")
    start: str | None = parameter(None, meaning="first bin of a dataset that is built: ISO 8601 with zone, or ns")
    end: str | None = parameter(None, meaning="end of a dataset that is built: ISO 8601 with zone, or ns")
    save_series: bool = parameter(True, meaning="keep the score of every bin in the run folder")
    campaign: str | None = parameter(None, meaning="name of a multirun (default: made from its experiment)")
    adaptive: bool = parameter(
        False, meaning="mark values as chosen by looking at earlier results: no p adj., only the test part can judge"
    )
    on_error: str = parameter(
        "continue", meaning="what to do after a failed run of a multirun", choices=("continue", "stop")
    )
    memory_mb: int = parameter(
        1024, meaning="memory limit for data shared by the runs on one dataset", unit="MB", minimum=64, maximum=2**24
    )
    cache_gb: float = parameter(20.0, meaning=CACHE_GB, unit="GB", minimum=0, maximum=1e6)
    information: bool = parameter(
        False, meaning="also show how well the scores of a single run's best candidate agree with later moves"
    )
    json: bool = parameter(False, meaning="print JSON instead of text")
    sweep: Sweep | None = field(default_factory=Sweep)
    source: Any = None
    lattice: Any = None
    dataset: Any = None
    signal: Any = None
    eval: Any = None
    split: Any = None
    tracking: Any = None


@dataclass(frozen=True)
class PlanCommand(RunCommand):
    """Show which runs a multirun would execute, which are done already, and what the rest would cost."""


@dataclass(frozen=True)
class CompareCommand:
    """Rank all candidates, with p-values adjusted for everything that was ever tried."""

    lake: str = parameter(LAKE, meaning="folder of datasets and results")
    lake_datasets: str | None = parameter(None, meaning=DATASETS_ELSEWHERE)
    of_signal: str | None = parameter(None, meaning="show only this signal (written signal=)")
    campaign: str | None = parameter(
        None, meaning="show only this campaign, with p adjusted for its own candidates as well"
    )
    candidate: str | None = parameter(
        None, meaning="show, and open with show_test=true, only this candidate: its id, or how that begins"
    )
    max_hold_bins: int | None = parameter(
        None, meaning="show only candidates with this eval.max_hold_bins", minimum=1, maximum=10**9
    )
    by: str | None = parameter(None, meaning="dataset: judge each dataset separately", choices=("dataset",))
    since: str | None = parameter(
        None,
        meaning="chosen: only what was added after a candidate was chosen (promoted, else first run on the collection)",
        choices=("chosen",),
    )
    stability: str | None = parameter(
        None, meaning="instead of the ranking, one candidate day by day: its id, or how that begins"
    )
    sensitivity: str | None = parameter(
        None, meaning="instead of the ranking, the figures of candidates at each value of this parameter"
    )
    surface: bool = parameter(False, meaning="instead of the ranking, the best at each pair of tp_ticks and sl_ticks")
    execution: str | None = parameter(
        None,
        meaning="instead of the ranking, how this candidate's fires can be entered: as taker or maker, by latency and "
        "wait (its id, or how that begins)",
    )
    information: str | None = parameter(
        None,
        meaning="instead of the ranking, how well the scores of this candidate agree with later moves, and of a "
        "learned one with its labels, and which features matter (its id, or how that begins)",
    )
    sort: str = parameter(
        "net", meaning="net, or tp_rate for a ranking by take-profit rate", choices=("net", "tp_rate")
    )
    top: int = parameter(20, meaning="maximum number of rows", minimum=1, maximum=10**9)
    min_signals: int = parameter(5, meaning="minimum number of fires judged at the mid", minimum=0, maximum=10**9)
    mixed_horizon: bool = parameter(False, meaning="rank different holding times together")
    show_test: bool = parameter(False, meaning="judge the test part as well; every opening is recorded")
    json: bool = parameter(False, meaning="print JSON instead of text")
    parquet: str | None = parameter(None, meaning="write the table to this new Parquet file")
    report: str | None = parameter(None, meaning="write a report to this new HTML file")
    walk_forward: bool = parameter(
        False, meaning="instead of the ranking, judge choosing candidates segment by segment from the past alone"
    )
    train: int = parameter(20, meaning=TRAIN_SEGMENTS, unit="segments", minimum=0, maximum=10**6)
    step: int = parameter(1, meaning=STEP_SEGMENTS, unit="segments", minimum=1, maximum=10**6)
    segments: int | None = parameter(None, meaning=SEGMENTS, minimum=2, maximum=10**6)
    outputs: str = parameter("outputs", meaning="with walk_forward and tracking=mlflow: folder of the pictures")
    dataset: Any = None
    tracking: Any = None

    def relations(self) -> Iterator[str]:
        """Yield an error for questions that cannot be asked at once."""
        yield from self._of_walk_forward()
        tables = ("stability", "sensitivity", "surface", "execution", "information")
        asked = [name for name in (*tables, "report") if getattr(self, name)]
        if len(asked) > 1:
            named = self.candidate or self.stability or self.execution or self.information
            one = f"candidate={named} " if named else ""
            report = shlex.quote(f"report={self.report or 'report.html'}")
            yield (
                f"{' and '.join(asked)} were given; give one of them, or make a report, which has all of it: "
                f"python -m vpharness compare {one}{report}"
            )
        naming = [name for name in ("stability", "execution", "information") if getattr(self, name)]
        if self.candidate and naming:
            yield f"candidate and {naming[0]} were given; {naming[0]} names its candidate itself, leave candidate out"
        idle = [name for name in (*tables, "by") if getattr(self, name)]
        if self.since and idle:
            yield f"since={self.since} and {idle[0]} were given; since has a table of its own, leave one of them out"
        if self.show_test and any(getattr(self, name) for name in tables):
            yield f"show_test goes with the ranking or a report, not with {asked[0]}, which is of the part that chooses"

    def _of_walk_forward(self) -> Iterator[str]:
        tables = ("candidate", "by", "since", "stability", "sensitivity", "surface", "execution", "information")
        others = [name for name in tables if getattr(self, name)]
        if self.walk_forward and others:
            yield f"walk_forward and {others[0]} were given; give one of them"
        if self.segments is not None and not self.walk_forward:
            yield "segments was given without walk_forward=true"


@dataclass(frozen=True)
class ListSignalsCommand:
    """List the signals with their columns, parameters, defaults and units."""

    json: bool = parameter(False, meaning="print JSON instead of text")


@dataclass(frozen=True)
class DocsCommand:
    """Read the documentation, or list its topics."""

    topic: str | None = parameter(
        None, meaning="the page, such as tutorial or how-to/own-signal (default: list all pages)"
    )


@dataclass(frozen=True)
class BoardCommand:
    """Show campaigns, the ranking, candidates, datasets and promotions in a browser on this machine, read-only."""

    lake: str = parameter(LAKE, meaning="folder of datasets and results")
    host: str = parameter("127.0.0.1", meaning="address to listen at; only those of this machine are taken")
    port: int = parameter(BOARD_PORT, meaning="port to listen at; 0 for any that is free", minimum=0, maximum=65_535)
    open: bool = parameter(False, meaning="open it in the browser")


@dataclass(frozen=True)
class AuditCommand:
    """Check a signal for look-ahead and stored answers, and measure how long it remembers where the data began."""

    lake: str = parameter(LAKE, meaning="folder of datasets and results")
    lake_datasets: str | None = parameter(None, meaning=DATASETS_ELSEWHERE)
    seed: int = parameter(0, meaning="seed of the random chunks", minimum=0, maximum=2**53)
    shuffles: int = parameter(
        0,
        meaning="of a learned signal, fits to labels that are shuffled in blocks, whose scores must know nothing; 20 "
        "are enough (default: none, since each takes as long as a fit)",
        minimum=0,
        maximum=1_000,
    )
    cache_gb: float = parameter(20.0, meaning=CACHE_GB, unit="GB", minimum=0, maximum=1e6)
    json: bool = parameter(False, meaning="print JSON instead of text")
    dataset: Any = None
    signal: Any = None

    def relations(self) -> Iterator[str]:
        """Yield an error for a single shuffle, whose coefficient has no interval."""
        if self.shuffles == 1:
            yield "shuffles is 1; give at least 2, better 20, or 0 for none"


@dataclass(frozen=True)
class OnlineSimCommand:
    """Replay bins through a live session, time every stage, and compare scores and fires with a run."""

    lake: str = parameter(LAKE, meaning="folder of datasets and results")
    lake_datasets: str | None = parameter(None, meaning=DATASETS_ELSEWHERE)
    outputs: str = parameter("outputs", meaning="folder of the tracking store")
    start: str | None = parameter(None, meaning="first bin of a source: ISO 8601 with zone, or ns since 1970")
    end: str | None = parameter(None, meaning="end of a source's span: ISO 8601 with zone, or ns since 1970")
    bin_budget_ms: float | None = parameter(
        None, meaning="time budget of a bin (default: the bin's width)", unit="ms", above=0
    )
    speed: str = parameter(MAX_SPEED, meaning="max, or a multiple of real time, such as 1 or 10")
    stall_s: float = parameter(5.0, meaning="length of a simulated stall of the feed; 0 for none", unit="s", minimum=0)
    fields: list[str] | None = parameter(None, meaning="columns of the binary frames (default: all)")
    cache_gb: float = parameter(20.0, meaning=CACHE_GB, unit="GB", minimum=0, maximum=1e6)
    json: bool = parameter(False, meaning="print JSON instead of text")
    source: Any = None
    lattice: Any = None
    dataset: Any = None
    signal: Any = None
    eval: Any = None
    split: Any = None
    tracking: Any = None

    def relations(self) -> Iterator[str]:
        """Yield an error for an invalid speed."""
        if self.speed != MAX_SPEED and not 0 < self.factor < math.inf:
            yield f"speed is {self.speed!r}; it must be {MAX_SPEED}, or a number above 0"

    @property
    def factor(self) -> float:
        """The speed as a number: NaN where it is none, such as max."""
        try:
            return float(self.speed)
        except ValueError:
            return math.nan
