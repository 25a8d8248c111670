"""A VM as the host keeps it, its parts, and the file in which its configuration lies.

A real .vmcx is a binary file of Microsoft's own; here it is JSON. Nobody but the host reads either.
"""

import json
import uuid
from dataclasses import asdict, dataclass, field
from typing import Any

MIB = 1 << 20


@dataclass
class Drive:
    """One hard disk drive. disk_number: a disk of the host's own instead of a file."""

    bus: str  # "IDE" | "SCSI"
    number: int
    location: int
    path: str
    disk_number: int | None = None


@dataclass
class Dvd:
    """One DVD drive; path "": it is empty."""

    number: int
    location: int
    path: str = ""


@dataclass
class Card:
    """One network adapter; switch "": it is not connected."""

    name: str = "Network Adapter"
    switch: str = ""
    mac: str = "000000000000"
    is_dynamic: bool = True
    is_legacy: bool = False
    id: str = field(default_factory=lambda: str(uuid.uuid4()).upper())


@dataclass(frozen=True)
class Port:
    """One serial port."""

    number: int


@dataclass
class Machine:
    """One VM. path: the folder in which its configuration lies, below "Virtual Machines"."""

    name: str
    path: str
    id: uuid.UUID = field(default_factory=uuid.uuid4)
    generation: int = 1
    processors: int = 1
    startup: int = 512 * MIB  # bytes of memory, as all of these
    minimum: int = 512 * MIB
    maximum: int = 1024 * 1024 * MIB
    is_dynamic: bool = False
    notes: str = ""
    drives: list[Drive] = field(default_factory=list)
    dvds: list[Dvd] = field(default_factory=list)
    cards: list[Card] = field(default_factory=list)
    ports: dict[int, str] = field(default_factory=lambda: {1: "", 2: ""})  # serial ports: named pipes
    scsi_controllers: int = 1
    secure_boot: str = "On"
    template: str = "MicrosoftWindows"
    has_tpm: bool = False
    first_boot: str = ""  # path of the disk that it tries first
    snapshot_path: str = ""
    paging_path: str = ""
    checkpoints: int = 0
    state: str = "Off"  # "Off" | "Running" | "Saved" | "Paused"
    heartbeat: str = "NoContact"
    wants: str = ""  # why no host but another one can take it; "": any can
    # Of the host, not of the file.
    is_planned: bool = False
    refuses_to_start: str = ""

    @property
    def configuration(self) -> str:
        """The full path of its .vmcx."""
        return f"{self.path}\\Virtual Machines\\{str(self.id).upper()}.vmcx"

    def text(self) -> str:
        """What its .vmcx holds."""
        plain = asdict(self) | {"id": str(self.id)}
        for key in ("is_planned", "refuses_to_start"):
            plain.pop(key)
        return json.dumps(plain, indent=1)


def read(text: str) -> Machine:
    """A VM of what a .vmcx holds. ValueError: it is none."""
    plain: dict[str, Any] = json.loads(text)
    plain["id"] = uuid.UUID(plain["id"])
    plain["ports"] = {int(key): value for key, value in plain["ports"].items()}
    for key, kind in (("drives", Drive), ("dvds", Dvd), ("cards", Card)):
        plain[key] = [kind(**each) for each in plain[key]]
    return Machine(**plain)
