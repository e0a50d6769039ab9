"""A process that answers for another one: a line of JSON on a socket asks, a line of JSON and the body answer.

It is started by the live server as `python -m vpharness.board.page_worker LAKE`, with the socket as its standard
input, and ends when that is closed. It gives way to everybody else: whatever it computes, deadlines are met elsewhere.
"""

import contextlib
import json
import os
import resource
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

NICEST: Final = 19
MOST_MEMORY_BYTES: Final = 4 * 2**30
"""What the process may have of memory of its own; where it wants more, its answer is lost, and it is started again."""

MOST_QUERY_BYTES: Final = 65_536


def main(arguments: Sequence[str]) -> int:
    """Answer until nobody asks any more."""
    give_way()
    from vpharness.board.answers import HEADERS, Board, answer  # noqa: PLC0415  # imported at low priority
    from vpharness.datasets.lake import Lake  # noqa: PLC0415

    board = Board.of(Lake(Path(arguments[0])))
    with socket.socket(fileno=os.dup(sys.stdin.fileno())) as asking, asking.makefile("rwb") as lines:
        while line := lines.readline(MOST_QUERY_BYTES):
            asked = json.loads(line)
            found = answer(board, asked["path"], asked["query"])
            head = {"status": int(found.status), "content_type": found.content_type, "bytes": len(found.body)}
            lines.write(json.dumps({**head, "headers": HEADERS}).encode() + b"\n" + found.body)
            lines.flush()
    return 0


def give_way() -> None:
    """Let this process run only where no other wants to, with a limit of memory and one thread a library.

    More threads would run beside the live server's engine. Libraries look at them when they are imported, after this.
    """
    os.nice(NICEST)
    with contextlib.suppress(OSError, AttributeError):  # only Linux has it
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES))
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ARROW_NUM_THREADS"):
        os.environ[name] = "1"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
