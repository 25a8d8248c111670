"""What the core asks of the outside. Each promise here is tested on every registered adapter.

All: errors only from bot/errors.py; each creating call takes a name that the caller chose and gives the same thing when
called twice; each removal succeeds when the thing is gone. Calls may come from several threads.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from bot.fileports import Reader as Reader
from bot.fileports import Share as Share
from bot.fileports import Writer as Writer
from bot.model import (
    Alive,
    Capabilities,
    Content,
    CopySource,
    Headroom,
    HypervisorInfo,
    ObjectInfo,
    ObjectLock,
    ObjectVersion,
    PartCopied,
    PartDone,
    PartLimits,
    Registered,
    RegisterSpec,
    Snapshot,
    Task,
    Thaw,
    Tier,
    Upload,
    UploadRule,
    Vm,
    VmShape,
    VMstoreInfo,
)


class Clock(Protocol):
    """Time, so that tests can own it."""

    def now(self) -> datetime:
        """The time, aware, UTC."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class VMstore(Protocol):
    """One array and, once logged in, one session on it. Every call has a time-out.

    All raise TransientError (unreachable, 5xx, inventory busy), PermanentError with the VMstore's own code, or
    DeniedError.
    """

    name: str

    def info(self) -> VMstoreInfo:
        """Ask what it is, without login. PermanentError: not a VMstore, or an API that Cloudy does not speak."""

    def login(self) -> None:
        """Open the session; repeating is safe. DeniedError: the VMstore refused the user or password."""

    def logout(self) -> None:
        """Close the session; repeating is safe, and so is a session that has expired."""

    def find_vm(self, name: str, *, is_quick: bool = False) -> Vm:
        """Look a live VM up by the exact name, disks included.

        is_quick: never by listing all VMs; then one may be overlooked, and no near names are known.
        NotFound carries the nearest names; AmbiguousName carries one line for each VM of that name.
        """

    def get_vm(self, uuid: str) -> Vm:
        """Get a live VM by uuid, disks included. MissingError: gone, or not live any more."""

    def list_vms(self) -> Iterator[Vm]:
        """All live VMs, page by page, without disks."""

    def headroom(self, vm_uuid: str) -> Headroom:
        """How many more snapshots the VM and the space allow; what this VMstore does not tell is None."""

    def create_snapshot(
        self, vm_uuid: str, label: str, *, consistency: str, note: str, retention_minutes: int
    ) -> Snapshot:
        """Take a snapshot whose description is "<label> <note>".

        One with that label on that VM is found, not made twice. PermanentError: also where the headroom is used up.
        """

    def find_snapshots(self, label: str) -> tuple[Snapshot, ...]:
        """All snapshots whose description begins with the label."""

    def list_snapshots(self, containing: str) -> tuple[Snapshot, ...]:
        """All snapshots whose description contains this text, as it stands; whoever took them."""

    def delete_snapshot(self, uuid: str) -> None:
        """Remove it. TransientError while a clone of it is still present; gone already is fine."""

    def clone_files(self, snapshot_uuid: str, directory: str) -> str:
        """Start a copy-out clone into /<export>/<directory>, which must not exist; returns the task's id.

        Not repeatable by itself: the caller looks first (see bot/actions/vmstore.py).
        """

    def task(self, task_id: str) -> Task:
        """Where a task stands. MissingError: the VMstore does not know it (any more)."""

    def open_clone_tasks(self) -> tuple[Task, ...]:
        """Clone tasks that have not ended."""

    def sync_vm(self, vm_uuid: str, snapshot_uuid: str, disks: Sequence[tuple[str, str]] = ()) -> str:
        """Begin to put a live VM back to a snapshot of its own, in place; returns the task's id.

        disks: pairs of names, in the snapshot and in the VM, of those alone that are put back; none: all of the VM. No
        snapshot of the VM as it is is taken: the caller has one. Until the task has ended, and after one that failed,
        the VM is neither. MissingError: no such snapshot. Not repeatable by itself: the caller looks first.
        """

    def open_sync_tasks(self) -> tuple[Task, ...]:
        """Tasks that put VMs back and have not ended."""


class ObjectStore(Protocol):
    """One bucket under one prefix; keys are relative to the prefix. CRCs are CRC-64/NVME as unsigned integers."""

    name: str  # the target's name
    limits: PartLimits

    @property
    def url(self) -> str:
        """Where it is, for people: "s3://bucket/prefix". No secret."""

    @property
    def address(self) -> str:
        """Where it is, to the point: url and endpoint. Two of one address have the same objects. No secret."""

    def now(self) -> datetime:
        """What time it is by the store's own clock, to the second (aware, UTC); also one that refuses us tells that.

        PermanentError: it does not tell the time.
        """

    def capabilities(self) -> Capabilities:
        """What the store really does; probed at the first call (a few objects under .cloudy/), kept in memory."""

    def put(self, key: str, body: Content, *, crc64: int, metadata: Mapping[str, str]) -> ObjectInfo:
        """Write a whole object at once. IntegrityError: the store got other bytes."""

    def begin_upload(self, key: str, *, metadata: Mapping[str, str]) -> Upload:
        """Open a multipart upload; an open one of that key is found, not made twice."""

    def put_part(self, upload: Upload, number: int, body: Content, *, crc64: int) -> str:
        """Send a part and return its etag; sending a number again replaces it. MissingError: no such upload."""

    def copy_part(self, upload: Upload, number: int, source: CopySource, *, crc64: int) -> PartCopied:
        """Let the store make a part of a range of an object that it has; crc64: what the range must have.

        The answer's crc64 is the store's own word on what it copied, to be compared with what was wanted; where it is
        None the caller reads back. Making a number again replaces it.
        MissingError: source or upload gone. ChangedError: the source is not the one with that etag any more, or has no
        such range. ArchivedError: it must be brought back first. PermanentError: also a source that is too small
        (`limits.smallest_source`).
        """

    def list_parts(self, upload: Upload) -> Mapping[int, tuple[str, int]]:
        """Parts that the store has: number -> (etag, size). MissingError: no such upload."""

    def complete_upload(
        self, upload: Upload, parts: Sequence[PartDone], *, size: int, crc64: int, metadata: Mapping[str, str]
    ) -> ObjectInfo:
        """Make the object of its parts, sent or copied. Called again after success it gives the object that is there.

        IntegrityError: the store says that checksum or size differ. MissingError: no such upload and no such object.
        """

    def abort_upload(self, upload: Upload) -> None:
        """Give an upload up; parts are freed."""

    def list_uploads(self, prefix: str) -> tuple[Upload, ...]:
        """Unfinished uploads whose key begins with prefix."""

    def head(self, key: str) -> ObjectInfo:
        """Ask the store anew for all that it tells of an object. MissingError."""

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read a range, or all from offset. MissingError."""

    def get_into(self, key: str, offset: int, buffer: memoryview, *, etag: str) -> None:
        """Fill the buffer from offset, of the object with that etag. Nobody writes into it after this has ended.

        MissingError. ArchivedError: it must be brought back first. ChangedError: another object lies there by now, or
        it ends before the buffer is full. IntegrityError: the store gave another range.
        """

    def thaw(self, key: str, days: int) -> Thaw:
        """Have an object brought back from its archive, so that it can be read for so many days at least.

        Asked again it tells how it stands; on one that is in no archive nothing is done. MissingError.
        """

    def class_of(self, tier: Tier) -> str:
        """The store's word for a tier, as the target says it; asks nothing."""

    def retier(self, info: ObjectInfo, storage_class: str, *, check: Callable[[], None] = lambda: None) -> ObjectInfo:
        """Have the object that `head` told of lie in another class; its etag may be another then.

        Key, bytes, metadata, tags and encryption stay, and at any moment the object is whole. Repeat: safe, also with
        an older info; what lies in that class already stays as it is, but for an older version of the same bytes, which
        goes. The caller promises the abort of an upload of that key before. check: called between pieces of a long
        one; what it raises ends it.

        MissingError. ChangedError: another object lies there by now. IntegrityError: what the store would have made has
        another checksum; the old object stands. LockedError: a lock or a hold keeps what would have to go.
        ArchivedError: it must be brought back first. PermanentError: the store cannot prove what it copies, or knows
        no such class.
        """

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Objects whose key begins with prefix, in order of key, without CRC and metadata."""

    def copy(self, source: str, key: str) -> ObjectInfo:
        """Let the store copy an object of its own, so that nothing travels. MissingError: no such source."""

    def lock_rule(self) -> str:
        """How the place locks what is written to it, for people ("COMPLIANCE, 30 days"); "": not by itself.

        PermanentError: it is to be locked, and the place cannot.
        """

    def locking(self, lock: ObjectLock) -> "ObjectStore":
        """The same place, and what is written through it from then on is locked so; helpers (.cloudy/) never are.

        A lock that the target has by itself stays where it is longer or stricter. Asks nothing of the network: whether
        the place can lock at all, `lock_rule` of what is given tells.
        """

    def upload_rule(self) -> UploadRule:
        """How the place gives up unfinished uploads by itself. DeniedError: it does not tell us."""

    def by_hand(self, upload: Upload, where: str) -> str:
        """The way to give an upload up without Cloudy, for people; asks nothing. where: of its key, as a url."""

    def delete(self, key: str) -> None:
        """Remove an object; gone already is fine. Where the store keeps versions, older ones stay."""

    def list_versions(self, prefix: str) -> Iterator[ObjectVersion]:
        """All that the store keeps below prefix, in order of key: older versions and markers too."""

    def locks(self, versions: Sequence[ObjectVersion]) -> Iterator[ObjectVersion]:
        """Those that a lock or a legal hold keeps now, with it. Nothing is asked of each where none can be locked."""

    def erase(self, version: ObjectVersion) -> None:
        """Remove one version for good; gone already is fine.

        LockedError, with its date: a lock or a hold keeps it. DeniedError: the rights do not do.
        """


class Hypervisor(Protocol):
    """One hypervisor, as it sees the files of one VMstore. Each call opens and ends what it needs, and has a time-out.

    Paths are relative to the VMstore's export. All raise TransientError (unreachable, does not answer), PermanentError
    with the hypervisor's own code, or DeniedError (login, right, certificate).
    """

    name: str
    kind: str  # as in VmShape

    def info(self) -> HypervisorInfo:
        """Ask what it is, logged in."""

    def shape(self, vm: Vm) -> VmShape:
        """What a VM of the VMstore is made of. MissingError: the hypervisor does not know it."""

    def find(self, name: str) -> tuple[Registered, ...]:
        """All VMs of exactly that name."""

    def registered(self, label: str) -> Registered | None:
        """What a label has registered and is still there; a clone of it is not.

        PermanentError: several VMs say that the label registered them; both are named. TransientError: it cannot be
        said yet, since a registration is still under way.
        """

    def register_vm(self, label: str, spec: RegisterSpec) -> Registered:
        """Make a VM of files that lie on the export; it is off. Twice with one label: the same one.

        Its definition may come from a bucket that others write to: nothing outside of the spec's directory is taken
        from it, and what was left out stands in the notes. PermanentError: nothing was registered (the name or the
        identity is taken, a file is not there, a network is not known, no definition that it understands).
        """

    def power_on(self, vm_id: str) -> None:
        """Start it; on already is fine. MissingError. PermanentError: it does not start, it is still registered."""

    def power_off(self, vm_id: str) -> None:
        """Stop it at once, as if the power went; off already is fine, and so is gone."""

    def alive(self, vm_id: str, pattern: str = "") -> Alive | None:
        """One look, which never waits long: whether the guest shows that it lives. MissingError.

        pattern: a regular expression that its console must have shown, where the hypervisor has consoles; without it
        what runs in the guest must answer.
        """

    def unregister(self, vm_id: str) -> None:
        """Forget it, off first if it is on; gone already is fine. The files on the export stay."""

    def close(self) -> None:
        """Let go of its connection; repeating is safe, and so is asking it again."""


class Systems(Protocol):
    """The configured systems by name. NotFound carries the names there are."""

    @property
    def vmstore_names(self) -> tuple[str, ...]:
        """In the order of the configuration."""

    @property
    def target_names(self) -> tuple[str, ...]:
        """In the order of the configuration."""

    def open_vmstore(self, name: str) -> VMstore:
        """A client of its own, not logged in; the caller logs out."""

    def share(self, vmstore: str) -> Share:
        """The share that clones are read through."""

    def cleanup_share(self, vmstore: str) -> Share | None:
        """The writable share that clones are removed through; None: an operator does it by hand."""

    def restore_share(self, vmstore: str) -> Share | None:
        """The writable share that restores write through: of its own, or `cleanup_share`; None: there is neither."""

    def keep_snapshots(self, vmstore: str) -> int:
        """How many of the newest snapshots that protections of one VM took stay on the VMstore; 0: none."""

    def restore_address(self, vmstore: str) -> str:
        """The URL of that share, as it is configured; "": there is none."""

    def restore_setting(self, vmstore: str) -> str:
        """The setting that says it: `restore_share`, or `cleanup_share` where that does for both."""

    @property
    def hypervisor_names(self) -> tuple[str, ...]:
        """In the order of the configuration."""

    def hypervisor(self, name: str) -> Hypervisor:
        """The hypervisor of that name, to be asked what it is; it sees no files. The same object each time."""

    def hypervisor_of(self, vmstore: str) -> Hypervisor | None:
        """The hypervisor that runs a VMstore's VMs; None: the configuration names none. The same object each time."""

    def hypervisor_address(self, vmstore: str) -> str:
        """Which one that is, where, and how it sees the export, in words; "": there is none."""

    def target(self, name: str) -> ObjectStore:
        """The object store behind a target's name; the same object each time."""

    def may_send(self, targets: Sequence[str], at: datetime) -> datetime | None:
        """When bytes may be sent to all of these: that time, or the next one after it; None: never to all at once."""
