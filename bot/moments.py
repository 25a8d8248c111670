"""When within its start window each VM of a fire starts, and what blackouts make of that moment. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

from bot.model import CatchUp
from bot.recurrence import Blackout, Recurrence

_BYTES = 8
_LOOKED = 50  # times that a start window must fit between
_MOST = 20  # blackouts one behind the other


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedBlackout:
    """Hours of cloudy.toml in which no schedule starts anything."""

    name: str
    blackout: Blackout
    zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRules:
    """What cloudy.toml says of all schedules."""

    catch_up: CatchUp = CatchUp.LATEST
    grace: timedelta | None = None
    blackouts: tuple[NamedBlackout, ...] = ()
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    admin_channel: str = ""  # where is told what has no channel of its own
    time_zone: str = "UTC"  # of phrases that name none


def offset(seed: str, window: timedelta | None) -> timedelta:
    """How long after its beginning: the same for the same seed, and evenly spread over the window for many."""
    if not window:
        return timedelta()
    drawn = int.from_bytes(sha256(seed.encode()).digest()[:_BYTES]) / (1 << 8 * _BYTES)
    return timedelta(seconds=int(window.total_seconds() * drawn))


def too_tight(recurrence: Recurrence, now: datetime) -> timedelta | None:
    """What its start window is longer than: the least time between two of its times, if it lasts into the next one.

    What still waits for its moment would be passed over there. None: it fits.
    """
    times = [*islice(recurrence.after(now), _LOOKED)]
    least = min((after - before for before, after in pairwise(times)), default=None)
    return least if least is not None and recurrence.window is not None and recurrence.window > least else None


def placed(
    at: datetime, recurrence: Recurrence, blackouts: Sequence[NamedBlackout], shift: timedelta
) -> datetime | NamedBlackout:
    """The moment itself, or one after the blackouts that it falls into; the blackout, where it is not to start at all.

    shift: how long after the end of a blackout, so that what it held up does not start all at once.
    """
    for _ in range(_MOST):
        own = recurrence.open_from(at)
        met = [(each, end) for each in blackouts if (end := each.blackout.end(at, ZoneInfo(each.zone))) is not None]
        skips = next((each for each, _ in met if not each.blackout.postpones), None)
        if skips is not None:
            return skips
        opens = max((own, *(end for _, end in met)))
        if opens <= at:
            return at
        at = opens + shift
        shift = timedelta()  # once is enough: hours that are shorter than the shift would never be met
    on = (each for each in blackouts if each.blackout.end(at, ZoneInfo(each.zone)) is not None)
    return next(on, at)  # they leave no hour of the week between them
