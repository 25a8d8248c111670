"""Where a recovery point that has grown old may lie for less money."""

from enum import StrEnum


class Tier(StrEnum):
    """Cloudy's own word, the same for each cloud; the store's word for it is a storage class."""

    COLD = "cold"  # it is read at once, for a price
    ARCHIVE = "archive"  # it must be brought back first, which takes hours
