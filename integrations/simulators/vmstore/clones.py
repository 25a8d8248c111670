"""Clones: `POST /vm`, as files in a directory (restoreInfo) or as VMs that a hypervisor knows.

A real VMstore's clone is a metadata operation; here the files really grow, so that a half-made clone can be met.
"""

import os
import uuid
from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from integrations.simulators.vmstore import vmx
from integrations.simulators.vmstore.calls import Call, Json, Route
from integrations.simulators.vmstore.errors import ApiError
from integrations.simulators.vmstore.faults import TaskFault
from integrations.simulators.vmstore.jobs import STEPS_PER_SECOND, Jobs, Step
from integrations.simulators.vmstore.options import Options
from integrations.simulators.vmstore.snapshots import AUTO_SNAPSHOT, Snapshots
from integrations.simulators.vmstore.sparse import copy_slice, files_below, make_folders, slices
from integrations.simulators.vmstore.state import CloneEntry, SnapshotEntry, State
from integrations.simulators.vmstore.views import task_json

_MOST = 500
# Members of the specification that say how the clone is called and who is to know it.
_PLACES = {"vmware": "vCenterName", "hyperv": "hyperVName", "rhev": "rhevmName", "xenServer": "xenServerName"}
_NAMED = (*_PLACES, "generic", "otherDb")


class Cloner:
    """Makes clones, each request's in a task of its own."""

    def __init__(self, export: Path, state: State, snapshots: Snapshots, jobs: Jobs, options: Options) -> None:
        self._export = export
        self._state = state
        self._snapshots = snapshots
        self._jobs = jobs
        self._options = options

    @property
    def routes(self) -> list[Route]:
        """This part of the API."""
        return [Route("POST", "/api/v310/vm", self._start)]

    def clone(self, vm: str, name: str) -> None:
        """Clone a live VM as a person does in the hypervisor, and wait for it. LookupError: no such VM, or it fails."""
        found = next(
            (each for each in self._snapshots.vms.existing() if each.live and each.definition.name == vm), None
        )
        if found is None:
            raise LookupError(f"there is no VM {vm}")
        managed = {"cloneVmName": name, "vCenterName": self._options.manager}
        spec: Json = {
            "vmId": self._snapshots.ids.text("VIM", found.hex),
            **({"vmware": managed} if found.definition.is_managed else {"simpleCloneVmName": name}),
        }
        try:
            answer = self._register(Call(method="POST", path="/api/v310/vm", user=self._options.user), spec)
        except ApiError as error:
            raise LookupError(str(error.body().get("causeDetails"))) from error
        task = self._state.document.tasks[answer["uuid"]["uuid"]]
        self._jobs.join(task)
        if task.state != "SUCCESS":
            raise LookupError(f"the clone of {vm} ended as {task.state}")

    def _start(self, call: Call) -> Json:
        spec = call.body[0] if isinstance(call.body, list) and call.body else call.body
        if not isinstance(spec, dict):
            raise _invalid("A VirtualMachineCloneSpec is needed.")
        if spec.get("remoteCopyInfo"):
            cause = "The VMstore at the other end of the replication path cannot be reached."
            raise ApiError(500, "ERR-API-3003", "Failed to create remote clone configuration.", cause)
        if spec.get("restoreInfo"):
            return self._copy_out(call, spec)
        return self._register(call, spec)

    def _copy_out(self, call: Call, spec: Json) -> Json:
        restore = spec["restoreInfo"] if isinstance(spec["restoreInfo"], dict) else {}
        directory = directory_of(restore.get("directoryName"))
        if not isinstance(spec.get("snapshotId"), str):
            raise _invalid("snapshotId is needed.")
        with self._state.change():
            snapshot = self._snapshot(spec["snapshotId"])
            name = snapshot.vm_name.replace("/", "_") if self._options.layout == "nested" else ""
            target = self._claimed(snapshot, directory, name)
        return self._begin(call, snapshot, [target], directory)

    def _register(self, call: Call, spec: Json) -> Json:
        """Clone into VMs; without a manager that is known here, the files are made but nobody knows them."""
        kind = next((name for name in _NAMED if isinstance(spec.get(name), dict)), "")
        info = spec.get(kind) or {"cloneVmName": spec.get("simpleCloneVmName")}
        name, count = info.get("cloneVmName"), _count(spec.get("count"))
        if not isinstance(name, str) or not name:
            raise _invalid("cloneVmName is needed, or restoreInfo.")
        is_known = info.get(_PLACES.get(kind, "")) == self._options.manager
        if kind == "xenServer" and not is_known:
            raise _invalid(f"There is no XenServer {info.get('xenServerName')}.")
        keeps_uuid = str(spec.get("preserveInstanceUuid")).lower() == "true"
        snapshot = self._source(call, spec)
        is_known |= not kind and not snapshot.definition.is_managed  # a rule makes a VM of its files
        if keeps_uuid and (count != 1 or self._snapshots.has_live_vm(snapshot)):
            raise _invalid("An instance UUID can be kept by one clone, when no live VM has it.")
        names = [name] if count == 1 else [f"{name}-{number}" for number in range(1, count + 1)]
        with self._state.change():
            targets = [self._claimed(snapshot, directory_of(one), "") for one in names]
        bios = [snapshot.definition.bios_uuid if keeps_uuid else str(uuid.uuid4()) for _ in names]
        known = list(zip(targets, names, bios, strict=True)) if is_known else []
        return self._begin(call, snapshot, targets, names[0], known)

    def _source(self, call: Call, spec: Json) -> SnapshotEntry:
        """The snapshot to clone, which is made now when a live VM is to be cloned."""
        if isinstance(spec.get("snapshotId"), str):
            return self._snapshot(spec["snapshotId"])
        if not isinstance(spec.get("vmId"), str):
            raise _invalid("vmId or snapshotId is needed.")
        wanted = {"sourceVmTintriUUID": spec["vmId"], "consistency": spec.get("consistency")}
        return self._snapshots.take(wanted, call.user, AUTO_SNAPSHOT)

    def _snapshot(self, snapshot_id: str) -> SnapshotEntry:
        found = self._snapshots.find(snapshot_id)
        if found is None:
            cause = f"Failed to lookup snapshot {snapshot_id}."
            raise ApiError(404, "ERR-API-3214", "Resource not found for clone.", cause)
        return found

    def _claimed(self, snapshot: SnapshotEntry, directory: str, name: str) -> Path:
        """Make the folders that the clone's files come into."""
        target = self._export / directory / name
        try:
            if (self._export / directory).exists():
                raise _invalid(f"The directory /tintri/{directory} exists already.")
            make_folders(self._snapshots.files(snapshot), target)
        except OSError as error:
            raise ApiError(500, "ERR-API-3206", "Clone request failed.", str(error)) from error
        with self._state.change() as document:
            document.clones[directory] = CloneEntry(directory=directory, snapshot=snapshot.hex)
        return target

    def _begin(
        self,
        call: Call,
        snapshot: SnapshotEntry,
        targets: Sequence[Path],
        directory: str,
        known: Sequence[tuple[Path, str, str]] = (),
    ) -> Json:
        task = self._jobs.new("CLONE", vm=snapshot.vm, snapshot=snapshot.hex, user=call.user, directory=directory)
        source = self._snapshots.files(snapshot)
        count = int(self._options.clone_seconds * STEPS_PER_SECOND) // len(targets)
        steps: list[Step] = [
            partial(copy_slice, source, target, part) for target in targets for part in slices(source, count)
        ]

        def end(fault: TaskFault | None) -> None:
            for target, name, bios in known:
                self._make_known(target, name, bios, snapshot)
            if fault in ("truncated", "missing"):
                _maim(targets[0], fault)

        answer = task_json(task, self._snapshots.ids)
        self._jobs.begin(task, steps, end, lambda: self._snapshots.release(snapshot))
        return answer

    def _make_known(self, target: Path, name: str, bios: str, snapshot: SnapshotEntry) -> None:
        """Give the clone its own name and UUID; from now on it is a VM."""
        if snapshot.definition.is_managed:
            found = sorted(target.glob("*.vmx"))
            path = found[0] if found else target / f"{target.name}.vmx"
            text = path.read_text(encoding="utf-8") if found else vmx.written(snapshot.definition)
            path.write_text(vmx.renamed(text, name, bios), encoding="utf-8")
        with self._state.change() as document:
            document.clones[target.relative_to(self._export).as_posix()].registered = True


def directory_of(name: object) -> str:
    """A path below the export, as given in directoryName; a leading /tintri/ is taken off."""
    text = name.removeprefix("/tintri/").removeprefix("/") if isinstance(name, str) else ""
    parts = PurePosixPath(text).parts
    if not parts or ".." in parts or "\\" in text or "\0" in text:
        raise _invalid(f"directoryName {name!r} is not possible.")
    return "/".join(parts)


def _count(value: Any) -> int:
    """How many clones; it comes as text too. ApiError 400."""
    try:
        count = 1 if value is None else int(value)
    except (TypeError, ValueError):
        count = 0
    if not 1 <= count <= _MOST:
        raise _invalid(f"count must be from 1 to {_MOST}.")
    return count


def _maim(folder: Path, fault: TaskFault) -> None:
    """Cut the largest file that is no swap file to its half, or remove it."""
    files = (folder / name for name in files_below(folder) if not name.endswith(".vswp"))
    largest = max(files, key=lambda path: path.stat().st_size)
    if fault == "missing":
        largest.unlink()
    else:
        os.truncate(largest, largest.stat().st_size // 2)


def _invalid(cause: str) -> ApiError:
    return ApiError(400, "ERR-API-3205", "Invalid clone request.", cause)
