"""Begins rounds of expire and of tier: one transaction for each target, by a schedule of Cloudy's own or by hand."""

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime

from bot import retained
from bot.ids import transaction_id
from bot.model import Actor, Place, State, Transaction
from bot.recorder import record
from bot.retained import EXPIRE, TIER
from bot.retention import Facts
from bot.store import Unit
from bot.tiering import Rules, is_old_enough, turns

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
    return tuple(_record(unit, EXPIRE, target, actor, now, key(target), place) for target in busy)


def begin_moves(
    unit: Unit,
    rules: Rules | None,
    targets: Sequence[str],
    actor: Actor,
    now: datetime,
    *,
    key: Callable[[str], str],
    place: Place,
) -> tuple[Transaction, ...]:
    """Record one for each target in which something has grown old enough for another tier; the same key: the same."""
    if rules is None:
        return ()
    busy = [name for name in targets if unit.transactions.asked_by(key(name)) or not _is_still(unit, name, rules, now)]
    return tuple(_record(unit, TIER, target, actor, now, key(target), place) for target in busy)


def _is_still(unit: Unit, target: str, rules: Rules, now: datetime) -> bool:
    """Whether nothing of it is to move; likewise."""
    if target not in rules.classes or not rules.tiering:
        return True
    if unit.points.count_in(target) > MOST_AT_ONCE:
        return False
    points = unit.points.of_target(target)
    old = {point.vm_uuid for point in points if is_old_enough(point, rules, now)}
    known = retained.facts(unit, now) if old else Facts(now=now)
    judged = retained.verdicts(unit, [point for point in points if point.vm_uuid in old], known)
    return all(turn.stays for turn in turns(judged, rules, known))


def _is_idle(unit: Unit, target: str, now: datetime) -> bool:
    """Whether nothing of it is to go, as far as that is found at once: many are judged when the round is planned."""
    count = unit.points.count_in(target)
    if count > MOST_AT_ONCE:
        return False
    judged = retained.verdicts(unit, unit.points.of_target(target), retained.facts(unit, now))
    return all(verdict.is_kept for verdict in judged)


def _record(
    unit: Unit, workflow: str, target: str, actor: Actor, now: datetime, request_key: str, place: Place
) -> Transaction:
    asked = Transaction(
        id=transaction_id(now, secrets.randbits(30)),
        workflow=workflow,
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
