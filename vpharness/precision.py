"""How JAX computes: in float64, and in the thread that asks. Importing this module switches it, here and nowhere else.

Whatever uses JAX imports this module first. On the CPU it would hand all but the smallest computations to a thread of
its own; for a bin at a time waking it takes as long as the work, and many times that on a busy machine.
"""

import jax

jax.config.update("jax_enable_x64", True)  # type: ignore[no-untyped-call] # JAX has it untyped
jax.config.update("jax_cpu_enable_async_dispatch", False)  # type: ignore[no-untyped-call]
