"""The words of a phrase, taken one after the other. Pure."""

import re
from datetime import date
from difflib import get_close_matches
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from bot import durations
from bot.recurrence.days import WEEK, YEAR
from bot.recurrence.rules import DAY, HOUR

_TIME = re.compile(r"([0-9]{1,2}):([0-9]{2})|([0-9]{1,2})(?::([0-9]{2}))?(am|pm)")
_ZONE = re.compile("[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*")
_YEARS = range(2000, 2200)  # beyond them calendars end, and nobody means it
_SHORT = ("tues", "thur", "sept")
_ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "last": -1}
_NUMBERS = {"other": 2, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "eight": 8, "ten": 10, "twelve": 12}


class Words:
    """A phrase that is read from its beginning; where nothing fits, the place says what was not understood."""

    def __init__(self, text: str) -> None:
        self._words = text.replace(",", " , ").split()
        self._at = 0

    @property
    def word(self) -> str:
        """The next one, lower case; "" at the end."""
        return self._words[self._at].casefold() if self._at < len(self._words) else ""

    @property
    def rest(self) -> str:
        """What is still to be read."""
        return " ".join(self._words[self._at :])

    @property
    def said(self) -> str:
        """What was read."""
        return " ".join(self._words[: self._at])

    def mark(self) -> int:
        """A place to go back to."""
        return self._at

    def back(self, mark: int) -> None:
        """Go back there."""
        self._at = mark

    def take(self, *words: str) -> str:
        """The next word if it is one of them, else ""."""
        found = self.word
        if not found or found not in words:
            return ""
        self._at += 1
        return found

    def skip(self, *words: str) -> bool:
        """Go past exactly those words, one after the other, or none of them."""
        mark = self.mark()
        if all(self.take(word) for word in words):
            return True
        self.back(mark)
        return False

    def also(self) -> bool:
        """Go past a comma or "and" (or both), between two things of a list."""
        comma, joined = self.take(","), self.take("and")
        return bool(comma or joined)

    def fields(self, how_many: int) -> list[str]:
        """The next words as they stand."""
        found = self._words[self._at : self._at + how_many]
        self._at += len(found)
        return found

    def number(self) -> int | None:
        """A whole number, in digits or as a word."""
        found = self.word
        if not found.isascii() or not (found in _NUMBERS or (found.isdigit() and len(found) < 6)):
            return None
        self._at += 1
        return _NUMBERS.get(found) or int(found)

    def time(self) -> int | None:
        """A time of the day, as its minute: 02:00, 2am, 2:30 pm, noon, midnight."""
        found = self.word
        if found in ("noon", "midday", "midnight"):
            self._at += 1
            return 0 if found == "midnight" else DAY // 2
        following = self._words[self._at + 1].casefold() if self._at + 1 < len(self._words) else ""
        together = found + following if following in ("am", "pm") else found
        match = _TIME.fullmatch(together)
        minute = None if match is None else _minute(match)
        if minute is not None:
            self._at += 1 + (together != found)
        return minute

    def ordinal(self) -> int | None:
        """Last, first, 1st, 31st; -1 is the last."""
        found = self.word
        match = re.fullmatch("([0-9]{1,2})(?:st|nd|rd|th)", found)
        number = _ORDINALS.get(found) or (int(match[1]) if match else 0)
        if not number or number > 31:
            return None
        self._at += 1
        return number

    def weekday(self) -> int | None:
        """A day of the week; 0 is Monday."""
        return self._named(WEEK, plural=True)

    def month(self) -> int | None:
        """A month; 1 is January."""
        found = self._named(YEAR)
        return None if found is None else found + 1

    def day(self) -> date | None:
        """A day of the calendar, 2026-12-01."""
        if not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", self.word):
            return None
        try:
            found = date.fromisoformat(self.word)
        except ValueError:
            return None
        if found.year not in _YEARS:
            return None
        self._at += 1
        return found

    def duration(self) -> int | None:
        """A duration, in minutes: 2h, 90m, 2 hours."""
        mark, number = self.mark(), self.number()
        if number is not None and (unit := self.unit()) in ("minute", "hour"):
            return number * (HOUR if unit == "hour" else 1)
        self.back(mark)
        try:
            length = durations.parse(self.word)
        except ValueError:
            return None
        self._at += 1
        return int(length.total_seconds()) // 60

    def unit(self) -> str:
        """What is counted, in the singular; "" if it is no such word."""
        for unit, words in _UNITS.items():
            if self.take(*words):
                return unit
        return ""

    def zone(self) -> str:
        """A time zone by its name, or ""."""
        name = self._words[self._at] if self._at < len(self._words) else ""
        if not _ZONE.fullmatch(name):
            return ""
        found = name if is_zone(name) else _as_written(name)
        self._at += 1 if found else 0
        return same_zone(found)

    def _named(self, names: tuple[str, ...], plural: bool = False) -> int | None:
        said = self.word.rstrip(".")
        said = said.removesuffix("s") if plural and len(said) > len("days") else said
        for index, name in enumerate(names):
            if said in (name, name[:3]) or (said == name[:4] and said in _SHORT):
                self._at += 1
                return index
        return None


_UNITS = {
    "minute": ("minute", "minutes", "min", "mins", "m"),
    "hour": ("hour", "hours", "h", "hrs"),
    "day": ("day", "days", "d"),
    "fortnight": ("fortnight", "fortnights"),
    "week": ("week", "weeks", "w"),
    "month": ("month", "months"),
    "quarter": ("quarter", "quarters"),
    "year": ("year", "years"),
}


_NOWHERE = ("localtime", "posixrules", "Factory")  # of this machine, or of none
_UTC = ("Etc/UTC", "Etc/GMT", "GMT", "UCT", "Zulu")


def is_zone(name: str) -> bool:
    """Whether the time zone database knows it."""
    if name in _NOWHERE:
        return False
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def same_zone(name: str) -> str:
    """The one name of a zone that has several for no other time: UTC."""
    return "UTC" if name in _UTC else name


def near_zone(name: str) -> str:
    """The time zone that is most like it, by its whole name or by its place; "" if none is."""
    said = name.casefold()
    places = {each.rpartition("/")[2].casefold(): each for each in sorted(_zones(), key=len, reverse=True)}
    known = {each.casefold(): each for each in _zones()} | places
    near = get_close_matches(said, known, n=1, cutoff=0.8)
    return known[near[0]] if near else ""


def _as_written(name: str) -> str:
    said = name.casefold()
    return (
        next((each for each in _zones() if each.casefold() == said), "")
        if "/" in name or said in ("utc", "gmt")
        else ""
    )


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _minute(match: re.Match[str]) -> int | None:
    hour, minute, half = int(match[1] or match[3]), int(match[2] or match[4] or 0), match[5]
    if half and not 1 <= hour <= 12:
        return None
    hour = hour % 12 + (12 if half == "pm" else 0) if half else hour
    return hour * HOUR + minute if minute < HOUR and hour < 24 else None
