"""CRC-64/NVME, the one checksum of Cloudy: values of parts combine into the value of the whole.

S3 and Azure both keep it; how each writes it down is its adapter's business.
Source: check value 0xae8b14860a799888 of b"123456789", catalogue of parametrised CRC algorithms, CRC-64/NVME.
"""

import re
from collections.abc import Callable, Iterable

from awscrt.checksums import combine_crc64nvme, crc64nvme

from bot.errors import IntegrityError

_PIECE = 8 << 20  # bytes that are read at once
_HEX = re.compile(r"[0-9a-f]{16}")


def crc64(buffer: bytes | bytearray | memoryview, previous: int = 0) -> int:
    """Hash a buffer, going on from the value of what came before it."""
    return int(crc64nvme(buffer, previous))


def combine(crc_a: int, crc_b: int, length_b: int) -> int:
    """Give the value of A followed by B; length_b in bytes."""
    return int(combine_crc64nvme(crc_a, crc_b, length_b))


def whole(pieces: Iterable[tuple[int, int]]) -> int:
    """Give the value of all pieces in a row, each as (value, length in bytes)."""
    total = 0
    for value, length in pieces:
        total = combine(total, value, length)
    return total


def of_read(read: Callable[[int, int], bytes], size: int) -> int:
    """Give the value of so many bytes. read gives a piece of them; it gets where that begins, and its length."""
    value = 0
    for offset in range(0, size, _PIECE):
        value = crc64(read(offset, min(_PIECE, size - offset)), value)
    return value


def to_hex(value: int) -> str:
    """Write it as Cloudy does everywhere: 16 lower-case hex digits."""
    return f"{value:016x}"


def from_hex(text: str) -> int:
    """Read what `to_hex` wrote. IntegrityError: anything else."""
    if not _HEX.fullmatch(text):
        raise IntegrityError(f"{text!r} is not a CRC-64: 16 lower-case hex digits are expected.")
    return int(text, 16)
