"""Cmdlets for what a VM is made of: drives, network adapters, serial ports."""

from typing import Any

from integrations.simulators.hyperv.call import Call, cmdlet
from integrations.simulators.hyperv.machine import Card, Drive, Machine, Port
from integrations.simulators.hyperv.records import Part

_SLOTS = {"IDE": (2, 2), "SCSI": (4, 64)}  # controllers, locations on each
_DIGITS = frozenset("0123456789ABCDEF")


def _get_drives(call: Call) -> list[Any]:
    found = [Part(vm, drive) for vm in call.all_of(Machine) for drive in vm.drives]
    for name, key in (("ControllerNumber", "number"), ("ControllerLocation", "location"), ("ControllerType", "bus")):
        if call.has(name):
            found = [part for part in found if str(getattr(part.thing, key)) == call.text(name)]
    return found


def _add_drive(call: Call) -> list[Any]:
    for vm in call.all_of(Machine):
        drive = Drive(
            call.text("ControllerType"), call.number("ControllerNumber"), call.number("ControllerLocation"),
            call.text("Path"),
        )  # fmt: skip
        _check_slot(call, vm, drive)
        if not call.host.is_file(drive.path):
            raise call.refused(f"Failed to add device 'Virtual Hard Disk': '{drive.path}' was not found.")
        vm.drives.append(drive)
        call.host.save(vm)
    return []


def _check_slot(call: Call, vm: Machine, drive: Drive) -> None:
    controllers, locations = _SLOTS[drive.bus]
    controllers = min(controllers, vm.scsi_controllers) if drive.bus == "SCSI" else controllers
    is_there = drive.number < controllers and drive.location < locations
    if not is_there or (drive.bus == "IDE" and vm.generation == 2):
        raise call.refused(f"There is no {drive.bus} controller {drive.number} with location {drive.location}.")
    taken = [(each.bus, each.number, each.location) for each in vm.drives]
    taken += [("IDE" if vm.generation == 1 else "SCSI", each.number, each.location) for each in vm.dvds]
    if (drive.bus, drive.number, drive.location) in taken:
        raise call.refused("The controller location is in use by another drive.")


def _set_drive(call: Call) -> list[Any]:
    for part in call.all_of(Part):
        drive = part.thing
        to = Drive(
            call.text("ToControllerType", drive.bus), call.number("ToControllerNumber", drive.number),
            call.number("ToControllerLocation", drive.location), call.text("Path", drive.path),
        )  # fmt: skip
        part.machine.drives.remove(drive)
        _check_slot(call, part.machine, to)
        part.machine.drives.append(to)
        call.host.save(part.machine)
    return []


def _remove_drive(call: Call) -> list[Any]:
    for part in call.all_of(Part):
        part.machine.drives.remove(part.thing)
        if part.machine.first_boot == part.thing.path:
            part.machine.first_boot = ""
        call.host.save(part.machine)
    return []


def _get_dvds(call: Call) -> list[Any]:
    return [Part(vm, dvd) for vm in call.all_of(Machine) for dvd in vm.dvds]


def _set_dvd(call: Call) -> list[Any]:
    for part in call.all_of(Part):
        part.thing.path = call.text("Path", part.thing.path)
        call.host.save(part.machine)
    return []


def _remove_dvd(call: Call) -> list[Any]:
    for part in call.all_of(Part):
        part.machine.dvds.remove(part.thing)
        call.host.save(part.machine)
    return []


def _get_cards(call: Call) -> list[Any]:
    found = [Part(vm, card) for vm in call.all_of(Machine) for card in vm.cards]
    return [part for part in found if not call.has("Name") or part.thing.name == call.text("Name")]


def _add_card(call: Call) -> list[Any]:
    for vm in call.all_of(Machine):
        card = Card(name=call.text("Name", "Network Adapter"), is_legacy=call.flag("IsLegacy"))
        _address(call, card)
        if call.has("SwitchName"):
            _connect_to(call, card)
        vm.cards.append(card)
        call.host.save(vm)
    return []


def _address(call: Call, card: Card) -> None:
    if call.has("StaticMacAddress"):
        card.mac, card.is_dynamic = call.text("StaticMacAddress").replace("-", "").upper(), False
        if len(card.mac) != 12 or set(card.mac) - _DIGITS:
            raise call.unbound("StaticMacAddress", card.mac)
    elif call.flag("DynamicMacAddress"):
        card.mac, card.is_dynamic = "000000000000", True


def _set_card(call: Call) -> list[Any]:
    for part in call.all_of(Part):
        _address(call, part.thing)
        call.host.save(part.machine)
    return []


def _connect_to(call: Call, card: Card) -> None:
    name = call.text("SwitchName")
    if name not in call.host.switches:
        raise call.refused(f'Hyper-V was unable to find a virtual switch with name "{name}".', "InvalidParameter")
    card.switch = name


def _connect(call: Call) -> list[Any]:
    for part in call.all_of(Part):
        _connect_to(call, part.thing)
        call.host.save(part.machine)
    return []


def _disconnect(call: Call) -> list[Any]:
    for part in call.all_of(Part):
        part.thing.switch = ""
        call.host.save(part.machine)
    return []


def _remove_card(call: Call) -> list[Any]:
    for part in call.all_of(Part):
        part.machine.cards.remove(part.thing)
        call.host.save(part.machine)
    return []


def _get_ports(call: Call) -> list[Any]:
    return [Part(vm, Port(number)) for vm in call.all_of(Machine) for number in sorted(vm.ports)]


def _set_port(call: Call) -> list[Any]:
    for part in call.all_of(Part):
        part.machine.ports[part.thing.number] = call.text("Path")
        call.host.save(part.machine)
    return []


CMDLETS = {
    "Get-VMHardDiskDrive": cmdlet(_get_drives, "ControllerType ControllerNumber ControllerLocation"),
    "Add-VMHardDiskDrive": cmdlet(_add_drive, "ControllerType ControllerNumber ControllerLocation Path"),
    "Set-VMHardDiskDrive": cmdlet(_set_drive, "Path ToControllerType ToControllerNumber ToControllerLocation"),
    "Remove-VMHardDiskDrive": cmdlet(_remove_drive),
    "Get-VMDvdDrive": cmdlet(_get_dvds),
    "Set-VMDvdDrive": cmdlet(_set_dvd, "Path"),
    "Remove-VMDvdDrive": cmdlet(_remove_dvd),
    "Get-VMNetworkAdapter": cmdlet(_get_cards, "Name"),
    "Add-VMNetworkAdapter": cmdlet(_add_card, "Name IsLegacy SwitchName StaticMacAddress DynamicMacAddress"),
    "Set-VMNetworkAdapter": cmdlet(_set_card, "StaticMacAddress DynamicMacAddress"),
    "Connect-VMNetworkAdapter": cmdlet(_connect, "SwitchName"),
    "Disconnect-VMNetworkAdapter": cmdlet(_disconnect),
    "Remove-VMNetworkAdapter": cmdlet(_remove_card),
    "Get-VMComPort": cmdlet(_get_ports),
    "Set-VMComPort": cmdlet(_set_port, "Path"),
}
