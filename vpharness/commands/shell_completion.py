"""What a shell completes after `vpharness`: commands, and for one of them what Hydra knows of its keys and choices."""

import os
from collections.abc import Sequence

from vpharness.commands.command_table import COMMANDS, DEFAULT_COMMAND
from vpharness.config.hydra_app import complete_with_hydra
from vpharness.config.search_path import prepare_process
from vpharness.errors import ConfigError

_REQUESTS = ("install", "uninstall", "query")


def complete(arguments: Sequence[str]) -> None:
    """Print a shell's completion script, or for `query=SHELL` the completions of the line in COMP_LINE.

    Raises ConfigError where it is not said which of them is wanted.
    """
    request = next((word for word in arguments if word.partition("=")[0] in _REQUESTS), None)
    if request is None or not request.partition("=")[2]:
        raise ConfigError("-sc needs a shell: vpharness -sc install=bash prints a script for eval")
    prepare_process()
    if not request.startswith("query="):
        complete_with_hydra(DEFAULT_COMMAND, request)
        return
    line = os.environ.get("COMP_LINE", "")
    words = line.split()[1:]
    typed = [] if line.endswith(" ") or not words else [words.pop()]
    name, rest = _command_of(words)
    if not rest:
        print("\n".join(_next_words(" ".join(words))))
    config_name = DEFAULT_COMMAND if COMMANDS[name].is_plan else name.replace(" ", "-")
    os.environ["COMP_LINE"] = " ".join(["vpharness", *rest, *(typed or [""])])
    complete_with_hydra(config_name, request)


def _next_words(begun: str) -> list[str]:
    """Return the words that may follow the beginning of a command's name."""
    beginning = f"{begun} ".lstrip()
    following = [name.removeprefix(beginning) for name in COMMANDS if name.startswith(beginning)]
    return [word for word in following if " " not in word]


def _command_of(words: Sequence[str]) -> tuple[str, Sequence[str]]:
    """Return the command that a line begins with, and the words behind it."""
    for length in (2, 1):
        if len(words) >= length and (name := " ".join(words[:length])) in COMMANDS:
            return name, words[length:]
    return DEFAULT_COMMAND, words
