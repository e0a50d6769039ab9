"""When candidates were promoted, as the histories of all instruments of a lake say."""

from vpharness.datasets.lake import Lake
from vpharness.promotion.bundle import read_bundle
from vpharness.promotion.pointer import PROMOTED, bundle_path, history, instruments


def promotion_times(lake: Lake) -> dict[str, int]:
    """Return for each candidate that was ever promoted when it first was, ns since the Unix epoch, UTC.

    Raises PromotionError where a history or a bundle cannot be read, or is damaged.
    """
    found: dict[str, int] = {}
    for instrument in instruments(lake):
        for entry in history(lake, instrument):
            if entry.action != PROMOTED:
                continue
            candidate_id = read_bundle(bundle_path(lake, instrument, entry.version)).record.candidate_id
            if candidate_id is not None:
                found[candidate_id] = min(entry.at_ns, found.get(candidate_id, entry.at_ns))
    return found
