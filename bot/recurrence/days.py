"""On which days: each, each third, those of the week, those of the month. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol

WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
YEAR = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
EVERY_DAY = frozenset(range(7))
WORKDAYS = frozenset(range(5))
WEEKEND = frozenset((5, 6))
EVERY_MONTH = frozenset(range(1, 13))
LAST = -1


class Days(Protocol):
    """Some days of the calendar."""

    @property
    def steps(self) -> bool:
        """Whether it counts from some day on, so that it matters which."""

    def has(self, day: date, counted_from: date) -> bool:
        """Whether that day belongs to them."""


@dataclass(frozen=True, slots=True)
class EachDay:
    """Every day, or every third one."""

    every: int = 1

    @property
    def steps(self) -> bool:
        """Whether it counts from some day on."""
        return self.every > 1

    def has(self, day: date, counted_from: date) -> bool:
        """Whether that day belongs to them."""
        return (day - counted_from).days % self.every == 0

    def __str__(self) -> str:
        """As it is read."""
        return "every day" if self.every == 1 else f"every {self.every} days"


@dataclass(frozen=True, slots=True)
class WeekDays:
    """Days of the week, 0 is Monday; of every week, or every second one (weeks begin on Monday)."""

    days: frozenset[int]
    every: int = 1

    @property
    def steps(self) -> bool:
        """Whether it counts from some day on."""
        return self.every > 1

    def has(self, day: date, counted_from: date) -> bool:
        """Whether that day belongs to them."""
        if day.weekday() not in self.days:
            return False
        return self.every == 1 or (_monday(day) - _monday(counted_from)).days // 7 % self.every == 0

    def __str__(self) -> str:
        """As it is read."""
        if self.every > 1:
            return f"every {self.every} weeks on {named(self.days)}"
        return named(self.days) if self.days in (WORKDAYS, WEEKEND) else f"every {named(self.days)}"


@dataclass(frozen=True, slots=True, order=True)
class Nth:
    """The third of some days of the week within a month, or the last; of all seven: the day's number."""

    nth: int  # from 1; LAST
    of: tuple[int, ...] = tuple(sorted(EVERY_DAY))

    def has(self, day: date) -> bool:
        """Whether that day is it."""
        if day.weekday() not in self.of:
            return False
        if self.nth == LAST:
            return not any(each.weekday() in self.of for each in _rest(day))
        return self.nth == sum((day.weekday() - ago) % 7 in self.of for ago in range(day.day))

    def __str__(self) -> str:
        """As it is read: "last friday", "15th", "first weekday"."""
        kinds = {tuple(sorted(WORKDAYS)): "weekday", tuple(sorted(WEEKEND)): "weekend day"}
        if len(self.of) == len(EVERY_DAY):
            return "last day" if self.nth == LAST else ordinal(self.nth)
        what = kinds.get(self.of) or WEEK[self.of[0]]
        return f"last {what}" if self.nth == LAST else f"{_FIRST[self.nth - 1]} {what}"


_FIRST = ("first", "second", "third", "fourth", "fifth")


@dataclass(frozen=True, slots=True)
class MonthDays:
    """Days of some months."""

    choices: tuple[Nth, ...]
    months: frozenset[int] = EVERY_MONTH

    @property
    def steps(self) -> bool:
        """Months are counted from January."""
        return False

    def has(self, day: date, counted_from: date) -> bool:  # noqa: ARG002 - as all days
        """Whether that day belongs to them."""
        return day.month in self.months and any(choice.has(day) for choice in self.choices)

    def __str__(self) -> str:
        """As it is read."""
        months = [YEAR[month - 1] for month in sorted(self.months)]
        of = "the month" if self.months == EVERY_MONTH else together(months)
        return f"on the {together([str(each) for each in self.choices])} of {of}"


def named(days: frozenset[int]) -> str:
    """Days of the week as they are read."""
    if days == WORKDAYS:
        return "weekdays"
    return "weekends" if days == WEEKEND else together([WEEK[day] for day in sorted(days)])


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th, 21st."""
    teen = number % 100 in (11, 12, 13)
    return f"{number}{'th' if teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def together(words: Sequence[str]) -> str:
    """One, two and three."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _rest(day: date) -> list[date]:
    """The days of its month after it."""
    after = (day + timedelta(days=ahead) for ahead in range(1, 32))
    return [each for each in after if each.month == day.month]
