"""When something comes again: a rule at a place, with what is left out of it. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

from bot.hours import Span
from bot.recurrence.days import EVERY_DAY, named
from bot.recurrence.local import moment, naive
from bot.recurrence.rules import HOUR, Rule, clock

COUNTED_FROM = date(2024, 1, 1)  # a Monday; what counts weeks or days, and was told no day, counts from it
_LONGEST_BLACKOUT = timedelta(days=8)  # what is on all week long leaves nothing, and is refused
_MOST_LOOKED = 400


@dataclass(frozen=True, slots=True)
class Blackout:
    """Hours of the week in which nothing starts: what would is left out, or comes at their end."""

    span: Span
    postpones: bool = False

    def end(self, at: datetime, zone: ZoneInfo) -> datetime | None:
        """When it ends, in UTC, if it is on at that moment; None: it is not."""
        local = naive(at, zone)
        minute = local.hour * HOUR + local.minute
        if not self.span.has(local.weekday(), minute):
            return None
        begins, ends = self.span.begins, self.span.ends
        ahead = 1 if begins >= ends and minute >= begins and local.weekday() in self.span.days else 0
        shown = datetime.combine(local.date() + timedelta(days=ahead), time()) + timedelta(minutes=ends)
        first = moment(shown, zone)
        return first if first > at else shown.replace(tzinfo=zone, fold=1).astimezone(UTC)

    def __str__(self) -> str:
        """As it is read."""
        on = "" if self.span.days == EVERY_DAY else f" on {named(self.span.days)}"
        later = " but after it" if self.postpones else ""
        return f"not between {clock(self.span.begins)} and {clock(self.span.ends)}{on}{later}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """Fire times; its text is the phrase that `parse` reads the same again."""

    rule: Rule
    zone: str  # of the time zone database
    window: timedelta | None = None  # within it, from each fire time on, what is many may start bit by bit
    blackouts: tuple[Blackout, ...] = ()
    first: date | None = None  # the first day; what counts days or weeks counts from it
    last: date | None = None

    def between(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """Fire times after the one moment, up to and with the other (aware), in UTC, in order, each once.

        A time that the clocks leave out fires when they have been set, and one that they show twice fires at the
        first, unless it is asked for in each hour of the day: then also at the second.
        """
        return takewhile(lambda at: at <= until, self.after(after))

    def next(self, after: datetime) -> datetime | None:
        """The first fire time after that moment (aware), in UTC; None: it has come for the last time."""
        return next(self.after(after), None)

    def after(self, moment_: datetime) -> Iterator[datetime]:
        """All fire times after that moment (aware), in UTC, in order, each once; without an end if it has none."""
        last = moment_.astimezone(UTC)
        for each in self._raw(last):
            come = self._past_blackouts(each)
            if come is not None and come > last:
                last = come
                yield come

    def open_from(self, at: datetime) -> datetime:
        """The first moment from that one on at which none of its blackouts is on: for starts within the window."""
        zone, latest = ZoneInfo(self.zone), at + _LONGEST_BLACKOUT
        while at < latest and (ends := [end for each in self.blackouts if (end := each.end(at, zone)) is not None]):
            at = max(ends)
        return at

    @property
    def steps(self) -> bool:
        """Whether it counts days, weeks or hours from some day on, so that it matters which."""
        return self.rule.steps

    @property
    def comes(self) -> bool:
        """Whether it fires at all; what blackouts leave of it shows within a fortnight and some hundred times."""
        zone = ZoneInfo(self.zone)
        begun = moment(datetime.combine(self.first or COUNTED_FROM, time()), zone) - timedelta(seconds=1)
        opens = self.open_from(begun)
        if any(each.end(opens, zone) for each in self.blackouts):
            return False
        enough = begun + timedelta(days=15)
        looked = takewhile(lambda found: found[0] < _MOST_LOOKED or found[1] < enough, enumerate(self._raw(begun)))
        return any(self._past_blackouts(at) is not None for _, at in looked)

    def begun(self, now: datetime) -> "Recurrence":
        """The same, counted from the day at which it can come first after now, unless it says from when."""
        if self.first is not None or not self.steps:
            return self
        zone = ZoneInfo(self.zone)
        today = naive(now, zone).date()
        days = (today + timedelta(days=ahead) for ahead in range(8))
        comes = ((replace(self, first=day).next(now), day) for day in days)
        soonest = min(((at, day) for at, day in comes if at is not None), default=(now, today))
        return replace(self, first=soonest[1])

    def _raw(self, after: datetime) -> Iterator[datetime]:
        zone = ZoneInfo(self.zone)
        since = after
        while after - since < _LONGEST_BLACKOUT and any(each.end(since, zone) for each in self.blackouts):
            since -= timedelta(hours=1)  # what came during a blackout that is on comes at its end
        if self.first is not None:
            since = max(since, moment(datetime.combine(self.first, time()), zone) - timedelta(microseconds=1))
        found = self.rule.after(since, zone, self.first or COUNTED_FROM)
        if self.last is None:
            return found
        end = moment(datetime.combine(self.last + timedelta(days=1), time()), zone)
        return takewhile(lambda at: at < end, found)

    def _past_blackouts(self, at: datetime) -> datetime | None:
        zone = ZoneInfo(self.zone)
        ends = ((each, each.end(at, zone)) for each in self.blackouts)
        met = [each for each, end in ends if end is not None]
        if not met:
            return at
        opens = self.open_from(at) if all(each.postpones for each in met) else None
        return opens if opens and not any(each.end(opens, zone) for each in self.blackouts) else None

    def __str__(self) -> str:
        """The phrase that reads the same again."""
        said = [str(self.rule), self.zone]
        if self.window is not None:
            said.append(f"within {_short(self.window)}")
        said += map(str, self.blackouts)
        said += [f"from {self.first}"] if self.first else []
        said += [f"until {self.last}"] if self.last else []
        return " ".join(said)


def _short(window: timedelta) -> str:
    minutes = int(window.total_seconds()) // 60
    return f"{minutes // HOUR}h" if minutes % HOUR == 0 else f"{minutes}m"
