"""`python -m vpharness <command> [hydra overrides]`."""

import sys

from vpharness.tasks.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
