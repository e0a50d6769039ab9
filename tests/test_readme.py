"""The README's commands are run as they stand; only its install line is left to the continuous integration."""

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

from tests.commands.test_cli import PROJECT, in_process

README = (PROJECT / "README.md").read_text(encoding="utf-8")
COMMANDS, PROGRAMS, SERVERS = 20, 1, 2


def filled_in(words: list[str], folder: Path) -> list[str]:
    """Return a command's words, with an id that `compare` shows where the page says RUN."""
    if not any(word.endswith("=RUN") for word in words):
        return words
    ranked = json.loads(in_process(folder, "compare", "top=1", "json=true").stdout)
    return [word.replace("=RUN", f"={ranked[0]['candidate_id']}") for word in words]


def serve(folder: Path, words: list[str]) -> None:
    """Start a server, wait until it says where it serves, and stop it."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "VPHARNESS_LAKE": str(folder / "lake")}
    command = [sys.executable, "-m", "runtime", *words, "runtime.port=0", "runtime.stop_s=0"]
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603  # ours
        said = server.stdout.readline() if server.stdout else ""
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0, words
    assert said.startswith("serving "), words


def test_every_command_and_program_of_the_readme_works(tmp_path: Path) -> None:
    """In the order of the page, in one empty folder: each exits with 0 and prints something."""
    commands = programs = servers = 0
    for language, text in re.findall(r"```(bash|python)\n(.*?)```", README, flags=re.DOTALL):
        if language == "python":
            with contextlib.chdir(tmp_path):
                exec(compile(text, "README.md", "exec"), {})  # noqa: S102  # the page's own program
            programs += 1
            continue
        for line in text.splitlines():
            words = shlex.split(line)[3:]
            if line.startswith("python -m vpharness"):
                said = in_process(tmp_path, *filled_in(words, tmp_path))
                assert said.returncode == 0, (line, said.stderr)
                assert said.stdout, line
                commands += 1
            elif line.startswith("python -m runtime"):
                serve(tmp_path, words)
                servers += 1
    assert (commands, programs, servers) == (COMMANDS, PROGRAMS, SERVERS)


def test_the_install_line_is_what_the_continuous_integration_runs() -> None:
    """The page and the script install and begin in the same way."""
    script = (PROJECT / ".ci" / "run").read_text(encoding="utf-8")
    for words in ("pip install -c .ci/constraints.txt -e '.[dev]'", "python -m vpharness run"):
        assert words in README
        assert words in script
