"""Retention as a running step sees it (port: bot.actions.context.Keeper)."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from bot import adopting, insist, retained
from bot.errors import MissingError
from bot.model import AuditEvent, Claim, Json, Reason, Slas, Transaction, Verdict
from bot.ports import Clock
from bot.retention_text import parse, why
from bot.store import Database, Unit

T = TypeVar("T")
_GONE = "it is not there any more"


class DatabaseKeeper:
    """Over the database; slas: as the configuration has them."""

    def __init__(self, db: Database, clock: Clock, slas: Slas) -> None:
        self._db = db
        self._clock = clock
        self._slas = slas

    def apply(self, transaction: Transaction) -> int:
        """See the port."""
        request = transaction.request

        def write(unit: Unit) -> int:
            if "release" in request:
                return self._release(unit, transaction)
            sla = self._slas.named(str(request["sla"]))
            if sla is None:
                words = f"There is no SLA {request['sla']} any more."
                raise MissingError(words, system="configuration", operation="apply a retention")
            if why := adopting.outdated(unit, transaction):
                raise MissingError(why, system="configuration", operation="apply a retention")
            effect = transaction.plan.get("effect", {})
            approved = adopting.Approved(
                transaction=transaction.id,
                old=frozenset(effect.get("decided", {}).get("old", ())),
                slas=frozenset(effect.get("slas", ())),
            )
            rules, now = parse(str(request["rules"])), self._clock.now()
            have = retained.slas_by_vm(unit, self._slas, now)
            mine = [uuid for uuid, its in have.items() if its.name == sla.name]
            return adopting.decide(unit, mine, sla, rules, transaction.actor, now, approved)

        return self._write(write)

    def _release(self, unit: Unit, transaction: Transaction) -> int:
        hold = unit.holds.get(str(transaction.request["release"]))
        if not unit.holds.release(hold.id, transaction.actor.name, self._clock.now()):
            return 0
        body: Json = {"event": "released", "hold": hold.id, "vm": hold.vm, "point": hold.point, "reason": hold.reason}
        unit.audit.append(AuditEvent.of(transaction, key=f"hold:{hold.id}:released", action="hold", body=body))
        return 1

    def passed(self, points: Sequence[str], target: str, own: str, now: datetime) -> dict[str, str]:
        """See the port."""
        with self._db.read() as unit:
            known = retained.facts(unit, now, own=own)
            judged = retained.verdicts(unit, unit.points.of_target(target), known)
        by_id = {each.point.transaction_id: each for each in judged}
        said = {point: _why(by_id.get(point)) for point in points}
        return {point: words for point, words in said.items() if words}

    def held(self, point: str, target: str) -> str:
        """See the port."""
        with self._db.read() as unit:
            known = unit.points.get(point, target)
            return retained.held(unit, [known], self._clock.now()) if known else ""

    def claim(self, point: str, target: str, own: str, now: datetime) -> Claim | None:
        """See the port."""
        with self._db.read() as unit:
            known = unit.points.get(point, target)
            if known is None:
                return None
            judged = retained.beside(unit, known, retained.facts(unit, now, own=own))
        its = next(each for each in judged if each.point.transaction_id == point)
        newest = (each.point.transaction_id for each in judged if Reason.NEWEST in {keep.reason for keep in each.keeps})
        return Claim(why=_why(its), newest=next(newest, ""))

    def stuck(self, point: str, own: str, why: str) -> None:
        """See the port."""

        def write(unit: Unit) -> None:
            plan = unit.transactions.get(own).plan
            unit.transactions.update(own, plan=plan | {retained.STUCK: plan.get(retained.STUCK, {}) | {point: why}})

        self._write(write)

    def gone(self, point: str, target: str, own: str) -> None:
        """See the port."""

        def write(unit: Unit) -> None:
            known = unit.points.get(point, target)
            if known is None:
                return
            unit.points.forget(point, target)
            unit.samples.forget(point, target)
            retained.loosen(unit, own, point)
            key, round_ = f"{own}:{target}:{point}:expired", unit.transactions.get(own)
            unit.audit.append(AuditEvent.of(round_, key=key, action="expire", body=retained.told(known)))

        self._write(write)

    def _write(self, work: Callable[[Unit], T]) -> T:
        return insist.write(self._db, work, self._clock)


def _why(verdict: Verdict | None) -> str:
    """Why it is not to be removed; "": it is."""
    if verdict is None:
        return _GONE
    return ", ".join(why(keep) for keep in verdict.keeps)
