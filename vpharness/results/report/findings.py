"""What a report is about."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from vpharness.results.information_rows import Information
from vpharness.results.ledger import LedgerCandidate
from vpharness.results.ranking import Ranked
from vpharness.results.reevaluation import ViewOf
from vpharness.results.store import Store
from vpharness.results.walk_forward.judged import WalkForward


@dataclass(frozen=True)
class Findings:
    """What a report is about.

    Attributes:
        ranked: all candidates that are asked for, the best first.
        shown: those that the ranking lists, in its order, with their test part where it was opened.
        view_of: from a dataset's id and checksum to its prices.
        facts: what the page says of itself, by name: lake, date, version and the like.
        remarks: what may spoil results on the datasets, a sentence each that begins with the dataset's id.
        walk_forward: a procedure of choosing among the candidates, judged, where one was asked for.
        walk_forward_notes: what is to be known of it beside its figures, a sentence each.
        sessions: the names of datasets' sessions, by id.
        information_of: how well a candidate's scores agree with later moves; None where nobody computes it.
        is_learned: whether a candidate's signal is learned.
        store: the results, where ways of entering are written down that the page looks at and nobody has run.
    """

    ranked: Sequence[Ranked]
    shown: Sequence[Ranked]
    view_of: ViewOf
    facts: dict[str, str]
    remarks: Sequence[str] = ()
    walk_forward: WalkForward | None = None
    walk_forward_notes: Sequence[str] = ()
    sessions: Mapping[str, str] = field(default_factory=dict)
    information_of: Callable[[LedgerCandidate], Information] | None = None
    is_learned: Callable[[LedgerCandidate], bool] = lambda _: False
    store: Store | None = None

    @property
    def rankable(self) -> list[Ranked]:
        """Those of `ranked` that have enough data."""
        return [each for each in self.ranked if each.p_adjusted is not None]


def signals_first(ranked: Sequence[Ranked]) -> list[Ranked]:
    """Return the best candidate of each signal, then all candidates, so that the first charts cover several signals."""
    return [*(members[0] for members in by_signal(ranked).values()), *ranked]


def by_signal(ranked: Sequence[Ranked]) -> dict[str, list[Ranked]]:
    """Return candidates by their signal, that of the first one first."""
    signals: dict[str, list[Ranked]] = defaultdict(list)
    for each in ranked:
        signals[each.candidate.first.signal].append(each)
    return dict(signals)
