"""Schedules, as a person makes and changes them: each method is one local unit of work and asks no other system."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from difflib import get_close_matches

from bot import durations, groups
from bot.accounting import Accounts
from bot.errors import NotFound, RequesterError, UsageError
from bot.ids import short_id
from bot.meant import meant
from bot.model import (
    Actor,
    AuditEvent,
    Fire,
    FireState,
    Json,
    Page,
    Place,
    Schedule,
    ScheduleLine,
    ScheduleRequest,
    ScheduleState,
    SeenVm,
    Transaction,
)
from bot.moments import too_tight
from bot.policy import About, Operation
from bot.ports import Clock
from bot.recorder import Recorder, demand
from bot.recurrence import parse
from bot.rights import Rights
from bot.schedulelines import Lines, facts_of, named, operation_on, words
from bot.startable import fire_key
from bot.store import Database, Unit

COMMAND = "schedule"
_Change = Callable[[Unit, Schedule, datetime], tuple[Schedule, Json]]


class Schedules(Recorder):
    """The part of the service that `/schedule` and `/schedules` are. text: an id, or an unambiguous part of it."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        rights: Rights,
        accounts: Accounts,
        *,
        targets: tuple[str, ...],
        wake: Callable[[], None],
    ) -> None:
        super().__init__(db, clock, rights, wake=wake)
        self.accounts = accounts
        self._lines = Lines(accounts.firer)
        self._targets = targets

    def add(self, request: ScheduleRequest, actor: Actor, *, request_key: str, place: Place | None = None) -> Schedule:
        """Keep a new one, owned by the actor; the same request key again gives the one that it gave before.

        Its first time is the first after now. UsageError: its phrase, or what it is to start, is not understood.
        NotFound: a target, group or VM. NotAllowed: to make schedules, or what it is to start.
        """
        said = f"schedule {request.workflow} {', '.join(request.vms)} {request.recurrence}"
        with self._recording(actor, said, request_key) as (unit, _):
            if before := unit.schedules.asked_by(request_key):
                return before
            channel = place.channel if place else ""
            now = self._clock.now()
            asked = self._checked(unit, request, now)
            self._demand(unit, actor, asked, channel, request_key)
            made = unit.schedules.insert(
                Schedule(
                    id=short_id(secrets.randbits(30)),
                    asked=asked,
                    owner=actor,
                    created_at=now,
                    looked_until=now,
                    request_key=request_key,
                    place=Place(channel=channel),
                )
            )
            self._audit(unit, made, actor, "added", request_key, facts_of(asked))
        self._wake()
        return made

    def list(self) -> tuple[ScheduleLine, ...]:
        """All that are not deleted, oldest first."""
        now = self._clock.now()
        with self._db.read() as unit:
            return tuple(self._lines.line(unit, schedule, now) for schedule in unit.schedules.list())

    def page(self, text: str = "", offset: int = 0, limit: int = 100) -> Page[ScheduleLine]:
        """Those whose id, owner, VMs, targets or words have the text in them, oldest first, Cloudy's own at the end."""
        wanted, now = text.casefold().split(), self._clock.now()
        with self._db.read() as unit:
            found = [each for each in unit.schedules.list() if all(word in words(each) for word in wanted)]
            found.sort(key=lambda each: each.is_own)
            rows = tuple(self._lines.line(unit, each, now) for each in found[offset : offset + limit])
        return Page(rows=rows, total=len(found), offset=offset)

    def changeable(self, schedules: Sequence[Schedule], actor: Actor, *, channel: str = "") -> frozenset[str]:
        """The ids of those that the actor may change."""
        about = About(channel=channel, command=COMMAND)
        with self._db.read() as unit:
            asked = {each.id: operation_on(each, actor) for each in schedules}
            may = {each for each in set(asked.values()) if self._rights.judge(unit, actor, each, about).allowed}
        return frozenset(which for which, operation in asked.items() if operation in may)

    @property
    def zone(self) -> str:
        """The time zone of phrases that name none."""
        return self.accounts.firer.rules.time_zone

    def get(self, text: str) -> ScheduleLine:
        """One of them. NotFound with near ids, AmbiguousName, UsageError."""
        with self._db.read() as unit:
            return self._lines.line(unit, named(unit, text), self._clock.now())

    def fires(self, text: str, limit: int = 20) -> tuple[Fire, ...]:
        """What became of its times, the newest first; those that are to be skipped among them. Errors as of `get`."""
        with self._db.read() as unit:
            return unit.fires.of(named(unit, text).id, limit=limit)

    def covered(self, request: ScheduleRequest) -> tuple[SeenVm, ...]:
        """The VMs that it would start something for now."""
        with self._db.read() as unit:
            return meant(unit, request.vms, self.accounts.firer.rules.groups, self._clock.now()).vms

    def pause(
        self,
        text: str,
        actor: Actor,
        *,
        request_key: str,
        until: datetime | None = None,
        why: str = "",
        channel: str = "",
    ) -> Schedule:
        """Start nothing until then; None: until somebody resumes it. What waits for a moment until then is withdrawn.

        Errors as of `get`; NotAllowed. RequesterError: it is suspended, or then is past.
        """

        def change(unit: Unit, schedule: Schedule, now: datetime) -> tuple[Schedule, Json]:
            if schedule.state is ScheduleState.SUSPENDED:
                raise RequesterError(f"Schedule {schedule.id} is suspended, it starts nothing anyway: {schedule.why}")
            if until is not None and until <= now:
                raise RequesterError(f"{until:%Y-%m-%d %H:%M} UTC is past.")
            by = f"by {actor.name}{f': {why}' if why else ''}"
            paused = replace(schedule, state=ScheduleState.PAUSED, since=now, until=until, why=by)
            number = self.accounts.withdraw(unit, unit.schedules.put(paused), actor, now)
            return paused, {"until": until.isoformat() if until else "", "why": why, "withdrawn": number}

        return self._changed("paused", text, actor, request_key, channel, self._accounted(change))

    def resume(self, text: str, actor: Actor, *, request_key: str, channel: str = "") -> Schedule:
        """Let it start again, from the next time on; one that goes on already is left alone.

        Errors as of `get`; NotAllowed. RequesterError: it is suspended, and its owner still lacks the right.
        """

        def change(unit: Unit, schedule: Schedule, _now: datetime) -> tuple[Schedule, Json]:
            if schedule.state is ScheduleState.SUSPENDED:
                self._demand_of_owner(unit, schedule)
            on = replace(schedule, state=ScheduleState.ON, since=None, until=None, why="")
            return unit.schedules.put(on), {}

        return self._changed("resumed", text, actor, request_key, channel, self._accounted(change))

    def skip_next(
        self, text: str, actor: Actor, *, request_key: str, channel: str = "", at: datetime | None = None
    ) -> Fire:
        """Skip its next time that is not skipped yet; what is given tells which.

        at: this time, which is skipped once however often it is asked for (a button that is clicked twice).
        Errors as of `get`; NotAllowed. RequesterError: no time comes, or sixty are skipped already.
        """
        skipped: list[Fire] = []

        def change(unit: Unit, schedule: Schedule, now: datetime) -> tuple[Schedule, Json]:
            if at is not None and (before := unit.fires.get(schedule.id, at)) and before.by:
                skipped.append(before)
                return schedule, {}
            times = self._lines.coming(unit, schedule, now)
            coming = next((each for each in times if at in (None, each)), None)
            if coming is None:
                what = (
                    f"does not come at {at:%Y-%m-%d %H:%M} UTC" if at else "has no time to come that could be skipped"
                )
                raise RequesterError(f"Schedule {schedule.id} {what}.")
            fire = Fire(
                schedule=schedule.id,
                at=coming,
                state=FireState.SKIPPED,
                decided_at=now,
                why=f"{actor.name} wanted so",
                by=actor.name,
            )
            unit.fires.add([fire])
            skipped.append(fire)
            return schedule, {"fire": coming.isoformat()}

        schedule = self._changed("skips", text, actor, request_key, channel, self._accounted(change))
        return skipped[0] if skipped else self._fire_of(schedule, f"{request_key}:schedule")

    def unskip(self, text: str, actor: Actor, *, request_key: str, channel: str = "") -> Schedule:
        """Skip none of its times to come after all. Errors as of `get`; NotAllowed."""

        def change(unit: Unit, schedule: Schedule, now: datetime) -> tuple[Schedule, Json]:
            return schedule, {"fires": unit.fires.unskip(schedule.id, now)}

        return self._changed("skips nothing", text, actor, request_key, channel, self._accounted(change))

    def run_now(
        self, text: str, actor: Actor, *, request_key: str, channel: str = "", since: datetime | None = None
    ) -> Fire:
        """Note that what it starts is to start at once, as its owner; its times stay. The next look starts it.

        Neither window nor blackout counts; what is still running is passed over. One that was asked for and has not
        begun is the same one; since: so is one that was asked for after then (a button that is clicked twice).
        Errors as of `get`; NotAllowed. RequesterError: it is suspended.
        """
        asked: list[Fire] = []

        def change(unit: Unit, schedule: Schedule, now: datetime) -> tuple[Schedule, Json]:
            if schedule.state is ScheduleState.SUSPENDED:
                raise RequesterError(f"Schedule {schedule.id} is suspended: {schedule.why}")
            asked.append(self.accounts.ask(unit, schedule, actor, now, since))
            return schedule, {"fire": asked[0].at.isoformat()}

        schedule = self._changed("run", text, actor, request_key, channel, change)
        return asked[0] if asked else self._fire_of(schedule, f"{request_key}:schedule")

    def begin(self, fire: Fire) -> Fire:
        """Start what `run_now` noted, for whoever has no acknowledgement to give; what has begun is given as it is."""
        with self._db.unit() as unit:
            begun = self.accounts.begin(unit, fire, self._clock.now())
        self._wake()
        return begun

    def started(self, fire: Fire) -> tuple[Transaction, ...]:
        """The transactions that a fire has started, in their order."""
        with self._db.read() as unit:
            return unit.transactions.asked_under(fire_key(fire.schedule, fire.at))

    def edit(
        self, text: str, request: ScheduleRequest, actor: Actor, *, request_key: str, channel: str = ""
    ) -> Schedule:
        """Change what it starts and when, from its next time on; whoever edits another's becomes its owner.

        Errors as of `add` and `get`.
        """

        def change(unit: Unit, schedule: Schedule, now: datetime) -> tuple[Schedule, Json]:
            asked = self._checked(unit, request, now)
            if not schedule.is_own:
                self._demand(unit, actor, asked, channel, request_key)
            elif asked.workflow != schedule.asked.workflow:
                raise RequesterError(f"Schedule {schedule.id} is Cloudy's own: what it starts stays as it is.")
            schedule = self.accounts.give_up(unit, schedule, now, "it was edited before its turn came")
            if asked.recurrence != schedule.asked.recurrence:
                unit.fires.unskip(schedule.id, now)
            owner = schedule.owner if schedule.is_own else actor
            edited = replace(schedule, asked=asked, owner=owner, looked_until=now)
            if edited.state is ScheduleState.SUSPENDED:
                edited = replace(edited, state=ScheduleState.ON, since=None, why="")
            return unit.schedules.put(edited), facts_of(asked) | {"was": schedule.asked.recurrence}

        return self._changed("edited", text, actor, request_key, channel, self._accounted(change))

    def delete(self, text: str, actor: Actor, *, request_key: str, channel: str = "") -> Schedule:
        """Let it start nothing any more, for good; its past stays, and what has begun goes on.

        Errors as of `get`; NotAllowed. RequesterError: it is one of Cloudy's own.
        """

        def change(unit: Unit, schedule: Schedule, now: datetime) -> tuple[Schedule, Json]:
            if schedule.is_own:
                raise RequesterError(f"Schedule {schedule.id} is Cloudy's own and cannot be deleted; pause it instead.")
            schedule = self.accounts.give_up(unit, schedule, now, "it was deleted before its turn came")
            unit.fires.unskip(schedule.id, now)
            gone = unit.schedules.put(replace(schedule, state=ScheduleState.DELETED, since=now, until=None))
            return gone, {"withdrawn": self.accounts.withdraw(unit, gone, actor, now)}

        return self._changed("deleted", text, actor, request_key, channel, self._accounted(change))

    def withdrawn(self, request_key: str) -> int:
        """How many that had not begun were withdrawn, when that request paused or deleted a schedule."""
        with self._db.read() as unit:
            row = unit.audit.find(f"{request_key}:schedule")
        return int(row.body.get("withdrawn", 0)) if row else 0

    def _changed(
        self,
        event: str,
        text: str,
        actor: Actor,
        request_key: str,
        channel: str,
        change: _Change,
    ) -> Schedule:
        """Change one, once for one request key."""
        with self._recording(actor, f"schedule {event} {text}", request_key) as (unit, _):
            if before := unit.audit.find(f"{request_key}:schedule"):
                return unit.schedules.get(str(before.body["schedule"]))
            schedule, now = named(unit, text), self._clock.now()
            operation = operation_on(schedule, actor)
            about = About(channel=channel, command=COMMAND)
            self._rights.demand(unit, actor, operation, about, key=request_key)
            changed, facts = change(unit, schedule, now)
            self._audit(unit, changed, actor, event, request_key, facts)
        self._wake()
        return changed

    def _accounted(self, change: _Change) -> _Change:
        """The change of one whose times until now are accounted for first, as it stood then."""

        def after(unit: Unit, schedule: Schedule, now: datetime) -> tuple[Schedule, Json]:
            while (done := self.accounts.account(unit, schedule.id, now)).more:
                pass
            return change(unit, done.schedule, now)

        return after

    def _checked(self, unit: Unit, request: ScheduleRequest, now: datetime) -> ScheduleRequest:
        """The request as it is kept."""
        table = self.accounts.firer.table
        if request.workflow not in table:
            near = get_close_matches(request.workflow, table, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise UsageError(
                f"Nothing called “{request.workflow}” can be scheduled.{hint} There are: {', '.join(table)}."
            )
        for name in request.targets:
            demand("target", name, self._targets)
        if request.grace is not None and request.grace <= timedelta():
            raise RequesterError("A grace is longer than nothing.")
        table[request.workflow].check(request)
        self._demand_vms(unit, request, now)
        recurrence = parse(request.recurrence).begun(now)
        if between := too_tight(recurrence, now):
            raise RequesterError(
                f"The start window is longer than the {durations.said(between)} between two of its times: shorten it."
            )
        return replace(request, recurrence=str(recurrence), targets=tuple(dict.fromkeys(request.targets)))

    def _demand_vms(self, unit: Unit, request: ScheduleRequest, now: datetime) -> None:
        """A group must be known, and a whole name must be a VM's; a pattern may fit none yet."""
        known = self.accounts.firer.rules.groups
        for _ in groups.spread(request.vms, known):
            pass
        for word in request.vms:
            if not groups.is_pattern(word) and (absent := meant(unit, [word], known, now).absent):
                near = unit.inventory.near(word.rpartition("/")[2])
                hint = f" Did you mean {near[0]}?" if near else ""
                raise NotFound(f"{absent[0]}.{hint}", near)

    def _demand(self, unit: Unit, actor: Actor, asked: ScheduleRequest, channel: str, key: str) -> None:
        """The right to schedules, and to what this one starts."""
        self._rights.demand(unit, actor, Operation.SCHEDULE, About(channel=channel, command=COMMAND), key=key)
        operation = self.accounts.firer.table[asked.workflow].operation
        for number, vm in enumerate(asked.vms or ("",)):
            about = About(vm="" if groups.is_pattern(vm) else vm, targets=asked.targets)
            self._rights.demand(unit, actor, operation, about, key=f"{key}:{number}")

    def _demand_of_owner(self, unit: Unit, schedule: Schedule) -> None:
        entry = self.accounts.firer.table.get(schedule.asked.workflow)
        if entry is None:
            raise RequesterError(f"This Cloudy starts no “{schedule.asked.workflow}” by schedule.")
        verdict = self._rights.judge(unit, schedule.owner, entry.operation, About(targets=schedule.asked.targets))
        if not verdict.allowed:
            raise RequesterError(f"{schedule.owner.name} still may not have it: {' '.join(verdict.why)}")

    def _fire_of(self, schedule: Schedule, key: str) -> Fire:
        """The fire that an earlier delivery of the same request made."""
        with self._db.read() as unit:
            row = unit.audit.find(key)
            fire = unit.fires.get(schedule.id, datetime.fromisoformat(str(row.body["fire"]))) if row else None
        if fire is None:
            raise RequesterError(f"What schedule {schedule.id} did then has been taken back since.")
        return fire

    def _audit(self, unit: Unit, schedule: Schedule, actor: Actor, event: str, key: str, facts: Json) -> None:
        body: Json = {"event": event, "schedule": schedule.id} | {name: each for name, each in facts.items() if each}
        unit.audit.append(AuditEvent(key=f"{key}:schedule", action="schedule", actor=actor, body=body))
