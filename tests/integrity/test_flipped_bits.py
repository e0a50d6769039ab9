"""One bit of a file is not as it was written: the file is named, or what is read of it is the same; never silent."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integrity.kinds import TABLES, Kind, all_kinds
from vpharness.datasets.manifest import BINS_FILE, CHECKSUMS_FILE, EVENTS_FILE, GRID_FILE, MANIFEST_FILE
from vpharness.errors import VpharnessError
from vpharness.promotion.bundle import FILES, PROGRAM_FILE
from vpharness.promotion.pointer import HISTORY_FILE, POINTER_FILE
from vpharness.promotion.verdicts import VERDICTS_FILE

NAMES = [
    *(BINS_FILE, EVENTS_FILE, GRID_FILE, MANIFEST_FILE, CHECKSUMS_FILE, "collection"),
    *(*TABLES, "merged part", "store.json"),
    *(f"bundle {name}" for name in (*FILES, PROGRAM_FILE, CHECKSUMS_FILE)),
    *(POINTER_FILE, HISTORY_FILE, VERDICTS_FILE, "recording"),
    *("weights card.json", "weights weights.safetensors", "schedule of fits"),
]
ENDS = 600
"""Half of all flips are among so many bytes at either end: heads, footers and what describes the rest lie there."""


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Kind]:
    """A file of every kind."""
    return all_kinds(tmp_path_factory.mktemp("kinds"))


def test_every_kind_is_flipped(kinds: dict[str, Kind]) -> None:
    """None is left out, and each can be read as it is."""
    assert sorted(kinds) == sorted(NAMES)
    for kind in kinds.values():
        assert kind.read() == kind.read()


@pytest.mark.parametrize("name", NAMES)
def test_some_flipped_bits_are_named_or_harmless(kinds: dict[str, Kind], name: str) -> None:
    """Twenty in a file of each kind."""
    named, harmless = flipped(kinds[name], random.Random(f"{name} of 20"), 20)  # noqa: S311  # where, not a secret
    assert named + harmless == 20


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_many_flipped_bits_are_named_or_harmless(kinds: dict[str, Kind], name: str) -> None:
    """Two hundred in a file of each kind."""
    named, harmless = flipped(kinds[name], random.Random(f"{name} of 200"), 200)  # noqa: S311  # see above
    print(f"{name}: {kinds[name].path.stat().st_size:,} bytes, {named} named, {harmless} harmless, 0 silent")
    assert named + harmless == 200


def flipped(kind: Kind, drawn: random.Random, times: int) -> tuple[int, int]:
    """Flip bits of a file, one at a time; return how often it was named, and how often what is read was the same."""
    whole, size = kind.read(), kind.path.stat().st_size
    named = 0
    for turn in range(times):
        at = drawn.randrange(size) if turn % 2 else drawn.choice([*range(size)[:ENDS], *range(size)[-ENDS:]])
        bit = drawn.randrange(8)
        with one_bit_flipped(kind.path, at, bit):
            problem, found = problem_of(kind)
            if problem is not None:
                assert kind.path.name in problem, f"bit {bit} of byte {at} of {kind.path} is named otherwise: {problem}"
                assert_no_step_is_another(kind, whole)
                named += 1
            else:
                assert found == whole, f"bit {bit} of byte {at} of {kind.path} changes what is read, silently"
    assert kind.read() == whole
    return named, times - named


def problem_of(kind: Kind) -> tuple[str | None, Any]:
    """Return what is said of a file that cannot be read, and otherwise what is read."""
    try:
        return None, kind.read()
    except VpharnessError as error:
        return str(error), None


def assert_no_step_is_another(kind: Kind, whole: Any) -> None:
    """What was handed out of a file before it was named is what was written, in its order."""
    if kind.said is None:
        return
    try:
        _, steps = kind.said()
    except VpharnessError:
        return  # it could not even be opened
    assert steps == whole[1 : len(steps) + 1]


@contextmanager
def one_bit_flipped(path: Path, at: int, bit: int) -> Iterator[None]:
    """Flip one bit of a file, in its place."""
    path.chmod(0o644)

    def flip() -> None:
        with path.open("r+b") as file:
            file.seek(at)
            (before,) = file.read(1)
            file.seek(at)
            file.write(bytes([before ^ (1 << bit)]))

    flip()
    try:
        yield
    finally:
        flip()
