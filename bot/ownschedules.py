"""Cloudy's own schedules: rows like any other; an admin may pause and edit them, nobody deletes them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from bot.model import CLOUDY, AuditEvent, Schedule, ScheduleRequest, ScheduleState
from bot.startable import Startables
from bot.store import Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltIn:
    """One of them, as it is made the first time."""

    id: str
    asked: ScheduleRequest
    paused: str = ""  # why it starts nothing before an admin resumes it; "": it does


EXPIRE = BuiltIn(id="expire", asked=ScheduleRequest(workflow="expire", recurrence="every day at 04:00 UTC"))
DRILLS = BuiltIn(
    id="drills",
    asked=ScheduleRequest(workflow="drill", recurrence="every day at 03:30 UTC"),
    paused="a drill starts VMs, so an admin decides: /cloudy schedule resume drills",
)
SUMMARY = BuiltIn(
    id="summary",
    asked=ScheduleRequest(workflow="summary", recurrence="every day at 07:00 UTC", options={"period": "day"}),
)
SUMMARY_WEEK = BuiltIn(
    id="summary-week",
    asked=ScheduleRequest(workflow="summary", recurrence="every monday at 07:00 UTC", options={"period": "week"}),
)
SUMMARY_OWNERS = BuiltIn(
    id="summary-owners",
    asked=ScheduleRequest(
        workflow="summary", recurrence="every day at 07:00 UTC", options={"period": "day", "for": "owners"}
    ),
    paused="it writes to people, so an admin decides: /cloudy schedule resume summary-owners",
)
OWN = (EXPIRE, DRILLS, SUMMARY, SUMMARY_WEEK, SUMMARY_OWNERS)


def ensure(unit: Unit, own: Iterable[BuiltIn], table: Startables, now: datetime) -> None:
    """Make those that are not there yet, if this Cloudy knows what they start. What is there stays as it is."""
    for each in own:
        if each.asked.workflow not in table or unit.schedules.find(each.id) is not None:
            continue
        unit.schedules.insert(
            Schedule(
                id=each.id,
                asked=each.asked,
                owner=CLOUDY,
                created_at=now,
                looked_until=now,
                request_key=f"own:{each.id}",
                state=ScheduleState.PAUSED if each.paused else ScheduleState.ON,
                since=now if each.paused else None,
                why=each.paused,
            )
        )
        body = {"event": "added", "schedule": each.id, "recurrence": each.asked.recurrence}
        unit.audit.append(AuditEvent(key=f"own:{each.id}:schedule", action="schedule", actor=CLOUDY, body=body))
