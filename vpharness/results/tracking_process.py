"""Tracking the runs of a campaign from a process of its own, so that the runs need not wait for it.

Started as `python -m vpharness.results.tracking_process`. It reads JSON, a line each: the settings, then messages from
`TrackingProcess`; when there are no more, it says how many runs it could not track, and why. Where the campaign is
killed, the end of its input ends it too.
"""

import contextlib
import dataclasses
import json
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Final

from vpharness.errors import TrackingError
from vpharness.results.tracking import TrackedRun, Tracking, TrackingParameters

_BEGIN: Final = "begin"
_RUN: Final = "run"
_FIGURE: Final = "figure"
_END: Final = "end"


class TrackingProcess:
    """The campaign's end of it: messages are handed over without waiting, and `close` waits for the last."""

    def __init__(self, tracking: TrackingParameters, outputs: Path, campaign: TrackedRun) -> None:
        """Start the process, and the parent run of the campaign."""
        command = [sys.executable, "-m", __name__]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603  # ours
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._feeder = threading.Thread(target=self._feed, daemon=True)
        self._feeder.start()
        settings = {"tracking": dataclasses.asdict(tracking), "outputs": str(outputs)}
        self._lines.put(json.dumps(settings))
        self._send(_BEGIN, campaign)

    def put(self, run: TrackedRun) -> None:
        """Have a run tracked."""
        self._send(_RUN, run)

    def put_figure(self, figure: Path) -> None:
        """Have a figure added to the run of the folder in which it lies."""
        self._lines.put(json.dumps([_FIGURE, str(figure)]))

    def close(self, campaign: TrackedRun) -> None:
        """Add the campaign's own figures, and wait until everything is tracked.

        Raises TrackingError where something could not be.
        """
        self._send(_END, campaign)
        self._lines.put(None)
        self._feeder.join()
        said = ""
        if self._process.stdout is not None:
            with self._process.stdout as pipe:
                said = pipe.read()
        code = self._process.wait()
        if code:
            raise TrackingError(f"the runs are in the store, but tracking ended with exit code {code}")
        failures = json.loads(said.splitlines()[-1])
        if failures:
            raise TrackingError(f"{len(failures)} runs could not be tracked: {failures[0]}")

    def kill(self) -> None:
        """End the process at once; what it has not tracked can be tracked later."""
        self._lines.put(None)
        self._process.kill()
        self._feeder.join()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process.wait()

    def _send(self, what: str, run: TrackedRun) -> None:
        self._lines.put(json.dumps([what, dataclasses.asdict(run)]))

    def _feed(self) -> None:
        pipe = self._process.stdin
        if pipe is None:
            return
        # Where the process is gone, `close` says so, by its exit code.
        with contextlib.suppress(OSError), pipe:
            while (line := self._lines.get()) is not None:
                pipe.write(line + "\n")


def main() -> None:
    """Read settings and messages from standard input; write what failed, as one line of JSON."""
    settings = json.loads(sys.stdin.readline())
    print(json.dumps(_follow(settings)), flush=True)


def _follow(settings: dict[str, Any]) -> list[str]:
    try:
        tracking = Tracking(TrackingParameters(**settings["tracking"]), Path(settings["outputs"]))
    except TrackingError as error:
        return [str(error)]
    parent: str | None = None
    failures: list[str] = []
    for line in sys.stdin:
        what, values = json.loads(line)
        try:
            if what == _BEGIN:
                parent = tracking.begin_campaign(TrackedRun(**values))
            elif what == _RUN:
                tracking.log(TrackedRun(**values), parent)
            elif what == _FIGURE:
                tracking.add_artifact(Path(values))
            elif parent is not None:
                tracking.end_campaign(parent, TrackedRun(**values))
        except TrackingError as error:
            failures.append(str(error))
    return failures


if __name__ == "__main__":
    main()
