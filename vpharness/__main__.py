"""`python -m vpharness <command> [hydra overrides]`, which the console script `vpharness` calls as well."""

import gc
import sys


def console() -> None:
    """Run the command that the process was started with, and end the process with its exit code."""
    # What a command imports and makes mostly stays: Python's search for garbage after every 700 objects would find
    # little, and take a tenth of a run's time.
    gc.set_threshold(20_000, 20, 20)
    try:
        from vpharness.commands.cli import main  # noqa: PLC0415  # an interruption may come while it is imported
        from vpharness.errors import INTERRUPTED  # noqa: PLC0415
        from vpharness.process_end import end_process  # noqa: PLC0415

        code = main(sys.argv[1:])
    except KeyboardInterrupt:  # before the work has begun
        sys.exit("vpharness: interrupted")
    if code == INTERRUPTED:
        end_process(code)
    sys.exit(code)


if __name__ == "__main__":
    console()
