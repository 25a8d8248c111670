"""What the database knows of retention: which rules hold for a recovery point, and what else keeps it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from bot.model import RecoveryPoint, Retained, Retention, SeenVm, Sla, Slas, Transaction, Verdict
from bot.proofs import standings
from bot.retention import Facts, judge, judge_all
from bot.sla import fit
from bot.store import Unit

EXPIRE = "expire"
_REMOVE = ("delete", EXPIRE)


def facts(unit: Unit, now: datetime, *, own: str = "") -> Facts:
    """What keeps recovery points beside the rules. own: a transaction that removes, and is not in its own way."""
    known = lasting(unit, now)
    active = [each for each in unit.transactions.active() if each.id != own]
    return replace(
        known,
        used=frozenset(place for each in active for place in _used(each)),
        doubted=known.doubted | frozenset(place for each in active for place in _going(each)),
    )


def lasting(unit: Unit, now: datetime) -> Facts:
    """The same without what is under way just now. A database that has no id yet knows nothing of others."""
    installation = unit.settings.get("installation")
    return Facts(
        now=now,
        holds=unit.holds.active(now),
        doubted=frozenset(place for place, found in standings(unit.proofs.suspected()).items() if found.damage),
        foreign=unit.points.foreign(installation) if installation else frozenset(),
    )


def verdicts(unit: Unit, points: Iterable[RecoveryPoint], known: Facts) -> tuple[Verdict, ...]:
    """Judge whole groups of recovery points by what is in force; a VM that was never judged keeps everything."""
    return judge_all(points, in_force(unit.retentions.retained()), known)


def in_force(retained: Mapping[str, Retained]) -> Callable[[RecoveryPoint], Retention]:
    """The retention of a recovery point's VM."""
    everything = Retention()

    def find(point: RecoveryPoint) -> Retention:
        known = retained.get(point.vm_uuid)
        return known.retention if known else everything

    return find


def beside(unit: Unit, point: RecoveryPoint, known: Facts) -> tuple[Verdict, ...]:
    """Judge it anew, and with it all of its VM in its target, newest first."""
    group = [each for each in unit.points.of_vm(point.vm_uuid) if each.target == point.target]
    its = unit.retentions.of_vm(point.vm_uuid)
    return judge(group, its.retention if its else Retention(), known)


def held(unit: Unit, points: Iterable[RecoveryPoint], now: datetime) -> str:
    """Why somebody's hold keeps one of these from being deleted, in words; "": none does."""
    holds, found = unit.holds.active(now), tuple(points)
    for hold in holds:
        if any(hold.holds(point, now) for point in found):
            what = f"Recovery point {hold.point}" if hold.point else f"All of {hold.vm}"
            return f"{what} is held by {hold.by}: {hold.reason}. Release that first: /retention release {hold.id}"
    return ""


def slas_by_vm(unit: Unit, slas: Slas, now: datetime) -> dict[str, Sla]:
    """The SLA of each VM that has recovery points, by uuid; one that is gone goes by the name that it had last."""
    names = dict(unit.points.vms())
    known = unit.inventory.of(names)
    vms = (known.get(uuid) or SeenVm(uuid=uuid, name=name, vmstore="", seen_at=now) for uuid, name in names.items())
    return {vm.uuid: fit(slas, vm).sla for vm in vms}


def _used(transaction: Transaction) -> Iterator[tuple[str, str]]:
    """What it makes, copies from or reads, by recovery point and target."""
    plan = transaction.plan
    point = str(transaction.request.get("point", ""))
    for target in transaction.targets:
        yield transaction.id, target
        if point and transaction.workflow not in _REMOVE:
            yield point, target
    for target, base in plan.get("bases", {}).items():
        yield str(base), target
    for target, ids in plan.get("others", {}).items():
        yield from ((str(each), target) for each in ids)


def _going(transaction: Transaction) -> Iterator[tuple[str, str]]:
    """What it is to remove."""
    if transaction.workflow not in _REMOVE:
        return
    ids: Sequence[str] = (transaction.request.get("point", ""), *transaction.request.get("points", ()))
    yield from ((str(each), target) for each in ids if each for target in transaction.targets)
