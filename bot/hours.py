"""Hours of the week at a place: when something may be done, and how much of it then. Pure."""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"(?:([a-z,-]+) )?([0-9]{1,2}):([0-9]{2})-([0-9]{1,2}):([0-9]{2})")
_DAY_MIN = 24 * 60
_AHEAD = 9  # days: a week comes again, and a change of the clocks may shift it


@dataclass(frozen=True, slots=True)
class Span:
    """From a minute of the day to another one, which is of the next day where it is not later."""

    days: frozenset[int]  # on which it begins; 0 is Monday
    begins: int
    ends: int

    def has(self, day: int, minute: int) -> bool:
        """Whether that minute of that day of the week belongs to it."""
        if self.begins < self.ends:
            return day in self.days and self.begins <= minute < self.ends
        return (day in self.days and minute >= self.begins) or ((day - 1) % 7 in self.days and minute < self.ends)


@dataclass(frozen=True, slots=True)
class Hours:
    """Spans of the week by the clocks of a place, summer time included."""

    spans: tuple[Span, ...]
    zone: ZoneInfo

    def are_on(self, at: datetime) -> bool:
        """Whether that time belongs to them."""
        local = at.astimezone(self.zone)
        return any(span.has(local.weekday(), local.hour * 60 + local.minute) for span in self.spans)

    def next(self, at: datetime) -> datetime | None:
        """That time, if it belongs to them, else the next one that does, in UTC; None: there is none."""
        if self.are_on(at):
            return at
        begins = self._begins(at.astimezone(self.zone).date())
        return min((each for each in begins if each > at and self.are_on(each)), default=None)

    def _begins(self, today: date) -> Iterator[datetime]:
        """When spans begin in the days to come; where clocks are set back, also the second time.

        A time that is left out as clocks are set forward begins when they are.
        """
        for ahead in range(_AHEAD):
            for span in self.spans:
                at = datetime.combine(today + timedelta(days=ahead), time(*divmod(span.begins, 60)), self.zone)
                first, second = at.astimezone(UTC), at.replace(fold=1).astimezone(UTC)
                yield first
                yield self._change(second, first) if second < first else second

    def _change(self, before: datetime, after: datetime) -> datetime:
        """The minute between them at which the clocks are set."""
        offset = after.astimezone(self.zone).utcoffset()

        def is_over(minute: int) -> bool:
            return (before + timedelta(minutes=minute)).astimezone(self.zone).utcoffset() == offset

        return before + timedelta(minutes=bisect_left(range(_DAY_MIN), True, key=is_over))


@dataclass(frozen=True, slots=True)
class Timetable:
    """How much may pass when: the first entry whose hours are on counts. No hours: always."""

    entries: tuple[tuple[Hours | None, int], ...]

    def rate(self, at: datetime) -> int | None:
        """Bytes a second; None: as many as want to."""
        return next((limit for hours, limit in self.entries if hours is None or hours.are_on(at)), None)

    @property
    def least(self) -> int | None:
        """The lowest of its limits."""
        return min((limit for _, limit in self.entries), default=None)


def next_of_all(hours: Sequence[Hours], at: datetime) -> datetime | None:
    """That time, if all are on then, else the next one when all are; None: there is no such time."""
    last = at + timedelta(days=_AHEAD)
    while at < last:
        nexts = [each.next(at) for each in hours]
        known = [each for each in nexts if each is not None]
        if len(known) < len(nexts):
            return None
        latest = max(known, default=at)
        if all(each.are_on(latest) for each in hours):
            return latest
        at = latest
    return None


def parse(text: str) -> Span:
    """Read "20:00-06:00" or "mon-fri 20:00-06:00"; days are those on which it begins. ValueError says what is wrong."""
    found = _SPAN.fullmatch(" ".join(text.casefold().split()))
    if found is None:
        raise ValueError(f"{text!r} is not a time of the day, like 20:00-06:00 or mon-fri 20:00-06:00")
    begins, ends = _minute(found[2], found[3]), _minute(found[4], found[5])
    if begins == _DAY_MIN:
        raise ValueError("nothing begins at 24:00; write 00:00, which is of the next day")
    return Span(_days(found[1] or ""), begins, ends)


def _minute(hour: str, minute: str) -> int:
    if int(minute) > 59 or int(hour) * 60 + int(minute) > _DAY_MIN:
        raise ValueError(f"{hour}:{minute} is no time of the day")
    return int(hour) * 60 + int(minute)


def _days(text: str) -> frozenset[int]:
    found: set[int] = set()
    for each in filter(None, text.split(",")):
        first, _, last = each.partition("-")
        if first not in DAYS or (last or first) not in DAYS:
            raise ValueError(f"{each!r} is no day of the week; there are: {', '.join(DAYS)}")
        begin, end = DAYS.index(first), DAYS.index(last or first)
        found |= {day % 7 for day in range(begin, end + 1 if begin <= end else end + 8)}
    return frozenset(found or range(7))
