"""The nouns: frozen values that all of Cloudy speaks of. Sizes are bytes, times aware UTC, durations seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

Json = dict[str, Any]


# --- who and what was asked ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who asked, and where from."""

    id: str  # Slack user id, or the login name for the command line
    name: str
    source: str  # "slack" | "cli" | "schedule"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the answer goes; empty channel: nowhere (command line)."""

    channel: str = ""
    thread: str = ""  # ts of a thread's root message, when something was asked inside one


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectRequest:
    """`/protect vm01, vm02 to s3`, parsed; nothing looked up yet."""

    vms: tuple[str, ...]
    targets: tuple[str, ...]
    consistency: str = "crash"  # "crash" | "vm"


# --- on the VMstore ---


@dataclass(frozen=True, slots=True, kw_only=True)
class VMstoreInfo:
    """What the array says of itself before login."""

    product: str  # "Tintri VMstore"
    api_version: str  # "v310.191"


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """One disk of a VM; paths are relative to the export, without a leading slash."""

    uuid: str
    name: str  # "scsi0:0"
    path: str  # "vm01/vm01.vmdk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vm:
    """A live VM on one VMstore; its identity is the uuid, never the name."""

    uuid: str
    name: str
    vmstore: str
    hypervisor: str = "VMWARE"
    consistencies: tuple[str, ...] = ("crash",)  # kinds of snapshot that are possible
    disks: tuple[Disk, ...] = ()  # in bus order; empty in listings
    subdir: str = ""
    used_bytes: int = 0
    provisioned_bytes: int = 0
    snapshots: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A point-in-time copy on the VMstore."""

    uuid: str
    vm_uuid: str
    vm_name: str
    description: str  # holds our label: the transaction id
    consistency: str  # "crash" | "vm": what was really got
    taken_at: datetime


class TaskState(StrEnum):
    """Where a VMstore task stands; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A long operation of the VMstore."""

    id: str
    state: TaskState
    percent: float = 0.0
    message: str = ""  # the VMstore's own words, with its code, when it failed

    @property
    def is_final(self) -> bool:
        """Whether it will not change any more."""
        return self.state not in (TaskState.QUEUED, TaskState.RUNNING)


# --- files of an export ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file or directory; path is relative to the export ("<dir>/vm01/vm01.vmx")."""

    path: str
    size: int = 0
    is_dir: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One file of a clone that is to become an object."""

    path: str  # relative to the export, as in Entry
    name: str  # relative to the clone's directory: the file's identity across transactions
    key: str  # relative to the target's prefix: "<transaction id>/tintri/<path>"
    size: int


# --- objects in a target ---


@dataclass(frozen=True, slots=True, kw_only=True)
class PartLimits:
    """What a store allows of parts."""

    smallest: int = 5 << 20  # the last part is free of it
    largest: int = 5 << 30
    most: int = 10_000
    largest_object: int = 10_000 * (5 << 30)  # 48.8 TiB: S3, since December 2025


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a store really does, found by probing it once."""

    checks_crc: bool  # refuses a part or object whose CRC-64/NVME is wrong, and tells it again when asked
    conditional_complete: bool = False  # refuses to complete onto an existing key

    @property
    def proof(self) -> str:
        """How a recovery point is proven there, for people."""
        return "store's checksum" if self.checks_crc else "read back"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectInfo:
    """What the store says of an object; key relative to the target's prefix."""

    key: str
    size: int
    etag: str = ""
    crc64: int | None = None  # CRC-64/NVME of the whole object, None where the store does not tell
    metadata: Mapping[str, str] = field(default_factory=dict)
    modified_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """An object being written in parts."""

    key: str
    upload_id: str


class PartSource(StrEnum):
    """Where a part's bytes come from."""

    UPLOAD = "upload"
    COPY = "copy"
    ZERO = "zero"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One numbered piece of an object, as planned."""

    number: int  # from 1, in order of offset
    offset: int
    length: int
    source: PartSource = PartSource.UPLOAD


@dataclass(frozen=True, slots=True, kw_only=True)
class PartDone:
    """One piece that the store has."""

    number: int
    offset: int
    length: int
    etag: str
    crc64: int
    source: PartSource = PartSource.UPLOAD


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """One file as it lies in a target."""

    path: str  # full path on the export: "/tintri/<dir>/vm01/vm01.vmx"
    name: str
    key: str
    size: int
    crc64: int
    etag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryPoint:
    """What a VM can be restored from in one target."""

    transaction_id: str
    target: str
    vm_uuid: str
    vm_name: str
    manifest_key: str
    taken_at: datetime
    consistency: str
    size: int  # bytes of all files


# --- a transaction ---


class State(StrEnum):
    """Where a transaction stands; `is_final` tells the ones that stay."""

    PLANNING = "planning"  # asked for, being looked up; nobody but the asker knows of it
    AWAITING_APPROVAL = "awaiting approval"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"  # the recovery point exists in every target
    PARTIAL = "partial"  # in some target, not in all
    FAILED = "failed"
    STOPPED = "stopped"
    REFUSED = "refused"  # could not be planned: unknown VM, ...

    @property
    def is_final(self) -> bool:
        """Whether it will not change any more."""
        return self in _FINAL


_FINAL = frozenset({State.SUCCEEDED, State.PARTIAL, State.FAILED, State.STOPPED, State.REFUSED})


class StepState(StrEnum):
    """Where a step stands."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"
    STOPPED = "stopped"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bytes:
    """What a transaction moved: read from the share, sent, copied in the store, never sent because zero."""

    read: int = 0
    sent: int = 0
    copied: int = 0
    zero: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why something did not work, for the person who must act."""

    what: str  # what happened, in words, with the other system's code
    step: str = ""  # title of the step
    kind: str = ""  # class name in the error tree
    system: str = ""
    code: str = ""
    next: str = ""  # what to do now


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of one transaction."""

    id: str
    title: str
    position: int  # from 0
    state: StepState = StepState.PENDING
    attempt: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    done: int = 0  # bytes or percent so far
    total: int = 0  # 0: nothing to count
    outputs: Json = field(default_factory=dict)
    failure: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One execution of a workflow."""

    id: str
    workflow: str
    vm: str  # as typed until planned, then the VM's name
    targets: tuple[str, ...]
    actor: Actor
    state: State
    created_at: datetime
    request_key: str  # the same request, delivered twice, is one transaction
    consistency: str = "crash"
    place: Place = field(default_factory=Place)
    vm_uuid: str = ""
    vmstore: str = ""
    frozen: Json = field(default_factory=dict)  # the workflow, as it was when this was planned
    plan: Json = field(default_factory=dict)  # sizes and facts found while planning
    started_at: datetime | None = None
    ended_at: datetime | None = None
    stop_asked_by: str = ""
    bytes: Bytes = field(default_factory=Bytes)
    failure: Failure | None = None
    left_behind: tuple[str, ...] = ()


# --- the clean-up ledger ---


class ResourceKind(StrEnum):
    """What a transaction may leave behind if nobody removes it."""

    SNAPSHOT = "snapshot"
    CLONE = "clone"
    UPLOAD = "upload"
    OBJECTS = "objects"  # everything under the transaction's prefix in one target
    OBJECT = "object"  # one temporary object


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One thing to clean up; the row is written before the call that makes the thing."""

    transaction_id: str
    kind: ResourceKind
    system: str  # name of the VMstore or target
    name: str  # label, directory, key: chosen by us, before the thing exists
    detail: Json = field(default_factory=dict)  # what the other system called it (upload id, uuid, task id)


# --- telling ---


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One act to be kept; the same key twice is kept once."""

    key: str
    action: str  # "command", "step", "outcome", "stop", ...
    actor: Actor
    transaction_id: str = ""
    body: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """One link of the audit chain."""

    seq: int
    at: datetime
    key: str
    action: str
    actor_id: str
    actor_name: str
    source: str
    transaction_id: str
    body: Json
    prev: str
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditVerdict:
    """What `cloudy audit verify` found."""

    rows: int
    broken_at: int | None  # seq of the first row that does not fit, None when whole
    why: str  # for people; also says when it cannot judge
    judged: bool = True  # False: no key, so nothing could be judged


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message that should stand in the chat: desired state, not an event."""

    key: str  # ours, unique: "<transaction id>:plan"
    channel: str
    view: Json  # see bot/story.py
    thread_key: str = ""  # key of the root message whose thread this is in
    thread_ts: str = ""  # or the thread's ts, where the root is not ours
    only_for: str = ""  # Slack user id: a private (ephemeral) answer
    version: int = 1
    sent_version: int = 0
    ts: str = ""  # where it stands, once sent
    intent: str = ""  # not empty: a send was begun and its outcome is not known
    attempts: int = 0
    not_before: datetime | None = None
    last_sent_at: datetime | None = None
    id: int = 0  # order of creation
