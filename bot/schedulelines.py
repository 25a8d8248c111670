"""Schedules as lists show them: which one a person means, its next times, and how its last fire fared."""

from datetime import datetime, timedelta
from difflib import get_close_matches
from itertools import islice

from bot.errors import AmbiguousName, NotFound, UsageError
from bot.firing import Firer
from bot.model import Actor, Json, Schedule, ScheduleLine, ScheduleRequest, ScheduleState
from bot.policy import Operation
from bot.startable import Stands, fire_key, how_they_stand
from bot.store import Unit

MOST_NEXT = 5
_MOST_SKIPPED = 60  # times in a row that somebody wants skipped, and that are looked past for the next ones
_SHORTEST_PART = 3  # characters of an id that may stand for it


class Lines:
    """What a list shows of schedules, inside the caller's unit."""

    def __init__(self, firer: Firer) -> None:
        self._firer = firer

    def line(self, unit: Unit, schedule: Schedule, now: datetime) -> ScheduleLine:
        """One of them."""
        started = unit.fires.last(schedule.id, now, started=True)
        stands = how_they_stand(unit, fire_key(schedule.id, started.at), now) if started else Stands({})
        to_come = unit.fires.of(schedule.id, after=now)
        return ScheduleLine(
            schedule=schedule,
            next=self.coming(unit, schedule, now)[:MOST_NEXT],
            last=unit.fires.last(schedule.id, now),
            results=stands.states,
            waiting=stands.waiting,
            skips=tuple(fire.at for fire in reversed(to_come) if fire.by),
        )

    def coming(self, unit: Unit, schedule: Schedule, now: datetime) -> tuple[datetime, ...]:
        """Its next times that start something, sixty at most; none while it is paused without an end or suspended."""
        is_paused = schedule.state is ScheduleState.PAUSED
        if schedule.state in (ScheduleState.SUSPENDED, ScheduleState.DELETED) or (is_paused and schedule.until is None):
            return ()
        begin = max(now, schedule.until - timedelta(microseconds=1)) if schedule.until else now
        skipped = {fire.at for fire in unit.fires.of(schedule.id, after=begin)}
        try:
            times = islice(self._firer.recurrence(schedule).after(begin), _MOST_SKIPPED)
            return tuple(at for at in times if at not in skipped)
        except UsageError:
            return ()


def words(schedule: Schedule) -> str:
    """What a search looks into."""
    asked = schedule.asked
    said = (schedule.id, schedule.owner.name, asked.workflow, *asked.vms, *asked.targets, asked.recurrence)
    return " ".join((*said, schedule.state)).casefold()


def operation_on(schedule: Schedule, actor: Actor) -> Operation:
    """What changing it asks for: whose it is counts, by id."""
    is_own = (schedule.owner.id, schedule.owner.source) == (actor.id, actor.source)
    return Operation.SCHEDULE if is_own else Operation.CHANGE_SCHEDULE


def facts_of(asked: ScheduleRequest) -> Json:
    """What the audit keeps of it."""
    return {
        "workflow": asked.workflow,
        "vms": list(asked.vms),
        "targets": list(asked.targets),
        "recurrence": asked.recurrence,
        "options": dict(asked.options),
        "catch_up": asked.catch_up.value if asked.catch_up else "",
    }


def named(unit: Unit, text: str) -> Schedule:
    """The one that a person means by its id, or by at least 3 characters of it.

    UsageError: too short. NotFound carries near ids, AmbiguousName all that fit.
    """
    wanted = text.strip().lower()
    if len(wanted) < _SHORTEST_PART:
        raise UsageError(f"“{text}” is too short for a schedule's id: give at least 3 of its characters.")
    known = {schedule.id: schedule for schedule in unit.schedules.list()}
    found = [wanted] if wanted in known else [each for each in known if wanted in each]
    if not found:
        near = get_close_matches(wanted, known, n=3)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise NotFound(f"There is no schedule “{text}”.{hint} The list: /cloudy schedules", near)
    if len(found) > 1:
        raise AmbiguousName(f"“{text}” fits several schedules; give more of the id.", found[:10])
    return known[found[0]]
