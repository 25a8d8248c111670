"""Accounts for every time of a schedule exactly once: started, caught up with, missed, or skipped, each with a reason.

All of it happens in the caller's unit: what a fire starts, its row and the schedule's cursor are kept together or not
at all. So a kill loses nothing and doubles nothing, and what comes second finds the first one's cursor.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import islice

from bot import firetold
from bot.catchup import Judged, Rules, judge
from bot.errors import UsageError
from bot.firing import Firer
from bot.model import CLOUDY, Actor, AuditEvent, CatchUp, Fire, FireState, Json, Schedule, ScheduleState
from bot.startable import prefix
from bot.store import Unit
from bot.withdrawing import withdraw

DOWN = "Cloudy was down"
MOST = 1000  # times of one schedule in one unit
MADE = datetime(
    2026, 1, 1, tzinfo=UTC
)  # a clock that shows less has lost its battery, and says nothing of any schedule


@dataclass(frozen=True, slots=True)
class Accounted:
    """Where a schedule stands now; more: there are past times that the next unit accounts for."""

    schedule: Schedule
    more: bool = False


@dataclass(slots=True)
class _Page:
    """What one unit writes of one schedule."""

    schedule: Schedule
    fires: list[Fire] = field(default_factory=list)
    waiting: int = 0  # times that wait, since they are caught up with one after another


class Accounts:
    """The only one that moves a schedule's cursor."""

    def __init__(self, firer: Firer) -> None:
        self.firer = firer

    def next(self, schedule: Schedule) -> datetime | None:
        """The first time that is not accounted for; None: it has come for the last time, or is not understood."""
        try:
            return self.firer.recurrence(schedule).next(schedule.looked_until)
        except UsageError:
            return None

    def is_understood(self, schedule: Schedule) -> bool:
        """Whether this Cloudy knows when it fires."""
        try:
            self.firer.recurrence(schedule)
        except UsageError:
            return False
        return True

    def is_due(self, schedule: Schedule, now: datetime) -> bool:
        """Whether there is anything to account for."""
        if not self.is_understood(schedule):
            return schedule.state is not ScheduleState.SUSPENDED
        next_ = self.next(schedule)
        is_over = schedule.state is ScheduleState.PAUSED and schedule.until is not None and schedule.until <= now
        return is_over or MADE <= now < schedule.looked_until or (next_ is not None and next_ <= now)

    def account(self, unit: Unit, schedule_id: str, now: datetime, why: str = DOWN) -> Accounted:
        """Account for all its times up to now, a thousand at most. why: what kept anybody from looking in time.

        Repeating is safe: each time is decided once.
        """
        schedule = unit.schedules.get(schedule_id)
        if schedule.state is ScheduleState.DELETED:
            return Accounted(schedule)
        if not self.is_understood(schedule):
            return Accounted(self._suspended(unit, schedule, now, "this Cloudy does not understand when it is to fire"))
        schedule = self._set_back(unit, schedule, now)
        recurrence = self.firer.recurrence(schedule)
        times = list(islice(recurrence.between(schedule.looked_until, now), MOST + 1))
        if not times:
            return Accounted(_resumed(unit, schedule, now))
        waited = _waited(unit, schedule, times[0])
        page = self._page(unit, schedule, times[:MOST], now, is_whole=len(times) <= MOST)
        unit.fires.add(page.fires)
        kept = _resumed(unit, unit.schedules.put(page.schedule), now)
        self._told(unit, kept, page.fires, firetold.Late(why=why, waited=waited, waiting=page.waiting))
        return Accounted(kept, more=len(times) > MOST and not page.waiting)

    def ask(self, unit: Unit, schedule: Schedule, actor: Actor, now: datetime, since: datetime | None = None) -> Fire:
        """Note that it is to start now, whatever its times; `begin` starts it. Small, however many VMs it means.

        One that has not begun yet is the same one. since: so is one that was asked for after then.
        """
        waiting = unit.fires.asked(schedule.id)
        if before := waiting[0] if waiting else since and unit.fires.by_hand(schedule.id, since):
            return before
        at = now.replace(microsecond=now.microsecond or 1)  # never a time of its own
        while unit.fires.get(schedule.id, at):
            at += timedelta(microseconds=1)
        fire = Fire(schedule=schedule.id, at=at, state=FireState.ASKED, decided_at=now, by=actor.name)
        unit.fires.add([fire])
        return fire

    def begin(self, unit: Unit, fire: Fire, now: datetime) -> Fire:
        """Start what was asked for; once, whoever comes first, and however often. Gives what became of it."""
        known = unit.fires.get(fire.schedule, fire.at)
        if known is None or known.state is not FireState.ASKED:
            return known or fire
        schedule = unit.schedules.get(fire.schedule)
        if schedule.state in (ScheduleState.SUSPENDED, ScheduleState.DELETED):
            why = f"the schedule was {schedule.state} before it began"
            begun = replace(known, state=FireState.BY_HAND, decided_at=now, why=why)
        else:
            outcome = self.firer.fire(unit, schedule, fire.at, now, FireState.BY_HAND)
            begun = replace(outcome.fire, by=known.by)
            if outcome.lost:
                schedule = self._suspended(unit, schedule, now, _lost(schedule, outcome.lost))
        unit.fires.put(begun)
        self._told(unit, schedule, [begun], firetold.Late())
        return begun

    def give_up(self, unit: Unit, schedule: Schedule, now: datetime, why: str) -> Schedule:
        """Tell times that still wait to be caught up with as missed, before what they would start is changed."""
        if not self.is_understood(schedule):
            return schedule
        known = {fire.at for fire in unit.fires.of(schedule.id, after=schedule.looked_until, until=now)}
        times = self.firer.recurrence(schedule).between(schedule.looked_until, now)
        fires = [_fire(schedule, at, now, FireState.MISSED, why) for at in times if at not in known]
        if not fires:
            return schedule
        unit.fires.add(fires)
        kept = unit.schedules.put(replace(schedule, looked_until=now))
        self._told(unit, kept, fires, firetold.Late(why=why, waited=True))
        return kept

    def withdraw(self, unit: Unit, schedule: Schedule, actor: Actor, now: datetime) -> int:
        """Let what it has started, and what still waits for its moment, begin no more; gives how many."""
        until, channel = schedule.until, self.firer.rules.admin_channel
        return withdraw(unit, schedule, now, actor, channel, done=schedule.state.value, until=until)

    def _told(self, unit: Unit, schedule: Schedule, fires: Sequence[Fire], late: firetold.Late) -> None:
        firetold.tell(unit, schedule, fires, self.firer.rules.admin_channel, late)
        _audit(unit, schedule, fires, late.why)

    def _page(
        self, unit: Unit, schedule: Schedule, times: Sequence[datetime], now: datetime, *, is_whole: bool
    ) -> _Page:
        known = {fire.at for fire in unit.fires.of(schedule.id, after=schedule.looked_until, until=times[-1])}
        rules = self._rules(schedule)
        open_ = [at for at in times if at not in known and not _is_held(schedule, at)]
        judged = {each.at: each for each in judge(open_, now, rules, is_whole=is_whole)}
        page = _Page(schedule)
        for number, at in enumerate(times):
            if at not in known and _is_held(page.schedule, at):
                page.fires.append(_fire(schedule, at, now, FireState.SKIPPED, _held_why(page.schedule)))
            elif at not in known and not self._decided(unit, page, judged[at], now, rules):
                page.waiting = len(times) - number
                break
            page.schedule = replace(page.schedule, looked_until=at)
        return page

    def _decided(self, unit: Unit, page: _Page, judged: Judged, now: datetime, rules: Rules) -> bool:
        """False: it waits for what the one before it started."""
        schedule, at = page.schedule, judged.at
        if judged.state is FireState.MISSED:
            page.fires.append(_fire(schedule, at, now, judged.state, judged.why))
            return True
        in_turn = judged.state is FireState.CAUGHT_UP and rules.catch_up is CatchUp.ALL
        if in_turn and self.firer.is_running(unit, schedule):
            return False
        outcome = self.firer.fire(unit, schedule, at, now, judged.state)
        page.fires.append(outcome.fire)
        if outcome.lost:
            page.schedule = self._suspended(unit, schedule, now, _lost(schedule, outcome.lost))
        return True

    def _rules(self, schedule: Schedule) -> Rules:
        asked, house = schedule.asked, self.firer.rules
        return Rules(catch_up=asked.catch_up or house.catch_up, grace=asked.grace or house.grace)

    def _set_back(self, unit: Unit, schedule: Schedule, now: datetime) -> Schedule:
        """A clock that was ahead has been set back: what was missed in a future that has not come is taken back.

        What was started then stays, and no longer waits for its moment.
        """
        if schedule.looked_until <= now or now < MADE:
            return schedule
        taken = unit.fires.take_back(schedule.id, now)
        unit.transactions.hasten(f"{prefix(schedule.id)}{now.astimezone(UTC):%Y%m%dT%H%M%S}", f"{prefix(schedule.id)}~")
        body: Json = {
            "event": "clock set back",
            "schedule": schedule.id,
            "from": schedule.looked_until.isoformat(),
            "to": now.isoformat(),
            "taken_back": {state.value: number for state, number in taken.items()},
        }
        firetold.tell_back(unit, schedule, now, taken.get(FireState.MISSED, 0), self.firer.rules.admin_channel)
        key = f"{prefix(schedule.id)}back:{schedule.looked_until.isoformat()}:{now.isoformat()}"
        unit.audit.append(AuditEvent(key=key, action="schedule", actor=CLOUDY, body=body))
        return unit.schedules.put(replace(schedule, looked_until=now))

    def _suspended(self, unit: Unit, schedule: Schedule, now: datetime, why: str) -> Schedule:
        suspended = replace(schedule, state=ScheduleState.SUSPENDED, since=now, until=None, why=why)
        unit.schedules.put(suspended)
        self.withdraw(unit, suspended, CLOUDY, now)
        firetold.tell_suspended(unit, suspended, self.firer.rules.admin_channel)
        body: Json = {"event": "suspended", "schedule": schedule.id, "why": why}
        key = f"{prefix(schedule.id)}suspended:{now.isoformat()}"
        unit.audit.append(AuditEvent(key=key, action="schedule", actor=CLOUDY, body=body))
        return suspended


def _lost(schedule: Schedule, why: str) -> str:
    return f"{schedule.owner.name} may not have it any more. {why}"


def _waited(unit: Unit, schedule: Schedule, first: datetime) -> bool:
    """Whether that time was past already when the one before it was caught up with, and has been told so."""
    before = unit.fires.last(schedule.id, schedule.looked_until)
    return before is not None and before.state is FireState.CAUGHT_UP and before.decided_at >= first


def _is_held(schedule: Schedule, at: datetime) -> bool:
    if schedule.state is ScheduleState.SUSPENDED:
        return True
    return schedule.state is ScheduleState.PAUSED and (schedule.until is None or at < schedule.until)


def _held_why(schedule: Schedule) -> str:
    return f"{schedule.state}: {schedule.why}" if schedule.why else schedule.state.value


def _resumed(unit: Unit, schedule: Schedule, now: datetime) -> Schedule:
    """A pause that is over ends by itself."""
    if schedule.state is not ScheduleState.PAUSED or schedule.until is None or schedule.until > now:
        return schedule
    body: Json = {"event": "resumed", "schedule": schedule.id, "why": "its pause is over"}
    key = f"{prefix(schedule.id)}resumed:{schedule.until.isoformat()}"
    unit.audit.append(AuditEvent(key=key, action="schedule", actor=CLOUDY, body=body))
    return unit.schedules.put(replace(schedule, state=ScheduleState.ON, since=None, until=None, why=""))


def _fire(schedule: Schedule, at: datetime, now: datetime, state: FireState, why: str) -> Fire:
    return Fire(schedule=schedule.id, at=at, state=state, decided_at=now, why=why)


def _audit(unit: Unit, schedule: Schedule, fires: Sequence[Fire], why: str) -> None:
    """A row for each fire that started something, or could not; one for all that were missed together.

    Why others were skipped has been audited already.
    """
    missed = [fire for fire in fires if fire.state is FireState.MISSED]
    if missed:
        body: Json = {
            "event": "missed",
            "schedule": schedule.id,
            "fires": len(missed),
            "first": missed[0].at.isoformat(),
            "last": missed[-1].at.isoformat(),
            "since": why,
        }
        key = f"{prefix(schedule.id)}missed:{missed[0].at.isoformat()}:{missed[0].decided_at.isoformat()}"
        unit.audit.append(AuditEvent(key=key, action="fire", actor=CLOUDY, body=body))
    for fire in fires:
        if fire.state not in (FireState.MISSED, FireState.SKIPPED):
            unit.audit.append(_row(schedule, fire))


def _row(schedule: Schedule, fire: Fire) -> AuditEvent:
    body: Json = {
        "event": fire.state.value,
        "schedule": schedule.id,
        "fire": fire.at.isoformat(),
        "started": fire.started,
        "why": fire.why,
        "passed": list(fire.passed),
    }
    key = f"{prefix(schedule.id)}fire:{fire.at.isoformat()}"
    return AuditEvent(
        key=key, action="fire", actor=schedule.owner, body={name: each for name, each in body.items() if each}
    )
