"""Withdraws what a schedule has started and what still waits for its moment, when the schedule is to start nothing."""

from datetime import datetime

from bot import firetold
from bot.model import Actor, AuditEvent, Failure, Schedule
from bot.startable import prefix
from bot.store import Unit


def withdraw(
    unit: Unit,
    schedule: Schedule,
    now: datetime,
    actor: Actor,
    admin_channel: str,
    *,
    done: str,
    until: datetime | None = None,
) -> int:
    """Stop them in that person's name, audited and told where the schedule is; gives how many. What has begun goes on.

    done: what became of the schedule, "paused". until: those whose moment is later stay.
    """
    waiting = unit.transactions.waiting_under(prefix(schedule.id), now)
    chosen = [each for each in waiting if not until or (each.not_before and each.not_before < until)]
    if not chosen:
        return 0
    why = f"Withdrawn before it began: {actor.name} has {done} schedule {schedule.id}."
    ids = [each.id for each in chosen]
    unit.transactions.stop_all(ids, now, by=actor.name, failure=Failure(what=why, step="Plan"))
    unit.audit.append_new(
        [
            AuditEvent(
                key=f"{each}:withdrawn",
                action="stop",
                actor=actor,
                transaction_id=each,
                body={"schedule": schedule.id, "why": why},
            )
            for each in ids
        ]
    )
    firetold.tell_withdrawn(unit, schedule, now, f"{actor.name} has {done} it", chosen, admin_channel)
    return len(chosen)
