"""Merge the parts of every table of a store: `python -m tests.integrity.merge_store LAKE`, which prints its start."""

import sys
from pathlib import Path

from vpharness.results.part_files import merge_small_parts
from vpharness.results.store import Store, store_in

BEGUN = "begun"


def main(store: Store) -> None:
    """Merge whatever has two parts, where commands wait for more."""
    print(BEGUN, flush=True)
    for folder in sorted(store.root.glob("*.parquet")):
        merge_small_parts(folder, 2)


if __name__ == "__main__":
    main(store_in(Path(sys.argv[1])))
