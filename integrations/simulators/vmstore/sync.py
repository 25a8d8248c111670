"""SyncVM: rolls a live VM, or some of its disks, to a snapshot; or attaches a snapshot's disks to it."""

import os
import re
import shutil
from functools import partial
from pathlib import Path
from typing import Any

from integrations.simulators.vmstore.calls import Call, Json, Reply, Route
from integrations.simulators.vmstore.errors import ApiError, not_found
from integrations.simulators.vmstore.ids import Ids
from integrations.simulators.vmstore.jobs import STEPS_PER_SECOND, Jobs, Step
from integrations.simulators.vmstore.options import Options
from integrations.simulators.vmstore.snapshots import Snapshots
from integrations.simulators.vmstore.sparse import copy_range, copy_tree, files_below
from integrations.simulators.vmstore.state import SnapshotEntry, State, TaskEntry, VmEntry
from integrations.simulators.vmstore.updates import ids as ids_in
from integrations.simulators.vmstore.updates import object_of, truth
from integrations.simulators.vmstore.views import task_json
from integrations.simulators.vmstore.vmx import ATTACHED

_EXTENT = re.compile(r'^(RW \d+ \w+ )"(.+)"', re.MULTILINE)


class Syncer:
    """Carries out SyncVM in tasks."""

    def __init__(self, export: Path, state: State, snapshots: Snapshots, jobs: Jobs, options: Options) -> None:
        self._export = export
        self._state = state
        self._snapshots = snapshots
        self._jobs = jobs
        self._options = options

    @property
    def routes(self) -> list[Route]:
        """This part of the API."""
        return [
            Route("POST", "/api/v310/vm/sync", self._start, since=21),
            Route("PUT", "/api/v310/vm/deleteSyncDisks", self._detach, since=21),
        ]

    @property
    def _ids(self) -> Ids:
        return self._snapshots.ids

    def _start(self, call: Call) -> Json:
        spec = object_of(call.body)
        snapshot = self._snapshots.find(str(spec.get("snapshotTintriUuid")))
        if snapshot is None:
            raise _failed(f"Failed to lookup snapshot {spec.get('snapshotTintriUuid')}.")
        vms = [self._live(vm_id) for vm_id in ids_in(spec.get("targetVmTintriUuids"))]
        if not vms:
            raise _failed("targetVmTintriUuids is needed.")
        steps = [step for vm in vms for step in self._steps(spec, snapshot, vm)]
        self._take_safety_snapshots(spec, vms, call.user)
        task = self._jobs.new("SYNC_VM", vm=vms[0].hex, snapshot=snapshot.hex, user=call.user)
        answer = task_json(task, self._ids)
        self._jobs.begin(task, steps, lambda _fault: None, lambda: self._snapshots.release(snapshot))
        asynchronous = spec.get("async", spec.get("isAsync"))
        return answer if asynchronous is None or truth(asynchronous) else self._ended(task)

    def _ended(self, task: TaskEntry) -> Json:
        self._jobs.join(task)
        return task_json(task, self._ids)

    def _live(self, vm_id: str) -> VmEntry:
        vm = self._snapshots.vms.find(vm_id)
        if vm is None or not vm.live or not vm.folder:
            raise _failed(f"There is no live VM {vm_id} with files.")
        return vm

    def _take_safety_snapshots(self, spec: Json, vms: list[VmEntry], user: str) -> None:
        wanted: Json = object_of(spec.get("takeSnapshotSpec") or {})
        if not truth(wanted.get("takeSnapshot", True)):
            return
        for vm in vms:
            minutes = wanted.get("localRetentionTimeInMinutes", 1440)
            name = f"Before SyncVM of {vm.definition.name}"
            vm_id = self._ids.text("VIM", vm.hex)
            self._snapshots.take({"sourceVmTintriUUID": vm_id, "snapshotName": name, "retentionMinutes": minutes}, user)

    def _steps(self, spec: Json, snapshot: SnapshotEntry, vm: VmEntry) -> list[Step]:
        source, target = self._snapshots.files(snapshot), self._export / vm.folder
        kind = spec.get("type") or "FULL_VM"
        pairs = _pairs(spec, snapshot, vm)
        if kind == "FULL_VM" and snapshot.vm == vm.hex:
            return [
                *self._copies([(source / name, target / name) for name in files_below(source)]),
                *_extra(source, target),
            ]
        if kind in ("FULL_VM", "VDISK"):
            return [step for one, other in pairs for step in self._disk_steps(source / one, target / other)]
        if kind == "FILE_RESTORE" and not vm.definition.file:
            raise _failed(f"{vm.definition.name} has no definition that disks could be attached to.")
        if kind == "FILE_RESTORE":
            return [partial(_attach, source, target, snapshot.hex, [one for one, _ in pairs])]
        raise _failed(f"There is no SyncVM of type {kind}.")

    def _disk_steps(self, source: Path, target: Path) -> list[Step]:
        """Make one disk like another: its extents' bytes, and their sizes in its descriptor."""
        if source.suffix != ".vmdk":  # one file is the whole disk
            return self._copies([(source, target)])
        text = source.read_text(encoding="utf-8")
        theirs = [found[2] for found in _EXTENT.finditer(text)]
        ours = [found[2] for found in _EXTENT.finditer(target.read_text(encoding="utf-8"))]
        if len(theirs) != len(ours):
            raise _failed(f"The disks {source.name} and {target.name} have different numbers of extents.")
        names = dict(zip(theirs, ours, strict=True))
        steps = self._copies([(source.parent / one, target.parent / other) for one, other in names.items()])
        renamed = _EXTENT.sub(lambda found: f'{found[1]}"{names[found[2]]}"', text)
        return [*steps, lambda: _write(target, renamed)]

    def _copies(self, pairs: list[tuple[Path, Path]]) -> list[Step]:
        size = sum(source.stat().st_size for source, _ in pairs)
        step = max(size // max(int(self._options.clone_seconds * STEPS_PER_SECOND), 1), 1 << 20)
        return [
            partial(_roll, source, target, start, min(start + step, source.stat().st_size))
            for source, target in pairs
            for start in range(0, max(source.stat().st_size, 1), step)
        ]

    def _detach(self, call: Call) -> Reply:
        """Take attached disks off again."""
        for vm_id in ids_in(call.body):
            vm = self._snapshots.vms.find(vm_id)
            if vm is None:
                raise not_found("virtual machine", vm_id)
            if not vm.definition.file:  # nothing can have been attached
                continue
            folder = self._export / vm.folder
            lines = (folder / vm.definition.file).read_text(encoding="utf-8").splitlines(keepends=True)
            devices = {line.partition(".")[0] for line in lines if f'"{ATTACHED}' in line}
            kept = [line for line in lines if line.partition(".")[0] not in devices]
            _write(folder / vm.definition.file, "".join(kept))
            for path in folder.glob(f"{ATTACHED}*"):
                shutil.rmtree(path)
        return Reply(status=204)


def _pairs(spec: Json, snapshot: SnapshotEntry, vm: VmEntry) -> list[tuple[str, str]]:
    """Descriptors in the snapshot and in the VM that belong together; all disks by device when none are named."""
    theirs = {disk.device: disk.file for disk in snapshot.definition.disks}
    ours = {disk.device: disk.file for disk in vm.definition.disks if not disk.file.startswith(ATTACHED)}
    sources = _devices(spec.get("sourceDisks")) or list(theirs)
    targets = _devices(spec.get("destDisks")) or sources
    if spec.get("type") == "FILE_RESTORE":
        targets = sources
        ours = theirs
    if len(sources) != len(targets) or not set(sources) <= set(theirs) or not set(targets) <= set(ours):
        raise _failed(f"The disks {sources} of the snapshot do not fit the disks {targets} of {vm.definition.name}.")
    return [(theirs[one], ours[other]) for one, other in zip(sources, targets, strict=True)]


def _devices(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else [value] if isinstance(value, str) else []


def _roll(source: Path, target: Path, start: int, end: int) -> None:
    """Put a slice back in place, so that whoever has the file open sees it; holes become holes again."""
    if start == 0 and target.exists():
        os.truncate(target, 0)
    copy_range(source, target, start, end)
    if end == source.stat().st_size:
        shutil.copystat(source, target)


def _extra(source: Path, target: Path) -> list[Step]:
    """Remove what came after the snapshot."""
    newer = set(files_below(target)) - set(files_below(source))
    return [partial((target / name).unlink, missing_ok=True) for name in sorted(newer)]


def _attach(source: Path, target: Path, digits: str, descriptors: list[str]) -> None:
    """Copy the snapshot's disks into the VM's folder and name them in its definition."""
    folder = target / f"{ATTACHED}{digits}"
    if not folder.exists():
        copy_tree(source, folder)
        for path in folder.glob("*.vmx"):  # it is no VM
            path.unlink()
    definition = next(iter(sorted(target.glob("*.vmx"))))
    text = definition.read_text(encoding="utf-8")
    used = {int(unit) for unit in re.findall(r"^scsi0:(\d+)\.", text, re.MULTILINE)}
    free = [unit for unit in range(64) if unit not in used and unit != 7]  # 7 is the controller's own
    lines = (
        f'scsi0:{unit}.present = "TRUE"\nscsi0:{unit}.fileName = "{folder.name}/{name}"\n'
        for unit, name in zip(free, descriptors, strict=False)
    )
    _write(definition, text + "".join(lines))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _failed(cause: str) -> ApiError:
    return ApiError(500, "ERR-API-3701", "Failed to sync the virtual machine.", cause)
