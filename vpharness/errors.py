"""The errors a user can cause: each is shown as one line, without a traceback."""

from typing import Final

_SHORT_DIGEST: Final = 12


def told_apart(one: str, other: str) -> tuple[str, str]:
    """Return the beginnings of two different digests, as far as tells them apart, for a message that shows both."""
    shown = _SHORT_DIGEST if one[:_SHORT_DIGEST] != other[:_SHORT_DIGEST] else max(len(one), len(other))
    return one[:shown], other[:shown]


class VpharnessError(Exception):
    """Something the user can mend. The message says what was expected, what was found, where, and what to do."""


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


class FeedError(VpharnessError):
    """A live feed cannot be opened, or cannot go on."""


class PromotionError(VpharnessError):
    """A run is not promoted, or what was promoted is damaged or no longer what it was."""
