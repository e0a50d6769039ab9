"""Who may import whom: the rooms depend on one another in one direction."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "vpharness"

ALLOWED = {
    "events": set(),
    "lattice": {"events"},
    "datasets": {"lattice", "events"},
    "signals": set(),
    "evaluation": set(),
    "results": {"evaluation"},
    "campaigns": {"events", "lattice", "datasets", "signals", "evaluation", "results"},
    "promotion": {"events", "lattice", "datasets", "signals", "evaluation", "results"},
    "tasks": {"events", "lattice", "datasets", "signals", "evaluation", "results", "campaigns", "promotion"},
    "plugins": {"tasks"},
}
FILES = {"audit.py": {"signals"}, "live.py": {"events", "lattice", "signals", "evaluation"}}
HYDRA_ROOMS = {"tasks", "plugins"}


def imports_of(path: Path) -> set[str]:
    """Return the modules that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module)
    return found


def test_every_room_is_known() -> None:
    """A new folder of the package must say what it may import."""
    assert {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"} == set(ALLOWED)


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_file_between_the_rooms_imports_only_what_it_may(name: str) -> None:
    """What joins rooms says which."""
    found = {module.split(".")[1] for module in imports_of(PACKAGE / name) if module.startswith("vpharness.")}
    assert found <= FILES[name] | {"errors", "parameters", "precision"}


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_a_room_imports_only_what_it_may(room: str) -> None:
    """Rooms import those before them, and Hydra stays at the edge."""
    for path in (PACKAGE / room).rglob("*.py"):
        for module in imports_of(path):
            parts = module.split(".")
            if parts[0] == "vpharness" and len(parts) > 1 and (PACKAGE / parts[1]).is_dir():
                assert parts[1] in ALLOWED[room] | {room}, f"{path} imports {module}"
            assert parts[0] not in {"hydra", "omegaconf"} or room in HYDRA_ROOMS, f"{path} imports {module}"
            assert parts[0] != "mlflow" or path.name == "tracking.py", f"{path} imports {module}"
            assert parts[0] != "jax" or room in {"signals", "evaluation"}, f"{path} imports {module}"
