"""What the database knows of retention: which rules hold for a recovery point, and what else keeps it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from bot.errors import RequesterError
from bot.model import Json, RecoveryPoint, ResourceKind, Retained, Retention, SeenVm, Sla, Slas, Transaction, Verdict
from bot.proofs import standings
from bot.retention import Facts, judge, judge_all
from bot.sla import fit
from bot.store import Unit
from bot.tiering import Classes, Rules

EXPIRE = "expire"
STUCK = "stuck"  # of a round's plan: what could not be removed, with the reason
TIER = "tier"
_REMOVE = ("delete", EXPIRE)
_LATELY = 50  # rounds
Place = tuple[str, str]  # id of a recovery point, and target


def facts(unit: Unit, now: datetime, *, own: str = "") -> Facts:
    """What keeps recovery points beside the rules. own: a transaction that removes, and is not in its own way."""
    known = lasting(unit, now)
    active = [each for each in unit.transactions.active() if each.id != own]
    return replace(
        known,
        used=frozenset(place for each in active for place in _used(each)) | moving(unit, own=own).keys(),
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


def moving(unit: Unit, *, own: str = "") -> dict[Place, str]:
    """What lies in another tier any moment, and which round moves it: nobody else begins with it until it does.

    own: such a round, which is not in its own way.
    """
    promised = [each for each in unit.ledger.open() if each.kind is ResourceKind.UPLOAD and each.transaction_id != own]
    uploads = [each for each in promised if not each.name.startswith(f"{each.transaction_id}/")]
    makers = {each.transaction_id: unit.transactions.find(each.transaction_id) for each in uploads}
    rounds = {id for id, made in makers.items() if made and made.workflow == TIER and not made.state.is_final}
    found = ((each.name.partition("/")[0], each) for each in uploads if each.transaction_id in rounds)
    return {(point, each.system): each.transaction_id for point, each in found}


def moving_text(point: str, target: str, by: str) -> str:
    """Why nobody begins with it."""
    return f"{point} is being moved to another tier in {target} by {by}"


def demand_still(unit: Unit, transaction: Transaction) -> None:
    """RequesterError: the recovery point that it is about is being moved, so that what is read of it would not last.

    Once that is asked of one that is under way it stays so: no round begins with what it uses, or removes.
    """
    point = str(transaction.request.get("point", ""))
    found = moving(unit) if point else {}
    places = [(point, target) for target in transaction.targets if (point, target) in found]
    for point, target in places[:1]:
        by = found[point, target]
        raise RequesterError(f"{moving_text(point, target, by)}: ask again when that has ended, or stop it first.")


def demand_turn(unit: Unit, transaction: Transaction, what: str) -> None:
    """RequesterError: another round of this kind is under way in its target. what: it does, "removes ... from"."""
    (target,) = transaction.targets
    for other in unit.transactions.active():  # oldest first
        if other.id == transaction.id:
            return
        if other.workflow == transaction.workflow and target in other.targets:
            raise RequesterError(f"{other.id} {what} {target} just now.")


def passed_before(unit: Unit, transaction: Transaction) -> frozenset[str]:
    """What such rounds passed over, or failed with, lately in its target: it must not keep others from their turn."""
    (target,) = transaction.targets
    rounds = unit.transactions.list(workflows=(transaction.workflow,), limit=_LATELY)
    over = [each for each in rounds if target in each.targets and each.state.is_final and each.frozen]
    steps = (step for each in over for step in unit.steps.of(each.id))
    passed = frozenset(str(each) for step in steps for each in step.outputs.get("passed", {}))
    return passed | {str(point) for each in over for point in each.plan.get(STUCK, {})}


def loosen(unit: Unit, own: str, point: str) -> None:
    """What could not be done before this attempt of a round is done."""
    plan = unit.transactions.get(own).plan
    if point in (stuck := plan.get(STUCK, {})):
        left = {name: why for name, why in stuck.items() if name != point}
        unit.transactions.update(own, plan=plan | {STUCK: left})


def told(point: RecoveryPoint) -> Json:
    """Of one that a round is done with, for the audit."""
    return {
        "point": point.transaction_id,
        "target": point.target,
        "vm": point.vm_name,
        "vm_uuid": point.vm_uuid,
        "bytes": point.size,
        "taken_at": point.taken_at.isoformat(),
    }


def tier_rules(unit: Unit, slas: Slas, classes: Mapping[str, Classes], now: datetime, *, vm: str = "") -> Rules | None:
    """By what recovery points move; None: no SLA says that any does.

    classes: by target. vm: uuid of the only one that matters.
    """
    if not any(sla.tiering.first for sla in slas.all):
        return None
    found = slas_by_vm(unit, slas, now, vm=vm)
    return Rules(
        tiering={uuid: sla.tiering for uuid, sla in found.items() if sla.tiering.first},
        classes=classes,
        retention=in_force(unit.retentions.retained()),
    )


def slas_by_vm(unit: Unit, slas: Slas, now: datetime, *, vm: str = "") -> dict[str, Sla]:
    """The SLA of each VM that has recovery points, by uuid; one that is gone goes by the name that it had last.

    vm: of this one alone, by uuid.
    """
    names = {each.vm_uuid: each.vm_name for each in unit.points.of_vm(vm)[:1]} if vm else dict(unit.points.vms())
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
