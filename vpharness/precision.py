"""All arithmetic is float64: importing this module switches JAX to it, here and nowhere else.

Whatever uses JAX imports this module first.
"""

import jax

jax.config.update("jax_enable_x64", True)  # type: ignore[no-untyped-call] # JAX has it untyped
