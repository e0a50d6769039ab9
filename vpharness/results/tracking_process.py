"""Tracking the runs of a campaign, and drawing its pictures, in a process beside it that it need not wait for.

Started as `python -m vpharness.results.tracking_process`. It imports what it needs, which takes seconds, and reads
JSON, a line each: the settings, then messages from `TrackingProcess`. When there are no more, it says what it could not
do, and why, and never anything before: the campaign listens in the end alone. Where the campaign is killed, the end of
its input ends it too.
"""

import contextlib
import dataclasses
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TextIO

from vpharness.errors import ResultsError, TrackingError
from vpharness.process_end import search_garbage_rarely
from vpharness.results.tracked_run import TrackedRun
from vpharness.results.tracking import Tracking, TrackingParameters, import_mlflow

_BEGIN: Final = "begin"
_RUNS: Final = "runs"
_PICTURE: Final = "picture"
_END: Final = "end"


class TrackingProcess:
    """The campaign's end of it: messages are handed over without waiting, and `close` waits for the last.

    A context manager: left before it is closed, it ends the process at once, and what is not tracked yet can be later.
    """

    def __init__(self) -> None:
        """Start the process: it waits until it is told what to do."""
        command = [sys.executable, "-m", __name__]
        # The same vpharness as this one, wherever it has been started.
        path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        # In a group of its own, so that Ctrl-C is heard by the campaign alone, which then ends it.
        self._process = subprocess.Popen(  # noqa: S603  # ours
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            process_group=0,
            env={**os.environ, "PYTHONPATH": path},
        )
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._feeder = threading.Thread(target=self._feed, daemon=True)
        self._feeder.start()

    def begin(self, tracking: TrackingParameters, outputs: Path, campaign: TrackedRun) -> None:
        """Open the tracking store, and begin the parent run of a campaign."""
        self._lines.put(json.dumps({"tracking": dataclasses.asdict(tracking), "outputs": str(outputs)}))
        self._send(_BEGIN, vars(campaign))

    def put(self, runs: Sequence[TrackedRun]) -> None:
        """Send runs to be tracked."""
        self._send(_RUNS, [vars(run) for run in runs])

    def draw(self, picture: Any, path: Path) -> None:
        """Send a picture to be drawn, and added to the run that is tracked for its folder, if there is one.

        Args:
            picture: one of `vpharness.results.plots`.
            path: the file.
        """
        self._send(_PICTURE, [type(picture).__name__, vars(picture), str(path)])

    def close(self, campaign: TrackedRun) -> None:
        """Add the campaign's own figures, and wait until everything is tracked and drawn.

        Raises TrackingError where something could not be.
        """
        self._send(_END, vars(campaign))
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
            more = f" (and {len(failures) - 1} more like it)" if len(failures) > 1 else ""
            raise TrackingError(f"{failures[0]}{more}")

    def __enter__(self) -> "TrackingProcess":
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if self._process.returncode is not None:
            return
        self._lines.put(None)
        self._process.kill()
        self._feeder.join()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process.wait()

    def _send(self, what: str, value: Any) -> None:
        self._lines.put(json.dumps([what, value]))

    def _feed(self) -> None:
        pipe = self._process.stdin
        if pipe is None:
            return
        # Where the process is gone, `close` says so, by its exit code.
        with contextlib.suppress(OSError), pipe:
            while (line := self._lines.get()) is not None:
                pipe.write(line + "\n")
                pipe.flush()


class _Follower:
    """What is done with messages, in the process.

    Attributes:
        failures: what could not be done, and why.
    """

    def __init__(self, tracking: Tracking | None, failures: list[str]) -> None:
        from vpharness.results.plots import PlotWriter  # noqa: PLC0415  # in this process alone

        self._tracking, self.failures = tracking, failures
        self._painter, self._parent = PlotWriter(), ""

    def follow(self, what: str, value: Any) -> None:
        """Do what a message asks for."""
        try:
            if what == _PICTURE:
                self._draw(*value)
            elif self._tracking is not None:
                self._track(self._tracking, what, value)
        except (TrackingError, ResultsError) as error:
            self.failures.append(str(error))

    def _track(self, tracking: Tracking, what: str, value: Any) -> None:
        if what == _BEGIN:
            self._parent = tracking.begin_campaign(_run(value))
        elif what == _RUNS:
            tracking.log_all([_run(each) for each in value], self._parent)
        else:
            tracking.end_campaign(self._parent, _run(value))

    def _draw(self, kind: str, values: dict[str, Any], path: str) -> None:
        from vpharness.results import plots  # noqa: PLC0415  # in this process alone

        kinds = {each.__name__: each for each in (plots.RunPlot, plots.CampaignPlot)}
        self._painter.draw(kinds[kind](**values), Path(path))
        if self._tracking is not None and kinds[kind] is plots.RunPlot:
            self._tracking.add_artifact(Path(path))


def _run(values: dict[str, Any]) -> TrackedRun:
    """Return a run as it was before JSON made a list of its dataset."""
    dataset = values["dataset"]
    return TrackedRun(**{**values, "dataset": None if dataset is None else tuple(dataset)})


def main() -> None:
    """Read settings and messages from standard input; write what failed, as one line of JSON."""
    answer = _answer_alone()
    search_garbage_rarely()
    import_mlflow()
    import matplotlib.figure  # noqa: F401, PLC0415  # takes half a second, while the campaign is being planned

    line = sys.stdin.readline()
    if not line:
        return  # the campaign has ended before it began
    settings = json.loads(line)
    failures: list[str] = []
    tracking = None
    try:
        tracking = Tracking(TrackingParameters(**settings["tracking"]), Path(settings["outputs"]))
    except TrackingError as error:
        failures.append(str(error))
    follower = _Follower(tracking, failures)
    for line in sys.stdin:
        follower.follow(*json.loads(line))
    print(json.dumps(failures), file=answer, flush=True)


def _answer_alone() -> TextIO:
    """Return standard output as a file that nothing but the answer is written to; what else is printed goes nowhere.

    A pipe holds 64 KiB, and whoever prints more into one that nobody reads yet waits for ever.
    """
    answer = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    return answer


if __name__ == "__main__":
    main()
