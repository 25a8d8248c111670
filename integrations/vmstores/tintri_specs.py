"""What is sent to a VMstore, as its documents write it. Pure.

Source of each: github.com/Tintri/tintri-rest-api, DTOs of v310. Nested types are written with a dollar sign, as in the
sample bodies there.
"""

from collections.abc import Sequence

from bot.model import Json

_BEANS = "com.tintri.api.rest.v310.dto.domain.beans"
_CREDENTIALS = "com.tintri.api.rest.vcommon.dto.rbac.RestApiCredentials"
_SNAPSHOT = f"{_BEANS}.snapshot.SnapshotSpec"
_CLONE = f"{_BEANS}.vm.VirtualMachineCloneSpec"
_SYNC = f"{_BEANS}.vm.VirtualMachineSyncSpec"
_SHORTEST_RETENTION = 60  # minutes; SnapshotSpec allows -1 or more than 59


def credentials(user: str, password: str) -> Json:
    """RestApiCredentials."""
    return {"typeId": _CREDENTIALS, "username": user, "password": password}


def snapshot(vm_uuid: str, name: str, consistency: str, retention_minutes: int) -> Json:
    """SnapshotSpec; its name comes back as the snapshot's description."""
    return {
        "typeId": _SNAPSHOT,
        "sourceVmTintriUUID": vm_uuid,
        "consistency": consistency,
        "snapshotName": name,
        "retentionMinutes": max(_SHORTEST_RETENTION, retention_minutes) if retention_minutes > 0 else -1,
    }


def copy_out(snapshot_uuid: str, directory: str) -> Json:
    """VirtualMachineCloneSpec with RestoreInfo: files in a directory of the export, nothing is registered."""
    restore = {"typeId": f"{_CLONE}$RestoreInfo", "directoryName": directory}
    return {"typeId": _CLONE, "snapshotId": snapshot_uuid, "restoreInfo": restore}


def sync(vm_uuid: str, snapshot_uuid: str, disks: Sequence[tuple[str, str]]) -> Json:
    """VirtualMachineSyncSpec, type FULL_VM, or VDISK with pairs of disks by names such as "scsi0:1".

    takeSnapshotSpec: false, since the caller has a snapshot that stays, and the VMstore's own would go after a day.
    isSkipReboot is for VDISK only: the VM is off already, and is not to be started by this.
    """
    spec: Json = {
        "typeId": _SYNC,
        "type": "VDISK" if disks else "FULL_VM",
        "targetVmTintriUuids": [vm_uuid],
        "snapshotTintriUuid": snapshot_uuid,
        "async": True,
        "takeSnapshotSpec": {"takeSnapshot": False},
    }
    if disks:
        named = {"sourceDisks": [theirs for theirs, _ in disks], "destDisks": [ours for _, ours in disks]}
        spec |= {**named, "isSkipReboot": True}
    return spec
