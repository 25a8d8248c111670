"""Plans what retention does: a change that keeps less, and a round of expire. Reads the database only."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from bot import adopting, retained
from bot.errors import NotFound, RequesterError
from bot.model import Json, RecoveryPoint, Retention, Slas, Transaction, Verdict
from bot.previewing import kept_text
from bot.prices import Prices
from bot.retention import Effect, compare, judge_all
from bot.retention_text import parse, said
from bot.store import Database, Unit
from bot.words import size_text

MOST = 500  # recovery points that one round removes; the rest goes with the next ones


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A planned transaction of this kind: `facts` of the plan, what is decided, and what is shown beside it."""

    facts: Json
    decided: Json
    estimates: Json
    vm: str = ""


class RetentionPlans:
    """By the time at which it was asked for, so that planning it again later comes to the same."""

    def __init__(self, db: Database, slas: Slas, prices: Prices) -> None:
        self._db = db
        self._slas = slas
        self._prices = prices

    def change(self, transaction: Transaction) -> Change:
        """A change of rules, or a hold that is released. NotFound: the SLA or the hold is not there any more.

        RequesterError: a later change of the same rules came.
        Planned again, it stays as it was as long as nothing more would go than was told.
        """
        request, slas = transaction.request, list[str]()
        with self._db.read() as unit:
            if "release" in request:
                effect, decided = self._release(unit, transaction)
            else:
                effect, decided, slas = self._rules(unit, transaction)
        counts = _by_target(effect.goes)
        told: Json = transaction.plan.get("effect", {})
        if not told or any(count > told["counts"].get(target, 0) for target, count in counts.items()):
            freed = _sizes(each.point for each in effect.goes)
            told = {
                "counts": counts,
                "slas": slas,
                "decided": decided | {"effect": _effect_text(effect), "recovery_points": _digest(effect.goes)},
                "estimates": {"bytes_removed": sum(freed.values()), "price": self._prices.a_month(freed, "saves")},
            }
        return Change(
            facts={"effect": told, "warnings": []},
            decided=told["decided"],
            estimates=told["estimates"],
            vm=transaction.vm,
        )

    def _rules(self, unit: Unit, transaction: Transaction) -> tuple[Effect, Json, list[str]]:
        """What it makes of recovery points, what is decided, and whose VMs those are by now: names of SLAs."""
        if why := adopting.outdated(unit, transaction):
            raise RequesterError(why)
        name, now = str(transaction.request["sla"]), transaction.created_at
        sla, new = self._slas.named(name), parse(str(transaction.request["rules"]))
        if sla is None:
            raise NotFound(f"There is no SLA {name} any more.", [each.name for each in self._slas.all])
        before = unit.retentions.retained()
        mine = [uuid for uuid, its in retained.slas_by_vm(unit, self._slas, now).items() if its.name == name]
        known = retained.lasting(unit, now)
        points = [each for uuid in mine for each in unit.points.of_vm(uuid) if each.taken_at <= now]
        effect = compare(
            judge_all(points, retained.in_force(before), known), judge_all(points, lambda _point: new, known)
        )
        old = {adopting.was(before, uuid) for uuid in mine} | {unit.retentions.in_force()[name].retention}
        decided: Json = {
            "operation": "shorten-retention",
            "sla": name,
            "old": sorted(said(each) for each in old if not new.covers(each)),
            "new": said(new),
            "VMs": len(mine),
            "as_of": f"{now:%Y-%m-%d %H:%M} UTC",
        }
        return effect, decided, sorted({name} | {adopting.sla_of(before, uuid) for uuid in mine})

    def _release(self, unit: Unit, transaction: Transaction) -> tuple[Effect, Json]:
        now = transaction.created_at
        hold = next((each for each in unit.holds.active(now) if each.id == transaction.request["release"]), None)
        if hold is None:
            raise NotFound(f"The hold {transaction.request['release']} has ended already.", ())
        known = retained.lasting(unit, now)
        without = replace(known, holds=tuple(each for each in known.holds if each.id != hold.id))
        uuids = [hold.vm_uuid] if hold.vm_uuid else {each.vm_uuid for each in unit.points.containing(hold.point)}
        points = [each for uuid in uuids for each in unit.points.of_vm(uuid) if each.taken_at <= now]
        effect = compare(retained.verdicts(unit, points, known), retained.verdicts(unit, points, without))
        until = f"{hold.until:%Y-%m-%d %H:%M} UTC" if hold.until else "until it is released"
        return effect, {
            "operation": "shorten-retention",
            "hold": hold.id,
            "vm": hold.vm,
            "point": hold.point,
            "held_by": f"{hold.by}: {hold.reason}",
            "until": until,
            "as_of": f"{now:%Y-%m-%d %H:%M} UTC",
        }

    def expiry(self, transaction: Transaction) -> Change:
        """The recovery points of one target that a round removes, oldest first; those that it could not before, last.

        RequesterError: there is none, or another round is under way there.
        """
        (target,) = transaction.targets
        with self._db.read() as unit:
            retained.demand_turn(unit, transaction, "removes recovery points from")
            known = retained.facts(unit, transaction.created_at, own=transaction.id)
            judged = retained.verdicts(unit, unit.points.of_target(target), known)
            passed = retained.passed_before(unit, transaction)
        going = [each.point for each in judged if not each.is_kept]
        going.sort(key=lambda point: (point.transaction_id in passed, point.taken_at, point.transaction_id))
        if not going:
            raise RequesterError(f"Nothing in {target} is to go: {kept_text(judged)}.")
        now, later = going[:MOST], going[MOST:]
        size = sum(point.size for point in now)
        facts: Json = {
            "request": transaction.request | {"points": [point.transaction_id for point in now]},
            "points": [[point.transaction_id, point.vm_name, point.size] for point in now],
            "bytes": size,
            "kept": kept_text(judged),
            "later": len(later),
            "saves": self._prices.a_month({target: size}, "saves"),
            "warnings": [],
        }
        decided: Json = {
            "operation": "expire",
            "targets": [target],
            "removes": [f"{point.transaction_id} of {point.vm_name}" for point in now],
        }
        return Change(facts=facts, decided=decided, estimates={"bytes_removed": size, "price": facts["saves"]})


def _by_target(verdicts: Iterable[Verdict]) -> dict[str, int]:
    return dict(sorted(Counter(each.point.target for each in verdicts).items()))


def _sizes(points: Iterable[RecoveryPoint]) -> dict[str, int]:
    sizes: Counter[str] = Counter()
    for point in points:
        sizes[point.target] += point.size
    return dict(sizes)


def _digest(goes: Sequence[Verdict]) -> str:
    names = sorted(f"{each.point.target}/{each.point.transaction_id}" for each in goes)
    return hashlib.sha256("\n".join(names).encode()).hexdigest() if names else "none"


def _effect_text(effect: Effect) -> str:
    """ "removes 12 recovery points of 3 VMs (1.0 GiB), and keeps 40": s3 9, azure 3."""
    if not effect.goes:
        return f"removes nothing now; {_points(len(effect.stays))} {'stays' if len(effect.stays) == 1 else 'stay'}"
    vms = len({each.point.vm_uuid for each in effect.goes})
    where = ", ".join(f"{count} in {target}" for target, count in _by_target(effect.goes).items())
    size = size_text(sum(each.point.size for each in effect.goes))
    return (
        f"removes {_points(len(effect.goes))} of {vms} {'VM' if vms == 1 else 'VMs'} ({where}; {size});"
        f" {len(effect.stays)} {'stays' if len(effect.stays) == 1 else 'stay'}"
    )


def _points(count: int) -> str:
    return f"{count:,} recovery {'point' if count == 1 else 'points'}"


def is_shorter(new: Retention, olds: Iterable[Retention]) -> bool:
    """Whether it could ever keep less than one of these."""
    return not all(new.covers(old) for old in olds)
