"""The slow, plain twins of every compiled kernel, under one roof: plain loops, written from the definitions."""

from tests.naive_evaluation import (
    naive_block_seconds,
    naive_clustered_interval,
    naive_figures,
    naive_fires,
    naive_mid_outcome,
    naive_net_outcome,
    naive_p_adjusted,
    naive_p_value,
    naive_profit_t,
    naive_quantile,
    naive_queue_outcome,
    naive_sums_by_block,
    naive_t,
)
from tests.naive_filters import naive_expm_step
from tests.naive_lattice import NaiveResult, naive_lattice
from tests.naive_operators import naive_ema, naive_lag, naive_rate, naive_robust_z_series, naive_slope
from tests.naive_signals import NAIVE_SIGNALS
from tests.naive_spectrum import naive_robust_z

__all__ = [
    "NAIVE_SIGNALS",
    "NaiveResult",
    "naive_block_seconds",
    "naive_clustered_interval",
    "naive_ema",
    "naive_expm_step",
    "naive_figures",
    "naive_fires",
    "naive_lag",
    "naive_lattice",
    "naive_mid_outcome",
    "naive_net_outcome",
    "naive_p_adjusted",
    "naive_p_value",
    "naive_profit_t",
    "naive_quantile",
    "naive_queue_outcome",
    "naive_rate",
    "naive_robust_z",
    "naive_robust_z_series",
    "naive_slope",
    "naive_sums_by_block",
    "naive_t",
]
