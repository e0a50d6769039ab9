"""The procedures that were tried: rows of the ledger, from which they are adjusted for one another.

A procedure chooses from the past alone, so its p-value needs no adjustment for the candidates that it chose from. But
whoever tries many procedures on the same market time and shows the best has searched again. So each that was ever
tried stays as a row, with the sums over blocks of its out-of-sample fires, and enters the family of all others whose
out-of-sample market time overlaps: as it is now, and as it was before days were added to it. So does the same
procedure where it was tried on other candidates, or on more days than it is shown on.
"""

import dataclasses
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from vpharness.evaluation import BlockSums, Evidence, MarketTime, any_overlap, lacking
from vpharness.results.families import Family
from vpharness.results.null_maxima import FloatArray, null_statistics
from vpharness.results.ranking import COMMON_DRAWS
from vpharness.results.store import WALK_FORWARDS, Store, TableRows, append, read
from vpharness.results.table_schemas import WALK_FORWARDS_SCHEMA, evidence_in, evidence_row, market_in, market_row
from vpharness.results.walk_forward.steps import Step

_ID_LENGTH: Final = 16


@dataclass(frozen=True)
class Procedure:
    """The settings of a procedure.

    Attributes:
        campaign: whose candidates it chooses from; None for all in the ledger.
        train: how many segments before a step choose; 0 for all.
        step: how many segments a choice is in force.
        segments: into how many spans a single dataset is cut; None where each dataset is a segment.
        collection: whose datasets are the segments; None for all that the candidates ran on.
        dataset_id: the single dataset that is meant; None for all.
        signal: the signal whose candidates it chooses from; None for all.
    """

    campaign: str | None
    train: int
    step: int
    segments: int | None = None
    collection: str | None = None
    dataset_id: str | None = None
    signal: str | None = None

    @property
    def id(self) -> str:
        """A hash of all its settings."""
        text = json.dumps(dataclasses.asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:_ID_LENGTH]


@dataclass(frozen=True)
class TriedProcedure:
    """One row: a procedure as it was when it was tried.

    Attributes:
        procedure_id: the hash of its settings.
        created_ns: when it was tried, ns since the Unix epoch, UTC.
        market_times: its out-of-sample market time.
        evidence: of its out-of-sample fires; None where it chose nothing.
        candidate_ids: what it chose at each step; empty texts where nothing could be ranked.
    """

    procedure_id: str
    created_ns: int
    market_times: tuple[MarketTime, ...]
    evidence: Evidence | None
    candidate_ids: tuple[str, ...]


def chosen_ids(steps: Sequence[Step]) -> tuple[str, ...]:
    """Return the id of what was chosen at each step; an empty text where nothing could be ranked."""
    return tuple("" if step.candidate is None else step.candidate.candidate_id for step in steps)


def keep_try(
    store: Store,
    procedure: Procedure,
    steps: Sequence[Step],
    market_times: Sequence[MarketTime],
    evidence: Evidence | None,
) -> None:
    """Write down that a procedure was tried, unless it was written down with the same choices and results before.

    Raises ResultsError where the store cannot be written: what was tried and is not counted spoils every p-value.
    """
    row = _row_of_try(procedure, steps, market_times, evidence)
    if not _is_known(store, row):
        append(store, TableRows(WALK_FORWARDS, [{**row, "created_ns": time.time_ns()}], WALK_FORWARDS_SCHEMA))


def is_kept(
    store: Store,
    procedure: Procedure,
    steps: Sequence[Step],
    market_times: Sequence[MarketTime],
    evidence: Evidence | None,
) -> bool:
    """Return whether it is written down that a procedure was tried, with these choices and results."""
    return _is_known(store, _row_of_try(procedure, steps, market_times, evidence))


def _row_of_try(
    procedure: Procedure, steps: Sequence[Step], market_times: Sequence[MarketTime], evidence: Evidence | None
) -> dict[str, Any]:
    return {
        "procedure_id": procedure.id,
        **dataclasses.asdict(procedure),
        "candidate_ids": list(chosen_ids(steps)),
        "market_times": json.dumps([_time_values(each) for each in market_times]),
        **({} if evidence is None else evidence_row(evidence)),
    }


def _is_known(store: Store, row: Mapping[str, Any]) -> bool:
    alike = ("procedure_id", "candidate_ids", "market_times", "evidence_digest")
    known = read(store, WALK_FORWARDS, list(alike))
    return any(all(each.get(name) == row.get(name) for name in alike) for each in known)


def tried_procedures(store: Store) -> list[TriedProcedure]:
    """Return every procedure that was ever tried, in the order of trying."""
    return [
        TriedProcedure(
            row["procedure_id"],
            row["created_ns"],
            tuple(_time_in(each) for each in json.loads(row["market_times"])),
            None if row["evidence_digest"] is None else evidence_in(row),
            tuple(row["candidate_ids"]),
        )
        for row in read(store, WALK_FORWARDS)
    ]


def family_of_procedures(
    procedure_id: str,
    market_times: Sequence[MarketTime],
    evidence: Evidence | None,
    tried: Sequence[TriedProcedure],
    candidate_ids: Sequence[str],
    others_known: Sequence[tuple[str, Evidence]] = (),
) -> Family:
    """Return a procedure with all others that were tried on overlapping market time, under the common draws.

    The others are in it as they stood each time that they were tried, so that nobody's adjusted p-value falls because
    something was tried. The procedure itself, as it was when fewer days were there, is no other one: its choices then
    are the first of those now. Where they are not, since candidates were added, or later days are left out again, the
    same settings were tried on something else, and that counts as another.

    Whoever names a campaign, or a signal, can know how its candidates did. So each candidate that was left out of the
    choice counts as the procedure that keeps to it.

    Args:
        procedure_id: of the procedure.
        market_times: its out-of-sample market time, in the order of time.
        evidence: of its out-of-sample fires.
        tried: every procedure that was ever tried.
        candidate_ids: what it chose at each step.
        others_known: the evidence, by id, of candidates that it did not choose from, on this market time.
    """
    near = [each for each in tried if any_overlap(each.market_times, market_times)]
    others = [(each.procedure_id, each.evidence) for each in near if each.procedure_id != procedure_id]
    own = [each for each in near if each.procedure_id == procedure_id]
    unlike = [each for each in own if not _begins(each, candidate_ids, market_times)]
    others += [(f"{procedure_id} at {each.created_ns}", each.evidence) for each in unlike]
    named = [*others, *others_known, (procedure_id, evidence)]
    able = {(name, each.digest): each for name, each in named if each is not None and not lacking(each)}
    created = [each.created_ns for each in near]
    excess, profit = _greatest([each.blocks for each in able.values()])
    return Family(
        tuple(market_times),
        n_evaluated=len({name for name, _ in named}),
        n_rankable=len({name for name, _ in able}),
        n_runs=len(near),
        oldest_ns=min(created, default=0),
        newest_ns=max(created, default=0),
        greatest_excess=excess,
        greatest_profit=profit,
    )


def _begins(tried: TriedProcedure, candidate_ids: Sequence[str], market_times: Sequence[MarketTime]) -> bool:
    """Whether a try has chosen and was judged as the first steps of what is given; its last choice was still open."""
    closed = max(0, len(tried.candidate_ids) - 1)
    return (
        len(tried.candidate_ids) <= len(candidate_ids)
        and tried.candidate_ids[:closed] == tuple(candidate_ids[:closed])
        and set(tried.market_times) <= set(market_times)
    )


def _greatest(several: Sequence[BlockSums]) -> tuple[FloatArray | None, FloatArray | None]:
    """Return [D] the greatest T of directional excess and of profit under each draw."""
    of_length: dict[int, list[BlockSums]] = {}
    for each in several:
        of_length.setdefault(each.seconds, []).append(each)
    drawn = [null_statistics(members, seconds, COMMON_DRAWS) for seconds, members in of_length.items()]
    if not drawn:
        return None, None
    excess, profit = (np.concatenate(each).max(axis=0) for each in zip(*drawn, strict=True))
    return excess, profit


def _time_values(market_time: MarketTime) -> dict[str, Any]:
    own = {"start_ns": market_time.start_ns, "stop_ns": market_time.stop_ns}
    return {**market_row(market_time.market), **own}


def _time_in(values: Mapping[str, Any]) -> MarketTime:
    market = market_in(values)
    if market is None:
        raise ValueError("a procedure's market time names no market")
    return MarketTime(market, values["start_ns"], values["stop_ns"])
