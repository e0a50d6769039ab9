"""The limits that a run must meet to be promoted, with their defaults."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from vpharness.parameters import parameter
from vpharness.promotion.projection import horizons_problems, quantiles_problems

MOST_FIRES: Final = 10**9
_LOOSER: Final = "looser"


def limit(default: Any, *, looser: Literal["larger", "smaller"], **rules: Any) -> Any:
    """Return a `parameter` field that is the limit of a gate, with the direction that lets more through."""
    field = parameter(default, **rules)
    return dataclasses.field(default=default, metadata={**field.metadata, _LOOSER: looser})


@dataclass(frozen=True)
class PromotionParameters:
    """The limits of the gates, and the settings of the bundle."""

    max_p_adjusted: float = limit(
        0.05,
        looser="larger",
        meaning="train: upper limit of p_adjusted, over the whole family",
        minimum=0,
        maximum=1,
    )
    min_train_net_low_ticks: float = limit(
        0.0,
        looser="smaller",
        meaning="train: the net mean's lower bound for all candidates must be above this",
        unit="ticks",
    )
    min_test_net_ticks: float = limit(
        0.0, looser="smaller", meaning="test: the lower end of the net mean must be above this", unit="ticks"
    )
    min_test_fires: int = limit(
        10,
        looser="smaller",
        meaning="test: minimum number of fires judged net",
        unit="fires",
        minimum=1,
        maximum=MOST_FIRES,
    )
    min_forward_fires: int = limit(
        0,
        looser="smaller",
        meaning="minimum number of fires on events later than the candidate's first row in the ledger",
        unit="fires",
        minimum=0,
        maximum=MOST_FIRES,
    )
    max_latency_share: float = limit(
        0.2,
        looser="larger",
        meaning="limit of a step's 99th percentile on this host, as a share of the bin's width",
        above=0,
        maximum=1,
    )
    audit_seed: int = parameter(0, meaning="seed of the audit's random chunks", minimum=0, maximum=2**53)
    slice_bins: int = parameter(
        1800, meaning="bins of the recorded slice that a server replays", unit="bins", minimum=1, maximum=100_000
    )
    horizons_bins: list[int] = parameter(
        [1, 2, 4, 8, 20, 50], meaning="horizons of the projection", unit="bins", minimum=1, maximum=100_000
    )
    quantiles: list[float] = parameter(
        [0.05, 0.25, 0.5, 0.75, 0.95], meaning="quantiles of the projection", above=0, maximum=1
    )

    def loosened(self) -> dict[str, Any]:
        """Return the defaults of those limits that are looser than them, by their names."""
        found = {}
        for field in dataclasses.fields(self):
            looser, value = field.metadata.get(_LOOSER), getattr(self, field.name)
            if (looser == "larger" and value > field.default) or (looser == "smaller" and value < field.default):
                found[field.name] = field.default
        return found

    def relations(self) -> Iterator[str]:
        """Yield an error for each invalid horizon or quantile."""
        yield from horizons_problems(self.horizons_bins)
        yield from quantiles_problems(self.quantiles)
