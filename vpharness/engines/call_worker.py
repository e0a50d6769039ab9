"""What a process of an engine does: it becomes like the one that sent it a call, and carries the call out.

A call travels as bytes with the folders it needs. The process takes over the sender's folder, module path and
settings of compilers, refuses to work with other sources than the sender's, and looks for a marker in each folder:
only where it finds the sender's own files does it touch them.
"""

import contextlib
import hashlib
import os
import pickle
import secrets
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, Final

from vpharness.engines.calls import Call, Work
from vpharness.errors import EngineError

_PASSED_ON: Final = ("VPHARNESS_", "JAX_", "NUMBA_")
"""What the names of those environment variables begin with that a process takes over where it has none."""
_MARKER: Final = ".seen-by-"
_PACKAGE: Final = Path(__file__).resolve().parents[1]


class Kind(Enum):
    """What an event says of a work."""

    BEGUN = "begun"
    EMITTED = "emitted"
    ENDED = "ended"
    RAISED = "raised"
    UNSEEN = "unseen"
    """The process does not see the folders, and was not told what to do then."""
    DIED = "died"


@dataclass(frozen=True)
class Event:
    """Something that happened to a work, and the value that belongs to it."""

    kind: Kind
    value: Any = None


@dataclass(frozen=True)
class Markers:
    """The markers of folders: a file of one name in each, with a secret of this sender in it."""

    name: str
    secret: str

    def all_seen(self, folders: Sequence[Path]) -> bool:
        """Whether this process sees all of those folders."""
        with contextlib.suppress(OSError, UnicodeDecodeError):
            return all((folder / self.name).read_text(encoding="utf-8") == self.secret for folder in folders)
        return False


@contextlib.contextmanager
def marked(works: Sequence[Work]) -> Iterator[Markers]:
    """Yield the markers of the folders of works, which are there until the block ends."""
    markers = Markers(f"{_MARKER}{secrets.token_hex(8)}", secrets.token_hex(16))
    folders = dict.fromkeys(folder for work in works for folder in work.folders)
    try:
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / markers.name).write_text(markers.secret, encoding="utf-8")
        yield markers
    except OSError as error:
        raise EngineError(f"cannot write to {error.filename}: {error.strerror}") from error
    finally:
        for folder in folders:
            with contextlib.suppress(OSError):
                (folder / markers.name).unlink(missing_ok=True)


@dataclass(frozen=True)
class _Sender:
    """What a process takes over from the one that sends it a call."""

    sources: str
    folder: str
    path: tuple[str, ...]
    variables: tuple[tuple[str, str], ...]


def packed(work: Work, markers: Markers) -> bytes:
    """Return a work as bytes, for `perform` in any process."""
    variables = [(name, value) for name, value in os.environ.items() if name.startswith(_PASSED_ON)]
    sender = _Sender(sources_digest(), str(Path.cwd()), tuple(filter(None, sys.path)), tuple(variables))
    elsewhere = None if work.elsewhere is None else pickle.dumps(work.elsewhere)
    return pickle.dumps((sender, markers, work.folders, pickle.dumps(work.call), elsewhere))


def perform(content: bytes, parcel: Callable[[], Any] | None, send: Callable[[Event], None]) -> None:
    """Carry out a packed work, and send what happens.

    Args:
        content: the work.
        parcel: returns the value of its parcel; None where it was not sent along.
        send: takes each event; the last one is of the kind ENDED, RAISED or UNSEEN.
    """
    try:
        sender, markers, folders, here, elsewhere = pickle.loads(content)  # noqa: S301  # from the cluster's own user
        _require_same_sources(sender)
        extra: tuple[Any, ...] = ()
        if _take_over(sender) and markers.all_seen(folders):
            call = _call(here)
        elif elsewhere is not None and parcel is not None:
            call, extra = _call(elsewhere), (parcel(),)
        else:
            send(Event(Kind.UNSEEN, socket.gethostname()))
            return
        send(Event(Kind.BEGUN))
        send(Event(Kind.ENDED, call.function(*call.arguments, *extra, lambda value: send(Event(Kind.EMITTED, value)))))
    except Exception as error:  # whatever it is, the sender raises it
        send(Event(Kind.RAISED, _portable(error)))


def _call(content: bytes) -> Call:
    try:
        call: Call = pickle.loads(content)  # noqa: S301  # from the cluster's own user
    except (ImportError, AttributeError) as error:
        raise EngineError(
            f"{socket.gethostname()} cannot import what the work needs: {error}; install it on every machine"
        ) from error
    return call


def _take_over(sender: _Sender) -> bool:
    """Take over the sender's folder and module path; return whether its folder is there."""
    sys.path += [each for each in sender.path if each not in sys.path]
    for name, value in sender.variables:
        os.environ.setdefault(name, value)
    try:
        os.chdir(sender.folder)
    except OSError:
        return False
    return True


def _require_same_sources(sender: _Sender) -> None:
    if sender.sources != sources_digest():
        raise EngineError(
            f"{socket.gethostname()} has another version of vpharness in {_PACKAGE}; results would not be the same: "
            "install the same one on every machine"
        )


@cache
def sources_digest() -> str:
    """Return the SHA-256 of all sources of this package: equal ones compute the same."""
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        digest.update(f"{path.relative_to(_PACKAGE).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _portable(error: Exception) -> Exception:
    """Return an error that can be pickled: itself, or an EngineError that says the same."""
    with contextlib.suppress(Exception):
        if str(pickle.loads(pickle.dumps(error))) == str(error):  # noqa: S301  # our own bytes
            return error
    return EngineError(f"{type(error).__name__}: {' '.join(str(error).split())}")
