"""One command through Hydra: composed once and done, or composed and handed to a sweeper for a multirun.

`hydra.main` composes a configuration twice, the first time only to learn whether it is a multirun, and prints errors of
its own. It is called for Hydra's own options alone (`--cfg job`, `--info`, and the like).
"""

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import hydra
from hydra import version
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path, get_args_parser
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from vpharness.config.search_path import conf_folder
from vpharness.errors import ConfigError
from vpharness.wording import did_you_mean


@dataclass(frozen=True)
class Task:
    """The function that Hydra calls with a composed configuration.

    Attributes:
        work: does one job.
        launch: carries out all jobs of a multirun together: `vpharness.commands.campaign.launch`.
        search: carries out jobs that are proposed by the results of others: `vpharness.commands.search.launch_search`.
        problems: what is known to be wrong with a multirun before it is planned.
    """

    work: Callable[[DictConfig], None]
    launch: Callable[..., Any] | None = None
    search: Callable[..., Any] | None = None
    problems: tuple[str, ...] = ()

    def __call__(self, config: DictConfig) -> None:
        """Do one job."""
        self.work(config)


def run_through_hydra(config_name: str, overrides: Sequence[str], task: Task, *, multirun: bool) -> None:
    """Compose the configuration of a command with overrides, and do its work once or for every job of a multirun."""
    options = [word for word in overrides if word.startswith("-")]
    if options:
        _hydra_main(config_name, [*overrides, *(["-m"] if multirun else [])], task)
        return
    with _app() as app:
        begin = app.multirun if multirun else app.run
        begin(config_name=config_name, overrides=list(overrides), task_function=task)


def given_overrides() -> list[str]:
    """Return the overrides of the job that Hydra is carrying out."""
    return list(HydraConfig.get().overrides.task)


def choice_of(group: str) -> str:
    """Return the name of the YAML file that the current job chose in a group."""
    return str(HydraConfig.get().runtime.choices[group])


def complete_with_hydra(config_name: str, request: str) -> None:
    """Print what a shell asks for: `install=SHELL`, `uninstall=SHELL`, or `query=SHELL` for the line in COMP_LINE."""
    before, sys.argv = sys.argv, ["vpharness"]  # the program that is completed
    try:
        with _app() as app:
            app.shell_completion(config_name, [request])
    except ValueError as error:
        raise ConfigError(" ".join(str(error).split())) from error
    finally:
        sys.argv = before


@contextlib.contextmanager
def _app() -> Iterator[Hydra]:
    """Yield Hydra, with the project's YAML files on its search path."""
    version.setbase("1.3")
    search_path = create_config_search_path(str(conf_folder()))
    assert isinstance(search_path, ConfigSearchPathImpl)  # noqa: S101  # Hydra's only kind
    GlobalHydra.instance().clear()
    try:
        yield Hydra.create_main_hydra2(task_name="vpharness", config_search_path=search_path)
    finally:
        GlobalHydra.instance().clear()


def _hydra_main(config_name: str, arguments: Sequence[str], task: Task) -> None:
    known = sorted(option for action in get_args_parser()._actions for option in action.option_strings)
    for word in (word for word in arguments if word.startswith("-")):
        option, equals, value = word.partition("=")
        if option not in known:
            if equals:
                raise ConfigError(f"there is no option {option}; write {option.lstrip('-')}={value}, without hyphens")
            hint = did_you_mean(option, known) or "expected KEY=VALUE, -m, --help, or one of Hydra's, such as --cfg job"
            raise ConfigError(f"there is no option {option}; {hint.strip()}")

    def work(config: DictConfig) -> None:
        task(config)

    before, sys.argv = sys.argv, ["vpharness", *arguments]
    try:
        hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name=config_name)(work)()
    except ValueError as error:
        raise ConfigError(str(error)) from error
    finally:
        sys.argv = before
