"""Where a recovery point that has grown old may lie for less money."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Tier(StrEnum):
    """Cloudy's own word, the same for each cloud; the store's word for it is a storage class."""

    COLD = "cold"  # it is read at once, for a price
    ARCHIVE = "archive"  # it must be brought back first, which takes hours


# The store's words, by the scheme of a target's url, where its settings name no other.
CLASSES: Mapping[str, Mapping[Tier, str]] = {
    "s3": {Tier.COLD: "GLACIER_IR", Tier.ARCHIVE: "GLACIER"},
    "azure": {Tier.COLD: "Cold", Tier.ARCHIVE: "Archive"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """A recovery point whose turn to move has come, judged once more."""

    tier: Tier | None = None  # that it moves to; None: nothing asks for it any more
    why: str = ""  # it stays, in words; "": it does not


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiering:
    """From which age on a VM's recovery points may lie in a tier; without any they stay where they were made."""

    cold_after: timedelta | None = None
    archive_after: timedelta | None = None

    @property
    def first(self) -> timedelta | None:
        """From which age on anything moves; None: nothing does."""
        return min(filter(None, (self.cold_after, self.archive_after)), default=None)
