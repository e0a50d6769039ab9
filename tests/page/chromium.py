"""The system's Chromium, driven by Playwright: a page that is opened, evaluated, clicked and photographed."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import matplotlib.image
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import ConsoleMessage, Page, sync_playwright

PROGRAM: Final = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
TIMEOUT_S: Final = 30.0
_POPUPS: Final = ("WebUIOmniboxPopup", "WebUIOmniboxAimPopup")
"""Pages of Chromium's own below its address bar: each window would load both, in a process that nobody sees."""
_OFF_WITHOUT_THEM: Final = (
    *("AimEnabled", "HttpsFirstBalancedModeAutoEnable", "HttpsUpgrades", "LensOverlay", "MediaRouter"),
    *("NetworkTimeServiceQuerying", "OptimizationHints", "PreconnectToSearch"),
    *("AvoidCorsURLLoaderRestartOnRedirect", "AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose"),
    *("PaintHolding", "ThirdPartyStoragePartitioning"),
)
"""What Playwright switches off: Chromium goes by the last list that it is given, which is the one below."""
FLAGS: Final = (
    *("--no-sandbox", "--enable-unsafe-swiftshader", "--disable-quic"),
    f"--disable-features={','.join((*_POPUPS, *_OFF_WITHOUT_THEM))}",
)
"""A container has neither a sandbox of its own nor a graphics processor."""


class PageError(AssertionError):
    """The page did not do what was asked of it."""


@dataclass
class Tab:
    """A page in Chromium, with the errors of its scripts and what its security policy forbade."""

    page: Page
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._note)

    def _note(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            self.errors.append(message.text)

    def open(self, address: str) -> None:
        """Open an address, and wait until it is loaded."""
        self.page.goto(address)

    def ask(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""
        return self.page.evaluate(expression)

    def wait(self, expression: str, timeout_s: float = TIMEOUT_S) -> Any:
        """Wait until an expression holds, and return its value."""
        return wait_for(lambda: self.ask(expression), expression, timeout_s, pause=self._pause)

    def _pause(self, seconds: float) -> None:
        # Playwright hears of errors and closed pages only while it is waited in.
        self.page.wait_for_timeout(1000 * seconds)

    def settle(self) -> None:
        """Wait until what has come is on screen: two frames later, and the texts' tenth of a second."""
        self.ask("new Promise(r => setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(r)), 150))")

    def size(self, width: int, height: int) -> None:
        """Give the window a size in pixels."""
        self.page.set_viewport_size({"width": width, "height": height})

    def key(self, key: str, *modifiers: str) -> None:
        """Press a key, with modifiers (Alt, Control, Meta, Shift) held."""
        self.page.keyboard.press("+".join([*modifiers, key]))

    def hover(self, x: float, y: float) -> None:
        """Move the mouse to a place."""
        self.page.mouse.move(x, y)

    def click_at(self, x: float, y: float) -> None:
        """Press and release the mouse at a place."""
        self.page.mouse.click(x, y)

    def drag(self, *places: tuple[float, float]) -> None:
        """Press the mouse at the first place, move it over the others, and release it at the last."""
        self.hover(*places[0])
        self.page.mouse.down()
        for place in places[1:]:
            self.hover(*place)
        self.page.mouse.up()

    def turn_wheel(self, x: float, y: float, pixels: float, *modifiers: str) -> None:
        """Turn the mouse wheel at a place, with modifiers held."""
        self.hover(x, y)
        for modifier in modifiers:
            self.page.keyboard.down(modifier)
        self.page.mouse.wheel(0, pixels)
        for modifier in modifiers:
            self.page.keyboard.up(modifier)

    def click(self, selector: str) -> None:
        """Click on the middle of an element."""
        self.page.click(selector)

    def pixels(self) -> NDArray[np.uint8]:
        """Return what is on screen, [height, width, 3]."""
        shown = matplotlib.image.imread(BytesIO(self.page.screenshot(caret="initial")), format="png")
        return np.asarray(np.rint(shown[:, :, :3] * 255), np.uint8)

    def protocol(self, *methods: str) -> dict[str, Any]:
        """Send methods of Chromium's debugging protocol and return the answer to the last."""
        session = self.page.context.new_cdp_session(self.page)
        answers = [session.send(method) for method in methods]
        session.detach()
        return dict(answers[-1])

    def heap_bytes(self) -> int:
        """Return what the page's scripts hold, once what they let go of is gone."""
        return int(self.protocol("HeapProfiler.collectGarbage", "Runtime.getHeapUsage")["usedSize"])


def wait_for(
    condition: Callable[[], Any],
    what: str,
    timeout_s: float = TIMEOUT_S,
    pause: Callable[[float], None] = time.sleep,
) -> Any:
    """Wait until a condition holds, and return its value; PageError where it does not."""
    end = time.monotonic() + timeout_s
    while not (value := condition()):
        if time.monotonic() > end:
            raise PageError(f"did not come within {timeout_s:g} s: {what}")
        pause(0.02)
    return value


@dataclass
class Browser:
    """A running Chromium."""

    chromium: Chromium

    @contextmanager
    def tab(self, width: int = 1280, height: int = 720) -> Iterator[Tab]:
        """Open a tab with an empty profile; at the end nothing in it may have failed."""
        context = self.chromium.new_context(viewport={"width": width, "height": height})
        context.set_default_timeout(1000 * TIMEOUT_S)
        try:
            tab = Tab(context.new_page())
            yield tab
            assert not tab.errors, tab.errors
        finally:
            context.close()

    def processor_s(self) -> float:
        """Return the processor time of all processes of Chromium that this process has started, so far."""
        tick = os.sysconf("SC_CLK_TCK")
        return sum(sum(map(int, fields[11:13])) for fields in _descendants(os.getpid())) / tick


def _descendants(root: int) -> list[list[str]]:
    """Return the fields of /proc/PID/stat behind the name for every Chromium that descends from a process."""
    found: dict[int, tuple[str, list[str]]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text()
        except OSError:
            continue  # it has ended
        name, _, fields = text.rpartition(")")
        found[int(path.parent.name)] = name.partition("(")[2], fields.split()
    family, grows = {root}, True
    while grows:
        more = {pid for pid, (_, fields) in found.items() if int(fields[1]) in family} - family
        family, grows = family | more, bool(more)
    return [found[pid][1] for pid in family if pid in found and "chrom" in found[pid][0]]


@contextmanager
def installed() -> "Iterator[Browser]":
    """Run Chromium; a machine without it skips these tests, but not the project's own CI."""
    if PROGRAM is None and "CI" not in os.environ:
        pytest.skip("there is no chromium here")
    with running() as browser:
        yield browser


@contextmanager
def running(*flags: str) -> Iterator[Browser]:
    """Run Chromium."""
    assert PROGRAM is not None, "install chromium"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=PROGRAM, args=[*FLAGS, *flags])
        try:
            yield Browser(chromium)
        finally:
            chromium.close()
