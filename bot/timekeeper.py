"""In the process that holds the worker lock: looks at the schedules when their times come, and each minute besides."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from bot.accounting import DOWN, Accounts
from bot.alarm import Alarm
from bot.errors import BusyError, DatabaseError
from bot.firetold import tell_stuck
from bot.model import Fire, Schedule
from bot.ownschedules import BuiltIn, ensure
from bot.ports import Clock
from bot.store import Database
from bot.widefires import follow

log = logging.getLogger(__name__)

LOOK_S = 60.0  # between two looks, when nothing rings: a clock that is set rings late
AFTER_FAULT_S = 5.0
KEPT = timedelta(days=400)  # rows of fires
FORGET_EVERY_S = 86_400.0
_LOCKED = "its database could not be used"
_JUMPED = "the clock was set forward"
_LATE = "Cloudy could not look in time"
_LONGEST_S = 2 * LOOK_S


class Timekeeper:
    """A look is a plain function of database and clock; this decides when to look."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        accounts: Accounts,
        *,
        own: Sequence[BuiltIn] = (),
        wake_dispatcher: Callable[[], None] = lambda: None,
    ) -> None:
        """own: Cloudy's own schedules, made at the first look where they are not there yet."""
        self._db = db
        self._clock = clock
        self._accounts = accounts
        self._own = own
        self._wake_dispatcher = wake_dispatcher
        self._looked: tuple[datetime, float] | None = None  # the last look that went well, by both clocks
        self._failed = False  # the last one did not go well
        self._forgets_at = 0.0  # by the clock that nobody sets
        self.wake = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Look when a time has come, when woken, and each minute, until told to stop."""
        alarm = Alarm(self.wake.set)
        alarm.start()
        try:
            while not stop.is_set():
                self.wake.clear()
                is_well = self._tried(alarm)
                if not stop.is_set():
                    self.wake.wait(LOOK_S if is_well else AFTER_FAULT_S)
        finally:
            alarm.close()

    def look(self) -> tuple[Schedule, ...]:
        """Account for every time that has come, and begin what was asked for; gives the schedules as they stand then.

        BusyError, DatabaseError: what was not accounted for is at the next look.
        """
        now, why = self._clock.now(), self._why()
        with self._db.read() as unit:
            schedules, asked = unit.schedules.list(), unit.fires.asked()
        if self._own:
            with self._db.unit() as unit:
                ensure(unit, self._own, self._accounts.firer.table, now)
                schedules = unit.schedules.list()
            self._own = ()
        looked = tuple(self._looked_at(schedule, now, why) for schedule in schedules)
        for fire in asked:
            self._begin(fire, now)
        follow(self._db, now, self._accounts.firer.rules.admin_channel)
        if why == _LATE:
            self._forget(now)
        self._looked = (now, time.monotonic())
        return looked

    def _looked_at(self, schedule: Schedule, now: datetime, why: str) -> Schedule:
        if not self._accounts.is_due(schedule, now):
            return schedule
        with self._alone(schedule.id):
            self._accounts.firer.prepare(schedule, now)
            more = True
            while more:  # a thousand times in one unit, so that others may write in between
                with self._db.unit() as unit:
                    done = self._accounts.account(unit, schedule.id, now, why)
                schedule, more = done.schedule, done.more
        return schedule

    def _begin(self, fire: Fire, now: datetime) -> None:
        with self._alone(fire.schedule):
            with self._db.read() as unit:
                schedule = unit.schedules.get(fire.schedule)
            self._accounts.firer.prepare(schedule, now)
            with self._db.unit() as unit:
                self._accounts.begin(unit, fire, now)

    @contextmanager
    def _alone(self, schedule_id: str) -> Iterator[None]:
        """One that cannot be accounted for, or begun, must not keep the others from it."""
        try:
            yield
        except (BusyError, DatabaseError):
            raise
        except Exception:  # a mistake of ours; the next look tries again
            log.exception("not accounted for", extra={"action": "timekeeper", "schedule": schedule_id})
            with self._db.unit() as unit:
                tell_stuck(unit, unit.schedules.get(schedule_id), self._accounts.firer.rules.admin_channel)
        self._wake_dispatcher()

    def _forget(self, now: datetime) -> None:
        """Once a day, but for a first look and one after a jump: a clock that is ahead would forget what is to come."""
        if time.monotonic() < self._forgets_at:
            return
        with self._db.unit() as unit:
            unit.fires.forget(now - KEPT)
        self._forgets_at = time.monotonic() + FORGET_EVERY_S

    def _tried(self, alarm: Alarm) -> bool:
        try:
            now = self._clock.now()
            coming = ((schedule.id, self._accounts.next(schedule)) for schedule in self.look())
            # What has come while it looked rings at once; what that look could not account for waits for the next one.
            alarm.set({name: at for name, at in coming if at is not None and at > now})
        except (BusyError, DatabaseError) as error:
            log.warning("no look at the schedules", extra={"action": "database", "error": error.message})
            self._failed = True
            return False
        except Exception:  # without this thread nothing would start by itself any more, and nobody would know
            log.exception("the look at the schedules failed", extra={"action": "timekeeper"})
            self._failed = True
            return False
        self._failed = False
        return True

    def _why(self) -> str:
        """What kept it from looking since the last time, if anything did."""
        if self._failed:
            return _LOCKED
        if self._looked is None:
            return DOWN
        gone_s = time.monotonic() - self._looked[1]
        jumped = self._clock.now() - self._looked[0] - timedelta(seconds=gone_s)
        return _JUMPED if jumped > timedelta(seconds=_LONGEST_S) else _LATE
