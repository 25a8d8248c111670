"""Rates and hours as cloudy.toml has them: how much may pass when."""

import json
import re
from collections.abc import Sequence
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import NoDecode

from bot.hours import Hours, Timetable, parse
from bot.sections import Section

LEAST = 64 << 10  # bytes a second: with less a store takes the silence for a broken connection
_RATE = re.compile(r"([0-9]{1,7}(?:\.[0-9]{1,3})?) ?([a-z]+)/s")
_UNITS = {
    "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30,
    "kb": 10**3, "mb": 10**6, "gb": 10**9,
    "kbit": 10**3 / 8, "mbit": 10**6 / 8, "gbit": 10**9 / 8,
}  # fmt: skip


def _rate(value: object) -> object:
    if isinstance(value, int):
        return value
    found = _RATE.fullmatch(str(value).strip().casefold())
    if found is None or found[2] not in _UNITS:
        raise ValueError(f"{value!r} is not a rate like 200 MiB/s or 500 Mbit/s")
    rate = int(float(found[1]) * _UNITS[found[2]])
    if rate < LEAST:
        raise ValueError(f"{value} is too little to get anything done: 64 KiB/s is the least")
    return rate


def _hours(text: str) -> str:
    parse(text)
    return text


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is no time zone that this machine knows; some need the package tzdata") from error
    return name


def _rates(value: object) -> object:
    listed = _listed(value)
    return ({"limit": listed},) if isinstance(listed, str) else listed


def _texts(value: object) -> object:
    listed = _listed(value)
    return (listed,) if isinstance(listed, str) else listed


def _listed(value: object) -> object:
    """A list from a variable, which holds it as JSON."""
    return json.loads(value) if isinstance(value, str) and value.lstrip().startswith("[") else value


Rate = Annotated[int, BeforeValidator(_rate)]  # bytes a second
HoursText = Annotated[str, AfterValidator(_hours)]
TimeZone = Annotated[str, AfterValidator(_zone)]


class RateSettings(Section):
    """A rate, and the hours in which it counts."""

    limit: Rate = Field(description='a rate, like limit = "50 MiB/s"')
    hours: HoursText | None = Field(
        default=None, description='hours of the week, like hours = "mon-fri 08:00-18:00"; without it all the others'
    )


Rates = Annotated[tuple[RateSettings, ...], BeforeValidator(_rates), NoDecode]
HoursTexts = Annotated[tuple[HoursText, ...], BeforeValidator(_texts), NoDecode]


def timetable(rates: Sequence[RateSettings], zone: str) -> Timetable:
    """The rates by the clocks of a place."""
    return Timetable(tuple((hours_of([each.hours], zone) if each.hours else None, each.limit) for each in rates))


def hours_of(texts: Sequence[str], zone: str) -> Hours:
    """The hours by the clocks of a place."""
    return Hours(tuple(map(parse, texts)), ZoneInfo(zone))
