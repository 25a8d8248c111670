"""Retention as people write it: "keep 7 last, 14 daily, 8 weekly, at least 2 days, in Europe/Berlin". Pure."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from bot import durations
from bot.model import Keep, Reason, Retention

EVERYTHING = "everything"
USAGE = "keep 7 last, 14 daily, 8 weekly, 12 monthly, 3 yearly, at least 2 days"
_UNITS = {"d": "days", "h": "hours", "w": "weeks", "m": "minutes", "s": "seconds"}
_COUNT = re.compile(r"([0-9]{1,6}) (last|daily|weekly|monthly|yearly)", re.ASCII)
_LEAST = re.compile(r"at least ([0-9]{1,6}) ?(d|h|w|m|s)(?:ays?|ours?|eeks?|in(?:ute)?s?|ec(?:ond)?s?)?", re.ASCII)
_DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_ZONE = re.compile(r"in ([a-z0-9_+-]+(?:/[a-z0-9_+-]+)*)", re.ASCII | re.IGNORECASE)
_WORDS: Mapping[Reason, str] = {
    Reason.EVERYTHING: "keep everything",
    Reason.LAST: "last",
    Reason.DAILY: "daily",
    Reason.WEEKLY: "weekly",
    Reason.MONTHLY: "monthly",
    Reason.YEARLY: "yearly",
    Reason.YOUNG: "young",
    Reason.NEWEST: "the newest good one",
    Reason.WISH: "as it was wished",
    Reason.HOLD: "held",
    Reason.LOCKED: "locked",
    Reason.USED: "in use",
    Reason.FOREIGN: "another installation's",
    Reason.MISDATED: "dated by a wrong clock",
}


def parse(text: str) -> Retention:
    """Read it in any case and order, "keep" may be left out, "and" is a comma. ValueError says what is wrong."""
    said = re.sub(r"^keep\s+", "", " ".join(text.split()), flags=re.IGNORECASE)
    if said.casefold() == EVERYTHING:
        return Retention()
    found: dict[str, Any] = {}
    for part in re.split(r"\s*,\s*|\s+and\s+", said, flags=re.IGNORECASE):
        name, value = _rule(part)
        if name in found:
            raise ValueError(f"“{_short(part)}” says {name.replace('_', ' ')} a second time. Say it once: {USAGE}")
        found[name] = value
    retention = Retention(**found)
    if retention.is_everything:
        raise ValueError(f"“{_short(text)}” keeps nothing. To keep all, write: keep {EVERYTHING}")
    return retention if retention.has_calendar else replace(retention, zone="UTC")


def said(retention: Retention) -> str:
    """The canonical text; `parse` reads the same again."""
    if retention.is_everything:
        return f"keep {EVERYTHING}"
    rules = [f"{count} {name}" for name, count in retention.counts().items() if count]
    rules += [f"at least {_span(retention.minimum_age)}"] if retention.minimum_age else []
    rules += [f"in {retention.zone}"] if retention.has_calendar and retention.zone != "UTC" else []
    return f"keep {', '.join(rules)}"


def ends(text: str, now: datetime) -> datetime | None:
    """When a hold ends: after the day that is named, or so much later than now; None: "", never. ValueError."""
    if not text:
        return None
    try:
        if _DAY.fullmatch(text):
            return datetime.fromisoformat(text).replace(tzinfo=UTC) + timedelta(days=1)
        return now + durations.parse(text)
    except (ValueError, OverflowError):
        raise ValueError(f"“{_short(text)}” is no day like 2027-01-31, and no time like 90d.") from None


def why(keep: Keep) -> str:
    """One reason in words: "daily 2026-11-25", "last (2 of 7)", "held by dave: audit"."""
    word = _WORDS[keep.reason]
    if keep.reason is Reason.LAST:
        return f"{word} ({keep.detail})"
    return f"{word} {keep.detail}".rstrip()


def word_of(reason: Reason) -> str:
    """How a reason is called where many are counted."""
    return _WORDS[reason]


def _rule(part: str) -> tuple[str, Any]:
    folded = part.casefold()
    if found := _COUNT.fullmatch(folded):
        return found[2], int(found[1])
    if found := _LEAST.fullmatch(folded):
        return "minimum_age", timedelta(**{_UNITS[found[2]]: int(found[1])})
    if found := _ZONE.fullmatch(part):
        return "zone", _zone(found[1])
    raise ValueError(f"“{_short(part)}” is no rule that Cloudy knows. Write it like this: {USAGE}")


def _zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (ValueError, OSError, LookupError):
        raise ValueError(f"There is no time zone {_short(name)}. Write it like Europe/Berlin.") from None


def _span(span: timedelta) -> str:
    seconds = round(span.total_seconds())
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds % size == 0:
            return f"{seconds // size} {unit}{'' if seconds == size else 's'}"
    return f"{seconds} second{'' if seconds == 1 else 's'}"


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"
