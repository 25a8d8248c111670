"""What comes again: times of some days, or a time that goes by from a beginning on. Pure."""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from bot.recurrence.cron import CronDays
from bot.recurrence.days import Days, EachDay, WeekDays, together
from bot.recurrence.local import moment, moments, naive

HOUR = 60
DAY = 24 * HOUR
_TWICE = timedelta(hours=3)  # no clock has been set back further since 1970, and none is known to be
_AHEAD = 48 * 366  # days: whatever comes at all comes within them, 29 February on a Friday across 2100 too


class Rule(Protocol):
    """Moments without an end."""

    @property
    def steps(self) -> bool:
        """Whether it counts from some day on, so that it matters which."""

    def after(self, at: datetime, zone: ZoneInfo, counted_from: date) -> Iterator[datetime]:
        """Those after that moment, in UTC, in order, each once."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """Times of some days, by the clock on the wall."""

    days: Days
    minutes: tuple[int, ...]  # of the day, in order
    every: int = 0  # minutes, where they were asked for so and divide the day

    @property
    def steps(self) -> bool:
        """Whether it counts from some day on."""
        return self.days.steps

    def after(self, at: datetime, zone: ZoneInfo, counted_from: date) -> Iterator[datetime]:
        """Those after that moment; what comes in each hour of the day goes on while the clocks show one twice."""
        when = moments if self._is_hourly else lambda local, zone: (moment(local, zone),)
        held: list[datetime] = []
        last = at
        for local in self._shown(naive(at, zone) - _TWICE, counted_from):
            come = when(local, zone)
            # a second showing waits until the first ones that come before it are told
            ready = sorted(each for each in held if each < come[0])
            held = [each for each in held if each >= come[0]] + list(come[1:])
            for each in (*ready, come[0]):
                if each > last:
                    last = each
                    yield each
        yield from sorted(each for each in held if each > last)

    @property
    def _is_hourly(self) -> bool:
        return len({minute // HOUR for minute in self.minutes}) == DAY // HOUR

    def _shown(self, since: datetime, counted_from: date) -> Iterator[datetime]:
        first = since.date()
        for ahead in range(min(_AHEAD, (date.max - first).days)):
            day = first + timedelta(days=ahead)
            if not self.days.has(day, counted_from):
                continue
            begin = since.hour * HOUR + since.minute if not ahead else 0
            for minute in self.minutes[bisect_left(self.minutes, begin) :]:
                yield datetime.combine(day, time(*divmod(minute, HOUR)))

    def __str__(self) -> str:
        """As it is read."""
        if isinstance(self.days, CronDays):
            return str(self.days)
        if not self.every:
            return f"{self.days} at {together([clock(minute) for minute in self.minutes])}"
        if self.days == EachDay():
            return spoken(self.every)
        on = str(self.days).removeprefix("every ") if isinstance(self.days, WeekDays) else str(self.days)
        return f"{spoken(self.every)} on {on.removeprefix('on ')}"


@dataclass(frozen=True, slots=True)
class Elapsed:
    """Each time that so many minutes went by, whatever the clocks show."""

    minutes: int

    @property
    def steps(self) -> bool:
        """It counts from the beginning of a day."""
        return True

    def after(self, at: datetime, zone: ZoneInfo, counted_from: date) -> Iterator[datetime]:
        """Those after that moment."""
        begun, step = moment(datetime.combine(counted_from, time()), zone), timedelta(minutes=self.minutes)
        come = begun + ((at - begun) // step + 1) * step
        while come < datetime.max.replace(tzinfo=UTC) - step:
            yield come
            come += step

    def __str__(self) -> str:
        """As it is read."""
        return spoken(self.minutes)


def clock(minute: int) -> str:
    """02:00; the day's end is 24:00."""
    return f"{minute // HOUR:02}:{minute % HOUR:02}"


def spoken(minutes: int) -> str:
    """Every hour, every 4 hours, every 15 minutes."""
    if minutes % HOUR:
        return "every minute" if minutes == 1 else f"every {minutes} minutes"
    return "every hour" if minutes == HOUR else f"every {minutes // HOUR} hours"
