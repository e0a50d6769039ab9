"""Who may import whom: the rooms depend on one another in one direction."""

import ast
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "vpharness"

ALLOWED = {
    "docs": set(),
    "storage": set(),
    "engines": set(),
    "events": {"storage"},
    "lattice": {"events"},
    "execution": {"storage", "events", "lattice", "datasets"},
    "recording": {"storage"},
    "datasets": {"storage", "engines", "lattice", "events"},
    "signals": {"lattice"},
    "audit": {"signals"},
    "evaluation": set(),
    "learning": {"storage", "datasets", "signals", "audit", "evaluation"},
    "live": {"storage", "events", "lattice", "execution", "signals", "evaluation"},
    "results": {"storage", "evaluation"},
    "campaigns": {
        *("storage", "engines", "events", "lattice", "datasets", "execution", "signals", "audit", "evaluation"),
        "results",
        "learning",
    },
    "promotion": {
        *("storage", "events", "lattice", "datasets", "execution", "signals", "audit", "evaluation", "live", "results"),
        "learning",
    },
    "simulation": {
        *("storage", "events", "lattice", "datasets", "execution", "signals", "evaluation", "live", "promotion"),
        "learning",
    },
    "config": {"campaigns", "datasets", "engines", "results", "storage"},
    "commands": {
        "config",
        "storage",
        "engines",
        "live",
        "events",
        "lattice",
        "datasets",
        "signals",
        "audit",
        "evaluation",
        "learning",
        "results",
        "campaigns",
        "promotion",
        "simulation",
        "recording",
        "docs",
    },
}
ALLOWED["board"] = ALLOWED["commands"] | {"commands"}
"""The board shows what commands print; the dispatcher knows its command by name alone."""
ALLOWED["api"] = {"storage", "datasets", "execution", "evaluation", "campaigns", "commands", "config", "results"} | {
    "signals"
}
RUNTIME = PACKAGE.parent / "runtime"
AT_RUNTIME = {
    "datasets",
    "errors",
    "evaluation",
    "events",
    "execution",
    "lattice",
    "live",
    "modules",
    "order_fates",
    "parameters",
    "prices",
    "process_end",
} | {
    "promotion",
    "signals",
    "storage",
}
RUNTIME_ROOMS = {
    "feeds": set(),
    "config": {"feeds"},
    "engine": {"feeds"},
    "stream": {"feeds", "config", "engine"},
    "rollout": {"feeds", "config", "engine", "stream"},
    "alerts": {"feeds", "config", "engine", "stream"},
    "web": {"feeds", "config", "engine", "stream", "rollout", "alerts"},
}
"""The folders of the server, each with those that it may import; the files beside them start it all."""
RUNTIME_EDGE = {"config/server_parameters.py", "config/signal_overrides.py", "assemble.py", "serve.py"}
"""The files of the server that read configuration: they alone import Hydra and what is built on it."""
SANIC_ADAPTER = "web/sanic_adapter.py"
PUBLIC_SANIC = {"sanic", "sanic.exceptions", "sanic.response"}
SANIC_INTERNALS = {"io_proto", "ws_proto", "end_connection", "transport", "assembler", "recv_buffer", "keep_alive"}
"""Attributes of Sanic's connections, websockets and transports, which are none of its documented interface."""
AT_HYDRAS = {"hydra": {"config"}, "omegaconf": {"api", "board", "config", "commands"}}
"""Hydra's only home; commands, the board's among them, take the configuration that it composes."""


@cache
def names_in(path: Path) -> tuple[frozenset[str], frozenset[str]]:
    """Return the modules that a file imports, and the attributes that it names, anywhere in it; parsed once."""
    modules, attributes = set[str](), set[str]()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            modules.add(node.module)
        elif isinstance(node, ast.Attribute):
            attributes.add(node.attr)
    return frozenset(modules), frozenset(attributes)


def imports_of(path: Path) -> frozenset[str]:
    """Return the modules that a file imports, anywhere in it."""
    return names_in(path)[0]


def test_every_room_is_known() -> None:
    """A new folder of the package must say what it may import."""
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir()} - {"__pycache__"}
    assert folders == set(ALLOWED)


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*.py")), ids=lambda path: path.name)
def test_a_file_beside_the_rooms_imports_none_of_them(path: Path) -> None:
    """Errors, parameters, prices and the like are below everything; the command line and the library are above it."""
    found = {module.split(".")[1] for module in imports_of(path) if module.startswith("vpharness.")}
    assert not found & set(ALLOWED) or path.name in {"__main__.py", "__init__.py"}


def test_signals_know_nothing_of_the_lattice_but_its_columns() -> None:
    """What a signal reads are columns and their codes, whoever made them."""
    found = {module for path in (PACKAGE / "signals").rglob("*.py") for module in imports_of(path)}
    assert {module for module in found if module.startswith("vpharness.lattice")} == {"vpharness.lattice.columns"}


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_a_room_imports_only_what_it_may(room: str) -> None:
    """Rooms import those before them, and Hydra stays at the edge."""
    for path in (PACKAGE / room).rglob("*.py"):
        for module in imports_of(path):
            parts = module.split(".")
            if parts[0] == "vpharness" and len(parts) > 1 and (PACKAGE / parts[1]).is_dir():
                assert parts[1] in ALLOWED[room] | {room}, f"{path} imports {module}"
            assert room in AT_HYDRAS.get(parts[0], {room}), f"{path} imports {module}"
            assert parts[0] != "mlflow" or path.name == "tracking.py", f"{path} imports {module}"
            assert parts[0] != "jax" or room in {"signals", "evaluation"}, f"{path} imports {module}"


def runtime_files() -> list[Path]:
    """Return the modules of the server."""
    return sorted(path for path in RUNTIME.rglob("*.py") if "node_modules" not in path.parts)


@pytest.mark.parametrize("path", runtime_files(), ids=lambda path: str(path.relative_to(RUNTIME)))
def test_the_server_imports_what_serves_and_nothing_of_campaigns_or_results(path: Path) -> None:
    """Configuration is read at its edge, no command is imported; JAX, numba and MLflow stay where they are."""
    is_edge = path.relative_to(RUNTIME).as_posix() in RUNTIME_EDGE
    at_edge = {"config"} if is_edge or path.parent.name == "feeds" else set()
    for module in imports_of(path):
        parts = module.split(".")
        if parts[0] == "vpharness" and len(parts) > 1:
            assert parts[1] in AT_RUNTIME | at_edge, f"{path} imports {module}"
        assert parts[0] not in {"hydra", "omegaconf"} or is_edge, f"{path} imports {module}"
        assert parts[0] not in {"jax", "numba", "mlflow"}, f"{path} imports {module}"


def test_every_folder_of_the_server_is_known() -> None:
    """A new one must say what it may import."""
    folders = {path.name for path in RUNTIME.iterdir() if path.is_dir()} - {"__pycache__", "page"}
    assert folders == set(RUNTIME_ROOMS)


@pytest.mark.parametrize("room", sorted(RUNTIME_ROOMS))
def test_a_folder_of_the_server_imports_only_those_before_it(room: str) -> None:
    """From feeds to the web, in one direction."""
    for path in (RUNTIME / room).rglob("*.py"):
        for module in imports_of(path):
            parts = module.split(".")
            if parts[0] == "runtime":
                assert parts[1] in RUNTIME_ROOMS[room] | {room}, f"{path} imports {module}"


@pytest.mark.parametrize("path", runtime_files(), ids=lambda path: str(path.relative_to(RUNTIME)))
def test_the_internals_of_sanic_are_touched_in_one_file(path: Path) -> None:
    """Everything else uses its documented interface; a new version of it is adapted to in one place."""
    if path.relative_to(RUNTIME).as_posix() == SANIC_ADAPTER:
        return
    for module in imports_of(path):
        parts = module.split(".")
        assert parts[0] != "websockets", f"{path} imports {module}"
        assert parts[0] != "sanic" or module in PUBLIC_SANIC, f"{path} imports {module}"
        assert parts[0] != "sanic" or path.parent.name == "web", f"{path} imports {module}"
    assert not names_in(path)[1] & SANIC_INTERNALS, path


def test_nothing_of_the_package_imports_the_server() -> None:
    """What is simulated is what is served, not the other way round."""
    for path in PACKAGE.rglob("*.py"):
        assert not any(module.split(".")[0] == "runtime" for module in imports_of(path)), path
