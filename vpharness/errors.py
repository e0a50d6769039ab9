"""The errors a user can cause: each is shown as one line, without a traceback."""


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


class PromotionError(VpharnessError):
    """A run is not promoted, or what was promoted is damaged or no longer what it was."""
