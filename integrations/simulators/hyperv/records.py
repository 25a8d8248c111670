"""What objects look like to a client: their properties by PowerShell's names, and enumerations as .NET has them."""

import uuid
from dataclasses import dataclass, field
from typing import Any

from psrpcore.types import PSCustomObject, PSEnumBase, PSInt64, PSType

from integrations.simulators.hyperv.machine import Card, Drive, Dvd, Machine, Port


@PSType(["Microsoft.HyperV.PowerShell.VMState"])
class VMState(PSEnumBase):
    """Source: https://learn.microsoft.com/dotnet/api/microsoft.hyperv.powershell.vmstate, as its users quote it."""

    Running = 2
    Off = 3
    Saved = 6
    Paused = 9


@PSType(["Microsoft.HyperV.PowerShell.VMHeartbeatStatus"])
class VMHeartbeatStatus(PSEnumBase):
    """Of the heartbeat service in the guest."""

    OkApplicationsUnknown = 2
    NoContact = 12
    LostCommunication = 13
    Disabled = 15


@PSType(["Microsoft.HyperV.PowerShell.ControllerType"])
class ControllerType(PSEnumBase):
    """Buses."""

    IDE = 0
    SCSI = 1


@PSType(["Microsoft.HyperV.PowerShell.OnOffState"])
class OnOffState(PSEnumBase):
    """On or off."""

    On = 0
    Off = 1


@PSType(["Microsoft.Vhd.PowerShell.VhdType"])
class VhdType(PSEnumBase):
    """Kinds of virtual disks."""

    Fixed = 2
    Dynamic = 3
    Differencing = 4


@dataclass
class Part:
    """Something of a VM's, which knows whose it is."""

    machine: Machine
    thing: Any  # Drive, Dvd, Card, or a number


@dataclass
class Incompatibility:
    """Why a host cannot take a VM."""

    message: str
    message_id: int
    source: Any


@dataclass
class Report:
    """A VM that is to be imported, and what is against it."""

    machine: Machine
    path: str
    copies: bool
    has_new_id: bool
    former: uuid.UUID
    incompatibilities: list[Incompatibility] = field(default_factory=list)


@dataclass
class Selected:
    """Properties that were picked, or that something has which is of no VM."""

    values: dict[str, Any]


def properties(thing: Any) -> dict[str, Any]:
    """All that a client may ask for, by name."""
    if isinstance(thing, Machine):
        return _of_machine(thing)
    if isinstance(thing, Part):
        return {"VMId": thing.machine.id, "VMName": thing.machine.name} | _of_part(thing.machine, thing.thing)
    if isinstance(thing, Report):
        return {"VM": thing.machine, "Path": thing.path, "Incompatibilities": thing.incompatibilities}
    if isinstance(thing, Incompatibility):
        return {"Message": thing.message, "MessageId": thing.message_id, "Source": str(type(thing.source).__name__)}
    return dict(thing.values) if isinstance(thing, Selected) else {}


def sent(thing: Any) -> Any:
    """As it goes to a client, one level deep."""
    if isinstance(thing, Machine | Part | Report | Incompatibility | Selected):
        return PSCustomObject(**{key: _flat(value) for key, value in properties(thing).items()})
    return thing


def _flat(value: Any) -> Any:
    if isinstance(value, list):
        return [_flat(each) for each in value]
    return value if isinstance(value, str | int | bool | float | uuid.UUID | None) else str(value)


def _of_machine(vm: Machine) -> dict[str, Any]:
    is_on = vm.state == "Running"
    return {
        "Id": vm.id,
        "VMId": vm.id,
        "Name": vm.name,
        "VMName": vm.name,
        "State": VMState[vm.state],
        "Heartbeat": VMHeartbeatStatus[vm.heartbeat] if is_on else None,
        "Generation": vm.generation,
        "ProcessorCount": PSInt64(vm.processors),
        "MemoryStartup": PSInt64(vm.startup),
        "MemoryMinimum": PSInt64(vm.minimum),
        "MemoryMaximum": PSInt64(vm.maximum),
        "DynamicMemoryEnabled": vm.is_dynamic,
        "Notes": vm.notes,
        "Path": vm.path,
        "ConfigurationLocation": vm.path,
        "Version": "9.0",
        "Uptime": "00:00:09" if is_on else "00:00:00",
    }


def _of_part(vm: Machine, thing: Any) -> dict[str, Any]:
    if isinstance(thing, Drive):
        return {
            "ControllerType": ControllerType[thing.bus],
            "ControllerNumber": thing.number,
            "ControllerLocation": thing.location,
            "Path": thing.path,
            "DiskNumber": thing.disk_number,
        }
    if isinstance(thing, Dvd):
        return {"ControllerNumber": thing.number, "ControllerLocation": thing.location, "Path": thing.path or None}
    if isinstance(thing, Card):
        return {
            "Id": f"Microsoft:{str(vm.id).upper()}\\{thing.id}",
            "Name": thing.name,
            "SwitchName": thing.switch or None,
            "Connected": bool(thing.switch),
            "MacAddress": thing.mac,
            "DynamicMacAddressEnabled": thing.is_dynamic,
            "IsLegacy": thing.is_legacy,
        }
    if isinstance(thing, Port):
        return {"Number": thing.number, "Path": vm.ports[thing.number]}
    return {"ControllerNumber": thing} if isinstance(thing, int) else {}
