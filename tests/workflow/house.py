"""A house on memory adapters: the real service, planner, runner and store, with every outside call watched."""

import json
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.arena import Arena
from bot.dispatcher import Dispatcher
from bot.engine import Standing
from bot.engine import run_id as run_name
from bot.errors import NotFound
from bot.limits import Limits
from bot.model import Actor, Json, Place, ProtectRequest, Slas, State, Transaction
from bot.planner import Planner
from bot.policy import Policy
from bot.ports import Hypervisor, ObjectStore, Share, VMstore
from bot.prices import Prices
from bot.runner import Runner
from bot.service import Service
from bot.store import Database
from bot.transfer import TransferSettings
from bot.walk import walk
from bot.worker import shipped_workflow
from tests.memory import MemoryShare, MemoryStore, Watch, unwatched
from tests.memory_hypervisor import Host, MemoryHypervisor
from tests.memory_vmstore import Array, MemoryVMstore

ALICE = Actor(id="U_ALICE", name="alice", source="slack")
OPS = Place(channel="C_OPS")
PART = 64
DISK = bytes(range(256)) * 3

VM01: dict[str, bytes] = {
    "vm01/vm01.vmx": b'scsi0:0.present = "TRUE"\nscsi0:0.fileName = "vm01.vmdk"\nnvram = "vm01.nvram"\n',
    "vm01/vm01.vmdk": b"# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n"
    b'createType="vmfs"\nRW 1 VMFS "vm01-flat.vmdk"\n',
    "vm01/vm01-flat.vmdk": DISK,
    "vm01/vm01.nvram": b"nvram",
    "vm01/vm01-1234.vswp": b"swap",
}


class FakeClock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self._now = datetime(2026, 11, 25, 12, tzinfo=UTC)
        self._lock = threading.Lock()

    def now(self) -> datetime:
        with self._lock:
            self._now += timedelta(milliseconds=1)
            return self._now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self._now += timedelta(seconds=seconds)


class MemorySystems:
    """One VMstore, any targets (port: bot.ports.Systems)."""

    def __init__(self, array: Array, targets: Sequence[MemoryStore], *, can_clean: bool = True) -> None:
        self._array = array
        self._targets = {target.name: target for target in targets}
        self._can_clean = can_clean
        self.opens: Callable[[datetime], datetime | None] = lambda at: at
        self.host: Host | None = None  # what runs the VMstore's VMs
        self.restore_url = "memory://export"
        self.datastore = "export"
        self.kept_snapshots = 0

    @property
    def vmstore_names(self) -> tuple[str, ...]:
        return (self._array.name,)

    @property
    def target_names(self) -> tuple[str, ...]:
        return tuple(self._targets)

    def open_vmstore(self, name: str) -> VMstore:
        return MemoryVMstore(self._array)

    def share(self, vmstore: str) -> Share:
        return self._array.share

    def cleanup_share(self, vmstore: str) -> Share | None:
        return self._array.share if self._can_clean else None

    def may_send(self, targets: Sequence[str], at: datetime) -> datetime | None:
        return self.opens(at)

    def restore_share(self, vmstore: str) -> Share | None:
        return self.cleanup_share(vmstore)

    def keep_snapshots(self, vmstore: str) -> int:
        return self.kept_snapshots

    def restore_address(self, vmstore: str) -> str:
        return self.restore_url

    def restore_setting(self, vmstore: str) -> str:
        return "cleanup_share"

    def hypervisor_address(self, vmstore: str) -> str:
        return "" if self.host is None else f"{self.host.name}, {self.datastore}"

    @property
    def hypervisor_names(self) -> tuple[str, ...]:
        return () if self.host is None else (self.host.name,)

    def hypervisor(self, name: str) -> Hypervisor:
        if self.host is None or name != self.host.name:
            raise NotFound(name)
        return MemoryHypervisor(self.host)

    def hypervisor_of(self, vmstore: str) -> Hypervisor | None:
        return None if self.host is None else MemoryHypervisor(self.host)

    def target(self, name: str) -> ObjectStore:
        try:
            return self._targets[name]
        except KeyError:
            raise NotFound(name) from None


class House:
    """What one process has; `process()` gives the next one over the same array, targets and database."""

    def __init__(
        self,
        folder: Path,
        targets: Sequence[str] = ("s3",),
        *,
        can_clean: bool = True,
        policy: Policy | None = None,
    ) -> None:
        self.policy = policy
        path = folder / "cloudy.db"
        Database.migrate(path)
        self.clock = FakeClock()
        self.db = Database.open(path, audit_key=b"k" * 32, clock=self.clock)
        self.share = MemoryShare(VM01)
        self.array = Array(self.share)
        self.targets = {name: MemoryStore(name) for name in targets}
        for target in self.targets.values():
            target.now = lambda: self.clock.now()  # noqa: PLW0108 - a test may set another clock
        self.systems = MemorySystems(self.array, tuple(self.targets.values()), can_clean=can_clean)
        self.service = Service(
            self.db,
            self.clock,
            vmstores=self.systems.vmstore_names,
            targets=self.systems.target_names,
            policy=policy,
        )
        self.engine = MemoryEngine(self)
        self.slas = Slas()
        self.prices = Prices({})
        self.hold = timedelta()  # how long a failure is held
        self.workflow: Callable[[str], Json] = shipped_workflow

    def restart_with(self, policy: Policy) -> None:
        """The same house under another policy."""
        self.policy = policy
        vmstores, targets = self.systems.vmstore_names, self.systems.target_names
        self.service = Service(self.db, self.clock, vmstores=vmstores, targets=targets, policy=policy)

    def watch(self, watch: Watch) -> None:
        """Watch every call that goes outside."""
        self.array.watch = watch
        self.share.watch = watch
        for target in self.targets.values():
            target.watch = watch
        if self.systems.host is not None:
            self.systems.host.watch = watch

    def run_and_stop(self, transaction_id: str, is_time: Callable[[str], bool]) -> None:
        """Run all to their ends; alice stops one at the first call outside for which it is time."""
        heard: list[str] = []

        def stop(told: str) -> None:
            if not heard and is_time(told):
                heard.append(told)
                self.clock.sleep(1.0)
                self.service.stop(transaction_id, ALICE, request_key="stop")

        self.watch(stop)
        self.engine.run_all()
        self.watch(lambda _call: None)
        assert heard

    def process(self) -> Runner:
        """A new process: nothing in memory of the ones before."""

        def settings(_vmstore: str, _targets: Sequence[str]) -> TransferSettings:
            return TransferSettings(threads=1, grain=PART, part_bytes=PART, arena=Arena(8, window=PART), tell_s=0)

        limits = Limits(transfer_settings=settings, hold=self.hold, slas=self.slas)
        return Runner(self.db, self.systems, self.clock, limits, installation="test0001", version="0.0")

    def ask(self, vm: str = "vm01", targets: Sequence[str] = ("s3",), key: str = "r1") -> Transaction:
        """Ask for a protection and plan it."""
        request = ProtectRequest(vms=(vm,), targets=tuple(targets))
        return self.service.protect(request, ALICE, request_key=key, place=OPS)[0]

    def dispatch(self) -> None:
        """Plan what was asked for and begin what was planned, in this thread."""
        dispatcher = self._dispatcher()
        dispatcher.tick()
        dispatcher.tick()

    def look(self) -> None:
        """One look of the dispatcher alone."""
        self._dispatcher().tick()

    def _dispatcher(self) -> Dispatcher:
        planner = Planner(self.db, self.systems, self.workflow, self.clock.sleep, self.prices, self.slas)
        dispatcher = Dispatcher(self.db, planner, self.engine, self.clock, self.policy)  # type: ignore[arg-type]
        dispatcher._pool.submit = lambda work, *args: work(*args)  # type: ignore[method-assign,assignment]
        return dispatcher

    def protect(self, **asked: object) -> Transaction:
        """Ask, plan, run to the end."""
        transaction = self.ask(**asked)  # type: ignore[arg-type]
        self.dispatch()
        self.engine.run_all()
        return self.read(transaction.id)

    def read(self, transaction_id: str) -> Transaction:
        with self.db.read() as unit:
            return unit.transactions.get(transaction_id)

    def left(self) -> list[str]:
        """What nobody asked for: snapshots, clones, uploads, objects without a manifest, open rows of the ledger."""
        found = [f"snapshot {uuid}" for uuid in self.array.snapshots]
        found += [f"file {path}" for path in self.share.files if path not in VM01]
        for name, target in self.targets.items():
            found += [f"upload {upload} in {name}" for upload in target.uploads]
            points = {key.split("/")[0] for key in target.objects if key.endswith("/manifest.json")}
            found += [f"object {key} in {name}" for key in target.objects if key.split("/")[0] not in points]
        with self.db.read() as unit:
            found += [f"ledger {resource}" for resource in unit.ledger.open()]
        return found


class MemoryEngine:
    """The engine's promise without the engine: kept results are given again, the walk starts anew after a death."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._arguments: dict[str, Json] = {}
        self._kept: dict[str, dict[str, str]] = {}
        self._over: set[str] = set()
        self.given_up: set[str] = set()

    def standing(self, transaction_id: str, run: str = "") -> Standing:
        run_id = run_name(transaction_id, run)
        if run_id in self.given_up:
            return Standing.GIVEN_UP
        return Standing.KEPT if run_id in self._arguments else Standing.UNKNOWN

    def enqueue(
        self, transaction_id: str, vmstore: str, frozen: Json, request: Json, resume: Json | None = None
    ) -> None:
        argument: Json = {"id": transaction_id, "workflow": frozen, "request": request}
        run_id = run_name(transaction_id, resume["run"] if resume else "")
        self._arguments[run_id] = argument | ({"resume": resume} if resume else {})

    def forget(self, _before: datetime) -> int:
        return 0

    def run_all(self) -> None:
        """A process: runs whatever is not over. What a watch raises ends it as a death would."""
        runner = self._house.process()
        for transaction_id in list(self._arguments):
            if transaction_id not in self._over:
                self._run(runner, transaction_id)

    def _run(self, runner: Runner, transaction_id: str) -> None:
        kept = self._kept.setdefault(transaction_id, {})

        def keep(name: str, work: Callable[[], Json]) -> Json:
            if name not in kept:
                kept[name] = json.dumps(work())
            result: Json = json.loads(kept[name])
            return result

        walk(self._arguments[transaction_id], runner, keep)
        self._over.add(transaction_id)


__all__ = ["ALICE", "DISK", "OPS", "VM01", "FakeClock", "House", "State", "unwatched"]
