"""Ids of blocks, which tell what Azure keeps no record of: which upload, which part, and the CRC it was checked by.

Azure knows no uploads: whoever sends a block to a name adds to the blocks that wait there to be made a blob. So an
upload is a token of ours in each id, and a first block, the mark, by which it is found before it has any part.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from awscrt.checksums import crc64nvme

_ID = re.compile(r"(\d{5})-([0-9a-f]{20})-([0-9a-f]{16})")
MARK = 0  # number of the block that opens an upload
TOMB = 99_999  # number of the block that closes one whose blocks cannot be freed
TRIAL = 99_998  # number of a block that nobody will use
ONE_BYTE = bytearray(b"\0")  # Azure takes no empty block
ONE_BYTE_CRC = int(crc64nvme(ONE_BYTE))


@dataclass(frozen=True, slots=True, order=True)
class Block:
    """One block. All ids of a blob must be equally long; Azure allows 64 bytes. Source: "Put Block"."""

    number: int  # of the part; no part has the number 0
    token: str
    crc64: int  # by which the service checked it when it came
    size: int = 0

    @property
    def id(self) -> str:
        """Its id, before base64."""
        return f"{self.number:05d}-{self.token}-{self.crc64:016x}"

    @property
    def etag(self) -> str:
        """What tells this content of the part from any other; Azure itself has no etag of a block."""
        return f"{self.crc64:016x}"


def read_id(text: str, size: int) -> Block | None:
    """The block of that id; None: not one of ours."""
    found = _ID.fullmatch(text)
    return Block(int(found[1]), found[2], int(found[3], 16), size) if found else None


def new_token(now: datetime, chance: bytes) -> str:
    """A token that sorts by time, of 4 bytes of chance."""
    return f"{int(now.timestamp() * 1000):012x}{chance.hex()}"


def begun_at(token: str) -> datetime:
    """When an upload was begun, by the clock of who did."""
    return datetime.fromtimestamp(int(token[:12], 16) / 1000, UTC)
