"""A VMstore in memory that keeps the promises of bot.ports.VMstore; its clones grow while their task is polled."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock

from bot.errors import AmbiguousName, DeniedError, MissingError, NotFound, PermanentError, TransientError
from bot.model import Disk, Headroom, Snapshot, Task, TaskState, Vm, VMstoreInfo
from tests.memory import MemoryShare, Watch, unwatched

POLLS = 3  # of a clone's task until it has succeeded


@dataclass
class Clone:
    """A clone task: where it writes, what, and how often it was asked for."""

    directory: str
    snapshot_uuid: str
    files: dict[str, bytes]
    polls: int = 0
    state: TaskState = TaskState.RUNNING


@dataclass
class Sync:
    """A task that puts a VM back, file by file: half of it when it is polled first."""

    vm: str
    files: dict[str, bytes]
    is_whole: bool
    polls: int = 0
    state: TaskState = TaskState.RUNNING


@dataclass
class Array:
    """What outlives any client: VMs, snapshots, tasks, the export's files."""

    share: MemoryShare
    name: str = "vmstore"
    watch: Watch = unwatched
    snapshots: dict[str, tuple[Snapshot, dict[str, bytes]]] = field(default_factory=dict)
    clones: dict[str, Clone] = field(default_factory=dict)
    syncs: dict[str, Sync] = field(default_factory=dict)
    fails_syncs: int = 0  # so many of the next ones fail half-way
    powered: bool | None = None  # of all VMs, as the VMstore tells it
    taken_at: datetime = datetime(2026, 11, 25, tzinfo=UTC)  # of the snapshots to come
    open_sessions: int = 0
    never_ends: bool = False  # clone tasks
    fails_clones: str = ""
    overlooked: frozenset[str] = frozenset()  # names that its own filter does not find
    origins: dict[str, str] = field(default_factory=dict)  # what VMs were cloned from, by their names
    registered: set[str] = field(default_factory=set)  # restored folders that somebody has registered by hand
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    lock: Lock = field(default_factory=Lock)

    def vms(self) -> dict[str, Vm]:
        """Each top-level directory with a .vmx is a VM, unless it is a clone or was restored and not registered."""
        tops = {path.split("/")[0] for path in self.share.files if path.endswith(".vmx")}
        clones = {clone.directory for clone in self.clones.values()}
        restored = {top for top in tops if top.startswith(".cloudy-") or top in self.share.moved} - self.registered
        return {f"FS-VIM-{top}": self._vm(top) for top in sorted(tops - clones - restored)}

    def _vm(self, name: str) -> Vm:
        flats = sorted(path for path in self.share.files if path.startswith(f"{name}/") and path.endswith("-flat.vmdk"))
        disks = tuple(
            Disk(uuid=f"d{i}", name=f"scsi0:{i}", path=path.replace("-flat", "")) for i, path in enumerate(flats)
        )
        return Vm(
            uuid=f"FS-VIM-{name}",
            name=name,
            vmstore=self.name,
            hypervisor="UNKNOWN",
            disks=disks,
            consistencies=("crash",),
            subdir=name,
            powered=self.powered,
            origin=self.origins.get(name, ""),
        )


class MemoryVMstore:
    """One client with one session."""

    def __init__(self, array: Array) -> None:
        self._array = array
        self.name = array.name
        self._is_in = False

    def info(self) -> VMstoreInfo:
        self._tell("info")
        return VMstoreInfo(product="Memory VMstore", api_version="v310.191")

    def login(self) -> None:
        self._tell("login")
        if not self._is_in:
            self._is_in = True
            self._array.open_sessions += 1

    def logout(self) -> None:
        self._tell("logout")
        if self._is_in:
            self._is_in = False
            self._array.open_sessions -= 1

    def find_vm(self, name: str, *, is_quick: bool = False) -> Vm:
        self._ask("find_vm")
        seen = self._array.vms().values()
        found = [vm for vm in seen if vm.name == name and not (is_quick and vm.name in self._array.overlooked)]
        if not found and is_quick:
            raise NotFound(f"no {name}", ())
        if not found:
            raise NotFound(f"no {name}", [vm.name for vm in self.list_vms()])
        if len(found) > 1:
            raise AmbiguousName(f"several {name}")
        return found[0]

    def get_vm(self, uuid: str) -> Vm:
        self._ask("get_vm")
        try:
            return self._array.vms()[uuid]
        except KeyError:
            raise MissingError(f"{uuid} is gone", system=self.name) from None

    def list_vms(self) -> Iterator[Vm]:
        self._ask("list_vms")
        return iter(self._array.vms().values())

    def headroom(self, vm_uuid: str) -> Headroom:
        self._ask("headroom")
        return Headroom(snapshots=len(self._array.snapshots), most_snapshots=128)

    def create_snapshot(
        self, vm_uuid: str, label: str, *, consistency: str, note: str, retention_minutes: int
    ) -> Snapshot:
        self._ask("create_snapshot")
        vm = self.get_vm(vm_uuid)
        for snapshot, _files in self._array.snapshots.values():
            if snapshot.vm_uuid == vm_uuid and snapshot.description.startswith(label):
                return snapshot
        made = Snapshot(
            uuid=f"FS-SST-{next(self._array.numbers)}",
            vm_uuid=vm_uuid,
            vm_name=vm.name,
            description=f"{label} {note}",
            consistency=consistency,
            taken_at=self._array.taken_at,
        )
        frozen = {p: c for p, c in self._array.share.files.items() if p.startswith(f"{vm.name}/")}
        self._array.snapshots[made.uuid] = (made, frozen)
        self._tell("create_snapshot done")
        return made

    def find_snapshots(self, label: str) -> tuple[Snapshot, ...]:
        self._ask("find_snapshots")
        return tuple(s for s, _ in self._array.snapshots.values() if s.description.startswith(label))

    def list_snapshots(self, containing: str) -> tuple[Snapshot, ...]:
        self._ask("list_snapshots")
        return tuple(s for s, _ in self._array.snapshots.values() if containing in s.description)

    def delete_snapshot(self, uuid: str) -> None:
        self._ask("delete_snapshot")
        clones = [c for c in self._array.clones.values() if c.snapshot_uuid == uuid]
        if any(self._array.share.exists(clone.directory) for clone in clones):
            raise TransientError("live VM is still present", system=self.name)
        self._array.snapshots.pop(uuid, None)
        self._tell("delete_snapshot done")

    def clone_files(self, snapshot_uuid: str, directory: str) -> str:
        self._ask("clone_files")
        if self._array.share.exists(directory) or any(c.directory == directory for c in self._array.clones.values()):
            raise PermanentError(f"{directory} exists", system=self.name)
        _snapshot, frozen = self._array.snapshots[snapshot_uuid]
        task = f"cloneVM@{next(self._array.numbers)}"
        self._array.clones[task] = Clone(directory, snapshot_uuid, frozen)
        self._grow(self._array.clones[task])
        self._tell("clone_files done")
        return task

    def task(self, task_id: str) -> Task:
        self._ask("task")
        if task_id in self._array.syncs:
            return self._rolled(task_id)
        try:
            clone = self._array.clones[task_id]
        except KeyError:
            raise MissingError(f"no task {task_id}", system=self.name) from None
        self._grow(clone)
        return self._told(task_id, clone)

    def open_clone_tasks(self) -> tuple[Task, ...]:
        self._ask("open_clone_tasks")
        for clone in self._array.clones.values():
            self._grow(clone)
        told = (self._told(task_id, clone) for task_id, clone in self._array.clones.items())
        return tuple(task for task in told if not task.is_final)

    def sync_vm(self, vm_uuid: str, snapshot_uuid: str, disks: Sequence[tuple[str, str]] = ()) -> str:
        self._ask("sync_vm")
        vm = self.get_vm(vm_uuid)
        if snapshot_uuid not in self._array.snapshots:
            raise MissingError(f"no snapshot {snapshot_uuid}", system=self.name)
        if any(sync.state is TaskState.RUNNING for sync in self._array.syncs.values()):
            raise PermanentError(f"{vm.name} is being put back already", system=self.name)
        _snapshot, frozen = self._array.snapshots[snapshot_uuid]
        paths = {disk.name: disk.path for disk in vm.disks}
        wanted = [f"{paths[ours].removesuffix('.vmdk')}-flat.vmdk" for _, ours in disks]
        task = f"syncVM@{next(self._array.numbers)}"
        chosen = {path: body for path, body in frozen.items() if not disks or path in wanted}
        self._array.syncs[task] = Sync(vm.name, chosen, is_whole=not disks)
        self._roll(self._array.syncs[task])
        self._tell("sync_vm done")
        return task

    def open_sync_tasks(self) -> tuple[Task, ...]:
        self._ask("open_sync_tasks")
        told = [self._rolled(task_id) for task_id in self._array.syncs]
        return tuple(task for task in told if not task.is_final)

    def _rolled(self, task_id: str) -> Task:
        sync = self._array.syncs[task_id]
        self._roll(sync)
        message = "half-way" if sync.state is TaskState.FAILED else ""
        return Task(id=task_id, state=sync.state, percent=sync.polls * 100 / POLLS, message=message)

    def _roll(self, sync: Sync) -> None:
        """Put a further share of the files back; with the last of them goes what came later."""
        with self._array.lock:
            if sync.state is not TaskState.RUNNING:
                return
            sync.polls += 1
            names = sorted(sync.files)[: -(-len(sync.files) * sync.polls // POLLS)]
            self._array.share.files |= {path: sync.files[path] for path in names}
            if sync.polls == POLLS - 1 and self._array.fails_syncs:
                self._array.fails_syncs -= 1
                sync.state = TaskState.FAILED
            elif sync.polls >= POLLS:
                sync.state = TaskState.SUCCEEDED
                later = [path for path in self._array.share.files if path.startswith(f"{sync.vm}/")]
                for path in later if sync.is_whole else ():
                    if path not in sync.files:
                        del self._array.share.files[path]

    def _told(self, task_id: str, clone: Clone) -> Task:
        return Task(id=task_id, state=clone.state, percent=clone.polls * 100 / POLLS, message=self._array.fails_clones)

    def _grow(self, clone: Clone) -> None:
        """Write a further share of the files; the last of it ends the task."""
        with self._array.lock:
            if clone.state is not TaskState.RUNNING or self._array.never_ends:
                return
            clone.polls += 1
            for path, content in clone.files.items():
                grown = content[: len(content) * clone.polls // POLLS]
                self._array.share.files[f"{clone.directory}/{path}"] = grown
            if clone.polls >= POLLS:
                clone.state = TaskState.FAILED if self._array.fails_clones else TaskState.SUCCEEDED

    def _ask(self, call: str) -> None:
        self._tell(call)
        if not self._is_in:
            raise DeniedError("not logged in", system=self.name)

    def _tell(self, call: str) -> None:
        self._array.watch(f"vmstore.{call}")
