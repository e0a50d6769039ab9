"""What audits found: a row each, kept for good, and which of them holds for a run."""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from typing import Any, Final, NamedTuple

from vpharness.results.store import AUDITS, Store, TableRows, append, read
from vpharness.results.table_schemas import AUDITS_SCHEMA

QUICK: Final = "quick"
FULL: Final = "full"
SHUFFLED: Final = "shuffled labels"
"""Fits to labels that were shuffled, whose scores must know of no later move: of learned signals, and not in every
audit, so that its outcome is kept beside those of the others."""

FOUND_ON_SHUFFLED: Final = "fitted to shuffled labels"
"""How what such fits found begins."""

_OPEN: Final = ("not decided: ", "not checked: ")
"""How what was found begins where nothing is known to be wrong."""

NOT_OF_SCORES: Final = frozenset({"thresholds", "threshold_quantiles"})
"""The parameters of every signal that its scores do not depend on."""


FITTED_ON: Final = "fitted_on"
"""Where a run's identity has the datasets that it was fitted on, where these are others than its own."""


class AuditKey(NamedTuple):
    """What an audit is of: runs that differ in nothing of this have the same scores, and share it.

    The digest is the same for all values of the numbers among the parameters. Whether a signal looks ahead or forgets
    can depend on them all the same, so they belong to the key.
    """

    signal_target: str
    signal_digest: str
    dataset_checksum: str
    parameters: str  # those that scores depend on, as JSON


@dataclass(frozen=True)
class AuditRecord:
    """The outcome of one audit.

    Attributes:
        key: what it is of.
        dataset_id: what the dataset is called.
        passed: whether the signal was checked and nothing was found.
        failed: what was found, in words; empty where it passed.
        memory_bins: valid bins after which a score no longer tells where the data began; None where it is not shown to
            forget.
        kind: "quick", "full" or "shuffled labels".
        vpharness_version: what audited it.
        created_ns: when, since the Unix epoch, UTC.
    """

    key: AuditKey
    dataset_id: str
    passed: bool
    failed: str
    memory_bins: int | None
    kind: str
    vpharness_version: str
    created_ns: int

    @property
    def undecided(self) -> bool:
        """Whether nothing was found to be wrong, but the data were not enough to pass."""
        return not self.passed and self.failed.startswith(_OPEN)

    @classmethod
    def now(
        cls, key: AuditKey, dataset_id: str, failures: Iterable[str], memory_bins: int | None, kind: str
    ) -> "AuditRecord":
        """Return the outcome of an audit that has just been done."""
        failed = "; ".join(failures)
        return cls(key, dataset_id, not failed, failed, memory_bins, kind, version("vpharness"), time.time_ns())


def audit_key(identity: Mapping[str, Any]) -> AuditKey:
    """Return the key of a run's audit from its identity, as the store's table of runs has it."""
    signal, fitted_on = identity["signal"], identity.get(FITTED_ON, ())
    digest, checksum = identity["code"]["signal_digest"], identity["dataset"]["checksum"]
    return key_of(signal["target"], digest, checksum, signal["parameters"], fitted_on)


def key_of(
    target: str,
    digest: str,
    dataset_checksum: str,
    parameters: Mapping[str, Any],
    fitted_on: Sequence[Mapping[str, str]] = (),
) -> AuditKey:
    """Return the key of an audit of a signal with these parameters; those that no score depends on are left out.

    `fitted_on` are the datasets that it is fitted on, where these are others than its own: other weights, other scores.
    """
    seen = {name: value for name, value in parameters.items() if name not in NOT_OF_SCORES}
    seen |= {FITTED_ON: list(fitted_on)} if fitted_on else {}
    return AuditKey(target, digest, dataset_checksum, json.dumps(seen, sort_keys=True))


def audits_of(store: Store) -> dict[AuditKey, AuditRecord]:
    """Return for each key the audit that holds: the newest full one, or the newest quick one where there is none.

    What the newest fits to shuffled labels found stands beside it: an audit without such fits takes nothing back.
    """
    found: dict[AuditKey, AuditRecord] = {}
    shuffled: dict[AuditKey, AuditRecord] = {}
    for row in read(store, AUDITS):
        values = {name: value for name, value in row.items() if name not in AuditKey._fields}
        each = AuditRecord(AuditKey(*(row[name] for name in AuditKey._fields)), **values)
        if each.kind != SHUFFLED:
            _keep_newer(found, each)
        # Earlier versions put both into the full audit, the fits to shuffled labels first.
        if each.kind == SHUFFLED or (each.kind == FULL and each.failed.startswith(FOUND_ON_SHUFFLED)):
            _keep_newer(shuffled, each)
    for key, each in shuffled.items():
        if not each.passed:
            found[key] = _both(found.get(key), each)
    return found


def _keep_newer(newest: dict[AuditKey, AuditRecord], audited: AuditRecord) -> None:
    before = newest.get(audited.key)
    if before is None or _rank(audited) >= _rank(before):
        newest[audited.key] = audited


def _both(audited: AuditRecord | None, shuffled: AuditRecord) -> AuditRecord:
    """Return an audit with what fits to shuffled labels found, which comes first."""
    if audited is None or audited == shuffled:
        return shuffled
    failed = "; ".join(filter(None, [shuffled.failed, audited.failed]))
    return replace(audited, passed=False, failed=failed)


def _rank(audited: AuditRecord) -> tuple[bool, int]:
    """Return what puts audits of one kind in order: newer ones come later, and quick ones before any full one."""
    return audited.kind != QUICK, audited.created_ns


def audit_rows(several: Iterable[AuditRecord]) -> TableRows:
    """Return the rows of audits, to be added to the store."""
    rows = []
    for each in several:
        values = asdict(each)
        rows.append({**each.key._asdict(), **{name: value for name, value in values.items() if name != "key"}})
    return TableRows(AUDITS, rows, AUDITS_SCHEMA)


def keep_audits(store: Store, several: Iterable[AuditRecord]) -> None:
    """Add audits to the store. Raises ResultsError where they cannot be written."""
    append(store, audit_rows(several))
