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
