"""A file is hashed once in a process, and again as soon as it is another one."""

import hashlib
import os
import time
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pytest

from vpharness.storage import checksums
from vpharness.storage.checksums import HashingFile, file_sha256, known_sha256
from vpharness.storage.parquet import open_parquet, write_parquet

OLD_S = 1_700_000_000


@pytest.fixture
def read_bytes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many times a file was read to be hashed."""
    counted: list[int] = []
    original = hashlib.file_digest

    def counting(file: BinaryIO, name: str) -> object:
        counted.append(1)
        return original(file, name)  # type: ignore[arg-type]  # files have more than their protocol says

    monkeypatch.setattr("hashlib.file_digest", counting)
    return counted


def settled(path: Path, content: bytes) -> Path:
    """Write a file, and wait until its times tell it from one that is written later."""
    path.write_bytes(content)
    time.sleep(2 * checksums._SETTLED_NS / 1e9)  # the clock of the file system is the subject
    return path


def test_what_was_hashed_is_remembered(tmp_path: Path, read_bytes: list[int]) -> None:
    """A look at its times is enough, by whatever path it is named."""
    path = settled(tmp_path / "file", b"content")
    assert known_sha256(path) == known_sha256(path) == known_sha256(tmp_path / "." / "file")
    assert len(read_bytes) == 1
    assert file_sha256(path) == known_sha256(path)
    assert len(read_bytes) == 2


def test_a_change_is_seen_even_where_size_and_time_of_change_are_put_back(tmp_path: Path) -> None:
    """As when a file is written in its place, or another takes its name."""
    path = settled(tmp_path / "file", b"content")
    before, times = known_sha256(path), path.stat()
    path.write_bytes(b"c0ntent")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert known_sha256(path) == file_sha256(path) != before
    other = settled(tmp_path / "other", b"cOntent")
    other.replace(path)
    assert known_sha256(path) == file_sha256(path)


def test_a_file_that_may_still_change_within_a_tick_is_not_remembered(tmp_path: Path) -> None:
    """Two contents one after another in the same moment are told apart."""
    path = tmp_path / "file"
    for number in range(50):
        path.write_bytes(b"%04d" % number)
        assert known_sha256(path) == file_sha256(path)


def test_a_file_is_hashed_as_it_is_written(tmp_path: Path) -> None:
    """In pieces; it must be a new one."""
    with HashingFile(tmp_path / "file") as file:
        file.write(b"con")
        file.write(memoryview(b"tent"))
    assert file.hexdigest() == file_sha256(tmp_path / "file")
    with pytest.raises(FileExistsError):
        HashingFile(tmp_path / "file")


def test_a_page_that_is_damaged_after_its_file_was_verified_is_seen_on_reading(tmp_path: Path) -> None:
    """By the checksum of the page, which is beside that of the file."""
    path = tmp_path / "table.parquet"
    assert write_parquet(pa.table({"a": list(range(10_000))}), path, use_dictionary=False) == file_sha256(path)
    with open_parquet(path, memory_map=True) as file:
        with path.open("r+b") as writing:
            writing.seek(path.stat().st_size // 2)
            writing.write(b"\xff\x00\xff")
        with pytest.raises(OSError, match="CRC checksum"):
            file.read()
