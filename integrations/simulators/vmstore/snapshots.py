"""The snapshot part of the API; a snapshot's files are a full copy outside the export, frozen at creation.

Hard links would not do: writers change the shared file.
"""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from integrations.simulators.vmstore.calls import Call, Json, Route
from integrations.simulators.vmstore.errors import ApiError, not_found
from integrations.simulators.vmstore.filters import Filter, chosen, flag, not_after, not_before, part, words
from integrations.simulators.vmstore.ids import Ids
from integrations.simulators.vmstore.inventory import UNTIL_NO_CLONE
from integrations.simulators.vmstore.options import Options
from integrations.simulators.vmstore.pages import Counts, ordered, page
from integrations.simulators.vmstore.sparse import copy_range, copy_tree, files_below
from integrations.simulators.vmstore.state import Document, SnapshotEntry, State, VmEntry
from integrations.simulators.vmstore.times import now_ms
from integrations.simulators.vmstore.views import clones_of, is_locked, snapshot_json, vm_uuid
from integrations.simulators.vmstore.vm_json import consistencies_of
from integrations.simulators.vmstore.vms import Vms

FILE_SNAPSHOT = "CINDER_GENERATED_SNAPSHOT"
AUTO_SNAPSHOT = "AUTO_GENERATED_CLONING_SNAPSHOT"
SPACE_PROPERTY = "com.tintri.space.usedPercentDisableSnapshotsThreshold"
_SHORTEST_MINUTES = 60


class Snapshots:
    """Makes, lists and deletes snapshots."""

    def __init__(self, export: Path, state: State, vms: Vms, ids: Ids, options: Options) -> None:
        self._export = export
        self._state = state
        self.vms = vms
        self.ids = ids
        self._options = options
        self._making = threading.Lock()  # one at a time, so that the limit per VM holds
        self._folder = state.folder / "snapshots"
        self._folder.mkdir(exist_ok=True)
        self._remove_unfinished()

    @property
    def routes(self) -> list[Route]:
        """This part of the API."""
        return [
            Route("GET", "/api/v310/snapshot", self._list),
            Route("POST", "/api/v310/snapshot", self._create),
            Route("DELETE", "/api/v310/snapshot", self._delete_all),
            Route("GET", "/api/v310/snapshot/{id}", self._get),
            Route("DELETE", "/api/v310/snapshot/{id}", self._delete),
            Route("GET", "/api/v310/snapshot/{id}/disks", self._disks, since=21),
            Route("POST", "/api/v310/snapshot/restore", self._restore, since=71),
            Route("DELETE", "/api/v310/snapshot/remote/{id}/{instance}", self._delete_remote),
        ]

    def take(self, spec: Json, user: str, kind: str = "USER_GENERATED_SNAPSHOT") -> SnapshotEntry:
        """Take a snapshot as a SnapshotSpec says. ApiError 400, 500."""
        with self._making:
            vm, checked = self._checked(spec)
            digits = self._freeze(vm, checked, user, kind)
        with self._state.look() as document:
            return document.snapshots[digits]

    def has_live_vm(self, entry: SnapshotEntry) -> bool:
        """Whether the VM that the snapshot is of is there."""
        vm = self.vms.find(self.ids.text("VIM", entry.vm))
        return vm is not None and vm.live

    def find(self, snapshot_id: str) -> SnapshotEntry | None:
        """The snapshot of an id."""
        with self._state.look() as document:
            return document.snapshots.get(self.ids.hex_of("SST", snapshot_id))

    def files(self, entry: SnapshotEntry) -> Path:
        """The folder of its frozen files."""
        return self._folder / entry.hex

    def freeze_file(self, source: Path, describe: Callable[[str], SnapshotEntry]) -> str:
        """Take a snapshot of one file, which `describe` makes the entry of; gives its id."""
        digits = self._state.next_hex()
        target = self._folder / digits
        try:
            target.mkdir()
            copy_range(source, target / source.name, 0, source.stat().st_size)
        except OSError as error:
            shutil.rmtree(target, ignore_errors=True)
            raise _refused(str(error)) from error
        with self._state.change() as document:
            document.snapshots[digits] = describe(digits)
        return self.ids.text("SST", digits)

    def release(self, entry: SnapshotEntry) -> None:
        """Remove the frozen files of a snapshot that was deleted, unless a clone is still being made of them."""
        with self._state.look() as document:
            is_read = any(task.snapshot == entry.hex and not task.is_final for task in document.tasks.values())
            is_needed = entry.hex in document.snapshots or is_read
        if not is_needed:
            shutil.rmtree(self.files(entry), ignore_errors=True)

    def _remove_unfinished(self) -> None:
        for folder in self._folder.iterdir():
            if folder.name not in self._state.document.snapshots:
                shutil.rmtree(folder)

    def _list(self, call: Call) -> Json:
        self.vms.forget_removed_clones()
        with self._state.look() as document:
            everything = list(document.snapshots.values())
            found = ordered(call, chosen(call, everything, self._filters(document)), self._json)
            return page(call, found, Counts(len(everything), len(everything)), self._json, lambda one: one.description)

    def _json(self, entry: SnapshotEntry) -> Json:
        with self._state.look() as document:
            return snapshot_json(entry, self.ids, document)

    def _filters(self, document: Document) -> dict[str, Filter[SnapshotEntry]]:
        since: Filter[SnapshotEntry] = not_before(lambda entry: entry.created_ms)
        until: Filter[SnapshotEntry] = not_after(lambda entry: entry.created_ms)
        never: Filter[SnapshotEntry] = flag(lambda _: False)
        return {
            "vmUuid": words(lambda entry: str(vm_uuid(entry, self.ids)["uuid"])),
            "uuid": words(lambda entry: self.ids.text("SST", entry.hex)),
            "contain": part(lambda entry: (entry.description, entry.vm_name)),
            "name": part(lambda entry: (entry.description,)),
            "type": words(lambda entry: entry.type),
            "consistency": words(lambda entry: entry.consistency),
            "hasClone": flag(lambda entry: bool(clones_of(entry.hex, document))),
            "locked": flag(is_locked),
            "orphaned": never,
            "replica": never,
            "deleted": never,
            "location": words(lambda _: "local"),
            "instanceId": words(lambda entry: entry.definition.instance_uuid),
            "fromVmstore": words(lambda _: self._options.name),
            "fromDate": since,
            "since": since,
            "toDate": until,
            "until": until,
        }

    def _get(self, call: Call) -> Json:
        return self._json(self.found(call))

    def _disks(self, call: Call) -> list[Json]:
        entry = self.found(call)
        return [self.vms.snapshot_disk_json(entry, disk) for disk in entry.definition.disks]

    def _restore(self, _call: Call) -> Json:
        cause = "There is no snapshot in a cloud here; a snapshot on the VMstore is put back by SyncVM."
        raise ApiError(400, "ERR-API-9509", "Invalid cloud snapshot restore request.", cause)

    def _delete_remote(self, call: Call) -> Json:
        raise not_found("cloud snapshot", call.params["id"])

    def found(self, call: Call) -> SnapshotEntry:
        """The snapshot that the call's path names. ApiError 404."""
        entry = self.find(call.params["id"])
        if entry is None:
            raise not_found("snapshot", call.params["id"])
        return entry

    def _create(self, call: Call) -> list[str]:
        specs = call.body if isinstance(call.body, list) else [call.body]
        with self._making:
            checked = [self._checked(spec) for spec in specs]
            return [self.ids.text("SST", self._freeze(vm, spec, call.user)) for vm, spec in checked]

    def _checked(self, spec: Any) -> tuple[VmEntry, Json]:
        if not isinstance(spec, dict):
            raise _invalid("A SnapshotSpec is needed.")
        vm = self.vms.find(str(spec.get("sourceVmTintriUUID")))
        if vm is None or not vm.live:
            raise _invalid(f"There is no live VM {spec.get('sourceVmTintriUUID')}.")
        consistency = spec.get("consistency") or "CRASH_CONSISTENT"
        if consistency not in consistencies_of(vm.definition, self._options):
            raise _invalid(f"Consistency {consistency} is not supported for VM {vm.definition.name}.")
        for name in ("retentionMinutes", "replicaRetentionMinutes"):
            _minutes(spec, name)
        with self._state.look() as document:
            count = sum(1 for entry in document.snapshots.values() if entry.vm == vm.hex)
        if count >= self._options.snapshot_limit:
            raise _refused(
                f"VM {vm.definition.name} has {count} snapshots; {self._options.snapshot_limit} are allowed."
            )
        with self._state.look() as document:
            most = float(document.settings["systemProperty"][SPACE_PROPERTY])
        if self._options.space_used_percent > most:
            raise _refused(f"The datastore is {self._options.space_used_percent:g} % full: snapshots are disabled.")
        return vm, spec

    def _freeze(self, vm: VmEntry, spec: Json, user: str, kind: str = "USER_GENERATED_SNAPSHOT") -> str:
        digits, created = self._state.next_hex(), now_ms()
        target, minutes = self._folder / digits, _minutes(spec, "retentionMinutes")
        try:
            if vm.folder:
                copy_tree(self._export / vm.folder, target)
            else:
                target.mkdir()
        except OSError as error:
            shutil.rmtree(target, ignore_errors=True)
            raise _refused(str(error)) from error
        with self._state.change() as document:
            before = [entry for entry in document.snapshots.values() if entry.vm == vm.hex]
            document.snapshots[digits] = SnapshotEntry(
                hex=digits,
                vm=vm.hex,
                vm_name=vm.definition.name,
                folder=vm.folder,
                definition=vm.definition,
                description=str(spec.get("snapshotName") or ""),
                consistency=spec.get("consistency") or "CRASH_CONSISTENT",
                created_ms=created,
                expires_ms=created + minutes * 60_000 if minutes > 0 else -1,
                replica_minutes=_minutes(spec, "replicaRetentionMinutes"),
                creator=user,
                logical_bytes=sum((target / name).stat().st_size for name in files_below(target)),
                changed_bytes=_changed(target, self.files(before[-1]) if before else None),
                type=kind,
                deletion_policy=UNTIL_NO_CLONE if kind == AUTO_SNAPSHOT else "DELETE_ON_EXPIRATION",
            )
        return digits

    def _delete(self, call: Call) -> list[str]:
        return [self._drop(self.found(call))]

    def _delete_all(self, call: Call) -> list[str]:
        vm = self.ids.hex_of("VIM", call.query.get("vmUuid", ""))
        if not vm:
            raise ApiError(400, "ERR-API-4003", "Invalid query parameter.", "vmUuid is needed.")
        with self._state.look() as document:
            doomed = [entry for entry in document.snapshots.values() if entry.vm == vm]
        return [self._drop(entry) for entry in doomed]

    def _drop(self, entry: SnapshotEntry) -> str:
        name = self.ids.text("SST", entry.hex)
        self.vms.forget_removed_clones()
        with self._state.change() as document:
            if is_locked(entry):
                raise ApiError(500, "ERR-API-3107", "Delete snapshot failed.", f"Snapshot {name} is locked.")
            clones = clones_of(entry.hex, document)
            if clones and (self._options.refuse_snapshot_delete_while_clone or entry.type == FILE_SNAPSHOT):
                cause = f"Snapshot {name} cannot be deleted: live VM is still present ({clones[0]})."
                raise ApiError(500, "ERR-API-3107", "Delete snapshot failed.", cause)
            document.snapshots.pop(entry.hex, None)
        self.release(entry)
        return f"Successfully deleted snapshot (ID={name}) of VM {entry.vm_name}."


def _minutes(spec: Json, name: str) -> int:
    """A retention: -1 for ever, or 60 and more; clients also send null, 0 and numbers as text."""
    value = spec.get(name)
    try:
        minutes = int(value) if value is not None else -1
    except (TypeError, ValueError, OverflowError):
        raise _invalid(f"{name} must be a number.") from None
    if minutes not in (-1, 0) and minutes < _SHORTEST_MINUTES:
        raise _invalid(f"{name} must be -1 or more than 59.")
    return minutes


def _refused(cause: str) -> ApiError:
    return ApiError(500, "ERR-API-3106", "Create snapshot failed.", cause)


def _invalid(cause: str) -> ApiError:
    return ApiError(400, "ERR-API-3105", "Invalid create snapshot request.", cause)


def _changed(now: Path, before: Path | None) -> int:
    """Allocated bytes of the files that differ in size or time from the snapshot before."""
    total = 0
    for name in files_below(now):
        status = (now / name).stat()
        old = before / name if before else None
        if (
            old
            and old.exists()
            and (old.stat().st_size, old.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)
        ):
            continue
        total += status.st_blocks * 512
    return total
