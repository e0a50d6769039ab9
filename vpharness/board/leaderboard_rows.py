"""The rows of the leaderboard: what a query asks for, and the rows of the one ranking that fit it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vpharness.board.queries import Query

PAGE_ROWS: Final = 50


MOST_ROWS: Final = 200


ALL: Final = "all"


KINDS: Final = {
    "ranked": "ranked",
    "winners": "winners",
    "lacking": "too little data",
    "adaptive": "chosen adaptively",
    ALL: "all",
}
"""What a row may be, with the words of the choice."""


KEYS: Final = frozenset({"signal", "dataset", "campaign", "hold", "kind", "page", "rows"})


@dataclass(frozen=True)
class LeaderboardQuery:
    """What is asked: filters by name, None for all, and which rows.

    Attributes:
        signal, dataset, campaign: of this signal, with runs on this dataset, of this campaign.
        hold: seconds that a candidate holds at most; "all" for any; None for that of the first that ranks.
        kind: one of those above.
        page: from 1 on.
        rows: a page's.
    """

    signal: str | None = None
    dataset: str | None = None
    campaign: str | None = None
    hold: str | None = None
    kind: str = "ranked"
    page: int = 1
    rows: int = PAGE_ROWS

    def values(self) -> dict[str, Any]:
        """Return what differs from the defaults, as the query of an address."""
        own, usual = vars(self), vars(LeaderboardQuery())
        return {name: value for name, value in own.items() if value != usual[name]}


def query_of(query: Query) -> LeaderboardQuery:
    """Return what a query asks. Raises QueryError for a value that is none."""
    hold = query.text("hold")
    if hold not in {None, ALL}:
        query.number("hold")
    return LeaderboardQuery(
        signal=query.text("signal"),
        dataset=query.text("dataset"),
        campaign=query.text("campaign"),
        hold=hold,
        kind=query.choice("kind", tuple(KINDS), "ranked"),
        page=query.whole("page", 1, 1, 10**6),
        rows=query.whole("rows", PAGE_ROWS, 1, MOST_ROWS),
    )


@dataclass(frozen=True)
class Choices:
    """The values that filters may have, in the whole ranking."""

    signals: Sequence[str]
    datasets: Sequence[str]
    campaigns: Sequence[str]


@dataclass(frozen=True)
class ChosenRows:
    """The rows of a page, and those that they were taken of.

    Attributes:
        places: [n] the places in the whole ranking of all rows that fit the filters, alike ones once.
        holds: the seconds that candidates hold, of which `hold` is shown; several are ranked in tables of their own.
        hold: that which is shown; None for all.
        shown: the rows of the page, with their `place`.
    """

    places: NDArray[np.int64]
    holds: Sequence[float]
    hold: float | None
    shown: Sequence[Mapping[str, Any]]


def choices_of(rows: pa.Table) -> Choices:
    """Return the values that the filters may have in a ranking."""

    def names(column: str) -> list[str]:
        values = rows[column]
        flat = pc.list_flatten(values) if pa.types.is_list(values.type) else values
        found: list[str] = sorted(pc.unique(flat).to_pylist())
        return found

    return Choices(names("signal"), names("datasets"), names("campaigns"))


def chosen_rows(rows: pa.Table, asked: LeaderboardQuery) -> ChosenRows:
    """Return the rows that fit the filters, in the order of the ranking; of those that are alike the first."""
    fits: NDArray[np.bool_] = np.ones(rows.num_rows, bool)
    is_ranked = rows["p_adjusted"].is_valid().to_numpy()
    is_adaptive = rows["adaptive"].to_numpy()
    kinds = {
        "ranked": is_ranked,
        "winners": rows["winner"].to_numpy(),
        "adaptive": is_adaptive,
        "lacking": ~is_ranked & ~is_adaptive,
        ALL: fits,
    }
    fits = fits & kinds[asked.kind]
    if asked.signal is not None:
        fits &= pc.equal(rows["signal"], asked.signal).to_numpy()
    for column, value in (("datasets", asked.dataset), ("campaigns", asked.campaign)):
        if value is not None:
            fits &= _holding(rows[column], value)
    places = np.flatnonzero(fits)
    alike = rows["alike"].to_numpy()[places]
    places = places[np.sort(np.unique(alike, return_index=True)[1])]
    hold_s = rows["hold_s"].to_numpy()[places]
    holds: list[float] = sorted(set(hold_s.tolist()))
    hold = None if asked.hold == ALL or not holds else float(asked.hold) if asked.hold else float(hold_s[0])
    if hold is not None:
        places = places[np.isclose(hold_s, hold)]
    start = (asked.page - 1) * asked.rows
    page = places[start : start + asked.rows]
    shown = [{**row, "place": int(at) + 1} for at, row in zip(page, rows.take(page).to_pylist(), strict=True)]
    return ChosenRows(places, holds, hold, shown)


def _holding(lists: pa.ChunkedArray, value: str) -> NDArray[np.bool_]:
    """Return [n] whether each list holds a value."""
    whole = lists.combine_chunks()
    whole = whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole
    equal = pc.equal(whole.flatten(), value).to_numpy(zero_copy_only=False)
    found: NDArray[np.bool_] = np.zeros(len(whole), bool)
    found[pc.list_parent_indices(whole).to_numpy()[equal]] = True
    return found
