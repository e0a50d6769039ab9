"""How Hydra's multiruns become campaigns: a sweeper that expands all axes, and launchers that take the whole plan.

Both are thin: the task that Hydra is given knows how a campaign is carried out, and its modules are imported only once
a multirun begins.
"""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from vpharness.campaigns.adaptive_search import SearchSettings
from vpharness.config.hydra_app import Task
from vpharness.config.sweep_axes import expand
from vpharness.engines.calls import Engine
from vpharness.engines.settings import EngineSettings, JoblibSettings, RaySettings, SlurmSettings, engine_problems
from vpharness.errors import ConfigError
from vpharness.parameters import problems

PLAIN_SWEEPER = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"
"""Expands axes as ours does, and knows all jobs beforehand."""


@dataclass(frozen=True)
class NoSettings:
    """Nothing to set."""


class PlanningLauncher(Launcher):
    """Composes and checks all jobs before the first one begins."""

    parameters: ClassVar[type[Any]] = NoSettings
    settings: EngineSettings | None = None
    """Of the engine that carries out a plan; None: this process does."""
    carries_out = True

    @property
    def problems(self) -> list[str]:
        """What keeps its engine from being made."""
        return [] if self.settings is None else engine_problems(self.settings, "hydra.launcher.")

    @property
    def engine(self) -> Engine | None:
        """What carries out a plan in other processes; None: this one does."""
        return None if self.settings is None else self.settings.engine()

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra hands to every launcher."""
        self.hydra_context, self.config, self.task = hydra_context, config, task_function

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Carry out the jobs of another sweeper: unless it is Hydra's own, it may look at results to choose them."""
        del initial_job_idx  # a run is known by its id
        adaptive = self.config.hydra.sweeper._target_ != PLAIN_SWEEPER
        return self.launch_checked(job_overrides, (), adaptive=adaptive)

    def launch_checked(
        self, job_overrides: Sequence[Sequence[str]], problems: Sequence[str], *, adaptive: bool = False
    ) -> Sequence[JobReturn]:
        """Carry out jobs, unless there are problems: those given and those found are reported together."""
        if not isinstance(self.task, Task) or self.task.launch is None:
            raise ConfigError("this launcher carries out runs; build takes hydra/launcher=basic")
        from vpharness.config.composition import hydra_functions  # noqa: PLC0415  # imports the compilers

        unfit = self.problems
        lows: list[float | None] = self.task.launch(
            hydra_functions(self.hydra_context.config_loader, self.config),
            self.config,
            job_overrides,
            (*self.task.problems, *unfit, *problems),
            engine=None if unfit else self.engine,
            carries_out=self.carries_out,
            adaptive=adaptive,
        )
        folder = str(self.config.outputs)
        return [JobReturn(working_dir=folder, status=JobStatus.COMPLETED, _return_value=low) for low in lows]


class FusedLauncher(PlanningLauncher):
    """Carries out a plan in this process, for the price of its distinct work."""


class PlanLauncher(PlanningLauncher):
    """Prints what a plan would cost, and carries nothing out."""

    carries_out = False


class _EngineLauncher(PlanningLauncher):
    """Carries out a plan on an engine."""

    def __init__(self, **settings: Any) -> None:
        self.settings = self.parameters(**settings)


class JoblibLauncher(_EngineLauncher):
    """Carries out a plan in several processes."""

    parameters: ClassVar[type[Any]] = JoblibSettings


class RayLauncher(_EngineLauncher):
    """Carries out a plan on a Ray cluster."""

    parameters: ClassVar[type[Any]] = RaySettings


class SlurmLauncher(_EngineLauncher):
    """Carries out a plan as jobs of a Slurm cluster."""

    parameters: ClassVar[type[Any]] = SlurmSettings


class CampaignSweeper(Sweeper):
    """Expands Hydra's axes, and those of an experiment, into one plan."""

    parameters: ClassVar[type[Any]] = NoSettings

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra hands to every sweeper, and make the launcher."""
        self._loader, self._axes = hydra_context.config_loader, config.sweep
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Expand the axes and hand all jobs to the launcher at once."""
        overrides = OverridesParser.create(config_loader=self._loader).parse_overrides(arguments)
        axes: Any = {} if self._axes is None else OmegaConf.to_container(self._axes, resolve=True)
        found = expand(overrides, axes.get("universal") or {}, axes.get("per_signal") or {})
        if isinstance(self._launcher, PlanningLauncher):
            return self._launcher.launch_checked(found.jobs, found.problems)
        if found.problems:
            raise ConfigError("; ".join(found.problems))
        return self._launcher.launch([[*job, "sweep=null"] for job in found.jobs], initial_job_idx=0)


class OptunaSweeper(CampaignSweeper):
    """Proposes values by the results of earlier ones, batch by batch."""

    parameters: ClassVar[type[Any]] = SearchSettings

    def __init__(self, **settings: Any) -> None:
        self._settings = SearchSettings(**settings)

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra hands to every sweeper, and make the launcher."""
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        self._config, self._task = config, task_function

    def sweep(self, arguments: list[str]) -> Any:
        """Search the space that the axes span."""
        from vpharness.config.composition import hydra_functions  # noqa: PLC0415  # imports the compilers
        from vpharness.config.search_space import search_space  # noqa: PLC0415  # as above

        launcher, task = self._launcher, self._task
        if not isinstance(launcher, PlanningLauncher) or not isinstance(task, Task) or task.search is None:
            raise ConfigError("a search is carried out by fused, joblib, ray or slurm: give hydra/launcher=one of them")
        if not launcher.carries_out:
            raise ConfigError("a search cannot be planned: its runs follow from the results of earlier ones")
        overrides = OverridesParser.create(config_loader=self._loader).parse_overrides(arguments)
        axes: Any = {} if self._axes is None else OmegaConf.to_container(self._axes, resolve=True)
        space, wrong = search_space(
            overrides, axes.get("universal") or {}, axes.get("per_signal") or {}, self._settings
        )
        unfit = [*launcher.problems, *problems(self._settings, "hydra.sweeper.")]
        if importlib.util.find_spec(self._settings.needs) is None:
            unfit.append(f"{self._settings.needs} is not installed; install the extra: pip install 'vpharness[search]'")
        return task.search(
            hydra_functions(self._loader, self._config),
            self._config,
            space,
            self._settings,
            (*task.problems, *unfit, *wrong),
            engine=None if unfit else launcher.engine,
        )
