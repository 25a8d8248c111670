"""What Cloudy keeps of a VM besides its files, as JSON, so that it can be made anew where its .vmcx is lost. Pure.

It may come from a bucket that others write to: what is read of it is checked, and holds no path but names of disks.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bot.model import LARGEST_DEFINITION, Nic, VmShape
from integrations.hypervisors.hyperv import marks

_MIB = 1 << 20
_SLOTS = {"IDE": (2, 2), "SCSI": (4, 64)}  # controllers, and locations on each; source: "Plan for Hyper-V scalability"
_MOST_CPUS, _MOST_MEMORY = 2048, 240 << 40  # bytes
_MAC = re.compile(r"[0-9A-F]{12}")
_PLAIN = re.compile(r"[^\x00-\x1f]{0,256}")


class NoDefinition(ValueError):  # noqa: N818 - reads as what it says
    """No VM can be made of it; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Where a disk is attached. path: on the export, or as the host names it."""

    bus: str  # "IDE" | "SCSI"
    number: int
    location: int
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One network adapter. mac: twelve digits."""

    name: str
    switch: str
    mac: str
    is_dynamic: bool
    is_legacy: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One VM; memory in bytes."""

    id: str
    generation: int
    processors: int
    startup: int
    minimum: int
    maximum: int
    is_dynamic: bool
    notes: str
    disks: tuple[Slot, ...]
    cards: tuple[Card, ...]
    secure_boot: bool
    template: str  # of secure boot; "": not told
    has_tpm: bool
    checkpoints: int


def shape_of(made: Definition, disks: Sequence[str]) -> VmShape:
    """disks: those on the export, in bus order."""
    text = json.dumps(asdict(made), ensure_ascii=False, sort_keys=True)
    return VmShape(
        kind="hyperv",
        cpus=made.processors,
        memory_mib=made.startup // _MIB,
        firmware="efi" if made.generation == 2 else "bios",
        nics=tuple(Nic(mac=_colons(each.mac), network=each.switch, model=_model(each)) for each in made.cards),
        disks=tuple(disks),
        definition=text if len(text) <= LARGEST_DEFINITION else "",
    )


def read(shape: VmShape | None) -> Definition | None:
    """What a shape holds; None: nothing for Hyper-V. NoDefinition: it is not to be trusted."""
    if shape is None or shape.kind != "hyperv" or not shape.definition:
        return None
    try:
        plain = json.loads(shape.definition)
        made = Definition(
            **{key: _checked(key, plain[key]) for key in _SIMPLE},
            disks=tuple(_slot(each) for each in plain["disks"]),
            cards=tuple(_card(each) for each in plain["cards"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise NoDefinition(f"the VM's definition cannot be read ({error})") from error
    if made.generation not in (1, 2) or not 1 <= made.processors <= _MOST_CPUS:
        raise NoDefinition("the VM's definition has no generation or number of processors that can be")
    if not all(0 < each <= _MOST_MEMORY for each in (made.startup, made.minimum, made.maximum)):
        raise NoDefinition("the VM's definition has no amount of memory that can be")
    return made


_SIMPLE: Mapping[str, type] = {
    "id": str, "generation": int, "processors": int, "startup": int, "minimum": int, "maximum": int,
    "is_dynamic": bool, "notes": str, "secure_boot": bool, "template": str, "has_tpm": bool, "checkpoints": int,
}  # fmt: skip


def _checked(key: str, value: Any) -> Any:
    if type(value) is not _SIMPLE[key]:
        raise ValueError(f"{key} is not of the right kind")
    if key in ("id", "template") and not _PLAIN.fullmatch(str(value)):
        raise ValueError(f"{key} holds what it cannot")
    return value


def _slot(plain: Any) -> Slot:
    made = Slot(bus=str(plain["bus"]), number=plain["number"], location=plain["location"], path=str(plain["path"]))
    controllers, locations = _SLOTS.get(made.bus, (0, 0))
    if made.number not in range(controllers) or made.location not in range(locations):
        raise ValueError(f"there is no place {made.bus} {made.number}:{made.location} for a disk")
    return made


def _card(plain: Any) -> Card:
    made = Card(
        name=str(plain["name"]),
        switch=str(plain["switch"]),
        mac=str(plain["mac"]).upper(),
        is_dynamic=bool(plain["is_dynamic"]),
        is_legacy=bool(plain["is_legacy"]),
    )
    if not _MAC.fullmatch(made.mac) or not _PLAIN.fullmatch(made.name) or not _PLAIN.fullmatch(made.switch):
        raise ValueError("a network adapter has a name or address that it cannot have")
    return made


def slots_of(drives: Sequence[Mapping[str, Any]]) -> tuple[Slot, ...]:
    """What Get-VMHardDiskDrive tells, in bus order, without empty drives. NoDefinition: one is the host's own disk."""
    found = []
    for each in drives:
        path = str(each.get("Path") or "")
        if each.get("DiskNumber") is not None:
            raise NoDefinition(f"it has a disk that is no file: {path or each['DiskNumber']}")
        if not path:
            continue
        number, location = int(each["ControllerNumber"]), int(each["ControllerLocation"])
        found.append(Slot(bus=str(each["ControllerType"]), number=number, location=location, path=path))
    return tuple(sorted(found, key=lambda slot: (slot.bus, slot.number, slot.location)))


def cards_of(adapters: Sequence[Mapping[str, Any]]) -> tuple[Card, ...]:
    """What Get-VMNetworkAdapter tells, in its order."""
    return tuple(
        Card(
            name=str(each.get("Name") or ""),
            switch=str(each.get("SwitchName") or ""),
            mac=re.sub(r"[^0-9A-F]", "", str(each.get("MacAddress") or "").upper()).rjust(12, "0"),
            is_dynamic=bool(each.get("DynamicMacAddressEnabled", True)),
            is_legacy=bool(each.get("IsLegacy")),
        )
        for each in adapters
    )


def told(vm: Mapping[str, Any], slots: Sequence[Slot], cards: Sequence[Card], more: Mapping[str, Any]) -> Definition:
    """Of what Get-VM and the others tell. more: SecureBoot, SecureBootTemplate, TpmEnabled, checkpoints."""
    return Definition(
        id=str(vm["Id"]),
        generation=int(vm.get("Generation") or 1),
        processors=int(vm.get("ProcessorCount") or 1),
        startup=int(vm.get("MemoryStartup") or _MIB),
        minimum=int(vm.get("MemoryMinimum") or _MIB),
        maximum=int(vm.get("MemoryMaximum") or _MIB),
        is_dynamic=bool(vm.get("DynamicMemoryEnabled")),
        notes=marks.without(str(vm.get("Notes") or "")),
        disks=tuple(slots),
        cards=tuple(cards),
        secure_boot=str(more.get("SecureBoot") or "") == "On",
        template=str(more.get("SecureBootTemplate") or ""),
        has_tpm=bool(more.get("TpmEnabled")),
        checkpoints=int(more.get("checkpoints") or 0),
    )


def network_for(switch: str, networks: Mapping[str, str], known: frozenset[str], *, is_connected: bool) -> str:
    """The switch that a card is to be connected to here; "": none. NoDefinition: an order names one that is not there.

    One that the host does not have, and nobody named, leaves the card not connected.
    """
    if not is_connected:
        return ""
    wanted = networks.get(switch, switch)
    if wanted in known:
        return wanted
    if switch in networks:
        raise NoDefinition(
            f"the host has no virtual switch {wanted} (it has: {', '.join(sorted(known)) or 'none'}); map"
            f" {switch or 'the card'} to another one"
        )
    return ""


def _colons(mac: str) -> str:
    return ":".join(mac[at : at + 2] for at in range(0, 12, 2)).lower()


def _model(card: Card) -> str:
    return "legacy" if card.is_legacy else "synthetic"
