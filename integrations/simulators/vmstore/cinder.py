"""The file-level part of the API: a snapshot of one file of the export, and clones of it in folders of their own.

It is not in Tintri's published index; OpenStack's drivers for the VMstore use it so.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from integrations.simulators.vmstore.calls import Call, Reply, Route
from integrations.simulators.vmstore.clones import directory_of
from integrations.simulators.vmstore.errors import ApiError, not_found
from integrations.simulators.vmstore.snapshots import FILE_SNAPSHOT, Snapshots
from integrations.simulators.vmstore.sparse import copy_range
from integrations.simulators.vmstore.state import CloneEntry, SnapshotEntry, State
from integrations.simulators.vmstore.times import now_ms
from integrations.simulators.vmstore.vmx import Definition

_POLICIES = ("DELETE_ON_EXPIRATION", "DELETE_ON_ZERO_CLONE_REFERENCES")


class Cinder:
    """Snapshots and clones of single files; paths are relative to the export."""

    def __init__(self, export: Path, state: State, snapshots: Snapshots) -> None:
        self._export = export
        self._state = state
        self._snapshots = snapshots

    @property
    def routes(self) -> list[Route]:
        """This part of the API."""
        base = "/api/v310/cinder"
        return [
            Route("POST", f"{base}/snapshot", self._snapshot),
            Route("POST", f"{base}/clone", self._clone),
            Route("POST", f"{base}/host/refresh", lambda _call: Reply(status=204)),
        ]

    def _snapshot(self, call: Call) -> list[str]:
        spec = _one(call.body)
        source = self._export / directory_of(spec.get("file"))
        if not source.is_file():
            raise not_found("file", str(spec.get("file")))
        policy = spec.get("deletionPolicy") or _POLICIES[0]
        if policy not in _POLICIES:
            raise ApiError(400, "ERR-API-3105", "Invalid create snapshot request.", f"No deletionPolicy {policy}.")

        def describe(digits: str) -> SnapshotEntry:
            size = source.stat().st_size
            name = str(spec.get("vmName") or source.name)
            return SnapshotEntry(
                hex=digits,
                vm="",
                vm_name=name,
                folder=source.parent.relative_to(self._export).as_posix(),
                definition=Definition(name=name, file="", instance_uuid=str(spec.get("instanceId") or "")),
                description=str(spec.get("description") or ""),
                consistency="CRASH_CONSISTENT",
                created_ms=now_ms(),
                expires_ms=-1,
                replica_minutes=-1,
                creator=str(spec.get("snapshotCreator") or call.user),
                logical_bytes=size,
                changed_bytes=size,
                type=FILE_SNAPSHOT,
                deletion_policy=policy,
                vm_label=str(spec.get("vmTintriUuid") or source.name),
            )

        return [self._snapshots.freeze_file(source, describe)]

    def _clone(self, call: Call) -> Reply:
        spec = _one(call.body)
        snapshot = self._snapshots.find(str(spec.get("tintriSnapshotUuid")))
        if snapshot is None or snapshot.type != FILE_SNAPSHOT:
            cause = f"Failed to lookup file snapshot {spec.get('tintriSnapshotUuid')}."
            raise ApiError(404, "ERR-API-3214", "Resource not found for clone.", cause)
        for directory in _destinations(spec.get("destinationPaths")):
            self._copy(snapshot, directory)
        return Reply(status=204)

    def _copy(self, snapshot: SnapshotEntry, directory: str) -> None:
        """Make the folder, and in it the clone under its source's name: clients move it out of there."""
        target = self._export / directory
        try:
            target.mkdir(parents=True)
            source = next(self._snapshots.files(snapshot).iterdir())
            copy_range(source, target / source.name, 0, source.stat().st_size)
        except OSError as error:
            raise ApiError(500, "ERR-API-3206", "Clone request failed.", str(error)) from error
        clone = CloneEntry(directory=directory, snapshot=snapshot.hex, file=f"{directory}/{source.name}")
        key = f"{directory}/{self._state.next_hex()}"  # the directory may be used again when the file was moved out
        with self._state.change() as document:
            document.clones[key] = clone
            self._snapshots.vms.inventory.hold(key, clone)


def _one(body: Any) -> dict[str, Any]:
    one = body[0] if isinstance(body, list) and body else body
    if not isinstance(one, dict):
        raise ApiError(400, "ERR-API-0020", "Invalid input data.", "One specification is needed.")
    return one


def _destinations(paths: object) -> Iterator[str]:
    """Of a list, or of one plain string: there are clients of both kinds."""
    return (directory_of(path) for path in (paths if isinstance(paths, list) else [paths]))
