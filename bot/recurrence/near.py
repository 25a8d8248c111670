"""What people write for nights, ranges of days, times and zones, said in words that are understood. Pure.

It only makes the phrase that is offered; nothing is scheduled by what is guessed here.
"""

import re
from collections.abc import Callable, Iterator

from bot.recurrence.days import WEEK

_DAY = "|".join(f"{name[:2]}(?:{name[2]}(?:{name[3:]})?)?s?" for name in WEEK)
_TO = r" ?(?:-|–|to|through|thru|till|until) ?"
_TIMES = {"twice": 2, "two times": 2, "three times": 3, "four times": 4}
_HALVES = {"morning": "06:00", "evening": "20:00", "night": "02:00"}
_PLACES = {
    "cest": "Europe/Berlin", "mez": "Europe/Berlin", "mesz": "Europe/Berlin", "bst": "Europe/London",
    "edt": "America/New_York", "cdt": "America/Chicago", "pst": "America/Los_Angeles", "pdt": "America/Los_Angeles",
    "jst": "Asia/Tokyo", "ist": "Asia/Kolkata",
}  # fmt: skip


def reworded(text: str) -> Iterator[str]:
    """The phrase with such words replaced, each time one kind more."""
    said = " ".join(re.sub("[*_`“”]", " ", text).split()).rstrip(".!;")
    for pattern, means in _RULES:
        said = pattern.sub(means, said)
        yield said


def shortened(said: str, rest: str) -> Iterator[str]:
    """The phrase without the words that stopped the reading: one, two, or all that came after. rest: from them on."""
    words = rest.split()
    for many in dict.fromkeys((1, 2, len(words))):
        if many <= len(words) and (found := " ".join((said, *words[many:])).strip()):
            yield found


def place_of(word: str) -> str:
    """The time zone that people mean by a few letters which are no zone's whole name; "" if none is."""
    return _PLACES.get(word.casefold(), "")


# --- what is replaced ---


def _number(said: str) -> int:
    return next(number for number, name in enumerate(WEEK) if name.startswith(said.casefold()[:2]))


def _range(found: re.Match[str]) -> str:
    first, last = _number(found["first"]), _number(found["last"])
    return _named((first + step) % 7 for step in range((last - first) % 7 + 1))


def _without(found: re.Match[str]) -> str:
    left_out = {_number(each) for each in re.findall(_DAY, found["days"], re.IGNORECASE)}
    return f"every {_named(day for day in range(7) if day not in left_out)}"


def _named(days: Iterator[int]) -> str:
    found = tuple(days)
    if found == (0, 1, 2, 3, 4):
        return "weekdays"
    if found == (5, 6):
        return "weekends"
    names = [WEEK[day] for day in found]
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def _of_a_day(found: re.Match[str]) -> str:
    many = _TIMES.get(found["many"].casefold()) or int(found["many"].split()[0])
    return f"every {24 // many} hours" if many and 24 % many == 0 else found[0]


def _clock(found: re.Match[str]) -> str:
    return f"{found['before']}{int(found['hour']):02}:{found['minute'] or '00'}"


def _half(found: re.Match[str]) -> str:
    at = "" if re.search("[0-9]", found.string) else f" at {_HALVES[found['half'].casefold()]}"
    return f"every day{at}"


_Means = str | Callable[[re.Match[str]], str]
_RULES: tuple[tuple[re.Pattern[str], _Means], ...] = tuple(
    (re.compile(rf"(?<![\w@]){pattern}(?!\w)", re.IGNORECASE), means)
    for pattern, means in (
        (r"(?:each|every) (?:[0-9]+ seconds?|second$)", "every minute"),
        (r"@(hourly|daily|weekly|monthly|yearly|annually)", r"\1"),
        (r"once (?:an?|per|each|every) (hour|day|week|month|quarter|year)", r"every \1"),
        (r"once (daily|weekly|monthly|yearly)", r"\1"),
        (r"(?P<many>twice|(?:two|three|four|[0-9]{1,2}) times) (?:an?|per|each|every)? ?(?:day|daily)", _of_a_day),
        (r"half (?:an? )?hour", "30 minutes"),
        (r"(?:each|every) (second|2nd|third|3rd|fourth|4th) (" + _DAY + ")", r"every 2 weeks on \2"),
        (r"(?:at the )?end of (?:the |each |every )?month", "on the last day of the month"),
        (r"(?:at the )?(?:start|beginning) of (?:the |each |every )?month", "on the 1st of the month"),
        (r"patch tuesday", "on the second tuesday of the month"),
        (rf"(?:(?:every|on) )?(?P<first>{_DAY}){_TO}(?P<last>{_DAY})", _range),
        (rf"every day (?:except|but not|but)(?: on)? (?P<days>(?:{_DAY})(?:(?: and|,) ?(?:{_DAY}))*)", _without),
        (r"(?:each|every|at) (?P<half>night|morning|evening)", _half),
        (r"(?:(?:each|every) hour|hourly),? (?:at )?(?:minute |:)([0-5]?[0-9])", r"cron \1 * * * *"),
        (r"(?:(?:each|every) hour|hourly),? (?:at )?([0-5]?[0-9]) past", r"cron \1 * * * *"),
        (r"([0-5]?[0-9]) (?:minutes )?past (?:each|every) hour", r"cron \1 * * * *"),
        (r"outside(?: of)?", "not between"),
        (r"(?P<before>at |and |between )?(?P<hour>[01]?[0-9]|2[0-3])[.h](?P<minute>[0-5][0-9])", _clock),
        (r"(?P<before>at )(?P<hour>[01]?[0-9]|2[0-3])(?P<minute>[0-5][0-9])", _clock),
        (r"(?P<before>at |between )(?P<hour>[01]?[0-9]|2[0-3])(?P<minute>)(?: ?o'?clock|h)?(?![:.])", _clock),
        (r"(?P<before>between [0-9:]{5} (?:and|to) )(?P<hour>[01]?[0-9]|2[0-3])(?P<minute>)(?![:.])", _clock),
        (r"between ([0-9:]{5}) ?[-–] ?([0-9:]{5})", r"between \1 and \2"),
    )
)
