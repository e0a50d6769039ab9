"""Publishing a dataset under an `s3://` root: whole and once, or not at all, however many do it at once.

Every file is written below its SHA-256, so what a publisher that was stopped has left, or another one writes now, is
part of no other dataset. `checksums.json`, which names them all, comes last, and is written on the condition that there
is none (`If-None-Match: *`): the first publisher wins, and the dataset is there from that moment on. Of a dataset with
events the grid is left out, since columns are computed.
"""

from pathlib import Path
from typing import Any, Final

from vpharness.datasets.find import Dataset
from vpharness.datasets.manifest import CHECKSUMS_FILE, check_all, checksums_of
from vpharness.datasets.remote_files import object_places
from vpharness.datasets.s3_place import S3Place, endpoint, require_credentials, server_text
from vpharness.errors import DatasetError

_ATTEMPTS: Final = 3
_TAKEN: Final = 412
_CONFLICT: Final = 409
_NO_CONDITIONS: Final = 501
_ABSENT: Final = frozenset({"404", "NoSuchKey", "NotFound"})
_REFUSED: Final = frozenset({"403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"})
_LONGEST: Final = 200


def publish_to(dataset: Dataset, root: S3Place) -> bool:
    """Publish a dataset of the lake below a root; return whether that was done now, and False where it is there.

    Raises DatasetError where the dataset is damaged, where another one has its name there, and where nothing can be
    written.
    """
    dataset_id = dataset.manifest.dataset_id
    place = root.below(dataset_id)
    check_all(dataset.path)
    checksums = checksums_of(dataset.path).without_grid
    require_credentials(place)
    client = _client()
    try:
        if _is_there(client, place, checksums.text):
            return False
        for name, sha256 in checksums.files.items():
            _put_file(client, object_places(place, name, sha256)[0], dataset.path / name)
        return _put_if_absent(client, place, checksums.text)
    except Exception as error:
        raise _in_one_line(error, place) from error


def _client() -> Any:
    try:
        import boto3  # noqa: PLC0415  # of the extra `s3`
        from botocore.config import Config  # noqa: PLC0415
    except ImportError as error:
        raise DatasetError(
            "boto3 is not installed, which publishes to s3://; install the extra: pip install 'vpharness[s3]'"
        ) from error
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415

    server = endpoint()
    config = Config(
        connect_timeout=5,
        read_timeout=60,
        retries={"total_max_attempts": _ATTEMPTS, "mode": "standard"},
        s3={} if server is None else {"addressing_style": "path"},
    )
    try:
        return boto3.client("s3", config=config, **({} if server is None else {"endpoint_url": "://".join(server)}))
    except BotoCoreError as error:
        raise DatasetError(f"S3 cannot be used: {' '.join(str(error).split())[:_LONGEST]}") from error


def _is_there(client: Any, place: S3Place, text: str) -> bool:
    """Return whether the same dataset is at its place; a DatasetError where another one is."""
    from botocore.exceptions import ClientError  # noqa: PLC0415  # of the extra `s3`

    at = place.below(CHECKSUMS_FILE)
    try:
        found = client.get_object(Bucket=at.bucket, Key=at.key)["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] in _ABSENT:
            return False
        raise
    if found != text.encode():
        raise DatasetError(
            f"another dataset {place.parts[-1]} exists at {place}; a dataset is never overwritten: choose "
            "another root, or build it under another name"
        )
    return True


def _put_file(client: Any, at: S3Place, path: Path) -> None:
    """Write a file to a place that is named after its content, unless it is there."""
    from botocore.exceptions import ClientError  # noqa: PLC0415  # of the extra `s3`

    try:
        if client.head_object(Bucket=at.bucket, Key=at.key)["ContentLength"] == path.stat().st_size:
            return
    except ClientError as error:
        if error.response["Error"]["Code"] not in _ABSENT:
            raise
    client.upload_file(str(path), at.bucket, at.key, ExtraArgs={"ChecksumAlgorithm": "SHA256"})


def _put_if_absent(client: Any, place: S3Place, text: str) -> bool:
    """Write the checksums where there are none; return False where another publisher wrote the same meanwhile."""
    from botocore.exceptions import ClientError  # noqa: PLC0415  # of the extra `s3`

    at = place.below(CHECKSUMS_FILE)
    for _ in range(_ATTEMPTS):
        try:
            client.put_object(Bucket=at.bucket, Key=at.key, Body=text.encode(), IfNoneMatch="*")
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] not in {_TAKEN, _CONFLICT}:
                raise
            if _is_there(client, place, text):
                return False
        else:
            return True
    raise DatasetError(f"{place} is being written by another publisher; try again")


def _in_one_line(error: Exception, place: S3Place) -> Exception:
    """Return a DatasetError for what boto3 raises; other errors as they are."""
    from boto3.exceptions import Boto3Error  # noqa: PLC0415  # of the extra `s3`
    from botocore import exceptions as of_boto  # noqa: PLC0415

    if not isinstance(error, Boto3Error | of_boto.BotoCoreError | of_boto.ClientError):
        return error
    cause = error.__cause__ or error.__context__ if isinstance(error, Boto3Error) else error
    code, text = "", " ".join(str(error).split())[:_LONGEST]
    if isinstance(cause, of_boto.ClientError):
        code = str(cause.response["Error"]["Code"])
        status = cause.response["ResponseMetadata"]["HTTPStatusCode"]
        if status == _NO_CONDITIONS:
            text = f"{server_text()} knows no conditional writes (If-None-Match), without which publishers could mix"
    if code == "NoSuchBucket":
        return DatasetError(f"there is no bucket {place.bucket} at {server_text()} ({place})")
    if code in _REFUSED:
        text = f"{server_text()} refuses access; check the credentials, and the bucket's name"
    elif isinstance(cause, of_boto.ConnectionError | of_boto.HTTPClientError):
        text = f"{server_text()} cannot be reached"
    return DatasetError(f"{place} cannot be written: {text}")
