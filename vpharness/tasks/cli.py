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
from pathlib import Path
from typing import Any, Final

import hydra
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from vpharness.caches import JAX, cache_folder, sentences_on_lost_caches
from vpharness.errors import ConfigError, VpharnessError, out_of_memory
from vpharness.tasks import commands
from vpharness.tasks.conf import OWN_FOLDER_VARIABLE, PACKAGE, conf_folder
from vpharness.tasks.faults import faults_of, reported_with_the_plan
from vpharness.tasks.help import command_help, overview
from vpharness.tasks.interruption import interruptible
from vpharness.tasks.messages import one_line
from vpharness.tasks.words import is_there, quoted, refuse_endless_numbers

DEFAULT_COMMAND: Final = "run"
_FOLDERS_OF_HYDRA: Final = ("hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir", "hydra.job.chdir")

USER_MISTAKE: Final = 2
INTERRUPTED: Final = 130
BROKEN_PIPE: Final = 141


@dataclasses.dataclass(frozen=True)
class Command:
    """A command.

    Attributes:
        work: "module:function" of what it does with a composed config; imported only when it is wanted, since help and
            mistakes should not wait for compilers.
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


_DATASETS: Final = "vpharness.tasks.datasets"
_PROMOTED: Final = "vpharness.tasks.promoted"

COMMANDS: Final = {
    "run": Command("vpharness.tasks.run:run_run", commands.RunCommand),
    "plan": Command("vpharness.tasks.run:run_run", commands.PlanCommand, is_plan=True),
    "compare": Command("vpharness.tasks.compare:run_compare", commands.CompareCommand, renamed={"signal": "of_signal"}),
    "list-signals": Command("vpharness.tasks.list_signals:run_list_signals", commands.ListSignalsCommand),
    "audit": Command("vpharness.tasks.audit:run_audit", commands.AuditCommand),
    "promote": Command("vpharness.tasks.promote:run_promote", commands.PromoteCommand),
    "promote history": Command(f"{_PROMOTED}:run_history", commands.PromoteHistoryCommand),
    "promote show": Command(f"{_PROMOTED}:run_show", commands.PromoteShowCommand, words=("version",)),
    "promote diff": Command(f"{_PROMOTED}:run_diff", commands.PromoteDiffCommand, words=("a", "b")),
    "promote rollback": Command("vpharness.tasks.promote:run_rollback", commands.PromoteRollbackCommand),
    "online-sim": Command("vpharness.tasks.online_sim:run_online_sim", commands.OnlineSimCommand),
    "build": Command(f"{_DATASETS}:run_build", commands.BuildCommand),
    "publish": Command(f"{_DATASETS}:run_publish", commands.PublishCommand, words=("path",)),
    "list-datasets": Command(f"{_DATASETS}:run_list", commands.ListDatasetsCommand),
    "show": Command(f"{_DATASETS}:run_show", commands.ShowCommand),
    "verify": Command("vpharness.tasks.verify:run_verify", commands.VerifyCommand),
    "docs": Command("vpharness.tasks.docs:run_docs", commands.DocsCommand, words=("topic",)),
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
            getattr(importlib.import_module(module), function)(config)
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


def prepare_process() -> None:
    """Have Hydra find this project's plugins, and compilers keep what they compile."""
    plugins = str(PACKAGE / "plugins")
    if plugins not in sys.path:
        sys.path.append(plugins)
    # Compiled signals and evaluations are kept between commands, as the lattice's machine code is.
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ and (folder := cache_folder(JAX, JAX)) is not None:
        os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder)
    for sentence in sentences_on_lost_caches():
        print(f"vpharness: {sentence}", file=sys.stderr)
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")


def without_config_dir(words: Sequence[str]) -> list[str]:
    """Return the words without `--config-dir FOLDER`, which is passed on to where YAML files are looked for."""
    kept = list(words)
    for index, word in enumerate(kept):
        name, equals, folder = word.partition("=")
        if name in {"--config-dir", "-cd"}:
            given = folder if equals else "".join(kept[index + 1 : index + 2])
            found = Path(given)
            if not (given and found.is_dir()):
                raise ConfigError(f"--config-dir is {given!r}, which is no folder")
            os.environ[OWN_FOLDER_VARIABLE] = str(found.resolve())
            return kept[:index] + kept[index + (1 if equals else 2) :]
    return kept


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
