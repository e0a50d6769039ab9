"""The eight shipped learned signals on real data, as a table: coefficients by horizon, fires, net results, p-values.

Datasets are built first, outside the project, for instance

python -m vpharness build source=dbn source.path=ESH4.dbn.zst source.symbol=ESH4 source.tick_size=0.25 \
    start=2023-12-25T23:00:00+00:00 dataset.id=esh4 lake=LAKE

and then: python -m tests.benchmarks.learned_on_real_data LAKE OUTPUTS DATASET [SIGNAL ...]

Everything has its default. The candidate of a row is the run's best by the lower end of its net interval.
"""

import math
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

import vpharness as vp
from vpharness.campaigns.candidate_information import information_of
from vpharness.datasets.lake import Lake
from vpharness.errors import VpharnessError
from vpharness.evaluation.intervals import Interval
from vpharness.modules import PermittedModules
from vpharness.results.ledger_reader import read_ledger
from vpharness.results.store import store_in

NAMES = ("ridge_flow", "pca_ad", "gbm_mf", "xgb_snap", "mlp_lob", "knn_cl", "svm_sp", "lsvm_der")
HEAD = "| signal | IC over 1 | 5 | 10 | 50 | 100 bins | macro-F1 (chance) | fires | net per fire | p | p adj. |"


def row(name: str, dataset: str, lake: Path, outputs: Path) -> str:
    """Return a signal's row of the table."""
    run = vp.run(name, dataset=dataset, lake=lake, outputs=outputs, tracking="none")
    best = run.candidates.iloc[0]
    store = store_in(lake)
    (candidate,) = [each for each in read_ledger(store) if each.candidate_id == best["candidate_id"]]
    found = information_of(candidate, Lake(lake), store, PermittedModules(lake), importances=False)
    labels = found.labels
    f1 = "" if labels is None else f"{labels.macro_f1.mean:.3f} ({labels.macro_f1_by_chance:.3f})"
    net = Interval(best["net_pnl_ticks"], best["net_pnl_ticks_low"], best["net_pnl_ticks_high"])
    adjusted = best["p_adjusted"]
    cells = [
        name,
        *(_text(each.interval, "+.3f") for each in found.coefficients.values()),
        f1,
        f"{best['n_net']:,} at {best['threshold']}",
        _text(net, "+.2f"),
        f"{best['p_value']:.3f}",
        "too little data" if pd.isna(adjusted) else f"{adjusted:.3f}",
    ]
    return f"| {' | '.join(cells)} |"


def _text(interval: Interval, form: str) -> str:
    mean, low, high = (format(each, form) for each in (interval.mean, interval.low, interval.high))
    return mean if math.isnan(interval.low) else f"{mean} ({low}, {high})"


def main(words: Sequence[str]) -> None:
    """Print the table."""
    lake, outputs, dataset, *names = words
    print(HEAD)
    print("|---" * (HEAD.count("|") - 1) + "|")
    for name in names or NAMES:
        try:
            print(row(name, dataset, Path(lake), Path(outputs)), flush=True)
        except VpharnessError as error:
            print(f"| {name} | {error} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
