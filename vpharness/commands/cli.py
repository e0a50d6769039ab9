"""The entry point: which command, its help, and a user's mistakes as one line each."""

import dataclasses
import errno
import os
import sys
from collections.abc import Collection, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, Final

from vpharness.commands.command_table import COMMANDS, DEFAULT_COMMAND, Command
from vpharness.commands.interruption import interruptible
from vpharness.config.malformed_overrides import refuse_malformed
from vpharness.config.override_grammar import is_there, quoted
from vpharness.config.search_path import choices_of, prepare_process, without_config_dir
from vpharness.errors import INTERRUPTED, USER_MISTAKE, ConfigError, VpharnessError, out_of_memory
from vpharness.wording import did_you_mean

_FOLDERS_OF_HYDRA: Final = ("hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir", "hydra.job.chdir")
_MULTIRUN: Final = frozenset({"-m", "--multirun"})
_COMPLETION: Final = frozenset({"-sc", "--shell-completion"})
_ERRORS_OF_HYDRA: Final = frozenset(
    {("hydra.errors", "HydraException"), ("omegaconf.errors", "OmegaConfBaseException")},
)
BROKEN_PIPE: Final = 141


def main(arguments: Sequence[str]) -> int:
    """Run a command and return the exit code: 0, or 2 with one line on standard error for a user's mistake."""
    with interruptible() as interruption:
        try:
            _run(list(arguments))
            sys.stdout.flush()
        except BrokenPipeError:
            # Whoever read the output has gone; what is left of it must not be flushed when Python ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return BROKEN_PIPE
        except BaseException as error:
            # Compilers turn an interruption that meets them into errors of their own.
            if interruption.came:
                print("vpharness: interrupted; no incomplete files are left", file=sys.stderr)
                return INTERRUPTED
            mistake = mistake_in(error)
            if mistake is None:
                raise
            print(f"vpharness: {mistake}", file=sys.stderr)
            return USER_MISTAKE
    return 0


def _run(arguments: list[str]) -> None:
    if not arguments or arguments[0] in {"--help", "-h", "help"}:
        from vpharness.config.help_text import overview  # noqa: PLC0415  # where it is needed, as all that follow

        print(overview({name: command.schema for name, command in COMMANDS.items()}))
    elif arguments[0] in {"--version", "-V"}:
        from importlib.metadata import version  # noqa: PLC0415

        print(f"vpharness {version('vpharness')}")
    elif _COMPLETION.intersection(arguments):
        from vpharness.commands.shell_completion import complete  # noqa: PLC0415

        complete(arguments)
    else:
        name, rest, multirun = command_line(arguments)
        if "--help" in rest or "-h" in rest:
            from vpharness.config.help_text import remembered_help  # noqa: PLC0415

            print(remembered_help(name, COMMANDS[name].schema, COMMANDS[name].positional))
        else:
            _compose_and_work(name, rest, multirun=multirun)


def command_line(arguments: Sequence[str]) -> tuple[str, list[str], bool]:
    """Return the command's name, what is given to it, and whether a multirun is asked for.

    `-m` and `--config-dir FOLDER` may stand before the command or behind it.
    """
    for word in arguments:
        option, equals, _ = word.partition("=")
        if equals and option in _MULTIRUN:
            raise ConfigError(f"{word} has a value, and {option} takes none; it stands alone, before the axes")
    multirun = not _MULTIRUN.isdisjoint(arguments)
    name, *rest = _config_dir_behind([word for word in arguments if word not in _MULTIRUN]) or [DEFAULT_COMMAND]
    if "=" in name or name.startswith(("-", "+", "~")):
        name, rest = DEFAULT_COMMAND, [name, *rest]
    if rest and f"{name} {rest[0]}" in COMMANDS:
        name, rest = f"{name} {rest[0]}", rest[1:]
    if name not in COMMANDS:
        is_signal = name in choices_of("signal")
        hint = f"did you mean signal={name}? " if is_signal else did_you_mean(name, COMMANDS)
        raise ConfigError(f"no command {name!r}; {hint}python -m vpharness --help lists them")
    return name, rest, multirun


def _config_dir_behind(arguments: list[str]) -> list[str]:
    """Return the arguments with a `--config-dir FOLDER` before the command moved behind it."""
    first = arguments[0] if arguments else ""
    length = {"--config-dir": 2, "-cd": 2}.get(first, 1 if first.startswith("--config-dir=") else 0)
    moved = [*arguments[length:], *arguments[:length]]
    return moved if length and moved[:1] and moved[0] in COMMANDS else arguments


def mistake_in(error: BaseException) -> VpharnessError | None:
    """Return the message for an error caused by the command line; None for any other error."""
    if isinstance(error, VpharnessError):
        return error
    # Known by their names: most commands do not need Hydra, and its import takes long.
    if not _ERRORS_OF_HYDRA.isdisjoint((kind.__module__, kind.__name__) for kind in type(error).__mro__):
        from vpharness.config.override_errors import one_line  # noqa: PLC0415

        return ConfigError(one_line(error))
    if (lack := out_of_memory(error)) is not None:
        return lack
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return ConfigError(f"{str(error.filename)[:60]}… is too long for the name of a file; shorten it")
    return None


def _compose_and_work(name: str, rest: Sequence[str], *, multirun: bool) -> None:
    command = COMMANDS[name]
    overrides = _with_keys(without_config_dir(rest), command, name)
    overrides = [quoted(_renamed(word, command)) for word in overrides]
    _refuse_idle(overrides)
    config_name = DEFAULT_COMMAND if command.is_plan else name.replace(" ", "-")
    shown = {own: written for written, own in command.renamed.items()}
    refuse_malformed(overrides, config_name, multirun=multirun or command.is_plan, shown=shown)
    prepare_process()
    if command.is_plan:
        overrides, multirun = ["hydra/launcher=plan", *overrides], True
    if not multirun:
        from vpharness.config.plain_composition import compose_plainly  # noqa: PLC0415

        if (config := compose_plainly(config_name, overrides)) is not None:
            command.function()(config)
            return
    _through_hydra(command, config_name, overrides, multirun=multirun)


def _through_hydra(command: Command, config_name: str, overrides: list[str], *, multirun: bool) -> None:
    """Compose with Hydra and do the work, with all that is wrong in the overrides in one error."""
    from vpharness.config.hydra_app import Task, run_through_hydra  # noqa: PLC0415
    from vpharness.config.override_errors import WRONG, errors_of_overrides, one_line  # noqa: PLC0415

    failures: list[VpharnessError] = []
    work = partial(_guarded, command, failures)
    try:
        run_through_hydra(config_name, overrides, Task(work, _launch, _search), multirun=multirun)
    except WRONG as error:
        if isinstance(error, VpharnessError):
            raise
        wrong = errors_of_overrides(overrides, config_name)
        if not wrong:
            raise ConfigError(one_line(error)) from error
        if multirun:
            good = [word for word in overrides if word not in wrong]
            task = Task(work, _launch, _search, problems=tuple(wrong.values()))
            # A plan of the other overrides is refused, for these reasons and for what it finds itself.
            try:
                run_through_hydra(config_name, good, task, multirun=True)
            except WRONG as refused:
                if isinstance(refused, VpharnessError):
                    raise
        raise ConfigError("; ".join(dict.fromkeys(wrong.values()))) from error
    if failures:
        raise VpharnessError("\nvpharness: ".join(one_line(error) for error in failures))


def _guarded(command: Command, failures: list[VpharnessError], config: Any) -> None:
    """Do one job, and keep a user's mistake: Hydra would end a multirun at the first, and print a line of its own."""
    try:
        command.function()(config)
    except Exception as error:
        mistake = mistake_in(error)
        if mistake is None:
            raise
        failures.append(mistake)


def _launch(*arguments: Any, **settings: Any) -> Any:
    from vpharness.commands.campaign import launch  # noqa: PLC0415  # imports the compilers

    return launch(*arguments, **settings)


def _search(*arguments: Any, **settings: Any) -> Any:
    from vpharness.commands.search import launch_search  # noqa: PLC0415  # imports the compilers

    return launch_search(*arguments, **settings)


def _with_keys(arguments: Sequence[str], command: Command, name: str) -> list[str]:
    """Return the arguments with the keys that those without one stand for."""
    keys = command.positional
    if command.is_phrase and len(arguments) > 1 and all(map(_is_bare, arguments)):
        arguments = [" ".join(arguments)]
    waiting, found = list(keys), []
    for before, word in pairwise(["", *arguments]):
        if not _is_bare(word) or before.startswith("-"):  # what follows an option of Hydra's may be its value
            found.append(word)
        elif waiting:
            found.append(f"{waiting.pop(0)}={word}")
        else:
            longer = ", ".join(each for each in COMMANDS if each.startswith(f"{name} "))
            expected = " ".join(["KEY=VALUE", *(key.upper() for key in keys)]) + (f", or {longer}" if longer else "")
            takes = {field.name for field in dataclasses.fields(command.schema)}
            hint = f"; did you mean dataset.id={word}?" if "dataset" in takes and "signal" not in takes else ""
            hint = _hint_of_writing(word, before, takes) or hint
            raise ConfigError(f"{name} does not accept {word!r}; expected {expected}{hint}")
    return found


def _hint_of_writing(word: str, before: str, takes: Collection[str]) -> str:
    """Return what to write in place of a word without a key, where the words before it or its own form say so.

    Args:
        word: the word.
        before: the one before it.
        takes: the keys of the command.
    """
    key = before.partition("=")[0]
    if before.count("[") > before.count("]"):
        return f"; a list is written without spaces: {key}=[VALUE,VALUE]"
    if before.endswith("="):
        return f"; write it without spaces: {before}{word}"
    if word in takes:
        return f"; write it without spaces: {word}=VALUE"
    name, colon, value = word.partition(":")
    if colon and name in takes:
        return f"; write {name}={value}"
    if "signal" in takes and word in choices_of("signal"):
        return f"; did you mean signal={word}?"
    return ""


def _is_bare(word: str) -> bool:
    return not word.startswith(("-", "~")) and ("=" not in word or is_there(word))


def _refuse_idle(overrides: Sequence[str]) -> None:
    """Raise ConfigError for Hydra's own keys that have no effect here."""
    keys = [word.lstrip("+").partition("=")[0] for word in overrides]
    if "hydra.mode" in keys:
        raise ConfigError("hydra.mode has no effect here: use -m for a multirun")
    if idle := [key for key in keys if key in _FOLDERS_OF_HYDRA]:
        raise ConfigError(
            f"{', '.join(idle)} {'has' if len(idle) == 1 else 'have'} no effect here: outputs=FOLDER says where the "
            "folders of runs go, and lake=FOLDER where datasets and results do"
        )


def _renamed(word: str, command: Command) -> str:
    key, equals, value = word.partition("=")
    return f"{command.renamed.get(key, key)}{equals}{value}"
