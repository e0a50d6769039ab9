"""Comparison of a live session's bins, scores and fires with a recording or with a run over the whole dataset."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vpharness.order_fates import NONE, REASONS
from vpharness.signals import CHUNK_TOLERANCE


@dataclass(frozen=True)
class BinOutputs:
    """The scores and fires of T consecutive bins.

    Attributes:
        bins: [T] rows of bins, with at least `bin_seq`.
        scores: [T] float64, NaN where the book is not valid.
        fires: [T] int8: +1, -1 or 0.
    """

    bins: NDArray[np.void]
    scores: NDArray[np.float64]
    fires: NDArray[np.int8]


@dataclass(frozen=True)
class Agreement:
    """The result of a comparison.

    Attributes:
        bins: how many bins were compared.
        worst: the largest difference of two scores; infinite where one of them is missing.
        ties: scores as near to the threshold as the chunk law tolerates: from the first of them on, fires may differ.
        differences: what differs, a sentence each; nothing where all agrees.
    """

    bins: int
    worst: float
    ties: int
    differences: tuple[str, ...]


def compare_outputs(found: BinOutputs, wanted: BinOutputs, threshold: float) -> Agreement:
    """Compare bins exactly, scores within the tolerance of the chunk law, and fires exactly up to the first tie."""
    if len(found.bins) != len(wanted.bins):
        return Agreement(0, np.inf, 0, (f"{len(found.bins)} bins came, not {len(wanted.bins)}",))
    numbers = wanted.bins["bin_seq"]
    worst, wrong = _scores(found.scores, wanted.scores)
    ties = np.abs(np.abs(wanted.scores) - threshold) <= CHUNK_TOLERANCE
    first_tie = int(np.argmax(ties)) if ties.any() else len(ties)
    differences = list(_rows(found.bins, wanted.bins))
    if len(wrong):
        first = wrong[0]
        differences.append(
            f"the score of bin {numbers[first]} is {found.scores[first]:.12g}, not {wanted.scores[first]:.12g}; "
            f"{len(wrong)} differ, by {worst:.3g} at the worst"
        )
    others = np.flatnonzero(found.fires != wanted.fires)
    if len(others) and others[0] < first_tie:
        first = others[0]
        differences.append(
            f"bin {numbers[first]} fires {found.fires[first]:+d}, not {wanted.fires[first]:+d}; {len(others)} differ"
        )
    return Agreement(len(numbers), worst, int(ties.sum()), tuple(differences))


def compare_fates(
    found: NDArray[np.void], wanted: NDArray[np.void], numbers: NDArray[np.int64]
) -> tuple[int, tuple[str, ...]]:
    """Return how many resting orders were compared, and what differs, a sentence each.

    Args:
        found: FATE_DTYPE [T, 2], with an order wherever a session fired.
        wanted: FATE_DTYPE [T, 2], with an order there too.
        numbers: [T] the number of each bin.
    """
    if len(found) != len(wanted):
        return 0, (f"orders of {len(found)} bins came, not of {len(wanted)}",)
    placed, differences = found["reason"] != NONE, []
    for name in ("reason", "price", "fill_ns"):
        wrong = np.argwhere(placed & (found[name] != wanted[name]))
        if len(wrong):
            place, row = wrong[0]
            values = [each[name][place, row] for each in (found, wanted)]
            told = [REASONS[value] for value in values] if name == "reason" else values
            side = "sell" if row else "buy"
            differences.append(
                f"{name} of the {side} placed at bin {numbers[place]} is {told[0]}, not {told[1]}; {len(wrong)} differ"
            )
    return int(np.count_nonzero(placed)), tuple(differences)


def _rows(found: NDArray[np.void], wanted: NDArray[np.void]) -> list[str]:
    differences = []
    for name in wanted.dtype.names or ():
        wrong = np.flatnonzero(found[name] != wanted[name])
        if len(wrong):
            first = wrong[0]
            differences.append(
                f"{name} of bin {wanted['bin_seq'][first]} is {found[name][first]}, not {wanted[name][first]}; "
                f"{len(wrong)} differ"
            )
    return differences


def _scores(found: NDArray[np.float64], wanted: NDArray[np.float64]) -> tuple[float, NDArray[np.intp]]:
    """Return the largest difference, and the places of those beyond rounding, which grows with scores above 1."""
    with np.errstate(invalid="ignore"):  # equal infinities are equal scores
        differences = np.where(found == wanted, 0.0, np.abs(found - wanted))
    differences[np.isnan(found) & np.isnan(wanted)] = 0.0
    differences = np.nan_to_num(differences, nan=np.inf, posinf=np.inf)
    size = np.nan_to_num(np.abs(wanted), nan=0.0, posinf=0.0)
    return float(differences.max(initial=0.0)), np.flatnonzero(differences > CHUNK_TOLERANCE * np.maximum(1.0, size))
