"""Nouns of schedules: what starts by itself when, and what came of each time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from bot.model.json import Json
from bot.model.transactions import Actor, Place, State


class CatchUp(StrEnum):
    """What becomes of fires whose time passed while nobody looked."""

    ALL = "all"  # each of them, one after another
    LATEST = "latest"  # the last one only
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRequest:
    """`/schedule protect vm01 to s3 every day at 02:00`, parsed; nothing looked up yet."""

    workflow: str  # a word of the table of what a schedule starts (bot/startable.py): "protect", "verify", "drill"
    recurrence: str  # str() of a Recurrence: with its zone, start window and blackouts
    vms: tuple[str, ...] = ()  # names, patterns ("web*"), either with its VMstore ("vmstore/web*"), groups ("@prod")
    targets: tuple[str, ...] = ()
    options: Json = field(default_factory=dict)  # of the workflow: consistency, keep_for, note; deep; vmstore; period
    catch_up: CatchUp | None = None  # None: as cloudy.toml says
    grace: timedelta | None = None  # a fire that is later than this is not caught up with; None: as cloudy.toml says


class ScheduleState(StrEnum):
    """Whether a schedule starts anything; every fire time is accounted for in any of them, but not of a deleted one."""

    ON = "on"
    PAUSED = "paused"
    SUSPENDED = "suspended"  # its owner lost the right to what it starts
    DELETED = "deleted"  # kept for its past


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One schedule; it acts as its owner."""

    id: str  # 6 characters that can be read aloud, or the name of one of Cloudy's own: "expire"
    asked: ScheduleRequest
    owner: Actor
    created_at: datetime
    looked_until: datetime  # each fire time up to there is accounted for
    request_key: str
    place: Place = field(default_factory=Place)  # where its runs and what becomes of it are told
    state: ScheduleState = ScheduleState.ON
    since: datetime | None = None  # when it was paused or suspended
    until: datetime | None = None  # paused: until then; None: until somebody resumes it
    why: str = ""  # it is paused or suspended, for people

    @property
    def is_own(self) -> bool:
        """Whether it is one of Cloudy's own, which cannot be deleted."""
        return self.owner == CLOUDY


CLOUDY = Actor(id="cloudy", name="cloudy", source="schedule")  # who owns what Cloudy does by itself


class FireState(StrEnum):
    """What became of one fire time."""

    STARTED = "started"
    CAUGHT_UP = "caught up"  # started late, since nobody looked in time
    MISSED = "missed"  # nobody looked in time, and it is not caught up with
    SKIPPED = "skipped"  # on purpose: while it was paused or suspended, or since somebody wanted so
    NOTHING = "started nothing"  # its time came, but there was nothing that it could start: `why`
    ASKED = "asked for"  # by hand, and not begun yet: the next look starts it
    BY_HAND = "by hand"  # no time of the recurrence: somebody asked for a run now


MOST_THREADS = 20  # a fire that starts more has one message for all of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Fire:
    """One time of one schedule, accounted for."""

    schedule: str
    at: datetime
    state: FireState
    decided_at: datetime
    why: str = ""  # for people
    started: int = 0  # transactions
    passed: tuple[str, ...] = ()  # sentences: which VM was passed over, and why; the first twenty
    by: str = ""  # who asked for it, of a run by hand or a skip

    @property
    def is_wide(self) -> bool:
        """Whether what it has started is told in one message, and decided together."""
        return self.started > MOST_THREADS


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleLine:
    """One schedule as a list shows it."""

    schedule: Schedule
    next: tuple[datetime, ...]  # its next times that start something, at most five; none while paused without an end
    last: Fire | None  # the newest that is accounted for
    results: Mapping[State, int]  # how the transactions of the last fire that started any stand, but for those waiting
    waiting: int = 0  # of these: for their moments
    skips: tuple[datetime, ...] = ()  # times to come that somebody wants skipped
