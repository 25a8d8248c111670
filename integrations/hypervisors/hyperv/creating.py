"""Makes a VM anew of what was known of it, where there is no .vmcx to import."""

from collections.abc import Sequence
from typing import Any

from integrations.hypervisors.hyperv import disks, inventory
from integrations.hypervisors.hyperv.cmdlets import SWITCH, cmdlet, pick
from integrations.hypervisors.hyperv.connection import Session
from integrations.hypervisors.hyperv.definition import Card, Definition, NoDefinition, Slot
from integrations.hypervisors.hyperv.importing import attach, place_of
from integrations.hypervisors.hyperv.wanted import Made, Wanted


def run(session: Session, wanted: Wanted, known: Definition | None) -> Made:
    """The VM, off, with its first disk, which it boots from. NoDefinition; CmdletError: nothing is registered."""
    if known is None:
        raise NoDefinition("the recovery point holds no definition for Hyper-V")
    slots = tuple(wanted.restored(slot) for slot in known.disks)
    disks.check_chains(session, wanted, slots)
    told = wanted.told_of(known.cards)
    boot: dict[str, Any] = {"VHDPath": slots[0].path, "BootDevice": "VHD"} if slots else {"NoVHD": SWITCH}
    new = cmdlet(
        "New-VM",
        Name=wanted.folder,
        Path=wanted.place.rpartition("\\")[0],
        Generation=known.generation,
        MemoryStartupBytes=known.startup,
        **boot,
    )
    (vm,) = session.run(new, pick("Id"))
    return Made(
        vm["Id"],
        lambda session, wanted: _put_right(session, wanted, vm["Id"], known, slots),
        notes=known.notes,
        told=[*told, *_told_of(wanted, known)],
    )


def _told_of(wanted: Wanted, known: Definition) -> list[str]:
    told = ["made anew: VLANs, limits and other settings beyond its size, disks and network adapters are Hyper-V's own"]
    if wanted.spec.keeps_identity:
        told.append("it has another id: only its .vmcx, which is not among the files, holds the old one")
    if known.checkpoints:
        told.append(f"left out: its {known.checkpoints} checkpoints; it is as it was when it was protected")
    if known.has_tpm:
        told.append("left out: its TPM, whose keys are not among the files")
    return told


def _put_right(session: Session, wanted: Wanted, vm_id: object, known: Definition, slots: Sequence[Slot]) -> None:
    own = inventory.by_id(vm_id)
    # What New-VM gives to every VM.
    session.run(own, cmdlet("Get-VMNetworkAdapter"), cmdlet("Remove-VMNetworkAdapter"))
    session.run(own, cmdlet("Get-VMDvdDrive"), cmdlet("Remove-VMDvdDrive"))
    _size(session, vm_id, known)
    _attach_all(session, vm_id, known, slots)
    if known.generation == 2:
        template = {"SecureBootTemplate": known.template} if known.secure_boot and known.template else {}
        secure = "On" if known.secure_boot else "Off"
        session.run(own, cmdlet("Set-VMFirmware", EnableSecureBoot=secure, **template))
    for card in known.cards:
        _add_card(session, vm_id, card, wanted)


def _size(session: Session, vm_id: object, known: Definition) -> None:
    memory: dict[str, Any] = {"StaticMemory": SWITCH}
    if known.is_dynamic:
        memory = {
            "DynamicMemory": SWITCH,
            "MemoryMinimumBytes": known.minimum,
            "MemoryMaximumBytes": known.maximum,
        }
    size = cmdlet("Set-VM", ProcessorCount=known.processors, MemoryStartupBytes=known.startup, **memory)
    session.run(inventory.by_id(vm_id), size)


def _attach_all(session: Session, vm_id: object, known: Definition, slots: Sequence[Slot]) -> None:
    """The first is there, at the first place."""
    own = inventory.by_id(vm_id)
    there = len(session.run(own, cmdlet("Get-VMScsiController"), pick("ControllerNumber")))
    for _ in range(there, 1 + max((slot.number for slot in slots if slot.bus == "SCSI"), default=-1)):
        session.run(own, cmdlet("Add-VMScsiController"))
    first = ("SCSI" if known.generation == 2 else "IDE", 0, 0)
    for slot in slots[:1]:
        if (slot.bus, slot.number, slot.location) != first:
            to = {f"To{key}": value for key, value in place_of(slot).items()}
            session.run(own, cmdlet("Get-VMHardDiskDrive"), cmdlet("Set-VMHardDiskDrive", **to))
    for slot in slots[1:]:
        attach(session, vm_id, slot)


def _add_card(session: Session, vm_id: object, card: Card, wanted: Wanted) -> None:
    more: dict[str, Any] = {"DynamicMacAddress": SWITCH}
    if wanted.spec.keeps_identity and not card.is_dynamic:
        more = {"StaticMacAddress": card.mac}
    if card.is_legacy:
        more["IsLegacy"] = True
    if switch := wanted.switch_for(card):
        more["SwitchName"] = switch
    session.run(inventory.by_id(vm_id), cmdlet("Add-VMNetworkAdapter", Name=card.name, **more))
