"""Days of a whole house in seconds: schedules by the real timekeeper, runs that take their time, and what goes wrong.

What runs is not the engine: a run takes the minutes that chance gives it, ends well or not, and leaves its recovery
point. Whoever wants to look at each day (retention, digests) is called at its end.
"""

import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from bot import crossings
from bot.model import CatchUp, Failure, Fire, FireState, RecoveryPoint, Schedule, State, Transaction
from bot.moments import ScheduleRules
from bot.store import Unit
from tests.memory import Crash
from tests.workflow.schedule_world import DAY, HOUR, ScheduleWorld

TICK = timedelta(minutes=15)
MINUTE = timedelta(minutes=1)
# Within a week of each other Berlin sets its clocks forward (28 March) and Sydney sets them back (4 April).
CHANGES = datetime(2027, 3, 26, 6, tzinfo=UTC)
FAILURE = Failure(what="The VMstore has answered 503.", step="Clone", kind="TransientError")
BERLIN, SYDNEY, NEW_YORK = "Europe/Berlin", "Australia/Sydney", "America/New_York"

OnDay = Callable[["Days", datetime], None]


@dataclass(frozen=True, slots=True)
class Daily:
    """What the oracle knows of a schedule: at which times of the day, by whose clocks."""

    schedule: Schedule
    zone: str
    times: tuple[time, ...]

    def fires(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """By the minute: the first one at which the clocks show that time of that day, or have left it out."""
        zone, seen = ZoneInfo(self.zone), set()
        at = after - 2 * DAY
        while at <= until:
            local = at.astimezone(zone)
            for each in self.times:
                if local.time() >= each and (local.date(), each) not in seen:
                    seen.add((local.date(), each))
                    if at > after:
                        yield at
            at += MINUTE


@dataclass(slots=True)
class Run:
    """One transaction under way."""

    transaction: Transaction
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
        self.world = ScheduleWorld(folder, at=begins)
        self.chance = random.Random(seed)  # of troubles alone: they are the same each time
        self._fate = random.Random(seed)  # of runs
        self.begins, self.ends = begins, begins + days * DAY
        self.vms = [
            f"{'ber' if number % 3 == 0 else 'syd' if number % 3 == 1 else 'nyc'}{number:03}" for number in range(vms)
        ]
        self.gone: set[str] = set()
        self.troubles = Troubles()
        self.on_day: list[OnDay] = []
        self._runs: dict[str, Run] = {}
        self._down_until = begins
        self.world.rule(ScheduleRules(groups={"berlin": ("ber*",)}))
        self.world.see(*self.vms)
        self.schedules = self._schedules()

    def _schedules(self) -> tuple[Daily, ...]:
        add = self.world.add
        every_four = tuple(time(hour) for hour in range(0, 24, 4))
        night, first = time(2, 30), self.vms[0]
        return (
            Daily(add(f"every day at 02:30 {BERLIN} within 2h", "@berlin"), BERLIN, (night,)),
            Daily(add(f"every day at 02:30 {SYDNEY}", "syd*"), SYDNEY, (night,)),
            Daily(add(f"every 4 hours {NEW_YORK} within 30m", "nyc*"), NEW_YORK, every_four),
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
        self.world.under(None)
        while self._runs or self._behind():
            self._run()
            self.world.look(TICK)

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
        self.world.keeper.look()

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
        self.world.under(None)

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
        self.world.under(None)

    def _jumps(self) -> None:
        """The clock is some hours ahead for one look, and is set right again."""
        self.troubles.jumps += 1
        ahead = self.chance.choice((1, 5, 26)) * HOUR
        self.world.look(ahead)
        self.world.clock.at -= ahead
        self.world.keeper.look()

    def _run(self) -> None:
        """What is due begins, what has had its time ends."""
        now = self.world.clock.at
        with self.world.db.unit() as unit:
            for transaction in unit.transactions.active(at=now):
                if transaction.id not in self._runs:
                    self._runs[transaction.id] = self._begun(transaction, now)
            over = [run for run in self._runs.values() if run.ends_at <= now]
            for run in over:
                del self._runs[run.transaction.id]
                self._end(unit, run)

    def _begun(self, transaction: Transaction, now: datetime) -> Run:
        minutes = self._fate.choice((5, 10, 20, 40, 40, 90, 420))
        is_good = self._fate.random() > 0.05
        self.troubles.failures += not is_good
        return Run(transaction, now + minutes * MINUTE, is_good)

    def _end(self, unit: Unit, run: Run) -> None:
        made, uuid = run.transaction, f"vmstore-{run.transaction.vm}"
        state = State.SUCCEEDED if run.is_good else State.FAILED
        failure = (
            None if run.is_good else Failure(what="The VMstore has answered 503.", step="Clone", kind="TransientError")
        )
        unit.transactions.update(
            made.id,
            state=state,
            failure=failure,
            vm_uuid=uuid,
            vmstore="vmstore",
            started_at=made.not_before or made.created_at,
            ended_at=run.ends_at,
        )
        for target in made.targets if run.is_good else ():
            unit.points.put(
                RecoveryPoint(
                    transaction_id=made.id,
                    target=target,
                    vm_uuid=uuid,
                    vm_name=made.vm,
                    manifest_key=f"{made.id}/manifest.json",
                    taken_at=run.ends_at,
                    consistency="crash",
                    size=1 << 30,
                    vmstore="vmstore",
                )
            )

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
        assert all(fire.started for at, fire in fires.items() if at > schedule.looked_until)
        return past

    def runs_by_fire(self, schedule: Schedule) -> dict[str, list[Transaction]]:
        """What was started, by the time in the request keys."""
        found: dict[str, list[Transaction]] = defaultdict(list)
        for each in self.world.started(schedule):
            found[each.request_key.split(":")[2]].append(each)
        return found


def missed(days: Days) -> int:
    """How many were missed, by the rows."""
    fires = (fire for daily in days.schedules for fire in days.world.fires(daily.schedule).values())
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
