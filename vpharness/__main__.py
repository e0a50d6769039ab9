"""`python -m vpharness <command> [hydra overrides]`, which the console script `vpharness` calls as well."""

import atexit
import os
import sys


def console() -> None:
    """Run the command that the process was started with, and end the process with its exit code."""
    try:
        from vpharness.commands.cli import main  # noqa: PLC0415  # an interruption may come while it is imported
        from vpharness.errors import INTERRUPTED  # noqa: PLC0415

        code = main(sys.argv[1:])
    except KeyboardInterrupt:  # before the work has begun
        sys.exit("vpharness: interrupted")
    if code == INTERRUPTED:
        _end_interrupted(code)
    sys.exit(code)


def _end_interrupted(code: int) -> None:
    """End the process with this code, which Python itself does not always do after a KeyboardInterrupt.

    One that has passed through `exec` or `eval` of a string (a dataclass or a compiled function being made) is
    remembered by CPython as unhandled though it was caught, and the process would then end as if killed by SIGINT.
    """
    atexit._run_exitfuncs()  # there is no public name; os._exit alone would leave them out
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    console()
