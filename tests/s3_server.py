"""A server of S3 on the loopback interface, with buckets in memory, for tests of what lies elsewhere."""

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from vpharness.datasets.s3_place import S3Place

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "of-a-test",
    "AWS_SECRET_ACCESS_KEY": "of-a-test",
    "AWS_DEFAULT_REGION": "us-east-1",
}
OTHER_VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_PROFILE", "AWS_REGION", "VPHARNESS_LAKE_DATASETS")


@dataclass(frozen=True)
class S3Server:
    """A server, and a client that sees everything in it."""

    endpoint: str
    client: Any

    def new_root(self) -> S3Place:
        """Return a place in a new bucket."""
        place = S3Place(f"bucket-{secrets.token_hex(6)}", ("markets", "days"))
        self.client.create_bucket(Bucket=place.bucket)
        return place

    def keys(self, place: S3Place) -> list[str]:
        """Return the keys of everything below a place, relative to it, sorted."""
        found = self.client.list_objects_v2(Bucket=place.bucket, Prefix=f"{place.key}/").get("Contents", [])
        return sorted(each["Key"].removeprefix(f"{place.key}/") for each in found)

    def put(self, place: S3Place, content: bytes) -> None:
        """Write an object, over one that is there."""
        self.client.put_object(Bucket=place.bucket, Key=place.key, Body=content)


@contextlib.contextmanager
def s3_server(patch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """Yield a server that the environment names, with credentials."""
    import boto3  # noqa: PLC0415  # loads for a while

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        endpoint = "http://{}:{}".format(*server.get_host_and_port())
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": endpoint}.items():
            patch.setenv(name, value)
        for name in OTHER_VARIABLES:
            patch.delenv(name, raising=False)
        yield S3Server(endpoint, boto3.client("s3"))
    finally:
        server.stop()
