"""A phrase read into a recurrence, or told why not, with the nearest phrase that is understood. Pure."""

from collections.abc import Callable
from difflib import SequenceMatcher

from bot.errors import UsageError
from bot.recurrence import cron, near
from bot.recurrence.days import EVERY_DAY, EVERY_MONTH, LAST, YEAR, Days, EachDay, MonthDays, Nth, WeekDays
from bot.recurrence.recurrence import Recurrence
from bot.recurrence.rules import DAY, Calendar, Elapsed, Rule
from bot.recurrence.said import Said, read
from bot.recurrence.words import Words, is_zone, near_zone, same_zone

LONGEST = 300  # characters
USAGE = (
    "every day at 02:00 · every 4 hours · weekdays at 22:30 Europe/Berlin · on the last friday at 23:00"
    " · cron 0 2 * * 1-5"
)
EXAMPLES = (
    "every day at 02:00",
    "daily at 2am",
    "every day at 02:00 and 14:00",
    "every 3 days at 02:00",
    "every hour",
    "every 4 hours",
    "every 15 minutes",
    "every 2 hours on weekdays",
    "hourly",
    "weekdays at 22:30",
    "weekends at noon",
    "weekdays at 22:30 Europe/Berlin",
    "every monday at 01:00",
    "every monday and thursday at 01:00",
    "weekly on sunday",
    "every 2 weeks on monday at 06:00",
    "monthly",
    "on the 1st of the month at 04:00",
    "on the 1st and 15th at 04:00",
    "on the last day of the month at midnight",
    "on the last friday at 23:00",
    "on the last friday of the month at 23:00",
    "on the first sunday at 03:00",
    "on the last weekday of the month at 20:00",
    "every quarter",
    "every 6 months",
    "yearly on 31 december at 20:00",
    "on the first monday of january and july at 06:00",
    "cron 0 2 * * 1-5",
    "every day at 02:00 within 2h",
    "every 4 hours not between 08:00 and 18:00",
    "every hour not between 08:00 and 18:00 on weekdays",
    "every day at 02:00 from 2026-12-01",
    "every day at 02:00 until 2027-01-31",
    "every day at 02:00 UTC",
)
_VOCABULARY = frozenset(word for example in EXAMPLES for word in example.casefold().split())
_MOST_MONTHS = 12


def parse(text: str, zone: str = "UTC") -> Recurrence:
    """Read a phrase; the zone counts where it names none. UsageError: not understood, or it can never come."""
    if len(text) > LONGEST:
        raise UsageError(f"That is longer than {LONGEST} characters.", USAGE)
    words = Words(text)
    said = read(words)
    if words.rest:
        raise _unclear(text, f"“{_short(words.rest)}” is not understood here." + _zone_hint(words.rest))
    try:
        found = _recurrence(said, zone)
    except ValueError as error:
        raise _unclear(text, str(error)) from None
    if not found.comes:
        raise UsageError(f"“{_short(text)}” would never come.{_instead(said)}", USAGE)
    return found


def _instead(said: Said) -> str:
    is_left_out = any(not each.postpones for each in said.blackouts)
    return " “but after it” behind “not between” lets it come when that ends." if is_left_out else ""


def nearest(text: str) -> str:
    """The phrase that is understood and most like it: in other words, with fewer, or an example."""
    words, said = Words(text[:LONGEST]), " ".join(text.casefold().split())
    read(words)
    zone = _zone_like(words.rest)
    alone = [f"{words.said} {zone}"] if zone and len(words.rest.split()) == 1 else []
    for other in (*alone, *near.reworded(text[:LONGEST])):
        if _comes(other):
            return other
    offered = (*EXAMPLES, *map(_with_days, filter(_comes, near.shortened(words.said, words.rest))))
    return max(offered, key=lambda each: SequenceMatcher(None, said, each.casefold()).ratio())


def _with_days(text: str) -> str:
    """At 02:00 is every day, and offered so."""
    return next(filter(_comes, (f"every day {text}", text)))


def _comes(text: str) -> bool:
    try:
        words = Words(text)
        said = read(words)
        return not words.rest and _recurrence(said, "UTC").comes
    except ValueError:
        return False


def _recurrence(said: Said, zone: str) -> Recurrence:
    name = said.zone or same_zone(zone)
    if not is_zone(name):
        raise ValueError(f"There is no time zone “{_short(name)}”.{_zone_hint(name)}")
    if said.first and said.last and said.last < said.first:
        raise ValueError("It would end before it begins.")
    return Recurrence(
        rule=_rule(said),
        zone=name,
        window=said.window,
        blackouts=tuple(said.blackouts),
        first=said.first,
        last=said.last,
    )


def _rule(said: Said) -> Rule:
    if said.cron:
        if said.every or said.weekdays or said.choices or said.months or said.times:
            raise ValueError("What cron says stands alone: days and times are in its five fields.")
        return Calendar(*cron.read(said.cron))
    if len(said.dates) > 1 and len(said.months) > 1:
        raise ValueError("Those days are of different months. Make a schedule of each.")
    if said.weekdays and said.choices:
        raise ValueError("Days of the week and days of the month do not go together. Make two schedules.")
    many, unit = said.every or (1, "")
    if many < 1:
        raise ValueError("Every 0 of something is no time.")
    if unit == "minute":
        return _frequent(many, said)
    days = _DAYS[unit](many, said)
    return Calendar(days, tuple(sorted(set(said.times or [0]))))


def _frequent(minutes: int, said: Said) -> Rule:
    if said.times:
        raise ValueError("What comes every few hours or minutes takes no time of the day.")
    is_some = bool(said.weekdays or said.choices or said.months)
    if DAY % minutes == 0 and minutes < DAY:
        days = _plain(said) if is_some else EachDay()
        return Calendar(days, tuple(range(0, DAY, minutes)), every=minutes)
    if is_some:
        raise ValueError("Only what divides a day, like every 2 hours or every 15 minutes, can be kept to some days.")
    if minutes % DAY == 0:
        return Calendar(EachDay(minutes // DAY), (0,))
    if minutes > 366 * DAY:
        raise ValueError("That is longer than a year.")
    return Elapsed(minutes)


def _plain(said: Said) -> Days:
    if said.weekdays:
        return WeekDays(frozenset(said.weekdays))
    if said.choices:
        return _of_months(said, said.months or EVERY_MONTH)
    if not said.times or said.months:
        raise ValueError("It does not say when.")
    return EachDay()


def _each_day(many: int, said: Said) -> Days:
    if said.weekdays or said.choices or said.months:
        raise ValueError("“Every day” and some days do not go together.")
    return EachDay(many)


def _each_week(many: int, said: Said) -> Days:
    if said.choices or said.months:
        raise ValueError("Weeks take days of the week, like: weekly on sunday.")
    return WeekDays(frozenset(said.weekdays or {0}), many)


def _each_month(many: int, said: Said) -> Days:
    if said.weekdays:
        raise ValueError("Say which of the month: the first, or the last.")
    if said.months or _MOST_MONTHS % many:
        raise ValueError("Months can be each, or every 2, 3, 4, 6 or 12, counted from January.")
    return _of_months(said, frozenset(range(1, _MOST_MONTHS + 1, many)))


def _each_quarter(many: int, said: Said) -> Days:
    if many > 1:
        raise ValueError("Every second quarter is: every 6 months.")
    if all(choice.nth == LAST for choice in said.choices) and said.choices and not said.weekdays:
        return _of_months(said, frozenset((3, 6, 9, 12)))
    return _each_month(3, said)


def _each_year(many: int, said: Said) -> Days:
    if many > 1 or said.weekdays:
        raise ValueError("What comes yearly takes a day of a month, like: yearly on 31 december.")
    return _of_months(said, said.months or {1})


def _of_months(said: Said, months: set[int] | frozenset[int]) -> MonthDays:
    choices = tuple(sorted(set(said.choices or [Nth(1)]), key=lambda each: (each.nth == LAST, each)))
    for each in choices:
        if len(each.of) == len(EVERY_DAY) and not any(each.nth <= _LONGEST[month] for month in months):
            raise ValueError(f"There is no {each.nth} {YEAR[min(months) - 1].capitalize()}.")
    return MonthDays(choices, frozenset(months))


_LONGEST = dict(zip(range(1, 13), (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31), strict=True))
_DAYS: dict[str, Callable[[int, Said], Days]] = {
    "": lambda _, said: _plain(said),
    "day": _each_day,
    "week": _each_week,
    "month": _each_month,
    "quarter": _each_quarter,
    "year": _each_year,
}


def _zone_hint(rest: str) -> str:
    zone = _zone_like(rest)
    return f" Did you mean {zone}?" if zone else ""


def _zone_like(rest: str) -> str:
    """The time zone that the first word of what was not understood may mean; "": none, or it is a word of phrases."""
    word = next(iter(rest.removeprefix("in ").split()), "")
    if word.casefold() in _VOCABULARY:
        return ""
    return near.place_of(word) or (near_zone(word) if len(word) > 4 else "")


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"


def _unclear(text: str, why: str) -> UsageError:
    if _comes(text):  # only the zone that was said beside it is not known
        return UsageError(why, USAGE)
    return UsageError(f"{why} The nearest that I understand: {nearest(text)}", USAGE)
