"""Looks VMs up on a host, and says what they are."""

import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from bot.model import LONGEST_SIGN, Alive, Registered, Vm, VmShape
from integrations.hypervisors import specs
from integrations.hypervisors.hyperv import definition, marks
from integrations.hypervisors.hyperv.cmdlets import Cmdlet, cmdlet, expand, pick
from integrations.hypervisors.hyperv.connection import Session
from integrations.hypervisors.hyperv.failures import CmdletError
from integrations.hypervisors.hyperv.paths import Paths

_TOLD = ("Id", "Name", "State", "Notes", "Path")
_SHAPE = (
    "Id", "Name", "Generation", "ProcessorCount", "MemoryStartup", "MemoryMinimum", "MemoryMaximum",
    "DynamicMemoryEnabled", "Notes",
)  # fmt: skip
_OF_GENERATION_2 = {"Get-VMFirmware": ("SecureBoot", "SecureBootTemplate"), "Get-VMSecurity": ("TpmEnabled",)}
_CURE = "Take the line that says so out of the notes of those that Cloudy did not make."
DRIVE = ("VMId", "ControllerType", "ControllerNumber", "ControllerLocation", "Path", "DiskNumber")
CARD = ("Id", "Name", "SwitchName", "MacAddress", "DynamicMacAddressEnabled", "IsLegacy")


def by_id(vm_id: object) -> Cmdlet:
    """The beginning of a pipeline about one VM. A CmdletError means that it is not there."""
    return cmdlet("Get-VM", Id=vm_id)


def id_of(text: str) -> uuid.UUID | None:
    """An id as Hyper-V has them; None: it is none."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def everything(session: Session) -> list[Mapping[str, Any]]:
    """What all VMs of the host say of themselves."""
    found: list[Mapping[str, Any]] = session.run(cmdlet("Get-VM"), pick(*_TOLD))
    return found


def one(session: Session, vm_id: object) -> Mapping[str, Any]:
    """The same of one. CmdletError: it is not there."""
    found: Mapping[str, Any] = session.run(by_id(vm_id), pick(*_TOLD))[0]
    return found


def registered(vm: Mapping[str, Any]) -> Registered:
    """What a VM is; one that was begun and is not right yet has its label, too."""
    return Registered(id=str(vm["Id"]), name=str(vm["Name"]), label=label_of(vm), is_on=is_on(vm))


def is_on(vm: Mapping[str, Any]) -> bool:
    """Whether it runs; one that waits, or is on its way, does."""
    return str(vm.get("State")) not in ("Off", "Saved", "FastSaved", "OffCritical", "SavedCritical")


def label_of(vm: Mapping[str, Any]) -> str:
    """The transaction that has registered it."""
    return noted(vm) or marks.begun(str(vm.get("Path") or ""))


def noted(vm: Mapping[str, Any]) -> str:
    """The same, where its last step was done."""
    return marks.noted(str(vm.get("Notes") or ""), str(vm["Id"]), str(vm.get("Path") or ""))


def labelled(vms: Sequence[Mapping[str, Any]], label: str, system: str) -> Mapping[str, Any] | None:
    """The one VM of a label. PermanentError: there are several, which somebody has copied."""
    found = {str(each["Id"]): each for each in vms if label and label_of(each) == label}
    chosen = specs.only([registered(each) for each in found.values()], label, system, _CURE)
    return found[chosen.id] if chosen else None


def shape(session: Session, paths: Paths, vm: Vm) -> VmShape | None:
    """What a VM is made of: of the one that has the VM's disks, by its name where no disk of it is known."""
    drives = session.run(cmdlet("Get-VM"), cmdlet("Get-VMHardDiskDrive"), pick(*DRIVE))
    found = _known(session, paths, vm, drives)
    if found is None:
        return None
    spelled = {disk.path.lower(): disk.path for disk in vm.disks}
    own = [each for each in drives if str(each["VMId"]) == str(found["Id"]) and each.get("DiskNumber") is None]
    slots = definition.slots_of(own)
    inside = [spelled.get(path.lower(), path) for path in (paths.inside(slot.path) for slot in slots) if path]
    vm_id = found["Id"]
    cards = definition.cards_of(session.run(by_id(vm_id), cmdlet("Get-VMNetworkAdapter"), pick(*CARD)))
    made = definition.told(found, _relative(slots, paths), cards, _more(session, found))
    return definition.shape_of(made, inside)


def _relative(slots: Sequence[definition.Slot], paths: Paths) -> list[definition.Slot]:
    return [
        definition.Slot(
            bus=slot.bus, number=slot.number, location=slot.location, path=paths.inside(slot.path) or slot.path
        )
        for slot in slots
    ]


def _known(session: Session, paths: Paths, vm: Vm, drives: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    disks = {disk.path.lower() for disk in vm.disks}
    owners = [each["VMId"] for each in drives if paths.inside(str(each.get("Path") or "")).lower() in disks]
    if not disks:
        owners = [each["Id"] for each in everything(session) if str(each["Name"]) == vm.name]
    with suppress(CmdletError):  # gone meanwhile
        found: list[Mapping[str, Any]] = session.run(by_id(owners[0]), pick(*_SHAPE)) if owners else []
        return found[0] if found else None
    return None


def _more(session: Session, vm: Mapping[str, Any]) -> dict[str, Any]:
    """What only some VMs and hosts have; without it the shape is told all the same."""
    more: dict[str, Any] = {}
    if vm.get("Generation") == 2:
        for name, wanted in _OF_GENERATION_2.items():
            with suppress(CmdletError):
                more |= session.run(by_id(vm["Id"]), cmdlet(name), pick(*wanted))[0]
    more["checkpoints"] = len(session.run(by_id(vm["Id"]), cmdlet("Get-VMSnapshot"), pick("Name")))
    return more


def switches(session: Session) -> frozenset[str]:
    """The host's virtual switches, by name."""
    return frozenset(str(each) for each in session.run(cmdlet("Get-VMSwitch"), expand("Name")))


def alive(session: Session, vm_id: object) -> Alive | None:
    """By the heartbeat that the guest's integration services send."""
    (vm,) = session.run(by_id(vm_id), pick("State", "Heartbeat", "Uptime"))
    heart = str(vm.get("Heartbeat") or "")
    if str(vm.get("State")) != "Running" or not heart.startswith("Ok"):
        return None
    text = f"heartbeat: {heart}; up for {vm.get('Uptime')}"
    return Alive(sign="heartbeat", text=text.encode()[:LONGEST_SIGN].decode("utf-8", "ignore"))
