"""Nouns of a digest: one message that says how everything stands, and what was done in a day or a week."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bot.model.concerns import ConcernKind
from bot.model.lists import Tally


class Span(StrEnum):
    """What a digest looks back on; the words that people type."""

    DAY = "day"
    WEEK = "week"

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return timedelta(days=1 if self is Span.DAY else 7)


class Topic(StrEnum):
    """What a part of a digest is about, the most urgent first."""

    APPROVAL = "approval"  # waits for a decision
    HELD = "held"  # a run that waits for a Retry
    FAILED = "failed"  # a run, and none of the same VM has ended well since
    FAILING = "failing"  # VMs whose last two protections failed
    LATE = "late"
    SOON = "soon late"  # VMs whose next protection cannot be in time
    UNPROTECTED = "unprotected"
    SCHEDULE = "schedule"  # suspended
    EXPIRY = "expiry"  # certificates and credentials about to end
    SYSTEM = "system"  # VMstores and targets that did not work last
    UNPROVEN = "unproven"
    GROWTH = "growth"
    UNSCHEDULED = "no schedule"  # VMs with an RPO that no schedule protects
    ORPHANS = "orphans"


class Act(StrEnum):
    """What a line's button does, beside snoozing and assigning."""

    PROTECT = "protect"  # to the line's targets
    CHOOSE = "choose"  # where to: a form
    SCHEDULE = "schedule"  # when: a form
    RETRY = "retry"
    DRILL = "drill"
    DETAILS = "details"
    RESUME = "resume"  # a schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestLine:
    """One thing that somebody may have to do something about. Texts are raw and may hold anything."""

    kind: ConcernKind
    id: str  # see ConcernKind
    title: str
    words: str = ""
    act: Act | None = None
    vm: str = ""  # as one would type it
    targets: tuple[str, ...] = ()  # of a protect
    assigned: str = ""  # Slack user id, or a name
    may_snooze: bool = True
    answer: str = ""  # what was done about it since; then it has no buttons any more

    @property
    def concern(self) -> str:
        """The thing's name, as buttons carry it."""
        return f"{self.kind}:{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """All of one topic: how many, and the worst of them."""

    topic: Topic
    total: int  # without those that are snoozed
    lines: tuple[DigestLine, ...] = ()
    snoozed: int = 0
    more: str = ""  # the command that lists all


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How many transactions of one workflow ended how."""

    workflow: str
    well: int = 0
    partly: int = 0
    failed: int = 0
    stopped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Drilled:
    """Drills of the time, and how long they took to a first sign of life."""

    well: int = 0
    failed: int = 0
    median_s: float | None = None
    slowest_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What lies in one target, and what will in 30 days by a straight line through the last 30."""

    target: str
    size: int  # bytes
    points: int
    days: int = 0  # between the first and the last measure; too few: there is no forecast
    foreseen: int | None = None  # bytes
    month: float | None = None  # price of a month; None: not known
    foreseen_month: float | None = None
    currency: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """How everything stands, or all that concerns one person."""

    span: Span
    since: datetime
    until: datetime
    tally: Tally
    owner: str = ""  # Slack user id, whose things it is about; "": everything
    rpo: str = ""  # the RPO in words, where all VMs have the same
    oldest_proof: timedelta | None = None  # of the VM whose last good drill is longest ago; None: none is proven
    unproven: int = 0  # VMs with a recovery point that no drill has proven
    ran: tuple[Ran, ...] = ()
    read: int = 0  # bytes
    sent: int = 0  # bytes
    drilled: Drilled = Drilled()
    stored: tuple[Stored, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    troubles: tuple[str, ...] = ()  # why it may not know all

    @property
    def is_well(self) -> bool:
        """Whether there is nothing to be done, as far as all is known."""
        return not self.troubles and not any(chapter.total for chapter in self.chapters)

    @property
    def snoozed(self) -> int:
        """How many things are not told since somebody snoozed them."""
        return sum(chapter.snoozed for chapter in self.chapters)
