"""Live claims in MLflow: what servers have claimed of promoted versions, with the runs that these were promoted from.

A server never waits for MLflow, nor needs it: it writes its claims beside the history (`promotion.verdicts`), and this
copies them from there, whenever it is asked to. Copying the same claim again changes nothing.
"""

import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from vpharness.campaigns.run_folder import folder_of
from vpharness.datasets.lake import Lake
from vpharness.errors import TrackingError
from vpharness.promotion.pointer import HistoryEntry
from vpharness.promotion.verdicts import Verdict, verdicts
from vpharness.results.tracked_run import is_tracked
from vpharness.results.tracking import Tracking, TrackingParameters, TrackingPoint

_NS_PER_MS: Final = 1_000_000


def track_claims(
    lake: Lake, instrument: str, entries: Sequence[HistoryEntry], tracking: TrackingParameters, outputs: Path
) -> None:
    """Copy the claims of an instrument's versions into MLflow; what is in the way is printed, and nothing is lost.

    Args:
        lake: where promotions lie.
        instrument: the instrument.
        entries: its history.
        tracking: the store.
        outputs: folder of run folders.
    """
    runs = {entry.version: entry.run_id for entry in entries if entry.run_id is not None}
    found = [each for each in verdicts(lake, instrument) if each.version in runs]
    opened: Tracking | None = None
    for version in dict.fromkeys(each.version for each in found):
        folder, own = folder_of(outputs, runs[version]), [each for each in found if each.version == version]
        if not is_tracked(folder, tracking.uri_in(outputs)):
            print(f"vpharness: run {runs[version]} is not tracked, so MLflow has no claims of it", file=sys.stderr)
            continue
        try:
            opened = Tracking(tracking, outputs) if opened is None else opened
            tags = {"live.claim": own[-1].text, "live.version": f"{instrument} {version}"}
            opened.add_points(folder, list(claim_points(own)), tags)
        except TrackingError as error:
            print(f"vpharness: {error}", file=sys.stderr)
            return


def claim_points(claims: Sequence[Verdict]) -> Iterator[TrackingPoint]:
    """Yield the points of a version's claims, the oldest first: their steps are the closed blocks they rest on."""
    for each in claims:
        ends = (("net_pnl_ticks", each.net_pnl_ticks), ("low", each.low), ("high", each.high))
        for name, value in ends:
            if value is not None and math.isfinite(value):
                yield TrackingPoint(f"live.{name}", value, each.n_blocks, each.at_ns // _NS_PER_MS)
