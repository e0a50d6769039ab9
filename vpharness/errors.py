"""The errors a user can cause: each is shown as one line, without a traceback."""

import errno
from typing import Final

USER_MISTAKE: Final = 2
INTERRUPTED: Final = 130
"""Exit codes: after one of the errors below, and after a signal that ends the work."""

_SHORT_DIGEST: Final = 12

_NO_MEMORY: Final = ("not enough memory", "Cannot allocate memory", "RESOURCE_EXHAUSTED", "std::bad_alloc")
"""What libraries written in C and C++ say where memory cannot be had, in errors of other kinds."""


def told_apart(one: str, other: str) -> tuple[str, str]:
    """Return the beginnings of two digests, long enough to differ where they do, for a message that shows both."""
    is_enough = one == other or one[:_SHORT_DIGEST] != other[:_SHORT_DIGEST]
    shown = _SHORT_DIGEST if is_enough else max(len(one), len(other))
    return one[:shown], other[:shown]


class VpharnessError(Exception):
    """An error that the user can mend. The message says what was expected, what was found, where, and what to do."""


class ConfigError(VpharnessError):
    """The configuration is wrong; nothing has been done yet."""


class SourceError(VpharnessError):
    """A source of events cannot be read, or holds what no exchange can have sent."""


class DatasetError(VpharnessError):
    """A dataset is missing, damaged, or stands in the way of another one."""


class ResultsError(VpharnessError):
    """The results store cannot be read or written."""


class TrackingError(VpharnessError):
    """A run that is in the store could not be tracked."""


class CampaignError(VpharnessError):
    """Runs of a campaign failed; the others are done."""


class EngineError(VpharnessError):
    """Work could not be handed to other processes or machines, or they could not do it."""


class FeedError(VpharnessError):
    """A live feed cannot be opened, or cannot go on."""


class PromotionError(VpharnessError):
    """A run cannot be promoted, or a promoted version is damaged or has changed."""


class OutOfMemoryError(VpharnessError):
    """Memory could not be allocated; nothing that was being read or computed is to blame."""


def out_of_memory(error: BaseException) -> OutOfMemoryError | None:
    """Return the user's error for an error that is a lack of memory, whatever library raised it; None for others."""
    is_one = isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
    if not is_one and not any(words in str(error) for words in _NO_MEMORY):
        return None
    what = " ".join(str(error).split()) or "an allocation failed"
    return OutOfMemoryError(f"out of memory ({what[:200]}); raise its limit, or give less to do at once (memory_mb=)")


def require_memory(error: BaseException) -> None:
    """Raise OutOfMemoryError where an error is a lack of memory, before a file is blamed for it."""
    if (lack := out_of_memory(error)) is not None:
        raise lack from error
