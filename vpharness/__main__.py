"""`python -m vpharness <command> [hydra overrides]`."""

import sys

if __name__ == "__main__":
    try:
        from vpharness.commands.cli import main

        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:  # before the work has begun
        sys.exit("vpharness: interrupted")
