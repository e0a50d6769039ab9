"""Challengers against the champion: what each has earned less what the champion has, since both were ready.

All claims that are shown side by side share one error, in equal shares: one for each challenger, and one for all
*what-ifs* together, where clients may ask for such. A what-if is a challenger that somebody chose after having looked,
and may have chosen for what it did in the bins that had been shown. So its claim rests on bins alone that came after
it was asked for, and has a part of its share that depends on how many were tried before it
(`running_claims.what_if_error`). The share is set aside from the beginning: no client changes what others are told.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runtime.engine.live_evaluation import LiveEvaluator
from vpharness.evaluation.confidence_sequences import ERROR
from vpharness.evaluation.live_claims import DifferenceBlocks
from vpharness.evaluation.running_claims import Claim, what_if_error


@dataclass(frozen=True)
class WhatIf:
    """When a client asked for a model, and how many had been asked for.

    Attributes:
        asked_ns: the end of the last bin that had been shown then, ns since the Unix epoch.
        tries: how many different what-ifs the server had been asked for, this one included.
    """

    asked_ns: int
    tries: int


@dataclass(frozen=True)
class _Pair:
    """The champion's evaluator with another's, and the blocks of their difference."""

    champion: LiveEvaluator
    challenger: LiveEvaluator
    blocks: DifferenceBlocks
    what_if: WhatIf | None

    @property
    def since_ns(self) -> int | None:
        """The time from which fires count, ns since the Unix epoch; None while either model is not ready."""
        if self.champion.since_ns is None or self.challenger.since_ns is None:
            return None
        asked_ns = 0 if self.what_if is None else self.what_if.asked_ns
        return max(self.champion.since_ns, self.challenger.since_ns, asked_ns)


class Differences:
    """The differences of all challengers; those of a pair begin anew where either evaluator does."""

    def __init__(self, *, allows_what_ifs: bool = False) -> None:
        """Begin before the first bin; what-ifs have a share of the error where clients may ask for some."""
        self._allows_what_ifs = allows_what_ifs
        self._pairs: dict[str, _Pair] = {}
        self._claims: dict[str, tuple[DifferenceBlocks, float, Claim]] = {}

    def take(
        self,
        champion: LiveEvaluator,
        challengers: Mapping[str, LiveEvaluator],
        what_ifs: Mapping[str, WhatIf] | None = None,
    ) -> None:
        """Take in a bin that all evaluators have taken in; `what_ifs` are those that a client asked for, by name."""
        pairs = {}
        for name, challenger in challengers.items():
            before, what_if = self._pairs.get(name), (what_ifs or {}).get(name)
            if before is not None and before.champion is champion and before.challenger is challenger:
                blocks = before.blocks
            else:
                blocks = DifferenceBlocks.between(
                    (champion.block_s, champion.promise), (challenger.block_s, challenger.promise)
                )
            pair = _Pair(champion, challenger, blocks, what_if)
            if pair.since_ns is not None:
                settled_ns = min(champion.settled_ns, challenger.settled_ns)
                blocks = blocks.take(champion.judged, challenger.judged, pair.since_ns, settled_ns)
            pairs[name] = _Pair(champion, challenger, blocks, what_if)
        self._pairs = pairs

    def facts(self) -> dict[str, dict[str, Any]]:
        """Return what may be claimed of each challenger by its name, as the stream's fields."""
        claims = {}
        for name, pair in self._pairs.items():
            blocks, error, before = pair.blocks, self._error(pair), self._claims.get(name)
            is_same = before is not None and (before[0].blocks.closed, before[1]) == (blocks.blocks.closed, error)
            claims[name] = before if before is not None and is_same else (blocks, error, blocks.claim_with(error))
        self._claims = claims
        return {name: self._facts_of(pair, *claims[name][1:]) for name, pair in self._pairs.items()}

    def _error(self, pair: _Pair) -> float:
        """Return the error of a claim: a share of all that are shown, or of a what-if, a part of the share of all."""
        challengers = sum(each.what_if is None for each in self._pairs.values())
        shares = challengers + (self._allows_what_ifs or challengers < len(self._pairs))
        return ERROR / shares if pair.what_if is None else what_if_error(pair.what_if.tries, shares)

    @staticmethod
    def _facts_of(pair: _Pair, error: float, claim: Claim) -> dict[str, Any]:
        facts = {**pair.challenger.claim_facts_of(claim, error=error), "block_s": pair.blocks.block_s}
        if pair.what_if is not None:
            facts["since_ns"] = None if pair.since_ns is None else str(pair.since_ns)
            facts["tries"] = pair.what_if.tries
        return facts
