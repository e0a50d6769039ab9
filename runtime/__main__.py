"""`python -m runtime`: the live server."""

import sys

from runtime.web.start_progress import tell_stage

if not {"--help", "-h", "help"} & set(sys.argv[1:]):
    tell_stage("loading libraries")

from runtime.serve import main  # they take seconds, which the line above explains
from vpharness.process_end import end_process

# A feed may still be reading when the server is told to stop: its thread is not waited for.
end_process(main(sys.argv[1:]))
