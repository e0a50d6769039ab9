"""A collection of short simulated days."""

from pathlib import Path
from typing import Final

from vpharness.datasets.collection import Collection, add_members
from vpharness.datasets.dataset_build import build
from vpharness.datasets.find import find_dataset
from vpharness.datasets.lake import Lake
from vpharness.events.synthetic import SyntheticSource
from vpharness.lattice.lattice_parameters import LatticeParameters

DAY_NS: Final = 86_400 * 10**9
COLLECTION: Final = "days"


def add_days(root: Path, first: int, last: int, *, minutes: int = 4, strength: float = 0.0) -> Collection:
    """Build some days and add them to the collection as a new version; each is a market of its own."""
    lake, made = Lake(root), []
    for number in range(first, last + 1):
        start_ns = SyntheticSource.start_ns + number * DAY_NS
        source = SyntheticSource(seed=number, minutes=minutes, strength=strength, start_ns=start_ns)
        build(lake, source, LatticeParameters(), dataset_id=f"day{number}", columns=())
        made.append((find_dataset(lake, f"day{number}"), f"day {number}"))
    return add_members(lake, COLLECTION, made)
