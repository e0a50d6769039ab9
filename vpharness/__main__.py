"""`python -m vpharness <command> [hydra overrides]`, which the console script `vpharness` calls as well."""

import sys


def console() -> None:
    """Run the command that the process was started with, and end the process with its exit code."""
    try:
        from vpharness.commands.cli import main  # noqa: PLC0415  # an interruption may come while it is imported

        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:  # before the work has begun
        sys.exit("vpharness: interrupted")


if __name__ == "__main__":
    console()
