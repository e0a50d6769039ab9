"""Which jobs have left Slurm's queue: asked of squeue, since a cluster may keep no accounts that sacct could read."""

import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from vpharness.errors import EngineError

ASK_S: Final = 5.0
"""How often Slurm is asked, at most."""
GRACE_S: Final = 30.0
"""How long a job must be out of the queue: its last report may take as long to be seen on another machine."""
SILENT_S: Final = 600.0
"""How long squeue may fail before nothing is waited for any longer."""
_ANSWER_S: Final = 20.0
_ENDED: Final = frozenset(
    {
        *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED"),
        *("NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED", "TIMEOUT"),
    }
)


@dataclass
class SlurmQueue:
    """What Slurm has said of its queue so far; times are seconds of a clock that never goes back.

    Attributes:
        absent_since: when each job that was not in the last answer was first missing.
    """

    absent_since: dict[str, float] = field(default_factory=dict)
    _asked: float | None = None
    _answered: float | None = None

    def gone(self, jobs: Iterable[str], now: float) -> list[str]:
        """Return which jobs Slurm has left out of its answers for `GRACE_S`; it is asked where `ASK_S` have passed.

        Raises EngineError where there is no squeue, and where it has failed for `SILENT_S`.
        """
        watched = list(jobs)
        if self._asked is not None and now - self._asked < ASK_S:
            return []
        self._asked = now
        queued, failure = _queued()
        if queued is None:
            self._answered = now if self._answered is None else self._answered
            if now - self._answered >= SILENT_S:
                raise EngineError(
                    f"squeue has failed for {SILENT_S / 60:.0f} minutes ({failure}), so that nothing is known of the "
                    "jobs; start the command again once Slurm answers: what is in the store is not run again"
                )
            return []
        self._answered = now
        self.absent_since = {job: self.absent_since.get(job, now) for job in watched if job not in queued}
        return [job for job, since in self.absent_since.items() if now - since >= GRACE_S]


def _queued() -> tuple[set[str] | None, str]:
    """Return the numbers of this user's jobs that have not ended; None, with the reason, where squeue fails."""
    squeue = shutil.which("squeue")
    if squeue is None:
        raise EngineError("there is no squeue here; start this where Slurm's commands are")
    # Its own settings would leave jobs out, or change what it prints.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SQUEUE_")}
    command = [squeue, "--noheader", "--array", "--states=all", "--format=%i %T", f"--user={os.getuid()}"]
    try:
        asked = subprocess.run(  # noqa: S603  # fixed words
            command, capture_output=True, text=True, check=True, timeout=_ANSWER_S, env=environment
        )
    except subprocess.CalledProcessError as error:
        return None, " ".join(str(error.stderr).split())[:200] or f"exit code {error.returncode}"
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, " ".join(str(error).split())[:200]
    rows = [line.split() for line in asked.stdout.splitlines()]
    return {row[0] for row in rows if len(row) > 1 and row[1] not in _ENDED}, ""
