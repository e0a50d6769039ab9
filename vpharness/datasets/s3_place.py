"""Places in S3 storage, as users name them, and which server and credentials they are asked for with.

Only names that are safe everywhere are accepted: what is read from a place becomes names of folders. Credentials are
those that the tools of AWS use: environment variables, or the files in `~/.aws`. Where there are none, nobody is asked:
neither a server, nor the metadata service of a cloud machine, unless AWS_EC2_METADATA_DISABLED is set to false.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vpharness.errors import ConfigError, DatasetError

_SCHEME: Final = "s3://"
_BUCKET: Final = re.compile(r"(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PART: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=-]{0,127}")
_ENDPOINT: Final = re.compile(r"(?P<scheme>https?)://(?P<host>[\w.:\[\]-]+)/?")
_ENDPOINT_VARIABLES: Final = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_CREDENTIALS: Final = (
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
_CREDENTIAL_FILES: Final = {
    "AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials",
    "AWS_CONFIG_FILE": "~/.aws/config",
}


@dataclass(frozen=True)
class S3Place:
    """A bucket, or what lies below a prefix in it.

    Attributes:
        bucket: its name.
        parts: the parts of the prefix, which slashes separate.
    """

    bucket: str
    parts: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The key of the object of that name."""
        return "/".join(self.parts)

    @property
    def path(self) -> str:
        """Bucket and key, as pyarrow names objects."""
        return "/".join((self.bucket, *self.parts))

    def below(self, *names: str) -> "S3Place":
        """Return what lies below it."""
        return S3Place(self.bucket, (*self.parts, *names))

    def __str__(self) -> str:
        """Return its URI."""
        return f"{_SCHEME}{self.path}"


def s3_place(text: str, key: str) -> S3Place:
    """Return the place that a URI such as `s3://bucket/prefix` names.

    Raises ConfigError, naming the configuration's `key`, where it is none, or has names that are not safe.
    """
    bucket, *parts = text.removeprefix(_SCHEME).removesuffix("/").split("/")
    if not text.startswith(_SCHEME) or not _BUCKET.fullmatch(bucket) or not all(map(_PART.fullmatch, parts)):
        raise ConfigError(
            f"{key} is {text!r}; it must be s3://BUCKET or s3://BUCKET/PREFIX: a bucket of 3 to 63 lower-case "
            "letters, digits, '.' and '-', and a prefix whose parts begin with a letter or digit and consist of "
            "these, '.', '_', '=' and '-'"
        )
    return S3Place(bucket, tuple(parts))


def endpoint() -> tuple[str, str] | None:
    """Return the scheme and the host of the server in AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL; None for Amazon's own.

    Raises ConfigError where it is no such address.
    """
    for name in _ENDPOINT_VARIABLES:
        if text := os.environ.get(name):
            if (found := _ENDPOINT.fullmatch(text)) is None:
                raise ConfigError(f"{name} is {text!r} in the environment; it must be http(s)://HOST or HOST:PORT")
            return found["scheme"], found["host"]
    return None


def server_text() -> str:
    """Return what the server is called in messages."""
    found = endpoint()
    return "Amazon S3" if found is None else f"{found[0]}://{found[1]}"


def require_credentials(place: S3Place) -> None:
    """Raise DatasetError where neither the environment nor a file has credentials, before anything is contacted."""
    files = (Path(os.environ.get(name) or default).expanduser() for name, default in _CREDENTIAL_FILES.items())
    asks_the_machine = os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "false"
    if not asks_the_machine and not any(map(os.environ.get, _CREDENTIALS)) and not any(map(Path.is_file, files)):
        raise DatasetError(
            f"there are no credentials for {place}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        )
