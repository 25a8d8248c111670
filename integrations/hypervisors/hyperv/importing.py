"""Imports a VM of its .vmcx, as a copy whose disks are the restored files.

`-Copy` would copy the disks, too, and only with it a VM gets a new id. So they are taken off the planned VM, and put
back once it is there. Source: Compare-VM, Import-VM, Microsoft.

The .vmcx may come from a bucket that others write to, and only the host can read it. So every path in it is replaced or
taken out before the VM is real, and what the host still has against it is told.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from integrations.hypervisors.hyperv import definition, disks, inventory
from integrations.hypervisors.hyperv.cmdlets import SWITCH, Cmdlet, boot_first, cmdlet, expand, pick, where
from integrations.hypervisors.hyperv.connection import Session
from integrations.hypervisors.hyperv.definition import NoDefinition, Slot
from integrations.hypervisors.hyperv.failures import CmdletError
from integrations.hypervisors.hyperv.wanted import Made, Wanted

_VARIABLE = "CloudyReport"
_REPORT = cmdlet("Get-Variable", Name=_VARIABLE, ValueOnly=SWITCH, Scope="Global")
_KEEP = cmdlet("Set-Variable", Name=_VARIABLE, Scope="Global")
_PLACES = ("VirtualMachinePath", "SnapshotFilePath", "SmartPagingFilePath", "VhdDestinationPath")
_PLANNED: tuple[Cmdlet, ...] = (_REPORT, expand("VM"))


def run(session: Session, wanted: Wanted, source: str) -> Made:
    """The VM, off, without disks. NoDefinition: it cannot be taken over, and nothing is registered. CmdletError."""
    try:
        return _imported(session, wanted, source)
    finally:
        with suppress(CmdletError):  # it ends with the runspace
            session.run(cmdlet("Remove-Variable", Name=_VARIABLE, Scope="Global"))


def _imported(session: Session, wanted: Wanted, source: str) -> Made:
    paths = dict.fromkeys(_PLACES, wanted.place)
    new = {} if wanted.spec.keeps_identity else {"GenerateNewId": SWITCH}
    session.run(cmdlet("Compare-VM", Path=wanted.paths.full(source), Copy=SWITCH, **new, **paths), _KEEP)
    drives = session.run(*_PLANNED, cmdlet("Get-VMHardDiskDrive"), pick(*inventory.DRIVE))
    slots = tuple(wanted.restored(slot) for slot in definition.slots_of(drives))
    disks.check_chains(session, wanted, slots)
    adapters = session.run(*_PLANNED, cmdlet("Get-VMNetworkAdapter"), pick(*inventory.CARD))
    told = wanted.told_of(definition.cards_of(adapters)) + _cleared(session)
    _connect(session, wanted, adapters)
    session.run(_REPORT, cmdlet("Compare-VM"), _KEEP)
    if reasons := _reasons(session):
        raise NoDefinition(f"the host cannot take the VM: {'; '.join(reasons)}")
    (vm,) = session.run(_REPORT, cmdlet("Import-VM"), pick("Id", "Generation"))
    return Made(vm["Id"], lambda session, wanted: _put_right(session, wanted, vm, slots), told=told)


def _cleared(session: Session) -> list[str]:
    """Take out what leads out of the VM's folder; give what people should know of it."""
    told = []
    for number, drive in enumerate(session.run(*_PLANNED, cmdlet("Get-VMDvdDrive"), pick("Path"))):
        if drive.get("Path"):
            told.append(f"left out: the CD in drive {number}")
    if told:
        session.run(*_PLANNED, cmdlet("Get-VMDvdDrive"), cmdlet("Set-VMDvdDrive", Path=None))
    if any(port.get("Path") for port in session.run(*_PLANNED, cmdlet("Get-VMComPort"), pick("Path"))):
        session.run(*_PLANNED, cmdlet("Get-VMComPort"), cmdlet("Set-VMComPort", Path=None))
        told.append("left out: what its serial ports were connected to")
    session.run(*_PLANNED, cmdlet("Get-VMHardDiskDrive"), cmdlet("Remove-VMHardDiskDrive"))
    return told


def _connect(session: Session, wanted: Wanted, adapters: Sequence[Mapping[str, Any]]) -> None:
    """Each to its switch, or to none."""
    for adapter, card in zip(adapters, definition.cards_of(adapters), strict=True):
        switch = wanted.switch_for(card)
        one = (*_PLANNED, cmdlet("Get-VMNetworkAdapter"), where("Id", str(adapter["Id"])))
        if switch:
            session.run(*one, cmdlet("Connect-VMNetworkAdapter", SwitchName=switch))
        else:
            session.run(*one, cmdlet("Disconnect-VMNetworkAdapter"))


def _reasons(session: Session) -> list[str]:
    found = session.run(_REPORT, expand("Incompatibilities"), pick("Message", "MessageId"))
    return [
        f"{' '.join(str(each['Message']).split()).rstrip('.')} ({each.get('MessageId')})"
        for each in found
        if isinstance(each, dict) and each.get("Message")
    ]


def _put_right(session: Session, wanted: Wanted, vm: Mapping[str, Any], slots: Sequence[Slot]) -> None:
    """Disks, addresses, and no saved state: it starts from its disks."""
    own = inventory.by_id(vm["Id"])
    if str(inventory.one(session, vm["Id"]).get("State")) == "Saved":
        session.run(own, cmdlet("Remove-VMSavedState"))
    for slot in slots:
        attach(session, vm["Id"], slot)
    if vm.get("Generation") == 2 and slots:
        session.run(boot_first(vm["Id"], slots[0].number, slots[0].location))
    if not wanted.spec.keeps_identity:
        session.run(own, cmdlet("Get-VMNetworkAdapter"), cmdlet("Set-VMNetworkAdapter", DynamicMacAddress=SWITCH))


def attach(session: Session, vm_id: object, slot: Slot) -> None:
    """Put a disk to its place."""
    session.run(inventory.by_id(vm_id), cmdlet("Add-VMHardDiskDrive", **place_of(slot), Path=slot.path))


def place_of(slot: Slot) -> dict[str, Any]:
    """As parameters name it."""
    return {"ControllerType": slot.bus, "ControllerNumber": slot.number, "ControllerLocation": slot.location}
