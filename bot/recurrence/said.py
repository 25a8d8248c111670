"""What a phrase says, clause by clause, before it is looked at as a whole. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta

from bot.hours import Span
from bot.recurrence.cron import FIELD
from bot.recurrence.days import EVERY_DAY, WEEKEND, WORKDAYS, Nth
from bot.recurrence.recurrence import Blackout
from bot.recurrence.rules import DAY, HOUR
from bot.recurrence.words import Words

_ADVERBS = {
    "hourly": "hour",
    "daily": "day",
    "nightly": "day",
    "weekly": "week",
    "fortnightly": "fortnight",
    "monthly": "month",
    "quarterly": "quarter",
    "yearly": "year",
    "annually": "year",
}
_DAYS = {
    "weekdays": WORKDAYS, "weekday": WORKDAYS, "workdays": WORKDAYS, "weekends": WEEKEND, "weekend": WEEKEND,
}  # fmt: skip
Clause = Callable[[Words, "Said"], bool]


@dataclass(slots=True)
class Said:
    """The clauses of a phrase."""

    every: tuple[int, str] | None = None  # how many of which unit; minutes for hours
    weekdays: set[int] = field(default_factory=set)
    choices: list[Nth] = field(default_factory=list)
    months: set[int] = field(default_factory=set)
    dates: set[tuple[int, int]] = field(default_factory=set)  # month and day, of choices and months
    times: list[int] = field(default_factory=list)
    cron: list[str] = field(default_factory=list)
    zone: str = ""
    window: timedelta | None = None
    blackouts: list[Blackout] = field(default_factory=list)
    first: date | None = None
    last: date | None = None


def read(words: Words) -> Said:
    """The clauses, in any order. Where none fits the reading stops: `words.rest` is what was not understood."""
    said = Said()
    while words.word:
        words.take(",")
        mark = words.mark()
        if not any(_fits(clause, words, said, mark) for clause in _CLAUSES):
            break
    return said


def _fits(clause: Clause, words: Words, said: Said, mark: int) -> bool:
    words.back(mark)
    if clause(words, said):
        return True
    words.back(mark)
    return False


def _cron(words: Words, said: Said) -> bool:
    is_said = bool(words.take("cron"))
    fields = words.rest.replace(" , ", ",").split()[:5]
    if len(fields) < 5 or said.every or not all(FIELD.fullmatch(each.casefold()) for each in fields):
        return False
    if not is_said and "*" not in "".join(fields):
        return False
    words.fields(len(" ".join(fields).replace(",", " , ").split()))
    said.cron = fields
    return True


def _adverb(words: Words, said: Said) -> bool:
    if said.every is not None or not (word := words.take(*_ADVERBS)):
        return False
    said.every = _in_minutes(1, _ADVERBS[word])
    return True


def _every(words: Words, said: Said) -> bool:
    if not words.take("every", "each"):
        return False
    mark = words.mark()
    length = words.duration()  # every 4h
    if length is not None and said.every is None:
        said.every = (length, "minute")
        return True
    words.back(mark)
    many = words.number()
    unit = words.unit()
    if unit and said.every is None:
        said.every = _in_minutes(1 if many is None else many, unit)
        return True
    words.back(mark)
    nth, unit, day = words.ordinal() or 0, words.unit(), words.weekday()
    if nth > 1 and words.word not in ("of", "in") and (unit or day is not None):
        said.every = _in_minutes(nth, unit) if unit and said.every is None else said.every
        return bool(unit)  # every second monday: every other one to some, the month's second to others
    words.back(mark)
    return many is None and _days(words, said)


def _on(words: Words, said: Said) -> bool:
    words.take("on")
    words.take("the")
    return _days(words, said)


def _days(words: Words, said: Said) -> bool:
    found = False
    while _one_day(words, said):
        found, mark = True, words.mark()
        if not words.also():
            break
        words.take("on")
        words.take("the")
        if words.word in ("at", "not", "within", "from", "until", "every"):
            words.back(mark)
            break
    return found and _months(words, said)


def _one_day(words: Words, said: Said) -> bool:
    group = words.take(*_DAYS)
    day = None if group else words.weekday()
    if group or day is not None:
        said.weekdays |= _DAYS[group] if day is None else {day}
        return True
    return _dated(words, said) or _nth(words, said)


def _nth(words: Words, said: Said) -> bool:
    numbers = []
    while (number := words.ordinal()) is not None:
        numbers.append(number)
        mark = words.mark()
        if not words.also():
            break
        words.take("the")
        if words.word and words.ordinal() is None:
            words.back(mark)
            break
        words.back(mark)
        words.also()
        words.take("the")
    of = _kind(words)
    said.choices += [Nth(number, of) for number in numbers]
    return bool(numbers) and (of == _ALL or all(number <= 5 for number in numbers))


_ALL = tuple(sorted(EVERY_DAY))


def _kind(words: Words) -> tuple[int, ...]:
    if words.take("weekday", "workday"):
        return tuple(sorted(WORKDAYS))
    if words.skip("weekend", "day"):
        return tuple(sorted(WEEKEND))
    if words.take("day", "days"):
        return _ALL
    day = words.weekday()
    return _ALL if day is None else (day,)


def _dated(words: Words, said: Said) -> bool:
    """31 december, december 31, december 31st."""
    mark = words.mark()
    number, month = words.number(), words.month()
    if number is None and month is not None:
        number = words.number() or words.ordinal()
    if number is None or month is None or not 1 <= number <= 31:
        words.back(mark)
        return False
    said.dates.add((month, number))
    said.choices.append(Nth(number))
    said.months.add(month)
    return True


def _months(words: Words, said: Said) -> bool:
    """Of the month, of december and june, december; nothing is no mistake."""
    of = words.take("of", "in")
    if words.skip("the", "month") or words.skip("every", "month") or words.skip("each", "month"):
        return True
    found = False
    while (month := words.month()) is not None:
        said.months.add(month)
        found, mark = True, words.mark()
        if not words.also() or words.month() is None:
            words.back(mark)
            break
        words.back(mark)
        words.also()
    return found or not of


def _at(words: Words, said: Said) -> bool:
    words.take("at")
    found = False
    while (minute := words.time()) is not None:
        said.times.append(minute)
        found, mark = True, words.mark()
        if not words.also():
            break
        words.take("at")
        if words.time() is None:
            words.back(mark)
            break
        words.back(mark)
        words.also()
        words.take("at")
    return found


def _within(words: Words, said: Said) -> bool:
    if not words.take("within"):
        return False
    minutes = words.duration()
    if not minutes or minutes > DAY:
        return False
    said.window = timedelta(minutes=minutes)
    return True


def _from(words: Words, said: Said) -> bool:
    if not words.take("from", "starting"):
        return False
    words.take("on")
    said.first = words.day()
    return said.first is not None


def _until(words: Words, said: Said) -> bool:
    if not words.take("until", "till"):
        return False
    said.last = words.day()
    return said.last is not None


def _not(words: Words, said: Said) -> bool:
    if not (words.take("not") and words.take("between")):
        return False
    begins, _, ends = words.time(), words.take("and", "to"), _end(words)
    if begins is None or ends is None:
        return False
    days: set[int] = set()
    mark = words.mark()
    if words.take("on"):
        inner = Said()
        if _days(words, inner) and inner.weekdays and not (inner.choices or inner.months):
            days = inner.weekdays
        else:
            words.back(mark)
    span = Span(frozenset(days or EVERY_DAY), begins, ends or DAY)
    said.blackouts.append(Blackout(span, postpones=words.skip("but", "after", "it")))
    return True


def _end(words: Words) -> int | None:
    return DAY if words.take("24:00") else words.time()


def _zone(words: Words, said: Said) -> bool:
    words.take("in")
    found = "" if said.zone else words.zone()
    said.zone = found or said.zone
    return bool(found)


def _in_minutes(many: int, unit: str) -> tuple[int, str]:
    if unit == "hour":
        return many * HOUR, "minute"
    return (many * 2, "week") if unit == "fortnight" else (many, unit)


_CLAUSES: tuple[Clause, ...] = (_cron, _adverb, _every, _at, _within, _from, _until, _not, _on, _zone)
