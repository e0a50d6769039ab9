"""The command `list-datasets`."""

import json
from pathlib import Path

from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

from vpharness.commands.text.dataset_facts import dataset_facts
from vpharness.datasets.find import Dataset, all_datasets
from vpharness.datasets.lake import Lake
from vpharness.errors import DatasetError
from vpharness.events.times import time_text

_WIDTH = 100


def run_list_datasets(config: DictConfig) -> None:
    """List the datasets of the lake."""
    found = list(all_datasets(Lake(Path(config.lake))))
    good = [item for item in found if isinstance(item, Dataset)]
    bad = [str(item) for item in found if isinstance(item, DatasetError)]
    if config.json:
        facts = [dataset_facts(item.manifest, item.path) for item in good]
        print(json.dumps({"datasets": facts, "problems": bad}, indent=1))
        return
    table = Table("id", "instrument", "from (UTC)", "hours", "bins", "ms", "valid", box=None, pad_edge=False)
    for item in good:
        m = item.manifest
        hours = (m.last_bin_end_ns - m.first_bin_start_ns) / 3600e9
        start = time_text(m.first_bin_start_ns)[:19]
        share = f"{m.valid_bins / m.bins:.1%}"
        table.add_row(m.dataset_id, m.instrument, start, f"{hours:.2f}", f"{m.bins:,}", str(m.cell_width_ms), share)
    console = Console(width=_WIDTH)
    if good:
        console.print(table)
    else:
        console.print(f"no datasets in the lake {config.lake}", highlight=False)
    for problem in bad:
        console.print(problem, highlight=False, soft_wrap=True)
