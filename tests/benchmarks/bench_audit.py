"""Time audits beside one scoring, in processor time, and print what each signal remembers.

Run it from the project's root: python -m tests.benchmarks.bench_audit [BINS]
"""

import sys
import time
from collections.abc import Callable
from itertools import product
from typing import Any, Final

import numpy as np

from tests.signals.battery import SIGNALS, made_up_columns
from vpharness.audit import QuickAudits, audit, quick_audit
from vpharness.signals import resolve, score, score_many

WIDTH_MS: Final = 100
RADIUS: Final = 50


def seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return the processor time that a call takes, compiling included, and what it gave."""
    begun = time.process_time()
    found = call()
    return time.process_time() - begun, found


def one_by_one(bins: int) -> None:
    """Time one scoring, a quick audit and a full one of every signal."""
    valid = np.ones(bins, np.bool_)
    for name, one in SIGNALS.items():
        cells, params = made_up_columns(one.columns, bins, RADIUS, 0), one.parameters()
        score(one, params, cells, cell_width_ms=WIDTH_MS, valid=valid)
        alone, whole = seconds(lambda: score(one, params, cells, cell_width_ms=WIDTH_MS, valid=valid))  # noqa: B023  # called at once
        quick, found = seconds(lambda: quick_audit(one, params, cells, valid, whole, cell_width_ms=WIDTH_MS))  # noqa: B023  # as above
        full, report = seconds(lambda: audit(one, params, cells, valid, cell_width_ms=WIDTH_MS))  # noqa: B023  # as above
        print(
            f"{name:<16} score {alone:5.2f} s, quick {quick:5.2f} s ({found.memory_bins} bins), full {full:5.1f} s "
            f"({report.memory_bins} bins), passed {found.passed and report.passed}"
        )


def sweep(bins: int) -> None:
    """Time the scores of 192 parameter sets, and their audits."""
    one = resolve("vpharness.signals.perm_derivative.perm_derivative")
    values = {
        "zscore_window_bins": (120, 240, 360),
        "d2_weight": (0.0, 0.2),
        "d3_weight": (0.0, 0.1),
        "center_exclusion_radius": (0, 1),
        "spatial_decay_power": (0.0, 1.0),
        "tanh_scale": (2.0, 3.0, 4.0, 5.0),
    }
    many = [one.parameters(**dict(zip(values, each, strict=True))) for each in product(*values.values())]
    cells = made_up_columns(one.columns, bins, RADIUS, 0)
    valid = np.ones(bins, np.bool_)
    for compiled in ("compiling", "warm"):
        scoring, wholes = seconds(lambda: list(score_many(one, many, cells, cell_width_ms=WIDTH_MS, valid=valid)))
        audits = QuickAudits(one, many, cells, valid, cell_width_ms=WIDTH_MS)
        auditing, reports = seconds(lambda: [audits.next(whole) for whole in wholes])  # noqa: B023  # called at once
        passed = sum(report.passed for report in reports)
        print(f"{len(many)} sets, {compiled}: scores {scoring:.2f} s, audits {auditing:.2f} s, {passed} passed")


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 36_000
    sweep(wanted)
    one_by_one(wanted)
