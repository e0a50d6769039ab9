"""Headless Chromium, driven through its own debugging protocol: a page that is opened, asked, clicked and pictured."""

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.request import urlopen

import matplotlib.image
import numpy as np
from numpy.typing import NDArray
from websockets.sync.client import ClientConnection, connect

PROGRAM: Final = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE_S: Final = 30.0
FLAGS: Final = (
    "--headless", "--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader",
    "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-extensions", "--hide-scrollbars", "--remote-debugging-port=0",
)  # fmt: skip
MODIFIERS: Final = {"alt": 1, "control": 2, "meta": 4, "shift": 8}


class PageError(AssertionError):
    """The page did not do what was asked of it."""


@dataclass
class Tab:
    """A page in Chromium."""

    socket: ClientConnection
    faults: list[str] = field(default_factory=list)
    """What the page's scripts failed with, and what its policy forbade."""
    _number: int = 0

    def command(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command of the protocol and return what comes of it."""
        self._number += 1
        self.socket.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while True:
            message = json.loads(self.socket.recv(timeout=PATIENCE_S))
            if message.get("id") == self._number:
                if "error" in message:
                    raise PageError(f"{method}: {message['error']}")
                return dict(message["result"])
            self._note(message)

    def open(self, address: str) -> None:
        """Open an address, and wait until it is loaded."""
        self.command("Page.navigate", url=address)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def ask(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""
        result = self.command("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise PageError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def wait(self, expression: str, patience_s: float = PATIENCE_S) -> Any:
        """Wait until an expression holds, and return its value."""
        return wait_for(lambda: self.ask(expression), expression, patience_s)

    def settle(self) -> None:
        """Wait until what has come is on screen: two frames later, and the texts' tenth of a second."""
        self.ask("new Promise(r => setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(r)), 150))")

    def size(self, width: int, height: int) -> None:
        """Give the window a size in pixels."""
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    def key(self, key: str, *modifiers: str) -> None:
        """Press a key."""
        held = sum(MODIFIERS[name] for name in modifiers)
        text = {"text": key} if len(key) == 1 and not held & ~8 else {}
        self.command("Input.dispatchKeyEvent", type="keyDown", key=key, modifiers=held, **text)
        self.command("Input.dispatchKeyEvent", type="keyUp", key=key, modifiers=held)

    def mouse(self, kind: str, x: float, y: float, **params: Any) -> None:
        """Move, press or release the mouse, or turn its wheel."""
        self.command("Input.dispatchMouseEvent", type=kind, x=x, y=y, **params)

    def click(self, selector: str) -> None:
        """Click on the middle of an element."""
        box = self.ask(
            f"(() => {{ const b = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
            " return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.mouse(kind, *box, button="left", clickCount=1)

    def picture(self) -> bytes:
        """Return what is on screen as PNG."""
        return base64.b64decode(self.command("Page.captureScreenshot", format="png")["data"])

    def pixels(self) -> NDArray[np.uint8]:
        """Return what is on screen, [height, width, 3]."""
        shown = matplotlib.image.imread(BytesIO(self.picture()), format="png")
        return np.asarray(np.rint(shown[:, :, :3] * 255), np.uint8)

    def heap_bytes(self) -> int:
        """Return what the page's scripts hold, once what they let go of is gone."""
        self.command("HeapProfiler.collectGarbage")
        return int(self.command("Runtime.getHeapUsage")["usedSize"])

    def _note(self, message: dict[str, Any]) -> None:
        if message.get("method") == "Runtime.exceptionThrown":
            self.faults.append(json.dumps(message["params"]["exceptionDetails"]))
        entry = message.get("params", {}).get("entry", {})
        if message.get("method") == "Log.entryAdded" and entry.get("source") == "security":
            self.faults.append(entry["text"])


def wait_for(condition: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
    """Wait until a condition holds, and return its value; PageError where it does not."""
    end = time.monotonic() + patience_s
    while not (value := condition()):
        if time.monotonic() > end:
            raise PageError(f"did not come within {patience_s:g} s: {what}")
        time.sleep(0.02)
    return value


@dataclass
class Browser:
    """A running Chromium."""

    process: subprocess.Popen[bytes]
    port: int

    @contextmanager
    def tab(self, width: int = 1280, height: int = 720) -> Iterator[Tab]:
        """Open a tab; at the end nothing in it may have failed."""
        with urlopen(f"http://127.0.0.1:{self.port}/json/list", timeout=PATIENCE_S) as answer:
            targets = [each for each in json.load(answer) if each["type"] == "page"]
        with connect(targets[0]["webSocketDebuggerUrl"], max_size=None, compression=None) as socket:
            tab = Tab(socket)
            for domain in ("Page", "Runtime", "Log"):
                tab.command(f"{domain}.enable")
            tab.size(width, height)
            yield tab
            tab.open("about:blank#")
            assert not tab.faults, tab.faults

    def processor_s(self) -> float:
        """Return the processor time of all processes of this browser so far."""
        tick = os.sysconf("SC_CLK_TCK")
        return sum(sum(map(int, fields[11:15])) for fields in _family(self.process.pid)) / tick


def _family(root: int) -> list[list[str]]:
    """Return the fields of /proc/PID/stat behind the name for a process and all that descend from it."""
    found: dict[int, list[str]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text()
        except OSError:
            continue  # it has ended
        found[int(path.parent.name)] = text.rpartition(")")[2].split()
    family, grows = {root}, True
    while grows:
        more = {pid for pid, fields in found.items() if int(fields[1]) in family} - family
        family, grows = family | more, bool(more)
    return [["", "", *found[pid]][2:] for pid in family if pid in found]


@contextmanager
def running(*flags: str) -> Iterator[Browser]:
    """Run Chromium with an empty profile."""
    assert PROGRAM is not None, "install chromium"
    with TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        command = [PROGRAM, *FLAGS, *flags, f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
        try:
            where = Path(profile) / "DevToolsActivePort"
            wait_for(lambda: where.exists() and where.read_text().strip(), "Chromium's port")
            yield Browser(process, int(where.read_text().split()[0]))
        finally:
            process.terminate()
            process.wait(PATIENCE_S)
