"""Reads what a VM is from its .vmx file."""

import re
from dataclasses import dataclass, field
from pathlib import Path

VMWARE, PLAIN = "VMWARE", "OTHERFILE"  # types of hypervisors, as the API has them
_LINE = re.compile(r'^\s*([^#=\s]+)\s*=\s*"(.*)"\s*$')
ATTACHED = "syncvm-flr-"  # the folder of a disk that SyncVM attached begins so
_DEVICE = re.compile(r"^(scsi|sata|ide|nvme)(\d+):(\d+)\.filename$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A virtual disk: its place on the bus ("scsi0:0") and its descriptor's path relative to the VM's folder."""

    device: str
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What a .vmx says, or, for a generated VM, what one would say."""

    name: str
    file: str  # name of the .vmx; "": it has none
    bios_uuid: str = ""
    instance_uuid: str = ""
    cpus: int = 1
    memory_mb: int = 1024
    disks: list[Disk] = field(default_factory=list)  # in bus order
    kind: str = VMWARE
    identity: str = ""  # what tells it from another one in the same place, where no UUID does

    @property
    def is_managed(self) -> bool:
        """Whether a manager of a hypervisor knows it."""
        return self.kind != PLAIN


def read(path: Path) -> Definition:
    """Read a .vmx; one that is only half there gives what it has, under the file's own name."""
    values = _values(path.read_text(encoding="utf-8", errors="replace"))
    bios = _uuid(values.get("uuid.bios", ""))
    return Definition(
        name=values.get("displayname", "") or path.stem,
        file=path.name,
        bios_uuid=bios,
        instance_uuid=_uuid(values.get("vc.uuid", "")) or bios,
        cpus=_number(values.get("numvcpus", ""), 1),
        memory_mb=_number(values.get("memsize", ""), 1024),
        disks=_disks(values),
    )


def written(definition: Definition) -> str:
    """The text of a .vmx that says just this."""
    disks = ((f"{disk.device}.fileName", disk.file) for disk in definition.disks)
    sizes = (("numvcpus", definition.cpus), ("memSize", definition.memory_mb))
    return "".join(f'{key} = "{value}"\n' for key, value in (("displayName", definition.name), *sizes, *disks))


def renamed(text: str, name: str, uuid_text: str) -> str:
    """The text of a .vmx as that of another VM; without a UUID the old one stays."""
    spaced = " ".join(uuid_text.replace("-", "")[place : place + 2] for place in range(0, 32, 2)) if uuid_text else ""
    new = {
        "displayname": name,
        **({key: spaced for key in ("uuid.bios", "uuid.location", "vc.uuid")} if spaced else {}),
    }
    kept = [line for line in text.splitlines() if not ((found := _LINE.match(line)) and found[1].lower() in new)]
    spelled = {"displayname": "displayName"}
    return "".join(f"{line}\n" for line in [*kept, *(f'{spelled.get(key, key)} = "{new[key]}"' for key in new)])


def _values(text: str) -> dict[str, str]:
    matches = (_LINE.match(line) for line in text.splitlines())
    return {match[1].lower(): match[2] for match in matches if match}


def _disks(values: dict[str, str]) -> list[Disk]:
    found = []
    for key, file in values.items():
        device = _DEVICE.match(key)
        if device and file.lower().endswith(".vmdk"):
            bus, controller, unit = device[1], int(device[2]), int(device[3])
            found.append((bus, controller, unit, file))
    return [Disk(device=f"{bus}{controller}:{unit}", file=file) for bus, controller, unit, file in sorted(found)]


def _uuid(text: str) -> str:
    """`56 4d 12 ...-ab cd ...` as a usual UUID; empty if it is none."""
    digits = re.sub(r"[^0-9a-f]", "", text.lower())
    if len(digits) != 32:
        return ""
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _number(text: str, default: int) -> int:
    return int(text) if text.isdigit() else default
