"""What live sessions have claimed of the versions of an instrument: an append-only file beside the history.

A line of `verdicts.jsonl` is one claim as JSON, with a checksum of itself and of the checksum before it, so that a line
that was changed or taken out shows. Nothing that is served depends on the file.
"""

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from vpharness.datasets.lake import Lake
from vpharness.errors import PromotionError
from vpharness.promotion.pointer import instrument_folder, instrument_lock

VERDICTS_FILE: Final = "verdicts.jsonl"
_CHECKSUM: Final = "sha256"
_FIRST: Final = ""
"""What stands in the place of the checksum before the first line."""


@dataclass(frozen=True)
class Verdict:
    """A claim of a version's live net result, as it stood when it was written.

    Attributes:
        version: the promoted version.
        says: the claim in words, see `evaluation.running_claims`.
        net_pnl_ticks, low, high: the mean with the ends of its confidence sequence; None where one is not finite.
        n_blocks: closed blocks that it rests on.
        since_ns: begin of the first bin that it rests on, ns since the Unix epoch.
        at_ns: when it was written.
        feed: what was followed: "databento", or the kind of a replay.
        live: whether that happened at the time; a replay's verdict is one on the past.
    """

    version: str
    says: str
    net_pnl_ticks: float | None
    low: float | None
    high: float | None
    n_blocks: int
    since_ns: int
    at_ns: int
    feed: str
    live: bool

    @property
    def text(self) -> str:
        """The verdict in a line."""
        known = self.net_pnl_ticks is not None and self.low is not None and self.high is not None
        figures = f": {self.net_pnl_ticks:+.2f} ({self.low:+.2f} to {self.high:+.2f}) ticks" if known else ""
        return f"{self.says}{figures} on {self.n_blocks} blocks{'' if self.live else ', replayed'}"


def verdicts(lake: Lake, instrument: str) -> list[Verdict]:
    """Return every verdict of an instrument, oldest first; a torn last line is left out.

    Raises PromotionError where the file cannot be read, or is not as it was written.
    """
    path = instrument_folder(lake, instrument) / VERDICTS_FILE
    return [verdict for verdict, _ in _lines(path, _content(path))]


def last_verdicts(lake: Lake, instrument: str) -> Mapping[str, Verdict]:
    """Return the last verdict of each version; raises what `verdicts` raises."""
    return {each.version: each for each in verdicts(lake, instrument)}


def keep_verdict(lake: Lake, instrument: str, verdict: Verdict) -> None:
    """Append a verdict to the file of an instrument for which something has been promoted.

    Raises PromotionError where the lake cannot be written, and what `verdicts` raises.
    """
    with instrument_lock(lake, instrument) as folder:
        path = folder / VERDICTS_FILE
        content = _content(path)
        checksums = [checksum for _, checksum in _lines(path, content)]
        kept = b"".join(each + b"\n" for each in content.split(b"\n")[: len(checksums)])
        before = checksums[-1] if checksums else _FIRST
        values = dataclasses.asdict(verdict)
        line = json.dumps({**values, _CHECKSUM: _checksum(values, before)}) + "\n"
        try:
            with path.open("ab") as file:
                file.truncate(min(len(kept), len(content)))
                file.write(kept[len(content) :] + line.encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise PromotionError(f"cannot write to {path}: {error.strerror}") from error


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise PromotionError(f"{path} cannot be read: {error.strerror}") from error


def _lines(path: Path, content: bytes) -> Iterator[tuple[Verdict, str]]:
    """Yield each verdict with its checksum; a last line that was cut off is left out."""
    before = _FIRST
    *whole, rest = content.split(b"\n")
    for number, text in enumerate([*whole, rest] if rest else whole, 1):
        found = _parsed(text, before)
        if found is None and number > len(whole) and _parsed(text[:-1], before) is None:
            return
        if found is None:
            raise PromotionError(
                f"{path}, line {number}, is not as it was written; restore the file from a copy, or move it away: "
                "nothing that is served depends on it"
            )
        yield found
        before = found[1]


def _parsed(text: bytes, before: str) -> tuple[Verdict, str] | None:
    """Return a line's verdict and checksum; None where it is not one that follows `before`."""
    try:
        values: Any = json.loads(text)
        checksum, verdict = values.pop(_CHECKSUM), Verdict(**values)
    except (ValueError, TypeError, AttributeError, KeyError):
        return None
    return (verdict, checksum) if checksum == _checksum(values, before) else None


def _checksum(values: Mapping[str, Any], before: str) -> str:
    return hashlib.sha256((before + json.dumps(values)).encode()).hexdigest()
