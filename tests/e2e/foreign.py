"""Both clouds of a demo as somebody sees them who knows nothing of Cloudy: plain clients of their vendors."""

import hashlib
import json
from collections.abc import Iterator

from azure.core.credentials import AzureNamedKeyCredential
from azure.storage.blob import ContainerClient

from tests.e2e.demo import Demo


class Bucket:
    """The demo's bucket, by boto3."""

    name = "s3"

    def __init__(self, demo: Demo) -> None:
        self._client, self._bucket = demo.s3(), demo.world["s3"]["bucket"]

    def names(self) -> list[str]:
        """Of all objects that are there."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket)
        return [row["Key"] for page in pages for row in page.get("Contents", [])]

    def read(self, key: str) -> Iterator[bytes]:
        """An object, piece by piece."""
        pieces: Iterator[bytes] = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].iter_chunks(1 << 20)
        return pieces

    def delete(self, key: str) -> None:
        """Remove an object."""
        self._client.delete_object(Bucket=self._bucket, Key=key)

    def unfinished(self) -> list[str]:
        """Keys at which something waits to become an object."""
        listed = self._client.list_multipart_uploads(Bucket=self._bucket).get("Uploads", [])
        return [row["Key"] for row in listed]


class Blobs:
    """The demo's container, by azure-storage-blob."""

    name = "azure"

    def __init__(self, demo: Demo) -> None:
        told = demo.world["azure"]
        credential = AzureNamedKeyCredential(told["account"], told["account_key"])
        self.client = ContainerClient(
            told["endpoint"], told["container"], credential=credential, use_env_settings=False
        )

    def names(self) -> list[str]:
        """Of all blobs that are there."""
        return [blob.name for blob in self.client.list_blobs()]

    def read(self, key: str) -> Iterator[bytes]:
        """A blob, piece by piece."""
        return iter(self.client.download_blob(key).chunks())

    def delete(self, key: str) -> None:
        """Remove a blob."""
        self.client.delete_blob(key)

    def unfinished(self) -> list[str]:
        """Keys at which something waits to become a blob."""
        every = {blob.name for blob in self.client.list_blobs(include=["uncommittedblobs"])}
        return sorted(every - set(self.names()))


Cloud = Bucket | Blobs


def digest(cloud: Cloud, key: str) -> str:
    """SHA-256 of what a cloud has at a key."""
    return _digest(cloud.read(key))


def held(cloud: Cloud, transaction: str) -> dict[str, str]:
    """SHA-256 of the files of a recovery point, by their names."""
    prefix = f"{transaction}/tintri/{transaction}/"
    return {key.removeprefix(prefix): digest(cloud, key) for key in cloud.names() if key.startswith(prefix)}


def remove(cloud: Cloud, transaction: str) -> None:
    """Remove all of a recovery point, as anybody may who has the rights."""
    for key in cloud.names():
        if key.startswith(f"{transaction}/"):
            cloud.delete(key)


def wire_up(demo: Demo, target: str) -> int:
    """Bytes of bodies that went to a target, as the wire's counter saw them."""
    counted: int = json.loads((demo.data / "wire.json").read_text())["targets"][target].get("PUT", {}).get("up", 0)
    return counted


def _digest(pieces: Iterator[bytes]) -> str:
    found = hashlib.sha256()
    for piece in pieces:
        found.update(piece)
    return found.hexdigest()
