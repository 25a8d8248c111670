"""Snapshots and tasks as JSON."""

from integrations.simulators.vmstore.calls import Json
from integrations.simulators.vmstore.ids import Ids, uuid_object
from integrations.simulators.vmstore.state import Document, SnapshotEntry, TaskEntry
from integrations.simulators.vmstore.times import now_ms, now_text, text

_GIB = 1 << 30


def clones_of(snapshot: str, document: Document) -> list[str]:
    """Directories of the clones of a snapshot (its hex) that are still there."""
    return [clone.directory for clone in document.clones.values() if clone.snapshot == snapshot]


def is_locked(entry: SnapshotEntry) -> bool:
    """Whether a snapshot must not be deleted now."""
    return entry.locked_until_ms == -1 or entry.locked_until_ms > now_ms()


def snapshot_json(entry: SnapshotEntry, ids: Ids, document: Document) -> Json:
    """A Snapshot; `description` is there on every one, since clients index it unchecked."""
    return {
        "typeId": "com.tintri.api.rest.v310.dto.domain.Snapshot",
        "uuid": ids.object("SST", entry.hex),
        "id": int(entry.hex, 16),
        "vmUuid": vm_uuid(entry, ids),
        "vmName": entry.vm_name,
        "description": entry.description,
        "createTime": entry.created_ms,
        "expirationTime": entry.expires_ms,
        "creatorName": entry.creator,
        "type": entry.type,
        "consistency": entry.consistency,
        "hypervisorType": entry.definition.kind,
        "deletionPolicy": entry.deletion_policy,
        "cloneReferenceCount": len(clones_of(entry.hex, document)),
        "sizeChangedMB": entry.changed_bytes / (1 << 20),
        "sizeChangedPhysicalMB": entry.changed_bytes / (1 << 20),
        "logicalFullSizeGiB": entry.logical_bytes / _GIB,
        "isDeleted": False,
        "isOrphaned": False,
        "isReplica": False,
        "isLastReplicatedSnapshot": False,
        "isCollapsed": False,
        "locked": is_locked(entry),
        "location": "local",
        "instanceId": entry.definition.instance_uuid,
        "replicaRetentionMinutes": entry.replica_minutes,
        "vmIsTemplate": False,
        "tag": "",
        "lastUpdatedTime": text(entry.created_ms),
    }


def vm_uuid(entry: SnapshotEntry, ids: Ids) -> Json:
    """Whose snapshot it is."""
    return uuid_object(entry.vm_label, "VIRTUAL_MACHINE") if entry.vm_label else ids.object("VIM", entry.vm)


def task_json(task: TaskEntry, ids: Ids) -> Json:
    """A Task; its id holds an `@` and colons."""
    return {
        "typeId": "com.tintri.api.rest.v310.dto.Task",
        "uuid": uuid_object(task.id, "JOB"),
        "type": task.type,
        "state": task.state,
        "jobDone": task.is_final,
        "progressPercent": task.percent,
        "progressDescription": _progress(task),
        "error": task.error,
        "createDate": text(task.created_ms),
        "createdBy": task.user,
        "isCancelable": not task.is_final,
        "restartable": False,
        "targetType": "VM",
        "targetIds": [ids.text("VIM", task.vm)],
        "properties": [
            {"typeId": "com.tintri.api.rest.v310.dto.TaskProperty", "name": name, "value": value}
            for name, value in (("snapshotId", ids.text("SST", task.snapshot)), ("directoryName", task.directory))
            if value
        ],
        "lastUpdatedTime": now_text(),
    }


def _progress(task: TaskEntry) -> str:
    what = {"CLONE": "Clone", "SYNC_VM": "SyncVM"}[task.type]
    return f"{what} {task.state.lower().replace('_', ' ')}"
