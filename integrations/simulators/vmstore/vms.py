"""The VM and virtual-disk part of the API."""

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from integrations.simulators.vmstore.calls import Call, Json, Route
from integrations.simulators.vmstore.errors import not_found
from integrations.simulators.vmstore.ids import Ids
from integrations.simulators.vmstore.inventory import Inventory
from integrations.simulators.vmstore.options import Options
from integrations.simulators.vmstore.pages import Counts, one_of, ordered, page, wanted
from integrations.simulators.vmstore.sparse import files_below
from integrations.simulators.vmstore.state import SnapshotEntry, State, VmEntry
from integrations.simulators.vmstore.times import now_text
from integrations.simulators.vmstore.views import snapshot_json
from integrations.simulators.vmstore.vmx import Disk

_DOMAIN = "com.tintri.api.rest.v310.dto.domain"
_GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class _VirtualDisk:
    vm: VmEntry
    disk: Disk
    is_drive: bool = True

    @property
    def hex(self) -> str:
        """Made of what the disk is, so that it stays the same without being kept."""
        return f"{self.vm.hex[-8:]}{zlib.crc32(self.disk.device.encode()):08X}"


class Vms:
    """Lists and shows VMs and their disks; only what the export holds now is live."""

    def __init__(self, export: Path, state: State, inventory: Inventory, ids: Ids, options: Options) -> None:
        self._export = export
        self._state = state
        self._inventory = inventory
        self._ids = ids
        self._options = options

    @property
    def routes(self) -> list[Route]:
        """This part of the API."""
        return [
            Route("GET", "/api/v310/vm", self._list),
            Route("GET", "/api/v310/vm/{id}", self._get),
            Route("GET", "/api/v310/virtualDisk", self._disks),
        ]

    def find(self, vm_id: str) -> VmEntry | None:
        """The VM of an id, if there is one now."""
        digits = self._ids.hex_of("VIM", vm_id)
        return next((vm for vm in self._existing() if vm.hex == digits), None)

    def _existing(self) -> list[VmEntry]:
        latest = self._latest()
        return [vm for vm in self._inventory.refresh() if vm.live or vm.hex in latest]

    def _latest(self) -> dict[str, SnapshotEntry]:
        with self._state.look() as document:
            return {entry.vm: entry for entry in document.snapshots.values()}

    def _list(self, call: Call) -> Json:
        everything, latest = self._inventory.refresh(), self._latest()
        asks_deleted = call.query.get("deleted", "").lower() in ("true", "both")
        active = [vm for vm in everything if vm.live or vm.hex in latest]
        chosen = [vm for vm in (everything if asks_deleted else active) if self._fits(call, vm, vm.hex in latest)]
        chosen = ordered(call, chosen, {"name": _name, "uuid": lambda vm: vm.hex, "isLive": lambda vm: vm.live})
        wanted_name = call.query.get("name")
        if wanted_name:
            chosen.sort(key=lambda vm: vm.definition.name != wanted_name)
        counts = Counts(active=len(active), absolute=len(everything))
        return page(call, chosen, counts, lambda vm: self._json(vm, latest.get(vm.hex)))

    def _fits(self, call: Call, vm: VmEntry, has_snapshot: bool) -> bool:
        definition = vm.definition
        return (
            wanted(call, "live", vm.live)
            and wanted(call, "deleted", not vm.live and not has_snapshot)
            and wanted(call, "powered", vm.live)
            and wanted(call, "template", False)
            and wanted(call, "hasSnapshots", False)  # the hypervisor's, not ours
            and one_of(call, "uuid", self._ids.text("VIM", vm.hex))
            and one_of(call, "types", "LIVE" if vm.live else "HISTORICAL")
            and one_of(call, "hypervisorType", "VMWARE")
            and one_of(call, "subdir", _subdir(vm))
            and one_of(call, "instanceUuid", definition.instance_uuid)
            and self._name_fits(call.query.get("name", ""), definition.name)
        )

    def _name_fits(self, asked: str, name: str) -> bool:
        if not asked or self._options.name_match == "exact":
            return asked in ("", name)
        return asked.casefold() in name.casefold()

    def _get(self, call: Call) -> Json:
        vm = self.find(call.params["id"])
        if vm is None:
            raise not_found("virtual machine", call.params["id"])
        return self._json(vm, self._latest().get(vm.hex))

    def _json(self, vm: VmEntry, latest: SnapshotEntry | None) -> Json:
        with self._state.look() as document:
            cloned = sorted({clone.snapshot for clone in document.clones.values()} & set(document.snapshots))
            with_clone = [digits for digits in cloned if document.snapshots[digits].vm == vm.hex]
            snapshot = snapshot_json(latest, self._ids, document) if latest else None
        return {
            "typeId": f"{_DOMAIN}.VirtualMachine",
            "uuid": self._ids.object("VIM", vm.hex),
            "vmware": self._vmware_json(vm),
            "isLive": vm.live,
            "isDeleted": not vm.live and latest is None,
            "timeDeleted": vm.gone_ms or None,
            "snapshot": {
                "typeId": f"{_DOMAIN}.beans.vm.VirtualMachineSnapshotInfo",
                "latest": snapshot,
                "bases": [],
                "cloneFromSnapshots": [],
                "schedules": [],
                "snapshotIdsWithClone": [self._ids.text("SST", digits) for digits in with_clone],
                "useDefaultSystemSchedule": False,
                "locked": False,
            },
            "stat": {
                "typeId": f"{_DOMAIN}.Stats",
                "sortedStats": [self._stat_json(vm)],
            },
            "provisionedType": "THIN",
            "pinnedType": "NOT_PINNED",
            "diskFormatDescription": "VMDK",
            "sharedModeOfDisks": ["NONE"],
            "tagCollections": [],
            "tintriUuidAliasList": [],
            "hasSyncVmFileLevelRestoreDisk": False,
            "lastUpdatedTime": now_text(),
        }

    def _vmware_json(self, vm: VmEntry) -> Json:
        definition, subdir = vm.definition, _subdir(vm)
        first = definition.disks[0].file if definition.disks else ""
        return {
            "typeId": f"{_DOMAIN}.beans.vm.VirtualMachineVmwareInfo",
            "name": definition.name,
            "vcenterName": "vcenter.example",
            "hypervisorType": "VMWARE",
            "mor": f"vm-{int(vm.hex, 16) % 100_000}",
            "instanceUuids": [definition.instance_uuid] if definition.instance_uuid else [],
            "biosUuid": definition.bios_uuid,
            "host": "esxi01.example",
            "hypervisorManagerDisplayName": "vcenter.example",
            "folderPath": "Datacenter/vm",
            "hypervisorPath": "vcenter.example > Datacenter/vm",
            "storageContainers": [self._options.name],
            "storageContainerIds": ["datastore-11"],
            "subdir": subdir,
            "configurationFilepath": f"{subdir}/{definition.file}",
            "virtualDiskExtentPath": f"{subdir}/{first}" if first else "",
            "isPowered": vm.live,
            "isTemplate": False,
            "hasSnapshots": False,
            "hasBaseExtents": True,
            "numberCpu": definition.cpus,
            "memoryProvisionedMB": definition.memory_mb,
            "ipList": [],
            "supportedSnapshotConsistencyTypes": list(self._options.consistencies),
            "lastUpdatedTime": now_text(),
        }

    def _stat_json(self, vm: VmEntry) -> Json:
        logical, used = _space(self._export / vm.folder) if vm.live and vm.folder else (0, 0)
        return {
            "typeId": f"{_DOMAIN}.VirtualMachineStat",
            "spaceProvisionedGiB": logical / _GIB,
            "spaceUsedGiB": used / _GIB,
            "spaceUsedLiveGiB": used / _GIB,
            "spaceUsedPhysicalGiB": used / _GIB,
            "spaceUsedSnapshotsTintriGiB": 0.0,
            "changeMBPerDay": 0.0,
            "operationsTotalIops": 0,
            "throughputTotalMBps": 0.0,
            "latencyTotalMs": 0.0,
            "flashHitPercent": 100.0,
            "timeEnd": now_text(),
        }

    def _disks(self, call: Call) -> Json:
        vms = [vm for vm in self._existing() if self._vm_fits(call, vm)]
        everything = [disk for vm in vms for disk in self._all_disks(vm)]
        chosen = [disk for disk in everything if self._disk_fits(call, disk)]
        return page(call, chosen, Counts(len(everything), len(everything)), self._disk_json)

    def _vm_fits(self, call: Call, vm: VmEntry) -> bool:
        return one_of(call, "vmUuid", self._ids.text("VIM", vm.hex)) and (
            call.query.get("vmName", vm.definition.name) == vm.definition.name
        )

    def _disk_fits(self, call: Call, disk: _VirtualDisk) -> bool:
        return (
            wanted(call, "isDiskDrive", disk.is_drive)
            and one_of(call, "uuid", self._ids.text("VDK", disk.hex))
            and one_of(call, "instanceUuid", disk.vm.definition.instance_uuid)
            and call.query.get("path", self._path(disk)) == self._path(disk)
            and call.query.get("displayName", disk.disk.file) == disk.disk.file
        )

    def _all_disks(self, vm: VmEntry) -> list[_VirtualDisk]:
        drives = [_VirtualDisk(vm, disk) for disk in vm.definition.disks]
        if not vm.live or not vm.folder:
            return drives
        swaps = sorted(path.name for path in (self._export / vm.folder).glob("*.vswp"))
        return drives + [_VirtualDisk(vm, Disk(device=name, file=name), is_drive=False) for name in swaps]

    def _path(self, disk: _VirtualDisk) -> str:
        prefix = "/tintri/" if self._options.disk_paths == "absolute" else ""
        return f"{prefix}{_subdir(disk.vm)}/{disk.disk.file}"

    def _disk_json(self, disk: _VirtualDisk) -> Json:
        return {
            "typeId": f"{_DOMAIN}.VirtualDisk",
            "uuid": self._ids.object("VDK", disk.hex),
            "name": disk.disk.device,
            "displayName": disk.disk.file,
            "path": self._path(disk),
            "instanceUuid": disk.vm.definition.instance_uuid,
            "isDiskDrive": disk.is_drive,
            "isSynthetic": False,
            "isPinned": False,
            "isAutoAligned": False,
            "vmUuid": self._ids.object("VIM", disk.vm.hex),
            "vmName": disk.vm.definition.name,
            "datastoreUuid": self._ids.object("DST", f"{0:016X}"),
            "sharedMode": "NONE",
        }


def _name(vm: VmEntry) -> Any:
    return vm.definition.name.casefold()


def _subdir(vm: VmEntry) -> str:
    return vm.folder or vm.definition.name


def _space(folder: Path) -> tuple[int, int]:
    """Bytes as the files' sizes say, and as they are allocated."""
    logical = used = 0
    try:
        for name in files_below(folder):
            status = (folder / name).stat()
            logical, used = logical + status.st_size, used + status.st_blocks * 512
    except OSError:  # removed while we looked: what was seen so far will do
        pass
    return logical, used
