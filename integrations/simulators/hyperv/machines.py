"""Cmdlets for whole VMs: looking them up, making, starting, stopping, changing and removing them."""

from typing import Any

from integrations.simulators.hyperv.call import Call, cmdlet
from integrations.simulators.hyperv.machine import Card, Drive, Dvd, Machine
from integrations.simulators.hyperv.records import OnOffState, Part, Selected, VhdType


def _get_host(call: Call) -> list[Any]:
    return [Selected({"Name": call.host.name, "ComputerName": call.host.name, "LogicalProcessorCount": 8})]


def _get(call: Call) -> list[Any]:
    if not call.has("Id"):
        return sorted(call.host.machines.values(), key=lambda each: each.name)
    found = call.host.machines.get(call.guid("Id"))
    if found is None:
        raise call.refused(
            f'Hyper-V was unable to find a virtual machine with id "{call.guid("Id")}".', "InvalidParameter"
        )
    return [found]


def _new(call: Call) -> list[Any]:
    name, generation = call.text("Name"), call.number("Generation", 1)
    vm = Machine(name=name, path=f"{call.text('Path')}\\{name}", generation=generation)
    vm.startup = call.number("MemoryStartupBytes", vm.startup)
    vm.cards = [Card()]
    vm.dvds = [Dvd(1, 0)] if generation == 1 else []
    vm.scsi_controllers = 1
    if call.host.place(vm.path) is None:
        raise call.refused(f"Failed to create '{vm.path}': the network path was not found (0x80070035).")
    if call.has("VHDPath"):
        path = call.text("VHDPath")
        if not call.host.is_file(path):
            raise call.refused(f"Failed to add device 'Virtual Hard Disk': '{path}' was not found (0x80070002).")
        vm.drives = [Drive("IDE" if generation == 1 else "SCSI", 0, 0, path)]
        vm.first_boot = path if generation == 2 and call.text("BootDevice") == "VHD" else ""
    return [call.host.keep(vm)]


def _set(call: Call) -> list[Any]:
    for vm in call.all_of(Machine):
        vm.notes = call.text("Notes", vm.notes)
        vm.name = call.text("NewVMName", vm.name)
        vm.processors = call.number("ProcessorCount", vm.processors)
        vm.startup = call.number("MemoryStartupBytes", vm.startup)
        vm.is_dynamic = (vm.is_dynamic or call.flag("DynamicMemory")) and not call.flag("StaticMemory")
        if vm.is_dynamic:
            vm.minimum = call.number("MemoryMinimumBytes", vm.minimum)
            vm.maximum = call.number("MemoryMaximumBytes", vm.maximum)
        vm.snapshot_path = call.text("SnapshotFileLocation", vm.snapshot_path)
        vm.paging_path = call.text("SmartPagingFilePath", vm.paging_path)
        call.host.save(vm)
    return list(call.piped) if call.flag("Passthru") else []


def _remove(call: Call) -> list[Any]:
    for vm in call.all_of(Machine):
        if vm.state in ("Running", "Paused"):
            raise call.refused(
                f"The operation cannot be performed while the virtual machine '{vm.name}' is in its current state.",
                "InvalidState",
            )
        if not call.flag("Force"):
            raise call.refused("A command that prompts the user failed because there is nobody to ask.")
        call.host.forget(vm)
    return []


def _start(call: Call) -> list[Any]:
    for vm in call.all_of(Machine):
        gone = [drive.path for drive in vm.drives if not call.host.is_file(drive.path)]
        if vm.refuses_to_start or gone:
            why = vm.refuses_to_start or f"'{gone[0]}' was not found (0x80070002)"
            raise call.refused(f"'{vm.name}' failed to start: {why}.")
        places = [place for drive in vm.drives if (place := call.host.place(drive.path)) is not None]
        vm.state, vm.heartbeat = "Running", call.host.guest(places)
    return []


def _stop(call: Call) -> list[Any]:
    for vm in call.all_of(Machine):
        if not call.flag("TurnOff"):
            raise call.refused("The shutdown integration service is not there.")
        vm.state, vm.heartbeat = "Off", "NoContact"
    return []


def _drop_state(call: Call) -> list[Any]:
    for vm in call.all_of(Machine):
        vm.state = "Off"
    return []


def _checkpoints(call: Call) -> list[Any]:
    return [
        Selected({"VMId": vm.id, "Name": f"{vm.name} {number}"})
        for vm in call.all_of(Machine)
        for number in range(vm.checkpoints)
    ]


def _get_firmware(call: Call) -> list[Any]:
    found = []
    for vm in call.all_of(Machine):
        _check_generation(call, vm)
        values = {"SecureBoot": OnOffState[vm.secure_boot], "SecureBootTemplate": vm.template}
        found.append(Selected({"VMId": vm.id} | values))
    return found


def _set_firmware(call: Call) -> list[Any]:
    for vm in call.all_of(Machine):
        _check_generation(call, vm)
        vm.secure_boot = call.text("EnableSecureBoot", vm.secure_boot)
        vm.template = call.text("SecureBootTemplate", vm.template)
        call.host.save(vm)
    return []


def _get_security(call: Call) -> list[Any]:
    return [Selected({"VMId": vm.id, "TpmEnabled": vm.has_tpm}) for vm in call.all_of(Machine)]


def _check_generation(call: Call, vm: Machine) -> None:
    if vm.generation != 2:
        raise call.refused("This is only supported on Generation 2 virtual machines.", "InvalidOperation")


def _switches(call: Call) -> list[Any]:
    return [Selected({"Name": name}) for name in call.host.switches]


def _controllers(call: Call) -> list[Any]:
    return [Part(vm, number) for vm in call.all_of(Machine) for number in range(vm.scsi_controllers)]


def _add_controller(call: Call) -> list[Any]:
    for vm in call.all_of(Machine):
        vm.scsi_controllers += 1
        call.host.save(vm)
    return []


def _get_disk(call: Call) -> list[Any]:
    found = []
    for path in map(str, call.many("Path")):
        if not call.host.is_file(path):
            raise call.refused(f"Getting the virtual disk information of '{path}' failed: not found.")
        parent = call.host.parents.get(path)
        kind = VhdType.Differencing if parent else VhdType.Dynamic
        found.append(Selected({"Path": path, "VhdType": kind, "ParentPath": parent or ""}))
    return found


def _set_disk(call: Call) -> list[Any]:
    call.host.parents[call.text("Path")] = call.text("ParentPath")
    return []


CMDLETS = {
    "Get-VMHost": cmdlet(_get_host),
    "Get-VM": cmdlet(_get, "Id"),
    "New-VM": cmdlet(_new, "Name Path Generation MemoryStartupBytes VHDPath NoVHD BootDevice Force"),
    "Set-VM": cmdlet(
        _set,
        "NewVMName Notes ProcessorCount DynamicMemory StaticMemory MemoryStartupBytes MemoryMinimumBytes"
        " MemoryMaximumBytes SnapshotFileLocation SmartPagingFilePath Passthru",
    ),
    "Remove-VM": cmdlet(_remove, "Force"),
    "Start-VM": cmdlet(_start, "Passthru"),
    "Resume-VM": cmdlet(_start, "Passthru"),
    "Stop-VM": cmdlet(_stop, "TurnOff Force"),
    "Remove-VMSavedState": cmdlet(_drop_state),
    "Get-VMSnapshot": cmdlet(_checkpoints),
    "Get-VMFirmware": cmdlet(_get_firmware),
    "Set-VMFirmware": cmdlet(_set_firmware, "EnableSecureBoot SecureBootTemplate"),
    "Get-VMSecurity": cmdlet(_get_security),
    "Get-VMSwitch": cmdlet(_switches),
    "Get-VMScsiController": cmdlet(_controllers),
    "Add-VMScsiController": cmdlet(_add_controller),
    "Get-VHD": cmdlet(_get_disk, "Path"),
    "Set-VHD": cmdlet(_set_disk, "Path ParentPath IgnoreIdMismatch"),
}
