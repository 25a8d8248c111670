"""Cmdlets as PowerShell remoting takes them: a name and typed parameters, never text that is put together. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SWITCH = None  # the value of a parameter that has none

# A drive cannot be named as a parameter's value but by a variable, so this is the one text that is run; it never
# changes, and what it is about comes as arguments.
BOOT_FIRST = """param([guid]$Id, [int]$Number, [int]$Location)
$ErrorActionPreference = 'Stop'
$vm = Get-VM -Id $Id
$drive = Get-VMHardDiskDrive -VM $vm -ControllerType SCSI -ControllerNumber $Number -ControllerLocation $Location
Set-VMFirmware -VM $vm -FirstBootDevice $drive
"""


@dataclass(frozen=True, slots=True)
class Cmdlet:
    """One of a pipeline."""

    name: str
    parameters: Mapping[str, Any]
    is_script: bool = False


def cmdlet(name: str, **parameters: Any) -> Cmdlet:
    """The first error that it meets ends the pipeline."""
    return Cmdlet(name, {**parameters, "ErrorAction": "Stop"})


def boot_first(vm_id: object, number: int, location: int) -> Cmdlet:
    """Let a VM of generation 2 try that SCSI drive before all others."""
    return Cmdlet(BOOT_FIRST, {"Id": vm_id, "Number": number, "Location": location}, is_script=True)


def pick(*names: str) -> Cmdlet:
    """Only these properties of what comes: whole objects are large, and cost the host questions."""
    return cmdlet("Select-Object", Property=list(names))


def expand(name: str) -> Cmdlet:
    """What one property of each holds, as the thing itself."""
    return cmdlet("Select-Object", ExpandProperty=name)


def where(name: str, value: str) -> Cmdlet:
    """Those of which a property has that value."""
    return cmdlet("Where-Object", Property=name, EQ=SWITCH, Value=value)
