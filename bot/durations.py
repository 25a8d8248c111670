"""Durations as people write them: "90s", "30m", "24h", "7d", "2w", "3 days"; and a day, "2026-11-01"."""

import re
from datetime import UTC, datetime, timedelta

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DURATION = re.compile(r"([0-9]{1,5}) ?(?:([smhdw])|(second|minute|hour|day|week)s?)")


def parse(text: str) -> timedelta:
    """Read a number and its unit. ValueError: it is none, or no time at all."""
    found = _DURATION.fullmatch(text.strip().casefold())
    if found is None or not int(found[1]):
        raise ValueError(f"{text!r} is not a duration like 30m, 24h or 7d")
    return timedelta(**{_UNITS[(found[2] or found[3])[0]]: int(found[1])})


def since(text: str, now: datetime) -> datetime:
    """Read how long ago, or the day (UTC). ValueError: it is neither. OverflowError: it is before all times."""
    if _DAY.fullmatch(text.strip()):
        return datetime.fromisoformat(text.strip()).replace(tzinfo=UTC)
    return now - parse(text)


def until(text: str, now: datetime) -> datetime:
    """Read for how long from now, or the day (UTC) that it begins with. Errors as of `since`."""
    if _DAY.fullmatch(text.strip()):
        return datetime.fromisoformat(text.strip()).replace(tzinfo=UTC)
    return now + parse(text)


def said(span: timedelta) -> str:
    """Write it with its largest unit that divides it; `parse` reads the same again, down to seconds."""
    seconds = round(span.total_seconds())
    for unit, size in (("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
