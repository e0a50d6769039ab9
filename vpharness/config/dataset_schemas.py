"""The configuration of each command that makes, shows or checks datasets: the dataclass behind its YAML file."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from vpharness.config.command_schemas import DATASETS_ELSEWHERE, LAKE
from vpharness.parameters import parameter

CHECK_PATH = (
    "file of best prices to compare with at every bin's end: Databento mbp-1, mbp-10, bbo-1s or bbo-1m (DBN), or a "
    "LOBSTER order book file"
)


CHECK_PARQUET = "with check: write the prices of every bin and of that file to this new Parquet file"


@dataclass(frozen=True)
class BuildCommand:
    """Build an immutable dataset from market-by-order events, or one for each session and add them to a collection."""

    lake: str = parameter(LAKE, meaning="folder of datasets and results")
    start: str | None = parameter(None, meaning="first bin: ISO 8601 with zone, or ns since 1970")
    end: str | None = parameter(None, meaning="end of the span: ISO 8601 with zone, or ns since 1970")
    check: str | None = parameter(None, meaning=CHECK_PATH)
    parquet: str | None = parameter(None, meaning=CHECK_PARQUET)
    processes: int = parameter(
        1, meaning="with collection.id: sessions built side by side; -1: one for each core", minimum=-1, maximum=1024
    )
    watch: bool = parameter(
        False, meaning="with collection.id: go on adding files as they appear in the folder or glob, until Ctrl-C"
    )
    poll_s: float = parameter(
        10.0, meaning="with watch: time between two looks at the files", unit="s", minimum=0.1, maximum=86_400
    )
    json: bool = parameter(False, meaning="print JSON instead of text")
    source: Any = None
    lattice: Any = None
    dataset: Any = None
    session: Any = None
    collection: Any = None
    engine: Any = None

    def relations(self) -> Iterator[str]:
        """Yield an error for a table of a comparison that is not asked for, and for no processes."""
        if self.parquet is not None and self.check is None:
            yield "parquet was given without check; it is for the comparison with check=PATH"
        if self.processes == 0:
            yield "processes is 0; it must be at least 1, or -1 for one process for each core"
        if self.engine is not None and self.processes != 1:
            yield "processes and engine were given; engine.n_jobs says how many processes an engine takes"


@dataclass(frozen=True)
class RecordCommand:
    """Record an exchange's messages, order by order, into files that a source reads, until Ctrl-C."""

    folder: str = parameter("recordings", meaning="folder of the files, named by product and time of their beginning")
    minutes: float | None = parameter(None, meaning="how long to record (default: until Ctrl-C)", unit="min", above=0)
    compression: str = parameter("zstd", meaning="compression of the files", choices=("zstd", "gzip"))
    rotate_mb: int = parameter(
        1024, meaning="size on disk at which the next file begins", unit="MB", minimum=1, maximum=2**20
    )
    rotate_hours: float = parameter(
        24.0, meaning="age at which the next file begins", unit="h", above=0, maximum=24 * 366
    )
    largest_message_mb: int = parameter(
        60, meaning="largest message or snapshot that is accepted", unit="MB", minimum=1, maximum=63
    )
    longest_backoff_s: float = parameter(
        60.0, meaning="longest wait between attempts to connect", unit="s", above=0, maximum=3600
    )
    url: str | None = parameter(None, meaning="address of the websocket (default: the exchange's own)")
    rest_url: str | None = parameter(None, meaning="address that snapshots are asked of (default: the exchange's own)")
    json: bool = parameter(False, meaning="print JSON instead of text")
    source: Any = None


@dataclass  # not frozen: Hydra would not let its keys be given
class TickSize:
    """The tick size of prices from another program."""

    tick_size: float | None = parameter(None, meaning="smallest price step", unit="price", above=0)


@dataclass(frozen=True)
class PublishCommand:
    """Make a folder of Parquet files an immutable dataset, or with to=s3://… publish a dataset of the lake there."""

    path: str | None = parameter(None, meaning="folder with bins.parquet and grid_clean.parquet")
    to: str | None = parameter(
        None, meaning="s3://BUCKET/PREFIX below which the dataset dataset.id of the lake is published, if absent there"
    )
    lake: str = parameter(LAKE, meaning="folder of datasets and results")
    json: bool = parameter(False, meaning="print JSON instead of text")
    source: TickSize = field(default_factory=TickSize)
    dataset: Any = None


@dataclass(frozen=True)
class ConvertCommand:
    """Change which grid columns a dataset stores, after checking that its events reproduce all that it holds."""

    lake: str = parameter(LAKE, meaning="folder of datasets and results")
    json: bool = parameter(False, meaning="print JSON instead of text")
    source: Any = None
    dataset: Any = None


@dataclass(frozen=True)
class ListDatasetsCommand:
    """List the datasets and collections of the lake, and the disk space that they take."""

    lake: str = parameter(LAKE, meaning="folder of datasets and results")
    lake_datasets: str | None = parameter(None, meaning=DATASETS_ELSEWHERE)
    json: bool = parameter(False, meaning="print JSON instead of text")
    dataset: Any = None


@dataclass(frozen=True)
class ShowCommand(ListDatasetsCommand):
    """Show what a dataset or a collection holds."""

    calendar: str | None = parameter(
        None, meaning="with collection.id: calendar of exchange_calendars whose holidays are no missing days"
    )
    collection: Any = None


@dataclass(frozen=True)
class VerifyCommand(ListDatasetsCommand):
    """Compare the files of a dataset, of a collection or of the whole lake with their checksums."""

    collection: Any = None

    replay: bool = parameter(
        False, meaning="also prove that bins and stored grid columns follow from the events, which takes time"
    )
    check: str | None = parameter(None, meaning=CHECK_PATH)
    parquet: str | None = parameter(None, meaning=CHECK_PARQUET)

    def relations(self) -> Iterator[str]:
        """Yield an error for a table of a comparison that is not asked for."""
        if self.parquet is not None and self.check is None:
            yield "parquet was given without check; it is for the comparison with check=PATH"


@dataclass(frozen=True)
class PruneCommand:
    """Show unnamed datasets and cached files that nothing refers to; yes=true deletes them."""

    lake: str = parameter(LAKE, meaning="folder of datasets and results")
    yes: bool = parameter(False, meaning="delete what is shown")
    with_runs: bool = parameter(
        False, meaning="also datasets that runs of the ledger are of, as long as no test part of them was opened"
    )
    older_than_hours: float = parameter(
        1.0, meaning="datasets built since are kept: a run may be about to use them", unit="h", minimum=0, maximum=1e6
    )
    json: bool = parameter(False, meaning="print JSON instead of text")
