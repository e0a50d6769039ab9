"""The slow, plain twins of every compiled kernel, under one roof: plain loops, written from the definitions."""

from tests.naive_filters import naive_expm_step
from tests.naive_lattice import NaiveResult, naive_lattice
from tests.naive_spectrum import naive_robust_z

__all__ = ["NaiveResult", "naive_expm_step", "naive_lattice", "naive_robust_z"]
