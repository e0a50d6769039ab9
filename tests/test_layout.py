"""Who may import whom: the rooms depend on one another in one direction."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "vpharness"

ALLOWED = {
    "docs": set(),
    "events": set(),
    "lattice": {"events"},
    "datasets": {"lattice", "events"},
    "signals": set(),
    "audit": {"signals"},
    "evaluation": set(),
    "results": {"evaluation"},
    "campaigns": {"events", "lattice", "datasets", "signals", "audit", "evaluation", "results"},
    "promotion": {"events", "lattice", "datasets", "signals", "audit", "evaluation", "results"},
    "simulation": {"events", "lattice", "datasets", "signals", "evaluation", "promotion"},
    "tasks": {
        "events",
        "lattice",
        "datasets",
        "signals",
        "audit",
        "evaluation",
        "results",
        "campaigns",
        "promotion",
        "simulation",
        "docs",
    },
    "plugins": {"tasks"},
}
FILES = {
    "arrow.py": set(),
    "checksums.py": set(),
    "frames.py": {"lattice", "live", "arrow", "prices"},
    "latency.py": set(),
    "live.py": {"events", "lattice", "signals", "evaluation", "memory"},
    "memory.py": set(),
    "modules.py": set(),
    "parquet.py": {"checksums"},
}
RUNTIME = PACKAGE.parent / "runtime"
AT_RUNTIME = {
    "arrow",
    "datasets",
    "errors",
    "evaluation",
    "events",
    "frames",
    "lattice",
    "live",
    "modules",
    "parameters",
    "prices",
} | {
    "promotion",
    "signals",
}
RUNTIME_EDGE = {"compose.py", "overrides.py", "serve.py", "settings.py"}
"""The files of the server that look at configuration: they alone import Hydra's tasks."""
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


@pytest.mark.parametrize("path", sorted(RUNTIME.rglob("*.py")), ids=lambda path: str(path.relative_to(RUNTIME)))
def test_the_server_imports_what_serves_and_nothing_of_campaigns_or_results(path: Path) -> None:
    """Configuration is read at its edge; JAX, numba and MLflow stay where they are."""
    is_edge = path.name in RUNTIME_EDGE or path.parent.name == "feeds"
    for module in imports_of(path):
        parts = module.split(".")
        if parts[0] == "vpharness" and len(parts) > 1:
            assert parts[1] in AT_RUNTIME | ({"tasks", "durable"} if is_edge else set()), f"{path} imports {module}"
        assert parts[0] not in {"hydra", "omegaconf"} or path.name in RUNTIME_EDGE, f"{path} imports {module}"
        assert parts[0] not in {"jax", "numba", "mlflow"}, f"{path} imports {module}"


def test_nothing_of_the_package_imports_the_server() -> None:
    """What is simulated is what is served, not the other way round."""
    for path in PACKAGE.rglob("*.py"):
        assert not any(module.split(".")[0] == "runtime" for module in imports_of(path)), path
