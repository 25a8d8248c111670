"""The virtual-disk part of the API."""

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from integrations.simulators.vmstore.calls import Call, Json, Route
from integrations.simulators.vmstore.filters import Filter, chosen, exact, flag, words
from integrations.simulators.vmstore.pages import Counts, ordered, page
from integrations.simulators.vmstore.state import SnapshotEntry, VmEntry
from integrations.simulators.vmstore.vm_json import DOMAIN, VmViews, subdir
from integrations.simulators.vmstore.vmx import ATTACHED, Disk

if TYPE_CHECKING:
    from integrations.simulators.vmstore.vms import Vms


@dataclass(frozen=True, slots=True)
class VirtualDisk:
    """A disk, or a swap file, which is listed among them."""

    vm: VmEntry
    disk: Disk
    is_drive: bool = True

    @property
    def hex(self) -> str:
        """Made of what the disk is, so that it stays the same without being kept."""
        return f"{self.vm.hex[-8:]}{zlib.crc32(self.disk.device.encode()):08X}"


class Disks:
    """Lists the disks of all VMs."""

    def __init__(self, vms: "Vms", views: VmViews) -> None:
        self._vms = vms
        self._views = views

    @property
    def routes(self) -> list[Route]:
        """This part of the API."""
        return [Route("GET", "/api/v310/virtualDisk", self._list)]

    def _list(self, call: Call) -> Json:
        everything = [disk for vm in self._vms.existing() for disk in self._of(vm)]
        found = ordered(call, chosen(call, everything, self._filters()), self._json)
        return page(call, found, Counts(len(everything), len(everything)), self._json, lambda one: one.disk.device)

    def _filters(self) -> dict[str, Filter[VirtualDisk]]:
        ids = self._views.ids
        return {
            "vmUuid": words(lambda one: ids.text("VIM", one.vm.hex)),
            "vmName": exact(lambda one: one.vm.definition.name),
            "path": exact(self._path),
            "displayName": exact(lambda one: one.disk.file),
            "name": exact(lambda one: one.disk.device),
            "isDiskDrive": flag(lambda one: one.is_drive),
            "autoAligned": flag(lambda _: False),
            "instanceUuid": words(lambda one: one.vm.definition.instance_uuid),
            "uuid": words(lambda one: ids.text("VDK", one.hex)),
        }

    def _of(self, vm: VmEntry) -> list[VirtualDisk]:
        drives = [VirtualDisk(vm, disk) for disk in vm.definition.disks]
        if not vm.live or not vm.folder:
            return drives
        swaps = sorted(path.name for path in (self._views.export / vm.folder).glob("*.vswp"))
        return drives + [VirtualDisk(vm, Disk(device=name, file=name), is_drive=False) for name in swaps]

    def _path(self, one: VirtualDisk) -> str:
        return _path(self._views, subdir(one.vm), one.disk)

    def _json(self, one: VirtualDisk) -> Json:
        ids = self._views.ids
        is_attached = one.disk.file.startswith(ATTACHED)
        return {
            "typeId": f"{DOMAIN}.VirtualDisk",
            "uuid": ids.object("VDK", one.hex),
            "name": one.disk.device,
            "displayName": one.disk.file,
            "path": self._path(one),
            "instanceUuid": one.vm.definition.instance_uuid,
            "isDiskDrive": one.is_drive,
            "isSynthetic": False,
            "isPinned": False,
            "isAutoAligned": False,
            "vmUuid": ids.object("VIM", one.vm.hex),
            "vmName": one.vm.definition.name,
            "datastoreUuid": ids.object("DST", f"{0:016X}"),
            "sharedMode": "NONE",
            "syncVmConfig": {"isDiskAutoDetach": True, "diskAutoDetachInMinutes": 2880} if is_attached else None,
        }


def snapshot_disk_json(views: VmViews, entry: SnapshotEntry, disk: Disk) -> Json:
    """A disk as a snapshot has it; name and path are what SyncVM needs."""
    return {
        "typeId": f"{DOMAIN}.VirtualDisk",
        "name": disk.device,
        "displayName": disk.file,
        "path": _path(views, entry.folder or entry.vm_name, disk),
        "instanceUuid": entry.definition.instance_uuid,
        "isDiskDrive": True,
        "vmUuid": views.ids.object("VIM", entry.vm),
        "vmName": entry.vm_name,
    }


def _path(views: VmViews, directory: str, disk: Disk) -> str:
    prefix = "/tintri/" if views.options.disk_paths == "absolute" else ""
    return f"{prefix}{directory}/{disk.file}"
