"""`python -m runtime`: the live server."""

import sys

from runtime.serve import main
from vpharness.process_end import end_process

# A feed may still be reading when the server is told to stop: its thread is not waited for.
end_process(main(sys.argv[1:]))
