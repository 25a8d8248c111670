"""What becomes of times of a schedule that are past when somebody looks: started, caught up with, missed. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot import durations
from bot.model import CatchUp, FireState

ON_TIME = timedelta(minutes=5)  # the newest time, looked at within so long, is started as if nothing had been


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What counts for one schedule."""

    catch_up: CatchUp = CatchUp.LATEST
    grace: timedelta | None = None  # what is later than this is not caught up with


@dataclass(frozen=True, slots=True)
class Judged:
    """One time, and what becomes of it."""

    at: datetime
    state: FireState  # started, caught up or missed
    why: str = ""


def judge(times: Sequence[datetime], now: datetime, rules: Rules, *, is_whole: bool = True) -> tuple[Judged, ...]:
    """Judge past times in their order, oldest first.

    is_whole: False: later ones are past as well, so that the last of these is not the latest.
    """
    latest = times[-1] if times and is_whole else None
    return tuple(_one(at, now, rules, is_latest=at == latest) for at in times)


def _one(at: datetime, now: datetime, rules: Rules, *, is_latest: bool) -> Judged:
    late = now - at
    if is_latest and late <= ON_TIME:
        return Judged(at, FireState.STARTED)
    if rules.grace is not None and late > rules.grace:
        return Judged(at, FireState.MISSED, f"later than its grace of {durations.said(rules.grace)}")
    if rules.catch_up is CatchUp.NONE:
        return Judged(at, FireState.MISSED, "nothing is caught up with")
    if rules.catch_up is CatchUp.LATEST and not is_latest:
        return Judged(at, FireState.MISSED, "only the latest is caught up with")
    return Judged(at, FireState.CAUGHT_UP)
