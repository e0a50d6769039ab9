"""The configuration of each command: the dataclasses behind the YAML files at the top of `conf/`."""

from dataclasses import dataclass, field
from typing import Any

from vpharness.parameters import parameter

LAKE = "${oc.env:VPHARNESS_LAKE,lake}"


@dataclass(frozen=True)
class DatasetChoice:
    """Which dataset a command is about."""

    id: str | None = parameter(None, meaning="name of the dataset in the lake")


@dataclass(frozen=True)
class BuildCommand:
    """Build an immutable dataset from market-by-order events."""

    lake: str = parameter(LAKE, meaning="folder of datasets and results")
    start: str | None = parameter(None, meaning="first bin: ISO 8601 with zone, or ns since 1970")
    end: str | None = parameter(None, meaning="end of the span: ISO 8601 with zone, or ns since 1970")
    json: bool = parameter(False, meaning="print JSON instead of text")
    source: Any = None
    lattice: Any = None
    dataset: Any = None


@dataclass  # not frozen: Hydra would not let its keys be given
class TickSize:
    """What the user says of prices that were made elsewhere."""

    tick_size: float | None = parameter(None, meaning="smallest price step", unit="price", above=0)


@dataclass(frozen=True)
class PublishCommand:
    """Check a folder of Parquet files made elsewhere and make it an immutable dataset."""

    path: str | None = parameter(None, meaning="folder with bins.parquet and grid_clean.parquet")
    lake: str = parameter(LAKE, meaning="folder of datasets and results")
    json: bool = parameter(False, meaning="print JSON instead of text")
    source: TickSize = field(default_factory=TickSize)
    dataset: Any = None


@dataclass(frozen=True)
class LakeCommand:
    """List the datasets of the lake, or look at one of them."""

    lake: str = parameter(LAKE, meaning="folder of datasets and results")
    json: bool = parameter(False, meaning="print JSON instead of text")
    dataset: Any = None
