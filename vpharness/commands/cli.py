"""The one entry point: which command, what help, and errors as one line."""

import contextlib
import dataclasses
import errno
import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from itertools import pairwise
from typing import Any, Final

import hydra
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from vpharness.commands.interruption import interruptible
from vpharness.config import command_schemas as schemas
from vpharness.config.help_text import command_help, overview
from vpharness.config.override_errors import faults_of, one_line, reported_with_the_plan
from vpharness.config.override_grammar import is_there, quoted, refuse_endless_numbers
from vpharness.config.search_path import conf_folder, prepare_process, without_config_dir
from vpharness.errors import INTERRUPTED, USER_MISTAKE, ConfigError, VpharnessError, out_of_memory

DEFAULT_COMMAND: Final = "run"
_FOLDERS_OF_HYDRA: Final = ("hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir", "hydra.job.chdir")

BROKEN_PIPE: Final = 141


@dataclasses.dataclass(frozen=True)
class Command:
    """A command.

    Attributes:
        work: "module:function", below `vpharness.commands`, of what it does with a composed config; imported only when
            it is wanted, since help and mistakes should not wait for compilers.
        schema: the dataclass of its keys, whose docstring says what it does.
        words: the keys that words without a key stand for, in their order.
        renamed: keys that a user writes, and how they are called in the config: Hydra takes a key that is also the name
            of a group for a choice in that group.
        is_plan: whether it plans a multirun of the command `run` and carries nothing out.
    """

    work: str
    schema: type[Any]
    words: tuple[str, ...] = ()
    renamed: Mapping[str, str] = dataclasses.field(default_factory=dict)
    is_plan: bool = False


_VERSIONS: Final = "promoted_versions"

COMMANDS: Final = {
    "run": Command("run:run_run", schemas.RunCommand),
    "plan": Command("run:run_run", schemas.PlanCommand, is_plan=True),
    "compare": Command("compare:run_compare", schemas.CompareCommand, renamed={"signal": "of_signal"}),
    "list-signals": Command("list_signals:run_list_signals", schemas.ListSignalsCommand),
    "audit": Command("audit:run_audit", schemas.AuditCommand),
    "promote": Command("promote:run_promote", schemas.PromoteCommand),
    "promote history": Command(f"{_VERSIONS}:run_history", schemas.PromoteHistoryCommand),
    "promote show": Command(f"{_VERSIONS}:run_show", schemas.PromoteShowCommand, words=("version",)),
    "promote diff": Command(f"{_VERSIONS}:run_diff", schemas.PromoteDiffCommand, words=("a", "b")),
    "promote rollback": Command("promote:run_rollback", schemas.PromoteRollbackCommand),
    "online-sim": Command("online_sim:run_online_sim", schemas.OnlineSimCommand),
    "build": Command("build:run_build", schemas.BuildCommand),
    "publish": Command("publish:run_publish", schemas.PublishCommand, words=("path",)),
    "list-datasets": Command("list_datasets:run_list_datasets", schemas.ListDatasetsCommand),
    "show": Command("show:run_show", schemas.ShowCommand),
    "verify": Command("verify:run_verify", schemas.VerifyCommand),
}


def main(arguments: Sequence[str]) -> int:
    """Run a command and return the exit code: 0, or 2 with one line on standard error for a user's mistake."""
    if arguments and arguments[0] in {"--version", "-V"}:
        print(f"vpharness {version('vpharness')}")
        return 0
    if not arguments or arguments[0] in {"--help", "-h", "help"}:
        print(overview({name: command.schema for name, command in COMMANDS.items()}))
        return 0
    name, *rest = _folder_behind(arguments)
    if "=" in name or name.startswith("-"):
        name, rest = DEFAULT_COMMAND, [name, *rest]
    if rest and f"{name} {rest[0]}" in COMMANDS:
        name, rest = f"{name} {rest[0]}", rest[1:]
    if name not in COMMANDS:
        print(f"vpharness: no command {name!r}; there are {', '.join(COMMANDS)}", file=sys.stderr)
        return USER_MISTAKE
    if "--help" in rest or "-h" in rest:
        print(
            command_help(
                f"python -m vpharness {name}", COMMANDS[name].schema, conf_folder(), words=COMMANDS[name].words
            )
        )
        return 0
    return _worked(name, rest)


def _folder_behind(arguments: Sequence[str]) -> list[str]:
    """Return the words of a command line with a `--config-dir FOLDER` before the command behind it."""
    length = {"--config-dir": 2, "-cd": 2}.get(arguments[0], 1 if arguments[0].startswith("--config-dir=") else 0)
    words = [*arguments[length:], *arguments[:length]]
    return words if length and words[:1] and words[0] in COMMANDS else list(arguments)


def _worked(name: str, rest: Sequence[str]) -> int:
    """Do a command's work and return the exit code."""
    with interruptible() as interruption:
        try:
            _compose_and_work(name, rest)
            sys.stdout.flush()
        except BrokenPipeError:
            # Whoever read the output has gone; what is left of it must not be flushed when Python ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return BROKEN_PIPE
        except BaseException as error:
            # Compilers turn an interruption that meets them into errors of their own.
            if interruption.came:
                print("vpharness: interrupted; nothing half-made is left", file=sys.stderr)
                return INTERRUPTED
            mistake = mistake_in(error)
            if mistake is None:
                raise
            print(f"vpharness: {mistake}", file=sys.stderr)
            return USER_MISTAKE
    return 0


def mistake_in(error: BaseException) -> VpharnessError | None:
    """Return what a user is told of an error that the command line can cause; None for any other."""
    if isinstance(error, VpharnessError):
        return error
    if isinstance(error, HydraException | OmegaConfBaseException):
        return ConfigError(one_line(error))
    if (lack := out_of_memory(error)) is not None:
        return lack
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return ConfigError(f"{str(error.filename)[:60]}… is too long for the name of a file; shorten it")
    return None


def _compose_and_work(name: str, rest: Sequence[str]) -> None:
    command = COMMANDS[name]
    overrides = without_config_dir(rest)
    overrides = _with_keys(overrides, command.words, name)
    overrides = [quoted(_renamed(word, command.renamed)) for word in overrides]
    _refuse_idle(overrides)
    refuse_endless_numbers(overrides)
    if command.is_plan:
        overrides = ["-m", "hydra/launcher=plan", *overrides]
    prepare_process()
    # Hydra then hands errors on instead of printing them and leaving.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    failures: list[VpharnessError] = []
    module, _, function = command.work.partition(":")

    def work(config: DictConfig) -> None:
        # Hydra would print a line of its own about what leaves a job, and end a multirun at its first failure.
        try:
            getattr(importlib.import_module(f"vpharness.commands.{module}"), function)(config)
        except Exception as error:
            mistake = mistake_in(error)
            if mistake is None:
                raise
            failures.append(mistake)

    config_name = DEFAULT_COMMAND if command.is_plan else name.replace(" ", "-")

    def begin(words: Sequence[str]) -> None:
        sys.argv = ["vpharness", *words]
        hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name=config_name)(work)()

    try:
        begin(overrides)
    except (HydraException, OmegaConfBaseException) as error:
        _tell_all(overrides, config_name, begin)
        raise ConfigError(one_line(error)) from error
    if failures:
        raise VpharnessError("\nvpharness: ".join(one_line(error) for error in failures))


def _tell_all(words: Sequence[str], config_name: str, begin: Callable[[Sequence[str]], None]) -> None:
    """Raise one ConfigError with all words that Hydra cannot compose, and with all that a plan of the others finds."""
    found = faults_of(words, config_name, conf_folder())
    if not found:
        return
    if {"-m", "--multirun"} & set(words):
        with reported_with_the_plan(list(found.values())), contextlib.suppress(HydraException, OmegaConfBaseException):
            begin([word for word in words if word not in found])
    raise ConfigError("; ".join(dict.fromkeys(found.values())))


def _with_keys(words: Sequence[str], keys: Sequence[str], name: str) -> list[str]:
    """Return the words with the keys that those without one stand for."""
    waiting, found = list(keys), []
    for before, word in pairwise(["", *words]):
        if not _is_bare(word) or before.startswith("-"):  # what follows an option of Hydra's may be its value
            found.append(word)
        elif waiting:
            found.append(f"{waiting.pop(0)}={word}")
        else:
            longer = ", ".join(each for each in COMMANDS if each.startswith(f"{name} "))
            expected = " ".join(["KEY=VALUE", *(key.upper() for key in keys)]) + (f", or {longer}" if longer else "")
            raise ConfigError(f"{name} does not know what to do with {word!r}; expected {expected}")
    return found


def _is_bare(word: str) -> bool:
    return not word.startswith(("-", "~")) and ("=" not in word or is_there(word))


def _refuse_idle(words: Sequence[str]) -> None:
    """Raise ConfigError for Hydra's own keys that would change nothing here."""
    idle = [key for word in words if (key := word.lstrip("+").partition("=")[0]) in _FOLDERS_OF_HYDRA]
    if idle:
        raise ConfigError(
            f"{', '.join(idle)} would change nothing here: outputs=FOLDER says where the folders of runs go, and "
            "lake=FOLDER where datasets and results do"
        )


def _renamed(word: str, renamed: Mapping[str, str]) -> str:
    key, equals, value = word.partition("=")
    return f"{renamed.get(key, key)}{equals}{value}"
