"""Reading from S3 storage through pyarrow: names in a folder, small objects, and large ones in ranges.

Nothing here writes there. What goes wrong is a DatasetError of one line: no such bucket, no access, no network.
"""

import os
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from vpharness.datasets.s3_place import S3Place, endpoint, require_credentials, server_text
from vpharness.errors import DatasetError, require_memory
from vpharness.storage.checksums import HashingFile

if TYPE_CHECKING:
    from pyarrow.fs import S3FileSystem

_RANGE_BYTES: Final = 8 * 1024**2
_MOST_SMALL_BYTES: Final = 16 * 1024**2
_CONNECT_S: Final = 5
_REQUEST_S: Final = 30
_ATTEMPTS: Final = 3
_REGION: Final = ("AWS_REGION", "AWS_DEFAULT_REGION")
_REFUSED: Final = ("ACCESS_DENIED", "INVALID_ACCESS_KEY_ID", "INVALID_CLIENT_TOKEN_ID", "SIGNATURE", "EXPIRED", "403")
_UNREACHABLE: Final = ("NETWORK_CONNECTION", "curlCode", "REQUEST_TIMEOUT")
_NO_BUCKET: Final = "NO_SUCH_BUCKET"
_LONGEST: Final = 200

Answer = TypeVar("Answer")


def read_small(place: S3Place) -> bytes | None:
    """Return the content of a small object, and None where there is none; a DatasetError where it cannot be read."""
    return _asked(place, lambda: _read_small(place))


def _read_small(place: S3Place) -> bytes:
    with _file_system(place).open_input_file(place.path) as file:
        if file.size() > _MOST_SMALL_BYTES:
            raise DatasetError(f"{place} has {file.size():,} bytes, and cannot be what its name says")
        return bytes(file.read())


def folders_in(place: S3Place) -> list[str]:
    """Return the names of what lies below a place as folders, sorted; a DatasetError where it cannot be read."""
    from pyarrow.fs import FileSelector, FileType  # noqa: PLC0415  # loads the client of S3

    found = _asked(place, lambda: _file_system(place).get_file_info(FileSelector(place.path)))
    if found is None:
        require_bucket(place)
        return []
    return sorted(each.base_name for each in found if each.type == FileType.Directory)


def require_bucket(place: S3Place) -> None:
    """Raise DatasetError where the bucket of a place does not exist, as far as one may know."""
    from pyarrow.fs import FileType  # noqa: PLC0415  # loads the client of S3

    found = _asked(place, lambda: _file_system(place).get_file_info(place.bucket))
    if found is None or found.type == FileType.NotFound:
        raise _no_bucket(place)


def download(place: S3Place, path: Path) -> str | None:
    """Write an object into a new file, range by range; return its SHA-256, and None where there is no such object.

    Raises DatasetError where it cannot be read to its end, and OSError where the file cannot be written.
    """
    source = _asked(place, lambda: _file_system(place).open_input_file(place.path))
    if source is None:
        return None
    size = _needed(place, source.size)
    with HashingFile(path) as file:
        at = 0
        while at < size:
            part = _needed(place, partial(source.read_at, min(_RANGE_BYTES, size - at), at))
            if not part:
                raise DatasetError(f"{place} ended after {at:,} of {size:,} bytes; try again")
            file.write(part)
            at += len(part)
        return file.hexdigest()


def _needed(place: S3Place, ask: Callable[[], Any]) -> Any:
    found = _asked(place, ask)
    if found is None:
        raise DatasetError(f"{place} is gone")
    return found


def _asked(place: S3Place, ask: Callable[[], Answer]) -> Answer | None:
    """Return what a server answers, and None where nothing is there; a DatasetError says what went wrong."""
    try:
        return ask()
    except FileNotFoundError:
        return None
    except OSError as error:
        require_memory(error)
        text = " ".join(str(error).split())
        if _NO_BUCKET in text:
            raise _no_bucket(place) from error
        if any(word in text for word in _UNREACHABLE):
            raise DatasetError(
                f"{place} cannot be read: {server_text()} cannot be reached "
                f"({text.partition('curlCode: ')[2].partition('; Details')[0] or text[:_LONGEST]})"
            ) from error
        if any(word in text for word in _REFUSED):
            raise DatasetError(
                f"{place} cannot be read: {server_text()} refuses access; check the credentials, and the bucket's name"
            ) from error
        raise DatasetError(f"{place} cannot be read: {text[:_LONGEST]}") from error


def _no_bucket(place: S3Place) -> DatasetError:
    return DatasetError(f"there is no bucket {place.bucket} at {server_text()} ({place})")


def _file_system(place: S3Place) -> "S3FileSystem":
    require_credentials(place)
    return _connected(endpoint(), next(filter(None, map(os.environ.get, _REGION)), None))


@lru_cache(maxsize=2)
def _connected(server: tuple[str, str] | None, region: str | None) -> "S3FileSystem":
    from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem  # noqa: PLC0415  # loads the client of S3

    return S3FileSystem(
        **({} if server is None else {"scheme": server[0], "endpoint_override": server[1]}),
        **({} if region is None else {"region": region}),
        connect_timeout=_CONNECT_S,
        request_timeout=_REQUEST_S,
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
    )
