"""The newest ranking that can be had without waiting long: an older one is shown while the present one is made."""

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from vpharness.board.standing import Standing, kept_standing, new_standing, stamp_of
from vpharness.datasets.lake import Lake
from vpharness.errors import VpharnessError

PATIENCE_S: Final = 0.8
"""How long a page waits for the ranking of the present ledger before it shows an older one, or says that it is made."""


RETRY_S: Final = 5.0
"""How long an error is shown before the ranking is tried again: many are of a moment, such as too many open files."""


@dataclass(frozen=True)
class _Problem:
    """Why a ranking could not be made: of which state of the store, and since when it is known."""

    stamp: str
    error: Exception
    at_s: float


@dataclass(frozen=True)
class Seen:
    """A ranking as it is shown.

    Attributes:
        standing: the ranking; None where none has been made yet.
        is_current: whether it is that of the ledger as it is now.
        busy_s: for how long the present one has been being made; 0 where it is not.
    """

    standing: Standing | None
    is_current: bool
    busy_s: float = 0.0


@dataclass
class LedgerWatch:
    """Rankings of a lake's ledger, made in a thread when the store has changed; one at a time.

    What could not be made is tried again when the store has changed, or when somebody asks after a while.

    Attributes:
        lake: whose ledger it is.
        patience_s: how long `seen` waits for a new ranking.
        clock: seconds that only grow.
    """

    lake: Lake
    patience_s: float = PATIENCE_S
    clock: Callable[[], float] = time.monotonic
    _known: Standing | None = None
    _problem: _Problem | None = None
    _begun: float = 0.0
    _thread: threading.Thread | None = None
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def seen(self, *, whole: bool = False) -> Seen:
        """Return the newest ranking that there is.

        Args:
            whole: whether the candidates themselves are needed, and not only the table: then a ranking that was kept
                does not do, and an older one does where it has them.

        Raises VpharnessError where the ledger cannot be read.
        """
        stamp = stamp_of(self.lake)
        with self._changed:
            if self._known is None:
                self._known = self._kept()
            if not self._is_good(stamp, whole=whole):
                self._begin(stamp)
                self._changed.wait_for(lambda: self._is_done(stamp, whole=whole), self.patience_s)
            if self._problem is not None and self._problem.stamp == stamp:
                raise self._problem.error
            busy_s = self.clock() - self._begun if self._thread is not None else 0.0
            standing = self._known
            if whole and standing is not None and standing.ranked is None:
                standing = None
            return Seen(standing, standing is not None and standing.facts.stamp == stamp, busy_s)

    @property
    def is_current(self) -> bool:
        """Whether the ranking that is known, with its candidates, is that of the ledger as it is now."""
        return self._is_good(stamp_of(self.lake), whole=True)

    def _kept(self) -> Standing | None:
        # One that was kept is a convenience: the ledger itself says what is wrong with the store.
        with contextlib.suppress(VpharnessError):
            return kept_standing(self.lake)
        return None

    def _is_good(self, stamp: str, *, whole: bool) -> bool:
        known = self._known
        return known is not None and known.facts.stamp == stamp and (not whole or known.ranked is not None)

    def _is_done(self, stamp: str, *, whole: bool) -> bool:
        failed = self._problem is not None and self._problem.stamp == stamp
        return failed or self._thread is None or self._is_good(stamp, whole=whole)

    def _begin(self, stamp: str) -> None:
        problem, now = self._problem, self.clock()
        if self._thread is not None or (
            problem is not None and problem.stamp == stamp and now - problem.at_s < RETRY_S
        ):
            return
        self._problem, self._begun = None, now
        self._thread = threading.Thread(target=self._make, args=(stamp,), name="ranking", daemon=True)
        self._thread.start()

    def _make(self, stamp: str) -> None:
        standing: Standing | None = None
        problem: Exception | None = None
        try:
            standing = new_standing(self.lake, stamp)
        except Exception as error:  # whoever asks is told: it is raised where a page is made
            problem = error
        with self._changed:
            if standing is not None:
                self._known = standing
            self._problem = None if problem is None else _Problem(stamp, problem, self.clock())
            self._thread = None
            self._changed.notify_all()
