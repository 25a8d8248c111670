"""What vSphere says of a VM: its shape, whether it lives, and a definition where its own cannot be read. Pure."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pyVmomi import vim

from bot.model import LARGEST_DEFINITION, LONGEST_SIGN, Alive, Nic, VmShape
from integrations.hypervisors.vsphere.vmx import Vmx, without_secrets

SHAPE = (
    "name", "config.hardware.numCPU", "config.hardware.memoryMB", "config.hardware.device", "config.firmware",
    "config.guestId", "config.version", "config.uuid", "config.files.vmPathName",
)  # fmt: skip
LIFE = (
    "runtime.powerState", "guestHeartbeatStatus", "guest.toolsRunningStatus", "guest.hostName", "guest.guestFullName",
)  # fmt: skip
_CONTROLLERS = (
    (vim.vm.device.VirtualIDEController, "ide"),
    (vim.vm.device.VirtualSCSIController, "scsi"),
    (vim.vm.device.VirtualAHCIController, "sata"),
    (vim.vm.device.VirtualNVMEController, "nvme"),
)
_SCSI = {
    "ParaVirtualSCSIController": "pvscsi", "VirtualLsiLogicController": "lsilogic",
    "VirtualLsiLogicSASController": "lsisas1068", "VirtualBusLogicController": "buslogic",
}  # fmt: skip


def disks_of(devices: Iterable[Any]) -> tuple[Any, ...]:
    """The virtual disks, in bus order."""
    found = [each for each in devices if isinstance(each, vim.vm.device.VirtualDisk)]
    return tuple(sorted(found, key=lambda each: (each.controllerKey or 0, each.unitNumber or 0)))


def files_of(disk: Any) -> tuple[str, ...]:
    """The descriptor of a disk and those below it, as vSphere writes paths; of other kinds of disks none."""
    found: list[str] = []
    backing: Any = disk.backing
    while backing is not None and getattr(backing, "fileName", None):
        found.append(str(backing.fileName))
        backing = getattr(backing, "parent", None)
    return tuple(found)


def cards_of(devices: Iterable[Any]) -> tuple[Any, ...]:
    """The network cards, in order."""
    found = [each for each in devices if isinstance(each, vim.vm.device.VirtualEthernetCard)]
    return tuple(sorted(found, key=lambda each: each.key))


def network_of(card: Any, groups: Mapping[str, str]) -> str:
    """What a card is connected to, by name. groups: names of distributed port groups by key."""
    backing = card.backing
    if isinstance(backing, vim.vm.device.VirtualEthernetCard.DistributedVirtualPortBackingInfo):
        return groups.get(str(backing.port.portgroupKey), "")
    if isinstance(backing, vim.vm.device.VirtualEthernetCard.OpaqueNetworkBackingInfo):
        return str(backing.opaqueNetworkId)
    return str(getattr(backing, "deviceName", "") or "")


def shape_of(
    told: Mapping[str, Any], definition: str, inside: Callable[[str], str], groups: Mapping[str, str]
) -> VmShape:
    """The shape; disks outside of the datastore are in the definition only."""
    devices = told.get("config.hardware.device") or ()
    own = [files[0] for disk in disks_of(devices) if (files := files_of(disk))]
    text = without_secrets(definition) or composed(told, groups).text()
    return VmShape(
        kind="vsphere",
        cpus=int(told.get("config.hardware.numCPU") or 0),
        memory_mib=int(told.get("config.hardware.memoryMB") or 0),
        firmware=str(told.get("config.firmware") or ""),
        nics=tuple(_nic(card, groups) for card in cards_of(devices)),
        disks=tuple(path for path in map(inside, own) if path),
        guest=str(told.get("config.guestId") or ""),
        definition=text if len(text) <= LARGEST_DEFINITION else "",
    )


def alive(told: Mapping[str, Any]) -> Alive | None:
    """Whether the guest shows that it lives. A heartbeat that has stopped is red: whatever the tools said before."""
    heart, tools = str(told.get("guestHeartbeatStatus") or "gray"), str(told.get("guest.toolsRunningStatus") or "")
    has_tools = tools == "guestToolsRunning"
    if told.get("runtime.powerState") != "poweredOn" or heart == "red" or not (has_tools or heart != "gray"):
        return None
    known = filter(None, (told.get("guest.hostName"), told.get("guest.guestFullName")))
    text = f"VMware Tools: {'running' if has_tools else tools or 'not told'}; heartbeat: {heart}" + "".join(
        f"; {each}" for each in known
    )
    sign = "tools" if heart == "gray" else "heartbeat"
    return Alive(sign=sign, text=text.encode()[:LONGEST_SIGN].decode("utf-8", "ignore"))


def plain_name(name: str) -> str:
    """A name as people write it: the inventory has `%`, `/` and `\\` as %25, %2f and %5c."""
    return re.sub(r"%(25|2f|5c)", lambda found: chr(int(found[1], 16)), name, flags=re.IGNORECASE)


def composed(told: Mapping[str, Any], groups: Mapping[str, str]) -> Vmx:
    """A .vmx with what a VM needs, where its own cannot be read."""
    made, devices = Vmx(), told.get("config.hardware.device") or ()
    for key, value in (
        (".encoding", "UTF-8"),
        ("config.version", "8"),
        ("virtualHW.version", str(told.get("config.version") or "").removeprefix("vmx-")),
        ("displayName", plain_name(str(told.get("name") or ""))),
        ("guestOS", re.sub(r"Guest$", "", str(told.get("config.guestId") or "")).lower()),
        ("firmware", str(told.get("config.firmware") or "")),
        ("numvcpus", str(told.get("config.hardware.numCPU") or "")),
        ("memSize", str(told.get("config.hardware.memoryMB") or "")),
        ("uuid.bios", str(told.get("config.uuid") or "")),
        ("pciBridge0.present", "TRUE"),
    ):
        if value:
            made.set(key, value)
    for key, value in (*_disk_lines(devices), *_card_lines(devices, groups)):
        made.set(key, value)
    return made


def _disk_lines(devices: Iterable[Any]) -> Iterable[tuple[str, str]]:
    known = {each.key: each for each in devices}
    for disk in disks_of(known.values()):
        controller = known.get(disk.controllerKey)
        bus = next((name for kind, name in _CONTROLLERS if isinstance(controller, kind)), "")
        if not bus or controller is None or not files_of(disk):
            continue
        yield f"{bus}{controller.busNumber}.present", "TRUE"
        model = _SCSI.get(type(controller).__name__.rpartition(".")[2], "")
        if bus == "scsi" and model:
            yield f"{bus}{controller.busNumber}.virtualDev", model
        slot = f"{bus}{controller.busNumber}:{disk.unitNumber or 0}"
        yield f"{slot}.present", "TRUE"
        yield f"{slot}.fileName", files_of(disk)[0].rpartition("/")[2]


def _card_lines(devices: Iterable[Any], groups: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    for number, card in enumerate(cards_of(devices)):
        nic = _nic(card, groups)
        yield f"ethernet{number}.present", "TRUE"
        yield f"ethernet{number}.networkName", nic.network
        if nic.model:
            yield f"ethernet{number}.virtualDev", nic.model
        if nic.mac:
            yield f"ethernet{number}.addressType", "static"
            yield f"ethernet{number}.address", nic.mac


def _nic(card: Any, groups: Mapping[str, str]) -> Nic:
    model = type(card).__name__.rpartition(".")[2].removeprefix("Virtual").removesuffix("EthernetCard").lower()
    return Nic(mac=str(card.macAddress or ""), network=network_of(card, groups), model=model)
