"""`python -m runtime`: the live server."""

import sys

from runtime.serve import main

sys.exit(main(sys.argv[1:]))
