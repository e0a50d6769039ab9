"""What every test may ask for, where machine code is kept, and in which order files are handed to the processors."""

import gc
import os
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Final

import pytest

from vpharness.config.search_path import prepare_process
from vpharness.process_end import search_garbage_rarely

PROJECT = Path(__file__).resolve().parents[1]
LONGEST_FIRST: Final = (
    *("docs/test_pages.py", "page/test_picture.py", "page/test_use.py", "promotion/test_promote.py"),
    *("commands/test_collection_runs.py", "campaigns/test_campaign.py", "runtime/web/test_memory_bound.py"),
    *("page/test_trader.py", "runtime/web/test_hostile_clients.py", "live/test_live_session.py"),
    *("config/test_experiments.py", "runtime/engine/test_ready.py", "campaigns/test_learned_runs.py"),
    *("datasets/test_computed_columns.py", "commands/test_run.py", "live/test_audit.py", "results/test_report.py"),
    *("runtime/test_serve.py", "signals/test_signals.py", "campaigns/test_queue_campaign.py"),
    *("simulation/test_simulate.py", "lattice/test_engine_twin.py", "commands/test_cli.py"),
    *("commands/test_read_only_lake.py", "runtime/engine/test_resting_orders.py", "learning/test_learned_run.py"),
    *("runtime/rollout/test_what_ifs.py", "board/test_browser.py", "events/test_reader_fuzz.py"),
    *("commands/test_light_commands.py", "execution/test_live_orders.py", "execution/test_queue_laws.py"),
    *("commands/test_campaign_again.py", "commands/test_walk_forward_command.py", "signals/test_definition.py"),
    *("campaigns/test_adaptive_search.py", "results/test_tracking.py", "results/test_walk_forward.py"),
    *("signals/test_operators.py", "results/test_part_files.py", "commands/test_convert.py"),
    *("commands/test_online_sim.py", "datasets/test_build.py", "signals/test_reach.py", "page/test_served.py"),
    *("signals/test_golden.py", "api/test_library.py", "runtime/rollout/test_switches_at_odd_moments.py"),
    *("commands/test_compare.py", "commands/test_verify.py", "events/test_synthetic_martingale.py"),
    *("commands/test_elsewhere.py", "learning/test_exported.py", "datasets/test_column_cache.py"),
    *("signals/test_shared.py", "evaluation/test_calibration.py"),
)
"""The files that take longest, below this folder: what is begun last is what all but one processor wait for."""
ABOUT_BUILDING: Final = ("datasets", "events", "execution", "integrity", "lattice", "storage")
"""The folders, below this one, of tests that build datasets to see how they are built."""

# As the processes of commands do; what is imported and collected stays, so that until then there is nothing to find.
search_garbage_rarely()
gc.disable()

# JAX reads where it keeps what it compiles when it is imported, which a test may do before a command has set it. One
# folder for all processes of the tests, and for the commands that they start: each program is compiled once.
prepare_process()

# So is the byte code of modules, rewritten tests among them: every process would compile them anew otherwise.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

from tests.remembered_builds import folder_of_run, remember_builds  # noqa: E402  # byte code of all that it imports is kept
from tests.remembered_composition import copy_nodes_quickly, remember_compositions  # noqa: E402

remember_compositions()
copy_nodes_quickly()


def pytest_configure(config: pytest.Config) -> None:
    """Search for garbage in the process that hands tests out: it collects none, where the search would begin again."""
    if config.getoption("dist", "no") != "no" and not hasattr(config, "workerinput"):
        gc.enable()


@pytest.hookimpl(optionalhook=True, wrapper=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """Run one process more than there are processors: tests wait a fifth of the time, for disks, servers, Chromium."""
    counted = yield
    return counted if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ else counted + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest: whole files are handed out in this order (`--no-loadscope-reorder`)."""
    places = {f"tests/{name}": place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(places)))


def pytest_collection_finish() -> None:
    """Search for garbage from now on, but never among what has been imported.

    Modules that tests write have no byte code kept: of two that are written within a second it would be the same.
    """
    sys.dont_write_bytecode = True
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="module", autouse=True)
def builds(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Build each simulated market once for all tests that run on one, and not for those of building."""
    with pytest.MonkeyPatch.context() as patch:
        if request.path.relative_to(PROJECT / "tests").parts[0] not in ABOUT_BUILDING:
            remember_builds(patch, folder_of_run(tmp_path_factory.getbasetemp()))
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real exchange data and golden values beside the project; tests that need it skip without it."""
    folder = PROJECT.parent / "shared"
    if not (folder / "golden").is_dir():
        pytest.skip(f"no golden values at {folder}")
    return folder
