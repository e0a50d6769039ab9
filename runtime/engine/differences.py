"""Challengers against the champion: what each has earned less what the champion has, since both were ready."""

from collections.abc import Mapping
from typing import Any

from runtime.engine.live_evaluation import LiveEvaluator
from vpharness.evaluation.live_claims import DifferenceBlocks
from vpharness.evaluation.running_claims import Claim


class Differences:
    """The differences of all challengers; those of a pair begin anew where either evaluator does."""

    def __init__(self) -> None:
        """Begin before the first bin."""
        self._pairs: dict[str, tuple[LiveEvaluator, LiveEvaluator, DifferenceBlocks]] = {}
        self._claims: dict[str, tuple[DifferenceBlocks, int, Claim]] = {}

    def take(self, champion: LiveEvaluator, challengers: Mapping[str, LiveEvaluator]) -> None:
        """Take in a bin that all evaluators have taken in."""
        pairs = {}
        for name, challenger in challengers.items():
            before = self._pairs.get(name)
            if before is not None and before[0] is champion and before[1] is challenger:
                blocks = before[2]
            else:
                blocks = DifferenceBlocks.between(
                    (champion.block_s, champion.promise), (challenger.block_s, challenger.promise)
                )
            if champion.since_ns is not None and challenger.since_ns is not None:
                since_ns = max(champion.since_ns, challenger.since_ns)
                settled_ns = min(champion.settled_ns, challenger.settled_ns)
                blocks = blocks.take(champion.judged, challenger.judged, since_ns, settled_ns)
            pairs[name] = champion, challenger, blocks
        self._pairs = pairs

    def facts(self) -> dict[str, dict[str, Any]]:
        """Return what may be claimed of each challenger by its name, as the stream's fields."""
        claims, count = {}, len(self._pairs)
        for name, (_, _, blocks) in self._pairs.items():
            before = self._claims.get(name)
            is_same = before is not None and before[0].blocks.closed == blocks.blocks.closed and before[1] == count
            claims[name] = before if before is not None and is_same else (blocks, count, blocks.claim(count))
        self._claims = claims
        return {
            name: {**challenger.claim_facts_of(self._claims[name][2]), "block_s": blocks.block_s}
            for name, (_, challenger, blocks) in self._pairs.items()
        }
