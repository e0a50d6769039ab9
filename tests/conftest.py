"""What every test may ask for, where machine code is kept, and in which order files are handed to the processors."""

from pathlib import Path
from typing import Final

import pytest

from vpharness.config.search_path import prepare_process

PROJECT = Path(__file__).resolve().parents[1]
LONGEST_FIRST: Final = (
    *("docs/test_pages.py", "promotion/test_promote.py", "config/test_experiments.py", "campaigns/test_campaign.py"),
    *("runtime/engine/test_ready.py", "signals/test_signals.py", "runtime/web/test_hostile_clients.py"),
    *("page/test_use.py", "page/test_picture.py", "page/test_served.py", "integrity/test_flipped_bits.py"),
    *("promotion/test_nominate.py", "campaigns/test_audited_runs.py", "runtime/rollout/test_rollout.py"),
    *("live/test_live_session.py", "live/test_audit.py", "runtime/rollout/test_switches_at_odd_moments.py"),
    *("commands/test_cli.py", "commands/test_run.py", "commands/test_compare.py", "runtime/test_serve.py"),
)
"""The files that take longest, below this folder: what is begun last is what all but one processor wait for."""

# JAX reads where it keeps what it compiles when it is imported, which a test may do before a command has set it. One
# folder for all processes of the tests, and for the commands that they start: each program is compiled once.
prepare_process()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest: whole files are handed out in this order (`--no-loadscope-reorder`)."""
    places = {f"tests/{name}": place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(places)))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real exchange data and golden values beside the project; tests that need it skip without it."""
    folder = PROJECT.parent / "shared"
    if not (folder / "golden").is_dir():
        pytest.skip(f"no golden values at {folder}")
    return folder
