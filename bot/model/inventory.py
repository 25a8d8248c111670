"""Nouns of what was seen: VMs as a VMstore last told them, and the looks themselves."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenVm:
    """One VM as last seen; kept for a while when it has vanished, since its recovery points stay."""

    uuid: str
    name: str
    vmstore: str
    used_bytes: int = 0
    provisioned_bytes: int = 0
    hypervisor: str = "UNKNOWN"
    powered: bool | None = None  # None: the VMstore does not tell
    seen_at: datetime
    gone_at: datetime | None = None  # since when it was not there any more


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The last look at all VMs of one VMstore."""

    vmstore: str
    at: datetime
    well_at: datetime | None = None  # the last look that worked
    vms: int = 0  # live ones, at that look
    error: str = ""  # why the last one did not work


@dataclass(frozen=True, slots=True, kw_only=True)
class Fared:
    """How a VMstore or target fared lately, as far as it is known without asking it."""

    name: str
    well_at: datetime | None = None  # when it last did what was wanted
    failed_at: datetime | None = None  # when it last did not
    why: str = ""

    @property
    def is_well(self) -> bool | None:
        """By the newer of the two; None: nothing is known."""
        if self.failed_at is None:
            return True if self.well_at else None
        return self.well_at is not None and self.well_at >= self.failed_at
