"""Recovery points on their way to a tier, as a running step sees them (port: bot.actions.context.Mover)."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from bot import insist, retained
from bot.model import AuditEvent, Resource, ResourceKind, Shift, Slas, Tier, Turn
from bot.ports import Clock, ObjectStore
from bot.store import Database, Unit
from bot.tiering import Rules, turns

T = TypeVar("T")
_GONE = "it is not there any more"


class DatabaseMover:
    """One target's, for one transaction; slas: as the configuration has them."""

    def __init__(self, db: Database, clock: Clock, slas: Slas, target: ObjectStore, own: str) -> None:
        self._db = db
        self._clock = clock
        self._slas = slas
        self._own = own
        self._target = target.name
        self._classes = {target.name: {tier: target.class_of(tier) for tier in Tier}}

    def passed(self, points: Sequence[str], now: datetime) -> dict[str, str]:
        """See the port."""
        with self._db.read() as unit:
            known = retained.facts(unit, now, own=self._own)
            judged = retained.verdicts(unit, unit.points.of_target(self._target), known)
            rules = self._rules(unit, now)
            turned = {turn.point.transaction_id: turn for turn in turns(judged, rules, known)} if rules else {}
            there = {point for point in points if unit.points.get(point, self._target)}
        said = {point: _shift(turned.get(point)).why if point in there else _GONE for point in points}
        return {point: why for point, why in said.items() if why}

    def shift(self, point: str, now: datetime) -> Shift:
        """See the port."""
        with self._db.read() as unit:
            return self._judged(unit, point, now)

    def promise(self, point: str, key: str, url: str, now: datetime) -> str:
        """See the port."""

        def write(unit: Unit) -> str:
            shift = self._judged(unit, point, now)
            if shift.tier and not shift.why:
                unit.ledger.register(self._resource(key, url))
            return shift.why or ("" if shift.tier else _GONE)

        return self._write(write)

    def settle(self, key: str) -> None:
        """See the port."""
        its = self._resource(key)
        self._write(lambda unit: unit.ledger.release(self._own, its.kind, its.system, its.name))

    def moved(self, point: str, tier: Tier) -> None:
        """See the port."""

        def write(unit: Unit) -> None:
            known = unit.points.get(point, self._target)
            if known is None or known.tier is tier:
                return
            retained.loosen(unit, self._own, point)
            unit.points.put(replace(known, tier=tier))
            transaction, key = unit.transactions.get(self._own), f"{self._own}:{self._target}:{point}:tier"
            body = retained.told(known) | {"tier": tier.value, "class": self._classes[self._target][tier]}
            unit.audit.append(AuditEvent.of(transaction, key=key, action="tier", body=body))

        self._write(write)

    def _judged(self, unit: Unit, point: str, now: datetime) -> Shift:
        known = unit.points.get(point, self._target)
        if known is None:
            return Shift(why=_GONE)
        facts, rules = retained.facts(unit, now, own=self._own), self._rules(unit, now, vm=known.vm_uuid)
        judged = [each for each in retained.beside(unit, known, facts) if each.point.transaction_id == point]
        return _shift(next(turns(judged, rules, facts), None) if rules else None)

    def _rules(self, unit: Unit, now: datetime, *, vm: str = "") -> Rules | None:
        return retained.tier_rules(unit, self._slas, self._classes, now, vm=vm)

    def _resource(self, key: str, url: str = "") -> Resource:
        return Resource(
            transaction_id=self._own, kind=ResourceKind.UPLOAD, system=self._target, name=key, detail={"url": url}
        )

    def _write(self, work: Callable[[Unit], T]) -> T:
        return insist.write(self._db, work, self._clock)


def _shift(turn: Turn | None) -> Shift:
    return Shift(tier=turn.tier, why=turn.stays) if turn else Shift()
