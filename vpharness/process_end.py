"""Ending a process with its own exit code, whatever Python's finalization would make of it."""

import atexit
import contextlib
import os
import sys
from typing import NoReturn


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
