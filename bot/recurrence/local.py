"""From the clock on the wall to the one moment that is meant by it, in UTC. Pure."""

from bisect import bisect_left
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo


def moment(local: datetime, zone: ZoneInfo) -> datetime:
    """When the clocks of that zone show it (a naive time), in UTC.

    What they leave out as they are set forward is the moment at which they are; what they show twice is the first.
    """
    first = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None, fold=0) == local:
        return first
    return _set_forward(local.replace(tzinfo=zone, fold=1).astimezone(UTC), first, zone)


def moments(local: datetime, zone: ZoneInfo) -> tuple[datetime, ...]:
    """The same, and also the second time where the clocks show it twice."""
    first, second = moment(local, zone), local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return (first, second) if second > first else (first,)


def naive(at: datetime, zone: ZoneInfo) -> datetime:
    """What the clocks of that zone show at a moment."""
    return at.astimezone(zone).replace(tzinfo=None, fold=0)


def _set_forward(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The second between them at which the clocks are set (PEP 495: the two folds of a time left out lie around it)."""
    offset = after.astimezone(zone).utcoffset()

    def is_set(seconds: int) -> bool:
        return (before + timedelta(seconds=seconds)).astimezone(zone).utcoffset() == offset

    seconds = range(int((after - before).total_seconds()) + 1)
    return before + timedelta(seconds=bisect_left(seconds, True, key=is_set))
