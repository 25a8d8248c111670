"""A server in front of Azurite that can lie, as s3_liar.py is before an S3 server.

Who comes with a SAS token signs nothing of a request's headers and body, so that they may be changed on their way.
"""

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

from azure.storage.blob import ContainerSasPermissions, StandardBlobTier, generate_container_sas

from bot.checksum import crc64
from tests.azurite import AzurePeer
from tests.contract.s3_liar import Answer, Asked, Liar, Pass

CRC = "x-ms-content-crc64"
SOURCE_CRC = "x-ms-source-content-crc64"
IF_MATCH = "x-ms-source-if-match"
RANGE = "x-ms-source-range"


class AzureLiar(Liar):
    """Hands everything on as it is, Host included, but for its lies."""

    peer: AzurePeer  # type: ignore[assignment]

    @property
    def options(self) -> dict[str, object]:
        """Settings of a target there."""
        account = self.peer.account
        token = generate_container_sas(
            account.name,
            account.container,
            account_key=account.key,
            permission=ContainerSasPermissions(read=True, add=True, create=True, write=True, delete=True, list=True),
            expiry=datetime.now(UTC) + timedelta(hours=1),
        )
        return {"endpoint": self.url, "sas_token": token}

    def _signed(self, asked: Asked) -> dict[str, str]:
        return {name: value for name, value in asked.headers.items() if name != "connection"}


def is_copy(asked: Asked) -> bool:
    """Whether it is to make a block of a range of a blob that is there."""
    return _is_block(asked) and "x-ms-copy-source" in asked.headers


def is_part(asked: Asked) -> bool:
    """Whether it brings a block."""
    return _is_block(asked) and not is_copy(asked)


def _is_block(asked: Asked) -> bool:
    return asked.method == "PUT" and parse_qs(urlsplit(asked.path).query).get("comp") == ["block"]


# --- lies ---


def flips_a_bit(asked: Asked, passing: Pass) -> Answer:
    """Lets a bit of each part flip on its way; the checksum with it is still that of what was sent."""
    return passing(_flipped(asked)) if is_part(asked) else passing(asked)


def takes_flipped_parts(asked: Asked, passing: Pass) -> Answer:
    """Lets a bit flip and does not see it, as a store that checks no parts; says truly what it has."""
    if not is_part(asked):
        return passing(asked)
    wrong = _flipped(asked)
    value = base64.b64encode(crc64(wrong.body).to_bytes(8, "little")).decode()
    return passing(replace(wrong, headers={**wrong.headers, CRC: value}))


def other_bytes(asked: Asked, passing: Pass) -> Answer:
    """Copies a byte further on without looking at the checksum, and says truly what it copied."""
    return passing(_shifted(_without(asked, SOURCE_CRC))) if is_copy(asked) else passing(asked)


def no_if_match(asked: Asked, passing: Pass) -> Answer:
    """Copies whatever lies there."""
    return passing(_without(asked, IF_MATCH)) if is_copy(asked) else passing(asked)


def archive(peer: AzurePeer, name: str) -> None:
    """Put a blob into the archive."""
    peer.client.get_blob_client(name).set_standard_blob_tier(StandardBlobTier.ARCHIVE)


def _without(asked: Asked, header: str) -> Asked:
    return replace(asked, headers={name: value for name, value in asked.headers.items() if name != header})


def _shifted(asked: Asked) -> Asked:
    first, last = (int(number) for number in asked.headers[RANGE].removeprefix("bytes=").split("-"))
    return replace(asked, headers={**asked.headers, RANGE: f"bytes={first - 1}-{last - 1}"})


def _flipped(asked: Asked) -> Asked:
    return replace(asked, body=bytes([asked.body[0] ^ 1]) + asked.body[1:])
