"""Every reason for which a fire ends, worked out by hand: lookups in all bins and judging bin by bin both say the same.

One fire at bin 1, take-profit and stop-loss at 2 ticks, walks of at most 4 bins, one bin of delay to enter and to
leave, a cost of half a tick, and a spread of one tick around a bid of 100 ticks that changes as each case says.
"""

import dataclasses
import math
from dataclasses import dataclass, field

import numpy as np
import pytest

from tests.evaluation.paths import dataset_of
from tests.evaluation.test_walks import looked_up, quotes_of
from vpharness.evaluation import OUTCOME_NAMES, EvaluationParameters, Fires, OpenFire
from vpharness.evaluation.live_statistics import LiveStatistics

FIRE = 1
EVALUATION = EvaluationParameters(
    tp_ticks=2, sl_ticks=2, max_hold_bins=4, entry_delay_bins=1, exit_delay_bins=1, cost_ticks=0.5
).resolve(100.0)
_MIRROR = 201
"""The mirrored market: what was bought at the ask is sold at the bid."""


@dataclass(frozen=True)
class Case:
    """A market, and what a fire comes to in it: outcome, bin in which the walk ends, P&L in ticks.

    Attributes:
        at_mid: from the fire's own mid.
        net: from the touch at bin 2 on; censored where it is not known when the data end.
        bids: best bids in ticks by bin, from there on as they were.
        without_book: bins whose book is not valid, and whose mid is 0.
        bins: how many there are.
        has_best_prices: whether the data have any.
    """

    at_mid: tuple[str, int, float]
    net: tuple[str, int, float]
    bids: dict[int, int] = field(default_factory=dict)
    without_book: tuple[int, ...] = ()
    bins: int = 16
    has_best_prices: bool = True


NAN = math.nan
CASES = {
    # The bid is 102 at bin 3, and at 4, where the position is left: 102 - 101 - 0.5.
    "take-profit": Case(("tp", 3, 2.0), ("tp", 3, 0.5), {3: 102}),
    "take-profit that is gone when one leaves": Case(("tp", 3, 2.0), ("tp", 3, -1.5), {3: 102, 4: 100}),
    "stop-loss": Case(("sl", 3, -2.0), ("sl", 3, -3.5), {3: 98}),
    "a barrier before the entry counts at the mid alone": Case(("tp", 2, 2.0), ("timeout", 5, -1.5), {2: 102}),
    "timeout": Case(("timeout", 4, 1.0), ("timeout", 5, -0.5), {3: 101}),
    "a barrier in the last bin of a walk": Case(("tp", 4, 2.0), ("tp", 4, 0.5), {4: 102}),
    "a barrier behind the last bin of a walk": Case(("timeout", 4, 0.0), ("tp", 5, 0.5), {5: 102}),
    "censored": Case(("censored", 1, NAN), ("censored", 1, NAN), bins=4),
    "censored net alone": Case(("timeout", 4, 0.0), ("censored", 1, NAN), bins=6),
    "skipped, for there is no mid at the fire": Case(("skipped", 1, NAN), ("timeout", 5, -1.5), without_book=(1,)),
    "skipped net, for the book is not valid at the entry": Case(
        ("timeout", 4, 0.0), ("skipped", 1, NAN), without_book=(2,)
    ),
    # The last mid of the walk from bin 2 is that of bin 2 itself: a book is sought from bin 3 to bin 6.
    "skipped net, for no book is valid at the exit": Case(
        ("timeout", 2, 0.0), ("skipped", 1, NAN), without_book=(3, 4, 5, 6)
    ),
    "left at the first valid book behind the exit": Case(
        ("timeout", 4, 0.0), ("timeout", 5, -4.5), {8: 97}, without_book=(6, 7)
    ),
    "skipped net, for the data have no best prices": Case(
        ("tp", 3, 2.0), ("skipped", 1, NAN), {3: 102}, has_best_prices=False
    ),
}


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("name", CASES)
def test_both_ways_of_judging_say_what_was_worked_out_by_hand(name: str, direction: int) -> None:
    """In the market and in its mirror image; the figures that a server shows count it likewise."""
    case = CASES[name]
    changes = [case.bids.get(bin_) for bin_ in range(case.bins)]
    bids = [100]
    for change in changes[1:]:
        bids.append(bids[-1] if change is None else change)
    bid = np.array(bids) if direction > 0 else _MIRROR - (np.array(bids) + 1)
    valid = ~np.isin(np.arange(case.bins), case.without_book)
    dataset = dataset_of(bid, bid + 1, valid)
    if not case.has_best_prices:
        dataset = dataclasses.replace(dataset, best_bid=None, best_ask=None)

    found = looked_up(dataset, Fires(np.array([FIRE]), np.array([direction], np.int8)), EVALUATION, case.bins)
    at_mid = (OUTCOME_NAMES[found.mid_code[0]], int(found.mid_exit[0]), float(found.mid_pnl_ticks[0]))
    net = (OUTCOME_NAMES[found.net_code[0]], int(found.net_exit[0]), float(found.net_pnl_ticks[0]))
    assert at_mid == pytest.approx(case.at_mid, nan_ok=True)
    assert net == pytest.approx(case.net, nan_ok=True)

    live = LiveStatistics.for_model(EVALUATION, dataset.tick_size, block_s=4)
    outcomes: list[OpenFire] = []
    for bin_, quote in enumerate(quotes_of(dataset)):
        live, known = live.advance(quote, direction if bin_ == FIRE else 0)
        outcomes += known
    is_known = "censored" not in {case.at_mid[0], case.net[0]}
    assert len(outcomes) == is_known
    for fire in outcomes:
        for outcome, wanted in ((fire.at_mid, case.at_mid), (fire.net, case.net)):
            assert outcome is not None
            assert (outcome.name, outcome.exit_bin, outcome.pnl_ticks) == pytest.approx(wanted, nan_ok=True)
    facts = live.facts()
    counts = {name: facts[f"n_{name}"] for name in ("tp", "sl", "timeout", "skipped")}
    assert counts == {name: int(case.at_mid[0] == name) for name in counts}
    assert facts["n_open"] == (case.at_mid[0] == "censored")
    assert facts["n_net"] == math.isfinite(case.net[2])
