"""Begins rounds of expire: one transaction for each target, by a schedule of Cloudy's own or by hand."""

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime

from bot import retained
from bot.ids import transaction_id
from bot.model import Actor, Place, State, Transaction
from bot.recorder import record
from bot.retained import EXPIRE
from bot.store import Unit

MOST_AT_ONCE = 5_000  # recovery points that are judged while the database is written to


def begin(
    unit: Unit,
    targets: Sequence[str],
    actor: Actor,
    now: datetime,
    *,
    key: Callable[[str], str],
    place: Place,
) -> tuple[Transaction, ...]:
    """Record one for each target that has something to remove; none while no rule is in force.

    The same key again: those that it gave before.

    key: target -> request key. What is to go is found when it is planned.
    """
    if all(each.retention.is_everything for each in unit.retentions.retained().values()):
        return ()
    busy = [name for name in targets if unit.transactions.asked_by(key(name)) or not _is_idle(unit, name, now)]
    return tuple(_record(unit, target, actor, now, key(target), place) for target in busy)


def _is_idle(unit: Unit, target: str, now: datetime) -> bool:
    """Whether nothing of it is to go, as far as that is found at once: many are judged when the round is planned."""
    count = unit.points.count_in(target)
    if count > MOST_AT_ONCE:
        return False
    judged = retained.verdicts(unit, unit.points.of_target(target), retained.facts(unit, now))
    return all(verdict.is_kept for verdict in judged)


def _record(unit: Unit, target: str, actor: Actor, now: datetime, request_key: str, place: Place) -> Transaction:
    asked = Transaction(
        id=transaction_id(now, secrets.randbits(30)),
        workflow=EXPIRE,
        vm="",
        targets=(target,),
        actor=actor,
        state=State.PLANNING,
        created_at=now,
        request_key=request_key,
        place=place,
        plan={"request": {}},
    )
    return record(unit, asked, {"targets": [target]})
