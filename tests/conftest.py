"""What every test may ask for."""

from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the file that takes longest: files are handed out in their order, and the last core waits for it."""
    items.sort(key=lambda item: item.path.name != "test_pages.py")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real exchange data and golden values beside the project; tests that need it skip without it."""
    folder = PROJECT.parent / "shared"
    if not (folder / "golden").is_dir():
        pytest.skip(f"no golden values at {folder}")
    return folder
