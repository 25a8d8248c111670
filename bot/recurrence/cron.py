"""The five fields of cron, read by croniter; when they come we find ourselves.

Its own walk (and APScheduler's, which besides counts days of the week from Monday) fires 02:30 twice in the night in
which the clocks are set back.
"""

import re
from dataclasses import dataclass
from datetime import date

from croniter import CroniterError, croniter

from bot.recurrence.days import EVERY_DAY, EVERY_MONTH

_NAMES = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun"
FIELD = re.compile(rf"(?:[0-9*,/-]|{_NAMES})+")
_ALL = (frozenset(range(60)), frozenset(range(24)), frozenset(range(1, 32)), EVERY_MONTH, EVERY_DAY)


@dataclass(frozen=True, slots=True)
class CronDays:
    """Days of the month and of the week as cron has them: if both are said, either will do (crontab(5))."""

    text: str  # the whole line
    numbers: frozenset[int]  # of days of the month
    months: frozenset[int]
    days: frozenset[int]  # of the week, 0 is Monday
    either: bool

    @property
    def steps(self) -> bool:
        """It counts from no day."""
        return False

    def has(self, day: date, counted_from: date) -> bool:  # noqa: ARG002 - as all days
        """Whether that day belongs to them."""
        if day.month not in self.months:
            return False
        by_number, by_name = day.day in self.numbers, day.weekday() in self.days
        return (by_number or by_name) if self.either else (by_number and by_name)

    def __str__(self) -> str:
        """As it is read."""
        return f"cron {self.text}"


def read(fields: list[str]) -> tuple[CronDays, tuple[int, ...]]:
    """Days, and the minutes of each of them. ValueError says what is wrong."""
    text = " ".join(fields).casefold()
    try:
        expanded, _ = croniter.expand(text)
    except CroniterError as error:
        raise ValueError(f"cron does not understand “{text}”: {error}") from None
    minutes, hours, numbers, months, days = (_whole(each, all_) for each, all_ in zip(expanded, _ALL, strict=True))
    either = not fields[2].startswith("*") and not fields[4].startswith("*")
    week = frozenset((day - 1) % 7 for day in days) if expanded[4] != ["*"] else days
    times = tuple(sorted(hour * 60 + minute for hour in hours for minute in minutes))
    return CronDays(text, numbers, months, week, either), times


def _whole(values: list[int | str], all_: frozenset[int]) -> frozenset[int]:
    return all_ if values == ["*"] else frozenset(int(each) for each in values)
