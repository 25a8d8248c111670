"""Plans a transaction by reading only: which VM, on which VMstore, how big; nothing is made."""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from bot import estimated, immutable, relatives, resting, retained
from bot.actions.points import holdings
from bot.codec import encode
from bot.drill_planning import plan_drill
from bot.errors import AmbiguousName, CloudyError, NotFound, PermanentError, RemoteError, RequesterError
from bot.estimate import Sizes
from bot.estimating import foresee
from bot.model import Estimate, Failure, Headroom, Json, ObjectLock, Slas, State, Transaction, Vm
from bot.ports import Systems, VMstore
from bot.prices import Prices
from bot.restoration import Restorations
from bot.retention_planning import RetentionPlans
from bot.retry import Patience, retrying
from bot.store import Database
from bot.tiering_planning import TierPlans
from bot.words import moved_text

log = logging.getLogger(__name__)

_UUID = re.compile(r"(?=.*[0-9])[0-9A-Za-z-]{16,}")  # or a name that looks like one
# Somebody waits for a private answer: try less long than a run does.
PATIENCE = Patience(tries=3, first_s=0.3, longest_s=2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """It can be done."""

    vm: str
    vm_uuid: str = ""  # what runs of this VM exclude each other by; empty: it may run beside any
    vmstore: str = ""  # empty: none takes part
    frozen: Json  # the workflow, copied
    facts: Json
    decided: Json = field(default_factory=dict)  # what an approval is bound to (bot/approving.py)
    estimates: Json = field(default_factory=dict)  # what is shown beside it, and may move a little


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """It is being done already."""

    vm: str
    transaction_id: str


@dataclass(frozen=True, slots=True)
class Refused:
    """It cannot be done as it was asked."""

    failure: Failure


@dataclass(slots=True)
class _Seen:
    """What the VMstores said to one name."""

    found: dict[str, Vm] = field(default_factory=dict)
    silent: dict[str, RemoteError] = field(default_factory=dict)
    near: list[str] = field(default_factory=list)


class Planner:
    """Each workflow brings its own planning; without one it is planned by the recovery point that it is about."""

    def __init__(
        self,
        db: Database,
        systems: Systems,
        workflow: Callable[[str], Json],
        pause: Callable[[float], None],
        prices: Prices | None = None,
        slas: Slas | None = None,
    ) -> None:
        """workflow: name -> frozen workflow; prices: of storage, None: none is told; slas: what is promised for VMs."""
        self._slas = slas or Slas()
        self._prices = prices or Prices({})
        self._db = db
        self._systems = systems
        self._workflow = workflow
        self._pause = pause
        self._restorations = Restorations(db, systems, pause, PATIENCE, self._prices)

    def plan(self, transaction: Transaction) -> Planned:
        """Raises what the workflow's planning raises; nothing of it was begun then."""
        with self._db.read() as unit:
            retained.demand_still(unit, transaction)
        by_workflow = {
            "protect": self._by_vm,
            "delete": self._removal,
            "restore": self._return,
            "drill": self._return,
            "expire": self._kept,
            "retention": self._kept,
            "tier": self._kept,
        }
        return by_workflow.get(transaction.workflow, self._by_point)(transaction)

    def has_moved(self, transaction: Transaction) -> bool:
        """Whether a target is elsewhere by now than when this was approved; asks nothing remote."""
        try:
            return any(self._systems.target(name).address != was for name, was in transaction.addresses.items())
        except CloudyError:  # it is not in the configuration any more
            return True

    def waits_until(self, transaction: Transaction, now: datetime) -> datetime | None:
        """When its targets may be sent to; None: now, or never, which the run tells when it comes to that."""
        opens = self._systems.may_send(transaction.targets, now)
        return opens if opens is not None and opens > now else None

    def _addresses(self, transaction: Transaction) -> dict[str, str]:
        return {name: self._systems.target(name).address for name in transaction.targets}

    def _by_point(self, transaction: Transaction) -> Planned:
        """From the catalogue alone. NotFound: a target that was named does not have the recovery point any more.

        Such a run has no VMstore and keeps no other run of the VM waiting.
        """
        wanted = str(transaction.request.get("point", ""))
        with self._db.read() as unit:
            found = {name: unit.points.get(wanted, name) for name in transaction.targets}
        missing = [name for name, point in found.items() if point is None]
        points = [point for point in found.values() if point is not None]
        if missing or not points:
            where = " and ".join(missing) or "any target"
            raise NotFound(f"There is no recovery point {wanted} in {where}.", ())
        facts: Json = {
            "vm": points[0].vm_name,
            "point": wanted,
            "points": [{"target": point.target, "bytes": point.size} for point in points],
            "bytes": sum(point.size for point in points),
            "taken_at": points[0].taken_at.isoformat(),
            "warnings": [],
        }
        return Planned(vm=points[0].vm_name, frozen=self._workflow(transaction.workflow), facts=facts)

    def _removal(self, transaction: Transaction) -> Planned:
        """What a delete would remove, asked of the targets themselves. DeniedError: it is locked, until when.

        RequesterError: it is still being made; another target's part of it may come yet.
        """
        plan, request = self._by_point(transaction), transaction.request
        self._demand_removable(transaction)
        held = {name: self._held(name, str(request["point"])) for name in transaction.targets}
        with self._db.read() as unit:
            point = next(filter(None, (unit.points.get(request["point"], name) for name in transaction.targets)), None)
            others = unit.points.of_vm(point.vm_uuid) if point else ()
        size = sum(each["bytes"] for each in held.values())
        removes = [f"{self._systems.target(name).url}/{request['point']}/" for name in transaction.targets]
        decided: Json = {
            "operation": "delete",
            "point": request["point"],
            "vm": plan.vm,
            "vm_uuid": point.vm_uuid if point else "",
            "taken_at": f"{point.taken_at:%Y-%m-%d %H:%M} UTC" if point else "",
            "targets": list(transaction.targets),
            "addresses": self._addresses(transaction),
            "removes": removes,
            "last_of_vm": all(other.transaction_id == request["point"] for other in others),
        }
        estimates: Json = {
            "objects": sum(each["objects"] for each in held.values()),
            "bytes_removed": size,
            "price": self._prices.a_month({name: each["bytes"] for name, each in held.items()}, "saves"),
        }
        facts = plan.facts | {"bytes": size, "removes": removes}
        return replace(plan, facts=facts, decided=decided, estimates=estimates)

    def _demand_removable(self, transaction: Transaction) -> None:
        """RequesterError: it is still being made, held, or in use."""
        point = str(transaction.request["point"])
        with self._db.read() as unit:
            maker = unit.transactions.find(point)
            user = next((other for other in unit.transactions.active() if relatives.copies_from(other, point)), None)
            hold = retained.held(unit, unit.points.containing(point), transaction.created_at)
        if hold:
            raise RequesterError(hold)
        if maker is not None and not maker.state.is_final:
            raise RequesterError(f"{maker.id} is still under way: {maker.state}. Delete it when it has ended.")
        if user is not None:
            raise RequesterError(f"{user.id} copies from it just now: {user.state}. Delete it when that has ended.")

    def _return(self, transaction: Transaction) -> Planned:
        """See bot/restoration.py and bot/drill_planning.py."""
        known = [name for name in transaction.targets if name in self._systems.target_names]
        addresses: Json = {name: self._systems.target(name).address for name in known}
        if transaction.workflow == "drill":
            found = plan_drill(transaction, self._restorations, self._systems, addresses)
        else:
            found = self._restorations.plan(transaction, addresses)
        return Planned(
            vm=found.vm,
            vmstore=found.vmstore,
            vm_uuid=found.vm_uuid,
            frozen=self._workflow("drill" if transaction.workflow == "drill" else found.workflow),
            facts=found.facts,
            decided=found.decided,
            estimates=found.estimates,
        )

    def _kept(self, transaction: Transaction) -> Planned:
        """See bot/retention_planning.py and bot/tiering_planning.py."""
        plans = RetentionPlans(self._db, self._slas, self._prices)
        moves = TierPlans(self._db, self._slas, self._prices, self._systems.target)
        ways = {"expire": plans.expiry, "retention": plans.change, "tier": moves.round}
        found = ways[transaction.workflow](transaction)
        addresses: Json = {} if transaction.workflow == "retention" else {"addresses": self._addresses(transaction)}
        frozen, decided = self._workflow(transaction.workflow), found.decided | addresses
        return Planned(vm=found.vm, frozen=frozen, facts=found.facts, decided=decided, estimates=found.estimates)

    def _held(self, name: str, point: str) -> Json:
        return holdings(retrying(self._systems.target(name), self._pause, PATIENCE), point)

    def _by_vm(self, transaction: Transaction) -> Planned:
        """Look the VM up on all VMstores. A name is resolved here once; from then on the uuid is the VM.

        NotFound with near names, AmbiguousName with one line a VM; RemoteError: no VMstore could be asked.
        PermanentError: also where the VMstore would refuse the snapshot, before anything is made.
        """
        vm = self._find(transaction.vm)
        room = self._room(vm)
        lock = immutable.lock_of(vm, self._slas, transaction.created_at)
        if lock:
            self._check_lockable(transaction.targets, lock)
        with self._db.read() as unit:
            bases = relatives.bases(unit, vm.uuid, transaction.targets)
            others = relatives.others(unit, vm, [name for name in transaction.targets if name not in bases])
        foreseen = self._foreseen(transaction, vm, bases, others)
        facts: Json = {
            "vm": vm.name,
            "vmstore": vm.vmstore,
            "disks": len(vm.disks),
            "provisioned_bytes": vm.provisioned_bytes,
            "used_bytes": vm.used_bytes,
            "snapshots": room.snapshots,
            "warnings": [*room.warnings(vm.name, vm.vmstore), *self._hours(transaction)],
            "bases": bases,
            "estimate": encode(foreseen),
        } | ({"others": others} if others else {})
        locked: Json = {immutable.KEY: encode(lock)} if lock else {}
        return Planned(
            vm=vm.name,
            vm_uuid=vm.uuid,
            vmstore=vm.vmstore,
            frozen=self._workflow(transaction.workflow),
            facts=facts | locked,
            decided=_protection(transaction, vm, lock) | {"addresses": self._addresses(transaction)},
            estimates=self._estimates(transaction, vm, facts, foreseen),
        )

    def _check_lockable(self, targets: Sequence[str], lock: ObjectLock) -> None:
        for name in targets:
            immutable.check(retrying(self._systems.target(name).locking(lock), self._pause, PATIENCE), lock)

    def _foreseen(
        self, transaction: Transaction, vm: Vm, bases: Mapping[str, object], others: Mapping[str, object]
    ) -> Estimate:
        sizes = Sizes(disks=len(vm.disks), used=vm.used_bytes, provisioned=vm.provisioned_bytes)
        limits = {name: self._systems.target(name).limits for name in transaction.targets}
        try:
            with self._db.read() as unit:
                return foresee(unit, vm.uuid, sizes, bases=bases, others=others, limits=limits, prices=self._prices)
        except Exception:  # what is only told must not keep a VM from being protected
            log.exception("no estimate of %s (%s)", vm.name, vm.uuid)
            return Estimate(rests_on="it could not be made, see the log")

    def _estimates(self, transaction: Transaction, vm: Vm, facts: Json, foreseen: Estimate) -> Json:
        """Told as words, so that none of it voids an approval; but for how much is at stake."""
        with self._db.read() as unit:
            earlier = unit.transactions.list(states=(State.SUCCEEDED,), vm=vm.name, limit=5)
        alike = (each for each in earlier if (each.vm_uuid, each.targets) == (vm.uuid, transaction.targets))
        last = next((each for each in alike if each.workflow == transaction.workflow), None)
        return {
            "disks": facts["disks"],
            "snapshots_there": str(facts["snapshots"]),  # told as words: one more by its own schedule voids nothing
            "bytes_to_send": vm.provisioned_bytes * len(transaction.targets),  # at most
            "base": ", ".join(f"{target}: {point}" for target, point in facts["bases"].items()),
            "last_time": moved_text(last.bytes) if last else "",
            "expected": estimated.moves(foreseen),
            "time": estimated.time(foreseen),
            "price": estimated.price(foreseen),
        }

    def _hours(self, transaction: Transaction) -> list[str]:
        """When it would be sent, where that is not at once. RequesterError: never."""
        opens = self._systems.may_send(transaction.targets, transaction.created_at)
        if opens is None:
            raise RequesterError(resting.never(transaction.targets))
        if opens <= transaction.created_at:
            return []
        return [f"its targets may be sent to from {opens:%H:%M UTC on %d %b} on: it begins then"]

    def _find(self, typed: str) -> Vm:
        """Find by `name` or uuid, or by `vmstore/name` where two VMstores have one of that name."""
        store, _, name = typed.partition("/")
        if name and store in self._systems.vmstore_names:
            return self._ask([store], name)
        return self._ask(list(self._systems.vmstore_names), typed)

    def _ask(self, stores: list[str], name: str) -> Vm:
        """Ask all of them quickly; those that may have overlooked it once more, which lists all their VMs."""
        seen = _Seen()
        for store in stores:
            self._look_for(name, store, seen, is_quick=True)
        doubted = self._last_seen_on(name) if seen.found else stores
        for store in (each for each in doubted if each in stores and each not in {*seen.found, *seen.silent}):
            self._look_for(name, store, seen, is_quick=False)
        if len(seen.found) > 1:
            ways = [f"{vm.vmstore}/{vm.name}" for vm in seen.found.values()]
            raise AmbiguousName(f"{name} is on more than one VMstore. Say which: {', '.join(ways)}", ways)
        for vm in seen.found.values():
            return vm
        for error in seen.silent.values():
            raise error
        raise self._unknown(name, seen.near)

    def _last_seen_on(self, name: str) -> list[str]:
        with self._db.read() as unit:
            return [vm.vmstore for vm in unit.inventory.named(name) if vm.name == name and vm.gone_at is None]

    def _look_for(self, name: str, store: str, seen: "_Seen", *, is_quick: bool) -> None:
        try:
            seen.found[store] = self._look(store, name, is_quick=is_quick)
        except NotFound as error:
            seen.near += error.suggestions
        except AmbiguousName as error:
            which = "; ".join(error.candidates)
            raise AmbiguousName(f"{error.message} Name it by its uuid: {which}", error.candidates) from error
        except RemoteError as error:
            seen.silent[store] = error

    def _look(self, store: str, name: str, *, is_quick: bool) -> Vm:
        client: VMstore = retrying(self._systems.open_vmstore(store), self._pause, PATIENCE)
        client.info()
        client.login()
        try:
            return client.find_vm(name, is_quick=is_quick)
        except NotFound:
            if found := _by_uuid(client, name):
                return found
            raise
        finally:
            _log_out(client, store)

    def _room(self, vm: Vm) -> Headroom:
        """How many more snapshots there may be. PermanentError: not one."""
        client: VMstore = retrying(self._systems.open_vmstore(vm.vmstore), self._pause, PATIENCE)
        client.login()
        try:
            room = client.headroom(vm.uuid)
        finally:
            _log_out(client, vm.vmstore)
        if why := room.refusal(vm.name, vm.vmstore):
            raise PermanentError(why, system=vm.vmstore, operation="plan")
        return room

    def _unknown(self, name: str, near: list[str]) -> NotFound:
        with self._db.read() as unit:
            names = tuple(dict.fromkeys((*unit.inventory.near(name), *near)))[:5]
        hint = f" Did you mean {', '.join(names)}?" if names else ""
        return NotFound(f"There is no live VM called {name}.{hint}", names)


def _by_uuid(client: VMstore, typed: str) -> Vm | None:
    """The VM of that uuid: the only way to name one of several that are called the same."""
    if not _UUID.fullmatch(typed):
        return None
    try:
        return client.get_vm(typed)
    except PermanentError:
        return None


def _log_out(client: VMstore, store: str) -> None:
    try:
        client.logout()
    except CloudyError as error:
        log.warning("log-out failed; the session will expire", extra={"system": store, "error": error.message})


def _protection(transaction: Transaction, vm: Vm, lock: ObjectLock | None) -> Json:
    locked = {"locked": str(lock)} if lock else {}
    return locked | {
        "operation": "protect",
        "vm": vm.name,
        "vm_uuid": vm.uuid,
        "vmstore": vm.vmstore,
        "targets": list(transaction.targets),
        "base": "none: everything is sent",
        "consistency": f"{transaction.consistency}-consistent",
        "keep_for": transaction.keep_for,
    }
