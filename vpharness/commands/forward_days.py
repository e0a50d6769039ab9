"""The days after the promotion of versions, as the ledger has them: their record in the future that nobody knew."""

from collections.abc import Sequence

from vpharness.campaigns.collection_members import members_added_ns
from vpharness.commands.ledger_access import readable_ledger, views_in
from vpharness.datasets.lake import Lake
from vpharness.promotion.forward_record import LaterDays, later_days
from vpharness.promotion.promoted_record import PromotedRecord
from vpharness.results.ledger import LedgerCandidate
from vpharness.results.since_chosen import since_chosen
from vpharness.results.store import store_in


def forward_days(
    lake: Lake,
    records: Sequence[PromotedRecord],
    *,
    opens: bool = False,
    known: Sequence[LedgerCandidate] | None = None,
) -> list[LaterDays | None]:
    """Return for each promoted version what its candidate did on days after the promotion; None where that is unknown.

    A day is later where it was added to a collection after the promotion, or, in no collection, where it begins after.

    Args:
        lake: where the ledger and the datasets are.
        records: the versions.
        opens: whether days that are kept for the test are opened, which is counted.
        known: every candidate of the ledger, where that has been read.

    Raises ResultsError where the ledger cannot be read.
    """
    if not records or all(record.candidate_id is None for record in records):
        return [None] * len(records)
    store, view_of = store_in(lake.root), views_in(lake)
    ledger = readable_ledger(store, lake) if known is None else known
    of_collections = members_added_ns(lake, None)
    by_id = {each.candidate_id: each for each in ledger}
    found: list[LaterDays | None] = []
    for record in records:
        candidate = by_id.get(str(record.candidate_id))
        if candidate is None:
            found.append(None)
            continue
        begins = {trial.dataset_id: trial.first_bin_start_ns or 0 for trial in candidate.trials}
        (chosen,) = since_chosen(
            [candidate], ledger, {**begins, **of_collections}, {candidate.candidate_id: record.created_ns}
        )
        found.append(later_days(chosen, ledger, store, view_of, opens=opens))
    return found
