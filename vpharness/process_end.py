"""What processes do otherwise than Python by default: how often they search for garbage, and how they end."""

import atexit
import contextlib
import gc
import os
import sys
from typing import NoReturn


def search_garbage_rarely() -> None:
    """Search for garbage after 20,000 more objects instead of 700, and for old garbage after 20 searches, not 10.

    What a command imports and makes mostly stays, so that a search finds little: the default takes a tenth of the time
    of a run, and a fifth of that of importing MLflow.
    """
    gc.set_threshold(20_000, 20, 20)


def end_process(code: int) -> NoReturn:
    """Run what is registered for the end of the process, and end it now, without finalizing Python.

    Finalization is no harmless formality here. A KeyboardInterrupt that has passed through `exec` or `eval` of a string
    (a dataclass or a compiled function being made) is remembered by CPython as unhandled though it was caught, and the
    process would end as if killed by SIGINT. And a thread that is inside of native code while Python finalizes, as one
    that reads a table may be, aborts the process when it comes back.
    """
    atexit._run_exitfuncs()  # there is no public name, and os._exit alone would leave them out
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BrokenPipeError):  # whoever read it has gone
            stream.flush()
    os._exit(code)
