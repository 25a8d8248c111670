"""CRCs of pieces, joined to that of the whole."""

from collections.abc import Iterable

from awscrt.checksums import combine_crc64nvme


def whole(pieces: Iterable[tuple[int, int]]) -> int:
    """Give the CRC of all pieces in a row, each as (CRC, length in bytes)."""
    total = 0
    for value, length in pieces:
        total = int(combine_crc64nvme(total, value, length))
    return total
