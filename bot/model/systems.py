"""Nouns of the outside: VMs, snapshots, tasks, files, objects, parts, recovery points."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from bot.model.tiers import Tier


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
    powered: bool | None = None  # None: the VMstore does not tell
    origin: str = ""  # name of the VM that it was cloned from; "": of none, or not told


@dataclass(frozen=True, slots=True, kw_only=True)
class Headroom:
    """How near a VMstore is to taking no snapshot of one VM; None: it does not say."""

    snapshots: int
    most_snapshots: int
    used_percent: float | None = None
    stops_at_percent: float | None = None  # used space from which on it takes no snapshots

    def refusal(self, vm: str, vmstore: str) -> str:
        """Why it takes none any more, for people; empty: it takes one."""
        if self.snapshots >= self.most_snapshots:
            return (
                f"{vm} has {self.snapshots} of {self.most_snapshots} snapshots on {vmstore}, which takes no more of it."
                " Delete old ones in the VMstore's UI, or let its schedules keep fewer."
            )
        if self.used_percent is not None and self.used_percent >= (self.stops_at_percent or 100.0):
            return f"{vmstore} is {self.used_percent:.0f} % full and takes no snapshots any more. Free space there."
        return ""

    def warnings(self, vm: str, vmstore: str) -> list[str]:
        """What will soon be so, for people."""
        found = []
        if self.snapshots >= 0.9 * self.most_snapshots:
            found.append(f"{vm} has {self.snapshots} of {self.most_snapshots} snapshots on {vmstore}")
        stop = self.stops_at_percent or 100.0
        if self.used_percent is not None and self.used_percent >= stop - 5:
            found.append(f"{vmstore} is {self.used_percent:.0f} % full; from {stop:.0f} % on it takes no snapshots")
        return found


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


@dataclass(frozen=True, slots=True, kw_only=True)
class PartLimits:
    """What a store allows of parts."""

    smallest: int = 5 << 20  # the last part is free of it
    largest: int = 5 << 30
    most: int = 10_000
    largest_object: int = 10_000 * (5 << 30)  # 48.8 TiB: S3, since December 2025
    smallest_source: int = (5 << 20) + 1  # an object must have as much for a range of it to be copied
    copy_wanted: int = 128 << 20  # long copies are cut so: one request copies some 70 MB/s, and many go side by side


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a store really does, found by probing it once."""

    checks_crc: bool  # refuses a part or object whose CRC-64/NVME is wrong, and tells it again when asked
    conditional_complete: bool = False  # refuses to complete onto an existing key
    copies_parts: bool = False  # makes a part of a range of an object that it has, and the right bytes
    copy_tells_crc: bool = False  # tells the CRC-64/NVME of what it copied, and the right one
    copy_checks_etag: bool = False  # refuses to copy from an object with another etag
    equal_parts: bool = False  # takes parts of one length only, but for the last
    crc_by_part: bool = False  # it checks each part when it comes; the whole's is made of those that it lists
    locks_all: bool = False  # what is written there cannot be removed for good, so nothing can be made for a while

    @property
    def proof(self) -> str:
        """How a recovery point is proven there, for people."""
        checked = "store's checksum of each part" if self.crc_by_part else "store's checksum"
        return checked if self.checks_crc else "read back"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectInfo:
    """What the store says of an object; key relative to the target's prefix."""

    key: str
    size: int
    etag: str = ""
    crc64: int | None = None  # CRC-64/NVME of the whole object, None where the store does not tell
    metadata: Mapping[str, str] = field(default_factory=dict)
    modified_at: datetime | None = None
    locked_until: datetime | None = None  # it cannot be removed before; only `head` tells
    is_held: bool = False  # by a legal hold, which has no end
    storage_class: str = ""  # the store's word for it, "" for its usual one; only `head` tells
    is_archived: bool = False  # it must be brought back before it is read or copied; only `head` tells
    thaw_hours: int = 0  # of an archived one: how long that takes at most, by the usual speed; only `head` tells
    version_id: str = ""  # where the store keeps versions; only `head` tells


@dataclass(frozen=True, slots=True, kw_only=True)
class Thaw:
    """How it stands with an object that is to come back from an archive."""

    is_ready: bool  # it can be read
    words: str = ""  # how long that takes at most, for people: "within 5 hours"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectVersion:
    """One version that a store keeps of a key; a store that keeps none has one of each object, without an id."""

    key: str
    size: int = 0  # of a marker that hides older ones: 0
    version_id: str = ""
    is_marker: bool = False  # it says that the object is removed, and nothing more
    locked_until: datetime | None = None  # it cannot be removed before; only `locks` tells
    is_held: bool = False  # by a legal hold, which has no end


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadRule:
    """How a place gives up unfinished uploads by itself."""

    days: int | None  # None: never
    words: str  # the same for people
    proposal: str = ""  # what to add there, where it never does


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """An object being written in parts."""

    key: str
    upload_id: str
    begun_at: datetime | None = field(default=None, compare=False)  # where the store tells


class PartSource(StrEnum):
    """Where a part's bytes come from."""

    UPLOAD = "upload"
    COPY = "copy"
    ZERO = "zero"
    SEGMENT = "segment"  # a temporary object, which was made of parts itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One numbered piece of an object, as planned."""

    number: int  # from 1, in order of offset
    offset: int
    length: int
    source: PartSource = PartSource.UPLOAD
    base: str = ""  # key of the object that a copy is made from
    base_offset: int = 0  # where it begins there
    segment: int = 0  # of the segment whose temporary object it belongs to, and is numbered in; 0: the object itself


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
class CopySource:
    """A range of an object that the store has: where the bytes of a part are to come from."""

    key: str  # relative to the target's prefix
    offset: int
    length: int
    etag: str  # of the object as it was recorded
    version_id: str = ""  # where the store keeps versions: copied from even when the key is overwritten since


@dataclass(frozen=True, slots=True, kw_only=True)
class PartCopied:
    """A part that the store made itself."""

    etag: str
    crc64: int | None  # the store's own word on the bytes that it copied; None: it gives none to rely on


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """One file as it lies in a target."""

    path: str  # full path on the export: "/tintri/<dir>/vm01/vm01.vmx"
    name: str
    key: str
    size: int
    crc64: int
    etag: str
    digests: str = ""  # key of its digest object (bot/digests.py); "": it has none


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
    origin: str = ""  # name of the VM that its VM was cloned from
    vmstore: str = ""  # that the VM was on; "": from before this was kept
    installation: str = ""  # that made it; "": likewise
    locked_until: datetime | None = None  # as it was when its objects were asked last; None: not locked, or not asked
    keep_for: str = ""  # how long whoever protected the VM wants it, as bot.keeping has it
    tier: Tier | None = None  # that its files lie in, as far as Cloudy has seen; None: where they were made


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One grain of an object, as the index has it (bot/samples.py)."""

    point: str  # transaction id of the recovery point
    file: StoredFile
    mark: int
    position: int  # of the grain in the object
