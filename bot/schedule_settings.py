"""[schedules] of cloudy.toml: what becomes of missed fires, and hours in which no schedule starts anything."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from bot.hours import Span, parse
from bot.model import CatchUp
from bot.moments import NamedBlackout, ScheduleRules
from bot.rate_settings import TimeZone
from bot.recurrence import Blackout
from bot.sections import DurationOrNone, Section


def _time(text: str) -> str:
    parse(f"{text}-00:00" if text != "00:00" else "00:00-01:00")
    return text


def _days(text: str) -> str:
    parse(f"{text} 00:00-01:00" if text else "00:00-01:00")
    return text


Time = Annotated[str, AfterValidator(_time)]
Days = Annotated[str, AfterValidator(_days)]


class BlackoutSettings(Section):
    """Hours of the week in which no schedule starts anything."""

    name: str = Field(min_length=1, max_length=100, description='a name, like name = "office hours"')
    begins: Time = Field(alias="from", description='a time of the day, like from = "08:00"')
    ends: Time = Field(alias="until", description='a time of the day, like until = "18:00"; not later: of the next day')
    days: Days = Field(
        default="", description='the days on which it begins, like days = "mon-fri"; without it every day'
    )
    zone: TimeZone = Field(default="UTC", description='a time zone, like zone = "Europe/Berlin"')
    then: Literal["delay", "skip"] = Field(
        default="delay", description='what becomes of a start in it: then = "delay", to its end, or "skip"'
    )

    @property
    def span(self) -> Span:
        """The same as hours of the week."""
        return parse(f"{self.days} {self.begins}-{self.ends}")


class SchedulesSettings(Section):
    """What holds for every schedule."""

    time_zone: TimeZone = Field(
        default="UTC", description='of what is typed without a zone, like time_zone = "Europe/Berlin"'
    )
    catch_up: Literal["all", "latest", "none"] = Field(
        default="latest", description='what is caught up with after an outage: catch_up = "all", "latest" or "none"'
    )
    grace: DurationOrNone = Field(
        default=timedelta(), description='what is later is not caught up with, like grace = "2d"; "0": however late'
    )
    blackouts: tuple[BlackoutSettings, ...] = Field(default=(), description="sections [[schedules.blackouts]]")


def flaws(settings: SchedulesSettings, file: str) -> list[str]:
    """Tell what no single key shows."""
    return [
        f"{file}: schedules.blackouts, entry {number + 1}: from and until are the same, so nothing would ever start;"
        " give it an end"
        for number, each in enumerate(settings.blackouts)
        if each.begins == each.ends
    ]


def rules_of(settings: SchedulesSettings, groups: Mapping[str, Sequence[str]], admin_channel: str) -> ScheduleRules:
    """The same as values."""
    return ScheduleRules(
        catch_up=CatchUp(settings.catch_up),
        grace=settings.grace or None,
        blackouts=tuple(
            NamedBlackout(name=each.name, blackout=Blackout(each.span, each.then == "delay"), zone=each.zone)
            for each in settings.blackouts
        ),
        groups=groups,
        admin_channel=admin_channel,
        time_zone=settings.time_zone,
    )
