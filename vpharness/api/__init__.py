"""The library: what a notebook or a program uses, offered as `import vpharness as vp`.

Everything here gives what the command line gives, as pandas frames, NumPy arrays and Matplotlib figures. A mistake is a
`VpharnessError` with one sentence: what was expected, what was found, and what to do. `lake` and `outputs` are folders,
by default those of the command line: the environment variable VPHARNESS_LAKE or `lake`, and `outputs`.
"""

from vpharness.api.collection_tables import CollectionTables, collection, collections
from vpharness.api.data import DatasetTables, dataset, datasets, virtual_orders
from vpharness.api.ledger_frames import execution, fires, information, results
from vpharness.api.notebook_plots import plot_equity, plot_scores, plot_thresholds
from vpharness.api.running import RunResult, compose, run, score
from vpharness.api.walk_forward_frames import WalkForwardResult, walk_forward

__all__ = [
    "CollectionTables",
    "DatasetTables",
    "RunResult",
    "WalkForwardResult",
    "collection",
    "collections",
    "compose",
    "dataset",
    "datasets",
    "execution",
    "fires",
    "information",
    "plot_equity",
    "plot_scores",
    "plot_thresholds",
    "results",
    "run",
    "score",
    "virtual_orders",
    "walk_forward",
]
