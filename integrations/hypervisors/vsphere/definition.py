"""Makes the .vmx of a VM that is to be registered, of the one that was restored. Pure.

It is made anew by integrations/hypervisors/vsphere/rules.py; every file in it is one of the restored ones. Made of what
was made before it is the same, so that repeating is safe.
"""

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.model import Nic
from integrations.hypervisors.vsphere import rules
from integrations.hypervisors.vsphere.vmx import Vmx

# A host shows these settings in the VM's extraConfig.
LABEL = "cloudy.label"  # carries the label
PLACE = "cloudy.path"  # the .vmx for which the label was written: a clone takes the label along and has another
READY = "cloudy.ready"  # the label once more, set by the last step only and never in a .vmx that Cloudy writes
IDENTITY = "cloudy.identity"  # "keep": the same VM; "create": another one
ACTION = "uuid.action"  # spares the question "moved or copied?": likewise
_BY_CLOUDY = "Restored by Cloudy: "
_EMPTY_DRIVE = {
    "deviceType": "cdrom-raw", "clientDevice": "TRUE", "fileName": "emptyBackingString", "startConnected": "FALSE",
}  # fmt: skip


class NoDefinition(ValueError):  # noqa: N818 - reads as what it says
    """No VM can be made of it; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the VM is to be."""

    label: str
    name: str
    path: str  # where its .vmx is, as vSphere writes it
    here: frozenset[str]  # its files, relative to the folder of the .vmx
    cards: tuple[Nic, ...] = ()  # what was known of its network cards when it was protected, in order
    networks: Mapping[str, str] = field(default_factory=dict)
    is_connected: bool = False
    keeps_identity: bool = False


def adapted(source: Vmx, wanted: Wanted) -> tuple[Vmx, tuple[str, ...]]:
    """The new definition, and what was left out of it or changed, for people. NoDefinition says why there is none."""
    if not source:
        raise NoDefinition("the .vmx is empty or no VM's definition")
    made, notes = _taken(source)
    _name(made, source, wanted)
    for slot, file in source.disks():
        _disk(made, source, slot, place_of(file, wanted.here))
    for key in ("nvram", "extendedConfigFile", "checkpoint.vmState"):
        notes += _file(made, source, key, wanted.here)
    notes += _drives(made, source)
    for number, card in enumerate(source.cards()):
        notes += _card(made, card, network_of(source, number, wanted), wanted)
    _identity(made, wanted)
    return made, tuple(notes)


def network_of(source: Vmx, number: int, wanted: Wanted) -> str:
    """What a card is to be connected to here."""
    known = wanted.cards[number].network if number < len(wanted.cards) else ""
    before = known or source.get(f"{source.cards()[number]}.networkName")
    return wanted.networks.get(before, before)


def place_of(file: str, here: frozenset[str]) -> str:
    """Where a file that a definition names is among the restored ones. A full path counts by its name alone."""
    place = posixpath.basename(file) if file.startswith("/") else posixpath.normpath(file)
    if place not in here:
        raise NoDefinition(f"it names {file}, which is not among the restored files")
    return place


def own_uuid(vmx: Vmx) -> str:
    """The uuid in its firmware, as vSphere writes it elsewhere; "": it has none."""
    digits = re.sub(r"[^0-9a-f]", "", vmx.word("uuid.bios"))
    parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
    return "-".join(parts) if len(digits) == 32 else ""


def annotated(text: str, label: str) -> str:
    """Notes of a VM, with a line that says who restored it."""
    lines = [line for line in text.split("\n") if not line.startswith(_BY_CLOUDY)]
    return "\n".join([*lines, f"{_BY_CLOUDY}{label}"]).lstrip("\n")


def _taken(source: Vmx) -> tuple[Vmx, list[str]]:
    made, left = Vmx(), []
    for key, value in source:
        slot = source.slot_of(key)
        is_gone = bool(slot) and (source.is_absent(slot) or source.is_drive(slot))
        if not is_gone and rules.is_taken(key, value):
            made.set(source.name_of(key), value)
        elif not is_gone and not rules.is_file(key) and rules.is_missed(key):
            left.append(f"left out: {source.name_of(key)}")
    return made, left


def _name(made: Vmx, source: Vmx, wanted: Wanted) -> None:
    made.set(".encoding", "UTF-8")
    made.set("displayName", wanted.name)
    made.set("annotation", annotated(source.get("annotation"), wanted.label))
    made.set(LABEL, wanted.label)
    made.set(PLACE, wanted.path)
    made.set("floppy0.present", "FALSE")  # one is there unless it is said that it is not


def _disk(made: Vmx, source: Vmx, slot: str, place: str) -> None:
    kind = source.get(f"{slot}.deviceType")
    if not rules.is_disk_type(kind):
        raise NoDefinition(f"{slot} is a {kind}, which is a device of the host")
    made.set(f"{slot}.fileName", place)


def _file(made: Vmx, source: Vmx, key: str, here: frozenset[str]) -> list[str]:
    """Firmware settings and the like: without its file the host makes it anew."""
    if not source.get(key):
        return []
    try:
        made.set(key, place_of(source.get(key), here))
    except NoDefinition:
        return [f"left out: {key}, its file was not restored"]
    return []


def _drives(made: Vmx, source: Vmx) -> list[str]:
    """Drives for CDs are there and empty: what lay in them is no file of the VM."""
    notes = []
    for slot in dict.fromkeys(filter(None, (source.slot_of(key) for key, _ in source))):
        if source.is_drive(slot) and not source.is_absent(slot):
            made.set(f"{slot}.present", "TRUE")
            if source.word(f"{slot}.filename").endswith(".iso"):
                notes.append(f"left out: the CD in {slot}")
            for key, value in _EMPTY_DRIVE.items():
                made.set(f"{slot}.{key}", value)
    return notes


def _card(made: Vmx, card: str, network: str, wanted: Wanted) -> list[str]:
    made.set(f"{card}.startConnected", "TRUE" if wanted.is_connected else "FALSE")
    # Else the guest itself may connect it.
    made.set(f"{card}.allowGuestConnectionControl", "TRUE" if wanted.is_connected else "FALSE")
    if network:
        made.set(f"{card}.networkName", network)
    if wanted.keeps_identity:
        return []
    is_fixed = made.word(f"{card}.addressType") == "static"
    made.set(f"{card}.addressType", "vpx" if made.word(f"{card}.addressType") == "vpx" else "generated")
    for key in ("address", "generatedAddress", "generatedAddressOffset"):
        made.drop(f"{card}.{key}")
    return [f"{card} had a fixed address, and gets another one"] if is_fixed else []


def _identity(made: Vmx, wanted: Wanted) -> None:
    for key in (IDENTITY, ACTION):
        made.set(key, "keep" if wanted.keeps_identity else "create")
    if not wanted.keeps_identity:
        made.drop("uuid.bios")
        made.drop("vc.uuid")
