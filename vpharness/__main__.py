"""`python -m vpharness <command> [hydra overrides]`, which the console script `vpharness` calls as well."""

import sys


def console() -> None:
    """Run the command that the process was started with, and end the process with its exit code."""
    try:
        from vpharness.process_end import end_process, search_garbage_rarely  # noqa: PLC0415  # see below

        search_garbage_rarely()
        from vpharness.commands.cli import main  # noqa: PLC0415  # an interruption may come while it is imported
        from vpharness.errors import INTERRUPTED  # noqa: PLC0415

        code = main(sys.argv[1:])
    except KeyboardInterrupt:  # before the work has begun
        sys.exit("vpharness: interrupted")
    if code == INTERRUPTED:
        end_process(code)
    sys.exit(code)


if __name__ == "__main__":
    console()
