"""Days of a whole house in seconds: schedules by the real timekeeper, runs that take their time, and what goes wrong.

What runs is not the engine: a run takes the minutes that chance gives it, ends well or not, and leaves its recovery
point. Whoever wants to look at each day (retention, digests) is called at its end.
"""

import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from bot import crossings
from bot.model import CatchUp, Failure, Fire, FireState, RecoveryPoint, Schedule, State, Transaction
from bot.moments import ScheduleRules
from bot.policy import Policy, Role
from bot.store import Database, Unit
from tests.memory import Crash
from tests.workflow.schedule_world import ALICE, BOB, DAY, HOUR, OPS, ScheduleWorld

TICK = timedelta(minutes=15)
MINUTE = timedelta(minutes=1)
# Within a week of each other Berlin sets its clocks forward (28 March) and Sydney sets them back (4 April).
CHANGES = datetime(2027, 3, 26, 6, tzinfo=UTC)
FAILURE = Failure(what="The VMstore has answered 503.", step="Clone", kind="TransientError")
POLICY = Policy(grants={ALICE.id: Role.OPERATOR, BOB.id: Role.APPROVER})
BERLIN, SYDNEY, NEW_YORK = "Europe/Berlin", "Australia/Sydney", "America/New_York"

OnDay = Callable[["Days", datetime], None]


@dataclass(frozen=True, slots=True)
class Daily:
    """What the oracle knows of a schedule: at which times of the day, by whose clocks, on which day of the week."""

    schedule: Schedule
    zone: str
    times: tuple[time, ...]
    weekday: int | None = None  # from 0, Monday; None: each day

    def fires(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """By the minute: the first one at which the clocks show that time of that day, or have left it out."""
        zone, seen = ZoneInfo(self.zone), set()
        at = after - 2 * DAY
        while at <= until:
            local = at.astimezone(zone)
            for each in self.times:
                if local.time() >= each and (local.date(), each) not in seen:
                    seen.add((local.date(), each))
                    if at > after and self.weekday in (None, local.weekday()):
                        yield at
            at += MINUTE


@dataclass(slots=True)
class Run:
    """One transaction under way."""

    transaction: Transaction
    begun_at: datetime
    ends_at: datetime
    is_good: bool


@dataclass(slots=True)
class Troubles:
    """What went wrong, so that a test can tell that it did."""

    downtimes: int = 0
    deaths: int = 0
    jumps: int = 0
    failures: int = 0
    vanished: int = 0


class Days:
    """A house over some days."""

    def __init__(self, folder: Path, *, days: int, vms: int, begins: datetime = CHANGES, seed: int = 7) -> None:
        self.world = ScheduleWorld(folder, policy=POLICY, at=begins)
        _unsafe(self.world.db)
        self.chance = random.Random(seed)  # of troubles alone: they are the same each time
        self.fate = random.Random(seed)  # of runs
        self.begins, self.ends = begins, begins + days * DAY
        self.vms = [
            f"{'ber' if number % 3 == 0 else 'syd' if number % 3 == 1 else 'nyc'}{number:03}" for number in range(vms)
        ]
        self.gone: set[str] = set()
        self.troubles = Troubles()
        self.on_day: list[OnDay] = []
        self.under_way: dict[str, Run] = {}
        self._down_until = begins
        self.world.rule(ScheduleRules(groups={"berlin": ("ber*",)}, admin_channel=OPS.channel))
        self.world.see(*self.vms)
        self.schedules = self._schedules()

    def restart(self) -> None:
        """A new process."""
        self.world.under(POLICY)

    def look(self) -> tuple[Schedule, ...]:
        """The timekeeper's; gives how the schedules stand then."""
        return self.world.keeper.look()

    def _schedules(self) -> tuple[Daily, ...]:
        add = self.world.add
        every_four = tuple(time(hour) for hour in range(0, 24, 4))
        night, first = time(2, 30), self.vms[0]
        return (
            Daily(add(f"every day at 02:30 {BERLIN} within 2h", "@berlin"), BERLIN, (night,)),
            Daily(add(f"every day at 02:30 {SYDNEY}", "syd*"), SYDNEY, (night,)),
            Daily(add(f"every day at 02:30 {NEW_YORK} within 30m", "nyc*"), NEW_YORK, (night,)),
            Daily(add(f"every 4 hours {NEW_YORK} within 30m", self.vms[2]), NEW_YORK, every_four),
            Daily(add(f"every 4 hours {BERLIN}", first, catch_up=CatchUp.ALL), BERLIN, every_four),
            Daily(add(f"every day at 03:00 {SYDNEY}", first, catch_up=CatchUp.NONE), SYDNEY, (time(3),)),
        )

    def live(self) -> None:
        """From the first day to the last, and then until nothing runs any more."""
        clock, day = self.world.clock, self.begins.date()
        while clock.at < self.ends:
            self._tick()
            if clock.at.date() > day:
                day = clock.at.date()
                self._new_day()
        self._down_until = clock.at
        self.restart()
        while self.under_way or self._behind():
            self._run()
            self.world.clock.at += TICK
            self.look()

    def _tick(self) -> None:
        self.world.clock.at += TICK
        if self.world.clock.at < self._down_until:
            return
        if self.chance.random() < 0.004:
            self._goes_down()
            return
        if self.chance.random() < 0.01:
            self._dies()
        self._run()
        self.look()

    def _new_day(self) -> None:
        for each in self.on_day:
            each(self, self.world.clock.at)
        if self.chance.random() < 0.2:
            self.troubles.vanished += 1
            self.gone = {self.chance.choice(self.vms)}
        elif self.gone:
            self.gone = set()
        self.world.see(*(vm for vm in self.vms if vm not in self.gone))
        if self.chance.random() < 0.15:
            self._jumps()

    def _goes_down(self) -> None:
        self.troubles.downtimes += 1
        hours = self.chance.choice((1, 1, 3, 9, 30))
        self._down_until = self.world.clock.at + hours * HOUR
        self.restart()

    def _dies(self) -> None:
        """In the middle of a look that has something to do, before or after it is kept."""
        self.troubles.deaths += 1
        deadly = self.chance.choice(("database.commit:before", "database.commit:after"))
        real = crossings.cross

        def cross(point: str) -> None:
            if point == deadly:
                raise Crash

        crossings.cross = cross
        try:
            with suppress(Crash):
                self.world.keeper.look()
        finally:
            crossings.cross = real
        self.restart()

    def _jumps(self) -> None:
        """The clock is some hours ahead for one look, and is set right again."""
        self.troubles.jumps += 1
        ahead = self.chance.choice((1, 5, 26)) * HOUR
        self.world.clock.at += ahead
        self.look()
        self.world.clock.at -= ahead
        self.look()

    def _run(self) -> None:
        """What is due begins, what has had its time ends; what is no protection is somebody else's."""
        now = self.world.clock.at
        others = False
        with self.world.db.unit() as unit:
            for transaction in unit.transactions.active(at=now):
                if transaction.workflow != "protect":
                    others = True
                elif transaction.id not in self.under_way:
                    self.under_way[transaction.id] = self._begun(unit, transaction)
            over = [run for run in self.under_way.values() if run.ends_at <= now]
            for run in over:
                del self.under_way[run.transaction.id]
                self._end(unit, run)
        if others:
            self._run_others()

    def _run_others(self) -> None:
        """There are none here."""

    def _begun(self, _unit: Unit, transaction: Transaction) -> Run:
        minutes = self.fate.choice((5, 10, 20, 40, 40, 90, 420))
        is_good = self.fate.random() > 0.05
        self.troubles.failures += not is_good
        begun_at = transaction.not_before or transaction.created_at
        return Run(transaction, begun_at, self.world.clock.at + minutes * MINUTE, is_good)

    def _end(self, unit: Unit, run: Run) -> None:
        made = run.transaction
        unit.transactions.update(
            made.id,
            state=State.SUCCEEDED if run.is_good else State.FAILED,
            failure=None if run.is_good else FAILURE,
            vm_uuid=f"vmstore-{made.vm}",
            vmstore="vmstore",
            started_at=run.begun_at,
            ended_at=run.ends_at,
        )
        for target in made.targets if run.is_good else ():
            self._keep(unit, _point(run, target))

    def _keep(self, unit: Unit, point: RecoveryPoint) -> None:
        unit.points.put(point)

    def _behind(self) -> bool:
        now = self.world.clock.at
        with self.world.db.read() as unit:
            waits = bool(unit.transactions.active())
            cursors = {schedule.id: schedule for schedule in unit.schedules.list()}
        accounts = self.world.service.schedules.accounts
        return waits or any(accounts.is_due(schedule, now) for schedule in cursors.values())

    def account(self, daily: Daily) -> dict[datetime, Fire]:
        """Every time of the oracle's has exactly one fire, and no fire is of any other; gives them."""
        schedule = self.world.now(daily.schedule)
        fires = self.world.fires(schedule)
        past = {at: fire for at, fire in fires.items() if at <= schedule.looked_until}
        assert list(past) == list(daily.fires(schedule.created_at, schedule.looked_until))
        begun = (FireState.STARTED, FireState.CAUGHT_UP)
        assert all(fire.state in begun for at, fire in fires.items() if at > schedule.looked_until)
        return past

    def runs_by_fire(self, schedule: Schedule) -> dict[str, list[Transaction]]:
        """What was started, by the time in the request keys."""
        found: dict[str, list[Transaction]] = defaultdict(list)
        for each in self.world.started(schedule):
            found[each.request_key.split(":")[2]].append(each)
        return found


def _point(run: Run, target: str) -> RecoveryPoint:
    made = run.transaction
    return RecoveryPoint(
        transaction_id=made.id,
        target=target,
        vm_uuid=f"vmstore-{made.vm}",
        vm_name=made.vm,
        manifest_key=f"{made.id}/manifest.json",
        taken_at=run.ends_at,
        consistency="crash",
        size=1 << 30,
        vmstore="vmstore",
    )


def _unsafe(db: Database) -> None:
    """Nothing here outlives a power cut, so nothing waits for a disk."""
    with closing(db._writer.raw_connection()) as pooled:  # the one that is kept
        pooled.cursor().execute("PRAGMA synchronous=OFF")


def missed(days: Days) -> int:
    """How many were missed, by the rows, of whatever schedule."""
    with days.world.db.read() as unit:
        schedules = unit.schedules.list()
    fires = (fire for schedule in schedules for fire in days.world.fires(schedule).values())
    return sum(fire.state is FireState.MISSED for fire in fires)


def missed_as_audited(days: Days) -> int:
    """By the audit: those that were missed in a future that did not come were taken back."""
    rows = list(days.world.audited())
    back = [body["taken_back"] for body in days.world.audited("schedule") if body["event"] == "clock set back"]
    taken = sum(int(each.get(FireState.MISSED.value, 0)) for each in back if isinstance(each, dict))
    return sum(int(str(body["fires"])) for body in rows if body["event"] == "missed") - taken


def missed_as_told(days: Days) -> int:
    """By what was said in the channel, in words; what was caught up with is among it."""
    said = (re.search(r"(\d+) fires? (?:was|were) missed while", text) for text in days.world.told())
    taken = (re.search(r"(\d+) fires? that (?:was|were) told as missed", text) for text in days.world.told())
    return sum(int(each[1]) for each in said if each) - sum(int(each[1]) for each in taken if each)
