"""What a VMstore remembers, kept in one file beside the export so that ids outlive a restart."""

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from integrations.simulators.vmstore.calls import Json
from integrations.simulators.vmstore.vmx import Definition, Disk


@dataclass(slots=True, kw_only=True)
class VmEntry:
    """A VM that is or was there; folder is relative to the export, "" for a generated VM without files."""

    hex: str
    folder: str
    definition: Definition
    live: bool = True
    gone_ms: int = 0


@dataclass(slots=True, kw_only=True)
class SnapshotEntry:
    """A snapshot; its files are frozen under its hex name. Times are ms since 1970, -1 for never."""

    hex: str
    vm: str  # the VM's hex
    vm_name: str
    folder: str
    definition: Definition
    description: str
    consistency: str
    created_ms: int
    expires_ms: int
    replica_minutes: int
    creator: str
    logical_bytes: int
    changed_bytes: int
    type: str = "USER_GENERATED_SNAPSHOT"
    deletion_policy: str = "DELETE_ON_EXPIRATION"
    vm_label: str = ""  # of a file's snapshot: what the client gave as the VM's id, whatever that is
    locked_until_ms: int = 0  # 0: not locked


@dataclass(slots=True, kw_only=True)
class CloneEntry:
    """A clone, for as long as its directory (relative to the export) or its one file is there."""

    directory: str
    snapshot: str  # the snapshot's hex
    registered: bool = False  # with a hypervisor, so that it is a VM
    file: str = ""  # of a clone of one file: where it is now


@dataclass(slots=True, kw_only=True)
class TaskEntry:
    """A long operation."""

    id: str
    vm: str
    snapshot: str
    user: str
    created_ms: int
    directory: str
    type: str = "CLONE"
    state: str = "RUNNING"
    percent: float = 0.0
    error: dict[str, Any] | None = None  # TintriError

    @property
    def is_final(self) -> bool:
        """Whether it will not change any more."""
        return self.state in ("SUCCESS", "FAILED", "CANCELLED")


@dataclass(slots=True)
class Document:
    """All that is kept."""

    fs_uuid: str
    last_number: int = 0
    vms: dict[str, VmEntry] = field(default_factory=dict)  # by what identifies it on the export
    snapshots: dict[str, SnapshotEntry] = field(default_factory=dict)  # by hex, in order of creation
    clones: dict[str, CloneEntry] = field(default_factory=dict)  # by directory, those of files by more
    tasks: dict[str, TaskEntry] = field(default_factory=dict)  # by id, in order of creation
    # What clients set, in the API's own names.
    configs: dict[str, Json] = field(default_factory=dict)  # of VMs, by hex
    settings: dict[str, Any] = field(default_factory=dict)  # of the appliance and the datastore
    accounts: dict[str, Json] = field(default_factory=dict)  # by user name
    groups: dict[str, Json] = field(default_factory=dict)  # service groups, by hex
    alerts: dict[str, Json] = field(default_factory=dict)  # by hex, in order


class State:
    """The document and its lock; change it only inside `change()`, read it under the same or in one look."""

    def __init__(self, folder: Path, fs_uuid: str | None) -> None:
        self.folder = folder
        self._path = folder / "state.json"
        self._lock = threading.RLock()
        folder.mkdir(parents=True, exist_ok=True)
        kept = _load(self._path)
        new_uuid = (fs_uuid or (kept.fs_uuid if kept else "") or str(uuid.uuid4())).upper()
        self.document = kept or Document(new_uuid)
        self.document.fs_uuid = new_uuid
        self._save()

    @contextmanager
    def change(self) -> Iterator[Document]:
        """Hold the lock, and keep what was changed."""
        with self._lock:
            yield self.document
            self._save()

    @contextmanager
    def look(self) -> Iterator[Document]:
        """Hold the lock, to read."""
        with self._lock:
            yield self.document

    def next_hex(self) -> str:
        """A number that was never given before, as ids have it: 16 hex digits."""
        with self.change() as document:
            document.last_number += 1
            return f"{document.last_number:016X}"

    def _save(self) -> None:
        draft = self._path.with_suffix(".new")
        draft.write_text(json.dumps(asdict(self.document)), encoding="utf-8")
        draft.replace(self._path)


def _load(path: Path) -> Document | None:
    if not path.exists():
        return None
    raw = json.loads(path.read_text(encoding="utf-8"))
    return Document(
        fs_uuid=raw["fs_uuid"],
        last_number=raw["last_number"],
        vms={key: VmEntry(**_with_definition(row)) for key, row in raw["vms"].items()},
        snapshots={key: SnapshotEntry(**_with_definition(row)) for key, row in raw["snapshots"].items()},
        clones={key: CloneEntry(**row) for key, row in raw["clones"].items()},
        tasks={key: TaskEntry(**row) for key, row in raw["tasks"].items()},
        **{name: raw.get(name, {}) for name in ("configs", "settings", "accounts", "groups", "alerts")},
    )


def _with_definition(row: dict[str, Any]) -> dict[str, Any]:
    definition = row["definition"]
    disks = [Disk(**disk) for disk in definition["disks"]]
    return {**row, "definition": Definition(**{**definition, "disks": disks})}
