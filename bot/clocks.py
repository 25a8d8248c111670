"""Our clock beside a store's: how far they are apart, and which time what is to be removed is judged by. Pure."""

from datetime import datetime, timedelta

from bot.errors import PermanentError
from bot.ports import Clock, ObjectStore
from bot.words import duration_text

MOST_APART = timedelta(minutes=15)  # from here on S3 and Azure themselves refuse what somebody asks
_TOLD = timedelta(seconds=1)  # a store tells whole seconds
_IN_DAYS = timedelta(days=2)
_NONE = timedelta()


def ahead(before: datetime, told: datetime, after: datetime) -> timedelta:
    """How far our clock is ahead of a store's; less than nothing: behind; nothing: not that anybody could tell.

    before, after: ours, when the store was asked and when it had answered.
    """
    if told > after:
        return after - told
    return max(before - told - _TOLD, _NONE)


def said(off: timedelta) -> str:
    """A difference for people: "12 s ahead of the store's", "3,650 days behind the store's"."""
    if not off:
        return "as the store's"
    size, way = abs(off), "ahead of" if off > _NONE else "behind"
    if size >= _IN_DAYS:
        return f"{round(size / timedelta(days=1)):,} days {way} the store's"
    return f"{duration_text(max(size.total_seconds(), 1))} {way} the store's"


def agreed(clock: Clock, store: ObjectStore) -> datetime:
    """What time it is by both clocks: the earlier one, by which nothing is older than it is. It asks the store.

    PermanentError: they are so far apart that one of them is wrong. TransientError: the store did not answer.
    """
    before = clock.now()
    told = store.now()
    off = ahead(before, told, clock.now())
    if abs(off) > MOST_APART:
        raise PermanentError(
            f"This machine's clock is {said(off)} ({store.name} tells {told:%Y-%m-%d %H:%M:%S} UTC). What is old enough"
            " to go cannot be said, so nothing more is removed. Set the clock, best by NTP; the next round goes on.",
            system=store.name,
            operation="compare clocks",
        )
    return min(before, told + _TOLD)  # what was made within this second is not of a time to come
