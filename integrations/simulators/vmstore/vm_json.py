"""A VM as the API shows it: from what its files say, what clients set, and its snapshots and clones."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from integrations.simulators.vmstore import load
from integrations.simulators.vmstore.calls import Json
from integrations.simulators.vmstore.ids import Ids
from integrations.simulators.vmstore.options import Options
from integrations.simulators.vmstore.sparse import files_below
from integrations.simulators.vmstore.state import Document, SnapshotEntry, State, VmEntry
from integrations.simulators.vmstore.times import now_ms, text
from integrations.simulators.vmstore.views import is_locked, snapshot_json
from integrations.simulators.vmstore.vmx import ATTACHED, Definition

DOMAIN = "com.tintri.api.rest.v310.dto.domain"
_INFO = f"{DOMAIN}.beans.vm"
_GIB = 1 << 30
_NO_JSON: Json = {}


@dataclass(slots=True)
class Context:
    """What is known about all VMs at the moment of one request."""

    document: Document
    latest: dict[str, SnapshotEntry] = field(default_factory=dict)  # by the VM's hex
    locked: set[str] = field(default_factory=set)  # VMs with a locked snapshot
    cloned: dict[str, list[str]] = field(default_factory=dict)  # snapshots with clones, by the VM's hex
    origins: dict[str, SnapshotEntry] = field(default_factory=dict)  # of VMs that are clones, by folder
    groups: dict[str, str] = field(default_factory=dict)  # the service group's hex, by the VM's hex
    at_ms: int = field(default_factory=now_ms)

    def __post_init__(self) -> None:
        for entry in self.document.snapshots.values():
            self.latest[entry.vm] = entry
            if is_locked(entry):
                self.locked.add(entry.vm)
        for clone in self.document.clones.values():
            snapshot = self.document.snapshots.get(clone.snapshot)
            if snapshot and clone.snapshot not in self.cloned.setdefault(snapshot.vm, []):
                self.cloned[snapshot.vm].append(clone.snapshot)
            if snapshot and clone.registered:
                self.origins[clone.directory] = snapshot
        for digits, group in self.document.groups.items():
            self.groups |= dict.fromkeys(group["members"], digits)


class VmViews:
    """Shows VMs."""

    def __init__(self, export: Path, state: State, ids: Ids, options: Options) -> None:
        self.export = export
        self.ids = ids
        self.options = options
        self._state = state

    def context(self) -> Context:
        """What is known now."""
        with self._state.look() as document:
            return Context(document)

    def json(self, vm: VmEntry, context: Context) -> Json:
        """A VirtualMachine."""
        latest = context.latest.get(vm.hex)
        config = context.document.configs.get(vm.hex, _NO_JSON)
        return {
            "typeId": f"{DOMAIN}.VirtualMachine",
            "uuid": self.ids.object("VIM", vm.hex),
            "vmware": self._vmware_json(vm, context),
            "isLive": vm.live,
            "isDeleted": not vm.live and latest is None,
            "timeDeleted": vm.gone_ms or None,
            "snapshot": self._snapshot_json(vm, context, latest, config),
            "stat": {"typeId": f"{DOMAIN}.Stats", "sortedStats": [self.stat(vm, context, context.at_ms)]},
            "qosConfig": qos_json(config),
            "replication": replication_json(config),
            "serviceGroup": self._group_json(vm, context),
            "provisionedType": config.get("provisionedType", "THIN"),
            "pinnedType": config.get("pinnedType", "NOT_PINNED"),
            "affinityRule": config.get("affinityRule"),
            "diskFormatDescription": _disk_format(vm.definition),
            "sharedModeOfDisks": ["NONE"],
            "tagCollections": config.get("tagCollections", []),
            "tintriUuidAliasList": [],
            "hasSyncVmFileLevelRestoreDisk": any(d.file.startswith(ATTACHED) for d in vm.definition.disks),
            "numPods": 0,
            "numContainers": 0,
            "k8sControlPlaneNode": False,
            "k8sWorkerNode": False,
            "lastUpdatedTime": text(context.at_ms),
        }

    def _snapshot_json(self, vm: VmEntry, context: Context, latest: SnapshotEntry | None, config: Json) -> Json:
        origin = context.origins.get(vm.folder) if vm.folder else None
        return {
            "typeId": f"{_INFO}.VirtualMachineSnapshotInfo",
            "latest": snapshot_json(latest, self.ids, context.document) if latest else None,
            "bases": [],
            "cloneFromSnapshots": [self._basic_json(origin)] if origin else [],
            "schedules": schedules_of(config, context.document),
            "useDefaultSystemSchedule": "schedules" not in config,
            "isSystemDefaultSchedule": "schedules" not in config,
            "highFrequencySnapshotConfig": config.get("highFrequency"),
            "highFrequencySnapshotState": "ENABLED" if is_high_frequency(config) else "DISABLED",
            "snapshotIdsWithClone": [self.ids.text("SST", digits) for digits in context.cloned.get(vm.hex, ())],
            "locked": vm.hex in context.locked,
        }

    def _basic_json(self, origin: SnapshotEntry) -> Json:
        return {
            "typeId": f"{DOMAIN}.beans.snapshot.SnapshotBasicInfo",
            "vmName": origin.vm_name,
            "creationTime": origin.created_ms,
            "snapshotTintriUUID": self.ids.text("SST", origin.hex),
        }

    def _group_json(self, vm: VmEntry, context: Context) -> Json | None:
        digits = context.groups.get(vm.hex)
        if digits is None:
            return None
        return {"uuid": self.ids.object("SGP", digits), "name": context.document.groups[digits]["name"]}

    def _vmware_json(self, vm: VmEntry, context: Context) -> Json:
        definition, directory, manager = vm.definition, subdir(vm), self.options.manager
        first = definition.disks[0].file if definition.disks else ""
        known = _known_json(manager) if definition.is_managed else _unknown_json()
        return {
            "typeId": f"{_INFO}.VirtualMachineVmwareInfo",
            "name": definition.name,
            **known,
            "hypervisorType": definition.kind,
            "mor": f"vm-{int(vm.hex, 16) % 100_000}" if definition.is_managed else "",
            "instanceUuids": [definition.instance_uuid] if definition.instance_uuid else [],
            "biosUuid": definition.bios_uuid,
            "storageContainers": [self.options.name],
            "subdir": directory,
            "configurationFilepath": f"{directory}/{definition.file}" if definition.file else "",
            "virtualDiskExtentPath": f"{directory}/{first}" if first else "",
            "isPowered": self.is_on(vm) if definition.is_managed else None,
            "isTemplate": False,
            "hasSnapshots": False,
            "hasBaseExtents": True,
            "numberCpu": definition.cpus,
            "memoryProvisionedMB": definition.memory_mb,
            "ipList": [],
            "supportedSnapshotConsistencyTypes": consistencies_of(definition, self.options),
            "lastUpdatedTime": text(context.at_ms),
        }

    def is_on(self, vm: VmEntry) -> bool:
        """Whether its manager told that it runs."""
        return vm.live and vm.definition.name not in self.options.powered_off

    def stat(self, vm: VmEntry, context: Context, at_ms: int, interval_ms: int = load.STEP_MS) -> Json:
        """A VirtualMachineStat; sizes are those of now, whatever the moment."""
        logical, used = _space(self.export / vm.folder) if vm.live and vm.folder else (0, 0)
        limit = qos_json(context.document.configs.get(vm.hex, _NO_JSON))["effectiveMaxNormalizedIops"]
        doing = load.of_vm(vm.hex, limit, at_ms) if vm.live else load.Load()
        latest = context.latest.get(vm.hex)
        snapshots = latest.changed_bytes if latest else 0
        return {
            "typeId": f"{DOMAIN}.VirtualMachineStat",
            "spaceProvisionedGiB": logical / _GIB,
            "spaceUsedGiB": (used + snapshots) / _GIB,
            "spaceUsedLiveGiB": used / _GIB,
            "spaceUsedPhysicalGiB": (used + snapshots) / _GIB,
            "spaceUsedSnapshotsTintriGiB": snapshots / _GIB,
            "changeMBPerDay": round(doing.iops * 3.6, 2),
            "cpuPercent": round(min(doing.iops / 3, 100.0), 2),
            "memoryUsagePercent": 40.0 if vm.live else 0.0,
            **load.stat(doing, at_ms, interval_ms),
        }


class Seen:
    """A VM in one request; shown at most once, and only if somebody looks."""

    def __init__(self, vm: VmEntry, context: Context, views: VmViews) -> None:
        self.vm = vm
        self.context = context
        self._views = views

    @cached_property
    def json(self) -> Json:
        """The VirtualMachine."""
        return self._views.json(self.vm, self.context)

    @property
    def latest(self) -> SnapshotEntry | None:
        """Its newest snapshot."""
        return self.context.latest.get(self.vm.hex)

    @property
    def config(self) -> Json:
        """What clients set."""
        return self.context.document.configs.get(self.vm.hex, _NO_JSON)


def qos_json(config: Json) -> Json:
    """A VirtualMachineQoSConfig."""
    low, high = config.get("minNormalizedIops", 0), config.get("maxNormalizedIops", 0)
    return {
        "typeId": f"{DOMAIN}.beans.vm.VirtualMachineQoSConfig",
        "minNormalizedIops": low,
        "maxNormalizedIops": high,
        "inheritanceEnabled": config.get("inheritanceEnabled", True),
        "effectiveMinNormalizedIops": low,
        "effectiveMaxNormalizedIops": high,
    }


def replication_json(config: Json) -> Json:
    """A VirtualMachineReplicationInfo."""
    return {
        "typeId": f"{_INFO}.VirtualMachineReplicationInfo",
        "configs": config.get("replication", []),
        "useDefaultReplicationConfig": "replication" not in config,
        "replicationHasIssue": False,
    }


def schedules_of(config: Json, document: Document) -> list[Json]:
    """The VM's own snapshot schedules, else the system's."""
    found: list[Json] = config.get("schedules", document.settings.get("schedulesDefault", []))
    return found


def is_high_frequency(config: Json) -> bool:
    """Whether high-frequency snapshots are on."""
    return bool((config.get("highFrequency") or {}).get("isEnabled"))


def consistencies_of(definition: Definition, options: Options) -> list[str]:
    """Kinds that a VM's snapshot may have; without a manager nobody could quiesce it."""
    return [kind for kind in options.consistencies if definition.is_managed or kind == "CRASH_CONSISTENT"]


def _known_json(manager: str) -> Json:
    """Where a manager has a VM."""
    return {
        "vcenterName": manager,
        "host": "esxi01.example",
        "hypervisorManagerDisplayName": manager,
        "folderPath": "Datacenter/vm",
        "hypervisorPath": f"{manager} > Datacenter/vm",
        "storageContainerIds": ["datastore-11"],
    }


def _unknown_json() -> Json:
    """The same where there is no manager."""
    names = ("vcenterName", "host", "hypervisorManagerDisplayName", "folderPath", "hypervisorPath")
    return {**dict.fromkeys(names, ""), "storageContainerIds": []}


def _disk_format(definition: Definition) -> str:
    """By the first disk: VMDK, RAW, QCOW2."""
    return definition.disks[0].file.rpartition(".")[2].upper() if definition.disks else "VMDK"


def subdir(vm: VmEntry) -> str:
    """The directory of a VM, relative to the export."""
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
