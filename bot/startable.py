"""What a schedule can start: an open table. Each entry makes its transactions inside the unit of the fire."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from bot import asking, keeping
from bot.drills import Drills
from bot.errors import RequesterError, UsageError
from bot.ids import transaction_id
from bot.model import (
    MOST_THREADS,
    Actor,
    AuditEvent,
    DrillRequest,
    Json,
    Place,
    Schedule,
    ScheduleRequest,
    SeenVm,
    State,
    Transaction,
)
from bot.policy import Operation
from bot.recorder import command
from bot.retaining import Retaining
from bot.store import Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """One VM that a fire is to start something for."""

    vm: SeenVm
    typed: str  # what one would type to mean this VM and no other
    not_before: datetime | None = None  # its moment; None: at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """One fire, as an entry of the table sees it."""

    schedule: Schedule
    at: datetime
    now: datetime
    due: tuple[Due, ...] = ()  # of a schedule that names VMs: those that may start now
    not_before: datetime | None = None  # of one that names none: its moment

    @property
    def owner(self) -> Actor:
        """Whom it acts as."""
        return self.schedule.owner

    @property
    def place(self) -> Place:
        """Where each of what it starts is told: nowhere, if they are many (bot/widefires.py)."""
        return self.schedule.place if len(self.due) <= MOST_THREADS else Place()

    def key(self, what: str) -> str:
        """The request key of what this fire starts for a VM (its uuid) or target: twice the same is one transaction."""
        return f"{fire_key(self.schedule.id, self.at)}{what}"


@dataclass(frozen=True, slots=True)
class Started:
    """What came of it."""

    transactions: tuple[str, ...] = ()  # ids
    passed: tuple[str, ...] = ()  # sentences: what was passed over, and why
    is_done: bool = False  # it needed no transaction


def _any(request: ScheduleRequest) -> None:
    """Everything is well."""


def _none(schedule: Schedule, now: datetime) -> None:
    """There is nothing to prepare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Startable:
    """One word that a schedule can have."""

    operation: Operation  # which its owner must have the right to at each fire
    start: Callable[[Unit, Firing], Started]
    check: Callable[[ScheduleRequest], None] = _any  # RequesterError: its request cannot be carried out
    works: bool = True  # False: it only tells something, which no blackout holds up
    prepare: Callable[[Schedule, datetime], None] = _none  # what takes long and only reads, before the unit of a fire


Startables = Mapping[str, Startable]


def prefix(schedule_id: str) -> str:
    """How the request keys of all that a schedule starts begin."""
    return f"schedule:{schedule_id}:"


def fire_key(schedule_id: str, at: datetime) -> str:
    """How those of one fire begin."""
    utc = at.astimezone(UTC)
    return f"{prefix(schedule_id)}{utc:{'%Y%m%dT%H%M%S.%fZ' if utc.microsecond else '%Y%m%dT%H%M%SZ'}}:"


@dataclass(frozen=True, slots=True)
class Stands:
    """How the transactions of one fire stand."""

    states: Mapping[State, int]  # but for those that wait
    waiting: int = 0  # for their moments


def how_they_stand(unit: Unit, key: str, now: datetime) -> Stands:
    """Count those whose request keys begin so."""
    states, waiting = unit.transactions.states_under(key), unit.transactions.count_waiting_under(key, now)
    planning = states.get(State.PLANNING, 0) - waiting
    others = {state: number for state, number in states.items() if state is not State.PLANNING}
    return Stands(others | ({State.PLANNING: planning} if planning else {}), waiting)


def startables(drills: Drills) -> dict[str, Startable]:
    """Those that protect and prove; others are added where they are composed."""

    def drill(unit: Unit, firing: Firing) -> Started:
        return _drilled(unit, firing, drills)

    return {
        "protect": Startable(operation=Operation.PROTECT, start=_protected, check=_is_protect),
        "verify": Startable(operation=Operation.PROTECT, start=_verified, check=_is_verify),
        "drill": Startable(operation=Operation.DRILL, start=drill, check=_is_drill),
    }


def expiring(retaining: Retaining) -> Startable:
    """A round of expire in each target, then one of tier; while nothing is to go or to move there is none to start."""

    def start(unit: Unit, firing: Firing) -> Started:
        begun = retaining.begin_rounds(unit, firing.now, key=firing.key)
        return Started(tuple(each.id for each in begun), is_done=not begun)

    return Startable(operation=Operation.EXPIRE, start=start)


def _is_protect(request: ScheduleRequest) -> None:
    options = request.options
    if not request.vms or not request.targets:
        raise UsageError("A protection by schedule needs VMs and targets.")
    wishes = {"consistency": "crash", "keep_for": "", "note": ""}
    keeping.check(**{name: str(options.get(name, usual)) for name, usual in wishes.items()})


def _is_verify(request: ScheduleRequest) -> None:
    if not request.vms:
        raise UsageError("A verification by schedule needs VMs: the newest recovery point of each is verified.")


def _is_drill(request: ScheduleRequest) -> None:
    if len(request.targets) > 1:
        raise UsageError("A drill is made from one target.")


def _protected(unit: Unit, firing: Firing) -> Started:
    options = firing.schedule.asked.options
    made = [
        Transaction(
            id=transaction_id(firing.now, secrets.randbits(30)),
            workflow="protect",
            vm=due.typed,
            targets=firing.schedule.asked.targets,
            actor=firing.owner,
            state=State.PLANNING,
            created_at=firing.now,
            request_key=firing.key(due.vm.uuid),
            consistency=str(options.get("consistency", "crash")),
            note=str(options.get("note", "")),
            keep_for=str(options.get("keep_for", "")),
            place=firing.place,
            not_before=due.not_before,
        )
        for due in firing.due
    ]
    unit.transactions.insert_new(made)
    unit.audit.append_new([_asked(firing, each) for each in made])
    return Started(tuple(each.id for each in made))


def _verified(unit: Unit, firing: Firing) -> Started:
    """The newest recovery point of each VM; in one of the named targets, where some are named."""
    wanted, is_deep = firing.schedule.asked.targets, bool(firing.schedule.asked.options.get("deep"))
    made, passed = [], []
    for due in firing.due:
        points = (each for each in unit.points.of_vm(due.vm.uuid) if not wanted or each.target in wanted)
        newest = next(points, None)
        if newest is None:
            passed.append(f"{due.vm.name}: it has no recovery point{' in ' if wanted else ''}{', '.join(wanted)}")
            continue
        _, point = asking.point_meant(unit, newest.transaction_id)
        key = firing.key(due.vm.uuid)
        kept = asking.record(unit, "verify", point, firing.owner, now=firing.now, request_key=key, place=firing.place)
        asked = kept.request | ({"is_deep": True} if is_deep else {})
        plan = kept.plan | {"request": asked}
        made.append(unit.transactions.update(kept.id, plan=plan, not_before=due.not_before).id)
    return Started(tuple(made), tuple(passed))


def _drilled(unit: Unit, firing: Firing, drills: Drills) -> Started:
    """Each VM that is named, or whose turn it is, where none is."""
    made, passed = [], []
    asked = firing.schedule.asked
    turns = [(due.vm.uuid, due.vm.name, due.not_before) for due in firing.due]
    for what, name, moment in turns if asked.vms else [("", "", firing.not_before)]:
        request = DrillRequest(
            what=what, vmstore=str(asked.options.get("vmstore", "")), target=asked.targets[0] if asked.targets else ""
        )
        try:
            key = firing.key(what or "next")
            kept = drills.record(unit, request, firing.owner, request_key=key, place=firing.place)
            made.append(unit.transactions.update(kept.id, not_before=moment).id)
        except RequesterError as error:
            passed.append(f"{name}: {error.message}" if name else error.message)
    return Started(tuple(made), tuple(passed))


def _asked(firing: Firing, transaction: Transaction) -> AuditEvent:
    told: Json = {"vm": transaction.vm, "targets": list(transaction.targets)}
    return command(transaction, told | {"schedule": firing.schedule.id, "fire": firing.at.isoformat()})
