"""Reading Markdown pages as their tests do: commands that are run, programs, links and anchors."""

import contextlib
import importlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.commands.test_cli import PROJECT, in_process

_BLOCK: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_CODE: Final = re.compile(r"^```.*?^```$|`[^`\n]+`", re.DOTALL | re.MULTILINE)
_LINK: Final = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_NAME: Final = re.compile(r"# ([\w./-]+\.(?:py|yaml))\n")
_HEADING: Final = re.compile(r"^#+ +(.+)$", re.MULTILINE)
COMMAND: Final = "python -m vpharness"
SERVER: Final = "python -m runtime"


@dataclass(frozen=True)
class Count:
    """What a page holds: files that are written, and programs, commands and servers that are run."""

    files: int = 0
    programs: int = 0
    commands: int = 0
    servers: int = 0


def blocks(text: str, *languages: str) -> Iterator[tuple[str, str]]:
    """Yield the fenced blocks of some languages with their language, continued lines joined."""
    for language, body in _BLOCK.findall(text):
        if language in languages:
            yield language, body.replace("\\\n", " ")


def command_lines(text: str, *languages: str) -> Iterator[str]:
    """Yield the lines of blocks that call this project, without what is set before them and piped behind."""
    for _, body in blocks(text, *languages):
        for line in body.splitlines():
            found = re.search(rf"(?:^|\s)({COMMAND}|{SERVER})(?:\s.*)?$", line)
            if found and not line.startswith("#"):
                yield line[found.start(1) :]


def links(text: str) -> list[str]:
    """Return the targets of a page's links and pictures, those in code left out."""
    return _LINK.findall(_CODE.sub("", text))


def anchors(text: str) -> set[str]:
    """Return what a page's headings are called in links: lower case, words joined by hyphens."""
    without_blocks = _BLOCK.sub("", text)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in _HEADING.findall(without_blocks)}


def files_in(text: str) -> Iterator[tuple[str, str]]:
    """Yield name and content of the files that a page shows: blocks whose first line is a comment with their name."""
    for _, body in blocks(text, "python", "yaml"):
        if found := _NAME.match(body):
            yield found[1], body


def run_page(text: str, folder: Path) -> Count:
    """Write a page's files and run its commands and programs, in its order, in a folder.

    Each command must exit with 0 and print something.
    """
    files = programs = commands = servers = 0
    with importable(folder):
        for language, body in blocks(text, "bash", "python", "yaml"):
            if named := list(files_in(f"```{language}\n{body}```\n")):
                write_file(folder, *named[0])
                files += 1
            elif language == "python":
                run_program(body, folder)
                programs += 1
            for line in command_lines(f"```{language}\n{body}```\n", "bash"):
                words = shlex.split(line, comments=True)[3:]
                if line.startswith(SERVER):
                    assert first_line(folder, words).startswith("serving "), line
                    servers += 1
                else:
                    found = in_process(folder, *filled_in(words, folder))
                    assert found.returncode == 0, (line, found.stderr)
                    assert found.stdout, line
                    commands += 1
    return Count(files, programs, commands, servers)


@contextlib.contextmanager
def importable(folder: Path) -> Iterator[None]:
    """Import modules of a folder as a command begun there would, and forget them afterwards."""
    before, known = list(sys.path), set(sys.modules)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = before
        for name in set(sys.modules) - known:
            if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(folder)):
                del sys.modules[name]


def write_file(folder: Path, name: str, content: str) -> None:
    """Write a file that a page shows."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    importlib.invalidate_caches()


def run_program(body: str, folder: Path) -> None:
    """Run a page's Python program in a folder."""
    with contextlib.chdir(folder):
        exec(compile(body, "page", "exec"), {"__name__": "__main__"})  # noqa: S102  # the page's own program


def filled_in(words: list[str], folder: Path) -> list[str]:
    """Return a command's words, with an id that `compare` shows where the page says RUN."""
    if not any(word.endswith("=RUN") for word in words):
        return words
    ranked = json.loads(in_process(folder, "compare", "top=1", "mixed_horizon=true", "json=true").stdout)
    return [word.replace("=RUN", f"={ranked[0]['candidate_id']}") for word in words]


def first_line(folder: Path, words: list[str]) -> str:
    """Start a server, wait until it says where it serves, stop it, and return what it said."""
    environment = {**os.environ, "PYTHONPATH": f"{PROJECT}:{folder}", "VPHARNESS_LAKE": str(folder / "lake")}
    kept = [word for word in words if not word.startswith(("runtime.port=", "runtime.stop_s="))]
    command = [sys.executable, "-m", "runtime", *kept, "runtime.port=0", "runtime.stop_s=0"]
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603  # ours
        first = server.stdout.readline() if server.stdout else ""
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0, words
    return re.sub(r":\d+/$", ":8090/", first, flags=re.MULTILINE)
