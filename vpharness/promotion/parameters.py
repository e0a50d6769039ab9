"""What a run must have to be promoted: every limit, with its default."""

from collections.abc import Iterator
from dataclasses import dataclass

from vpharness.parameters import parameter
from vpharness.promotion.projection import horizons_problems, quantiles_problems


@dataclass(frozen=True)
class PromotionParameters:
    """The limits of the gates, and what is compiled into the bundle."""

    max_p_adjusted: float = parameter(
        0.05, meaning="train: the most that p_adjusted may be, over the whole family", minimum=0, maximum=1
    )
    min_train_net_low_ticks: float = parameter(
        0.0, meaning="train: the lower end of the net interval must be above this", unit="ticks"
    )
    min_test_net_ticks: float = parameter(
        0.0, meaning="test: the lower end of the net mean must be above this", unit="ticks"
    )
    min_test_fires: int = parameter(10, meaning="test: the least fires judged net", unit="fires", minimum=1)
    min_forward_fires: int = parameter(
        0,
        meaning="the least fires on events later than the candidate's first row in the ledger",
        unit="fires",
        minimum=0,
    )
    max_latency_share: float = parameter(
        0.2, meaning="the most of a bin that its step may take at the 99th percentile, on this host", above=0, maximum=1
    )
    audit_seed: int = parameter(0, meaning="seed of the audit's cuts", minimum=0)
    slice_bins: int = parameter(
        1800, meaning="bins of the recorded slice that a server replays", unit="bins", minimum=1, maximum=100_000
    )
    horizons_bins: list[int] = parameter(
        [1, 2, 4, 8, 20, 50], meaning="horizons of the projection", unit="bins", minimum=1, maximum=100_000
    )
    quantiles: list[float] = parameter(
        [0.05, 0.25, 0.5, 0.75, 0.95], meaning="quantiles of the projection", above=0, maximum=1
    )

    def relations(self) -> Iterator[str]:
        """Say what is wrong with the horizons and quantiles."""
        yield from horizons_problems(self.horizons_bins)
        yield from quantiles_problems(self.quantiles)
