"""Input files: compression, truncation, hashing and paths."""

import hashlib
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.events.samples import COMPRESSIONS, events, write
from vpharness.errors import SourceError
from vpharness.events import input_files
from vpharness.events.bitstamp import BitstampSource
from vpharness.events.dbn import DbnSource
from vpharness.events.lobster import LobsterSource

CONTENT = bytes(range(256)) * 3000


def content(path: str, block_bytes: int = 1000) -> bytes:
    """Return all of a file."""
    with input_files.opened(path) as file:
        return b"".join(file.blocks(block_bytes))


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_content_is_the_same_plain_or_compressed_whatever_the_name(tmp_path: Path, compression: str) -> None:
    """The compression is told by the content, and all bytes of the file are counted as read."""
    path = write(tmp_path, "data.bin", COMPRESSIONS[compression](CONTENT))
    with input_files.opened(path) as file:
        assert b"".join(file.blocks(1000)) == CONTENT
        assert file.bytes_read == file.bytes_total == Path(path).stat().st_size


@pytest.mark.parametrize("compression", ["gzip", "xz", "zstd"])
def test_concatenated_streams_are_read_to_the_end(tmp_path: Path, compression: str) -> None:
    """Two compressed streams in one file are one content."""
    compress = COMPRESSIONS[compression]
    path = write(tmp_path, "two", compress(CONTENT[:1000]) + compress(CONTENT[1000:]))
    assert content(path) == CONTENT


@pytest.mark.parametrize("compression", ["gzip", "xz", "zstd"])
@pytest.mark.parametrize("lost", [1, 4, 8, 100])
def test_a_truncated_stream_is_an_error(tmp_path: Path, compression: str, lost: int) -> None:
    """A compressed file without its end never passes for a whole one, however little is missing."""
    path = write(tmp_path, "cut", COMPRESSIONS[compression](CONTENT)[:-lost])
    with pytest.raises(SourceError, match=rf"cut: truncated: its {compression} stream"):
        content(path)


@pytest.mark.parametrize("compression", ["gzip", "xz", "zstd"])
def test_damaged_compression_is_an_error(tmp_path: Path, compression: str) -> None:
    """A flipped byte in the middle is found by the format's own checks."""
    data = bytearray(COMPRESSIONS[compression](CONTENT))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(SourceError, match=f"{compression} compression is damaged"):
        content(write(tmp_path, "bad", bytes(data)))


@pytest.mark.parametrize("compression", ["gzip", "xz", "zstd"])
def test_a_small_file_that_holds_a_large_one_is_never_in_memory_whole(tmp_path: Path, compression: str) -> None:
    """Sixty megabytes of nothing, in a few kilobytes twice over, pass through a few megabytes."""
    size = 30_000_000
    path = write(tmp_path, "bomb", 2 * COMPRESSIONS[compression](bytes(size)))
    assert Path(path).stat().st_size < size / 400
    tracemalloc.start()
    try:
        with input_files.opened(path) as file:
            assert sum(len(block) for block in file.blocks(1 << 16)) == 2 * size
        assert tracemalloc.get_traced_memory()[1] < 8 * input_files.LARGEST_PART_BYTES
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_an_empty_file_is_an_error(tmp_path: Path, compression: str) -> None:
    """Nothing, and nothing compressed, are both refused."""
    with pytest.raises(SourceError, match="the file is empty"):
        content(write(tmp_path, "empty", COMPRESSIONS[compression](b"")))


@given(size=st.integers(1, 300), block=st.integers(1, 64))
def test_blocks_have_the_size_asked_for(tmp_path_factory: pytest.TempPathFactory, size: int, block: int) -> None:
    """All blocks but the last one are whole, and none is empty."""
    path = write(tmp_path_factory.getbasetemp(), "sized", CONTENT[:size])
    with input_files.opened(path) as file:
        sizes = [len(part) for part in file.blocks(block)]
    assert sizes == [block] * (size // block) + [size % block] * (size % block > 0)


def test_the_hash_is_that_of_the_bytes_on_disk(tmp_path: Path) -> None:
    """A compressed file is hashed as it is."""
    data = COMPRESSIONS["gzip"](CONTENT)
    assert input_files.sha256(write(tmp_path, "x", data)) == hashlib.sha256(data).hexdigest()


def test_a_path_must_name_a_regular_file(tmp_path: Path) -> None:
    """Missing files, folders and devices are refused with the path and the reason."""
    with pytest.raises(SourceError, match=r"nowhere.dbn': there is no such file"):
        input_files.checked_path(str(tmp_path / "nowhere.dbn"))
    with pytest.raises(SourceError, match="is not a regular file"):
        input_files.checked_path(str(tmp_path))
    with pytest.raises(SourceError, match="is not a regular file"):
        input_files.checked_path("/dev/zero")
    with pytest.raises(SourceError, match=r"source\.path must name a file"):
        input_files.checked_path("a\0b")


@pytest.mark.parametrize(
    ("name", "magic", "command"), [("zip", b"PK\x03\x04", "unzip"), ("7z", b"7z\xbc\xaf'\x1c", "7z x")]
)
def test_archives_are_refused_with_the_words_to_unpack_them(
    tmp_path: Path, name: str, magic: bytes, command: str
) -> None:
    """Whatever they are called, by their first bytes; a folder that holds nothing else says it too."""
    path = write(tmp_path, f"a day.{name}", magic + bytes(100))
    for source in (DbnSource(path, 1.0), LobsterSource(path, "2012-06-21"), BitstampSource(path)):
        with pytest.raises(
            SourceError, match=rf"is a {name} archive of files; unpack it \({command} 'a day\.{name}'\)"
        ):
            events(source)
    with pytest.raises(SourceError, match=rf"unpack its archives first \({command} 'a day\.{name}'\)"):
        events(DbnSource(str(tmp_path), 1.0))
