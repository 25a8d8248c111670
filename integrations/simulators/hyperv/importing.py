"""Compare-VM and Import-VM: a VM of a .vmcx is planned, put right by other cmdlets, and then made real.

Source: Compare-VM and Import-VM, Microsoft. Message ids: 33012 stands there; 40010 is how people quote it.
"""

import copy
import posixpath
import shutil
import uuid
from typing import Any

from integrations.simulators.hyperv.call import Call, cmdlet
from integrations.simulators.hyperv.host import Host
from integrations.simulators.hyperv.machine import Machine, read
from integrations.simulators.hyperv.records import Incompatibility, Part, Report


def _compare(call: Call) -> list[Any]:
    if not call.has("Path"):
        reports = list(call.all_of(Report))
        for report in reports:
            report.incompatibilities = _against(call.host, report)
        return reports
    return [_planned(call)]


def _planned(call: Call) -> Report:
    path, place = call.text("Path"), call.host.place(call.text("Path"))
    if place is None or not place.is_file():
        raise call.refused(f"The file '{path}' could not be opened (0x80070002).")
    try:
        vm = read(place.read_text())
    except (ValueError, KeyError, TypeError) as error:
        raise call.refused(f"Import failed. Unable to read '{path}'. The file may be corrupt.") from error
    if call.flag("Copy") != call.has("VirtualMachinePath") or (call.flag("GenerateNewId") and not call.flag("Copy")):
        raise call.refused("Parameter set cannot be resolved using the specified named parameters.")
    former, vm.is_planned = vm.id, True
    if call.flag("GenerateNewId"):
        vm.id = uuid.uuid4()
    vm.path = call.text("VirtualMachinePath") if call.flag("Copy") else path.rsplit("\\", 2)[0]
    vm.snapshot_path = call.text("SnapshotFilePath", vm.snapshot_path)
    vm.paging_path = call.text("SmartPagingFilePath", vm.paging_path)
    report = Report(vm, path, call.flag("Copy"), call.flag("GenerateNewId"), former)
    call.session.variables[f"VhdDestinationPath of {vm.id}"] = call.text("VhdDestinationPath")
    report.incompatibilities = _against(call.host, report)
    return report


def _against(host: Host, report: Report) -> list[Incompatibility]:
    vm, found = report.machine, []
    for card in vm.cards:
        if card.switch and card.switch not in host.switches:
            found.append(Incompatibility(f"Could not find Ethernet switch '{card.switch}'.", 33012, Part(vm, card)))
    for drive in vm.drives:
        if not host.is_file(drive.path):
            found.append(Incompatibility(f"The Hard Disk image '{drive.path}' was not found.", 40010, Part(vm, drive)))
    if vm.id in host.machines:
        found.append(Incompatibility("The operation failed because an object with that id exists.", 21003, vm))
    if vm.wants:
        found.append(Incompatibility(vm.wants, 14420, vm))
    return found


def _import(call: Call) -> list[Any]:
    made = []
    for report in call.all_of(Report):
        if report.incompatibilities or _against(call.host, report):
            raise call.refused(
                "Unable to import virtual machine due to configuration errors."
                "  Please use Compare-VM to repair the virtual machine."
            )
        vm = copy.deepcopy(report.machine)
        if report.copies:
            _copy_disks(call, vm)
        made.append(call.host.keep(vm))
    return made


def _copy_disks(call: Call, vm: Machine) -> None:
    """As it is documented: with -Copy the disks that are attached are copied, too."""
    to = str(call.session.variables.get(f"VhdDestinationPath of {vm.id}", ""))
    for drive in vm.drives:
        name = posixpath.basename(drive.path.replace("\\", "/"))
        source, target = call.host.place(drive.path), call.host.place(f"{to}\\{name}")
        if source is None or target is None:
            raise call.refused(f"Failed to copy '{drive.path}'.")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        drive.path = f"{to}\\{name}"


CMDLETS = {
    "Compare-VM": cmdlet(
        _compare,
        "Path Copy GenerateNewId VirtualMachinePath SnapshotFilePath SmartPagingFilePath VhdDestinationPath Register",
    ),
    "Import-VM": cmdlet(_import),
}
