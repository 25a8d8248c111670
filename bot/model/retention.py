"""Nouns of retention: which recovery points are kept, why, and what somebody holds."""

from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum

from bot.model.systems import RecoveryPoint
from bot.model.tiers import Tier

_CALENDAR = ("daily", "weekly", "monthly", "yearly")
_COUNTS = ("last", *_CALENDAR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What is kept of one VM in one target; without any rule: everything.

    A calendar rule keeps the newest recovery point of each of the n newest days (ISO weeks, months, years) that have
    one, by the calendar of the zone.
    """

    last: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    minimum_age: timedelta = timedelta(0)  # nothing younger goes
    zone: str = "UTC"  # name of a time zone

    def __post_init__(self) -> None:
        """ValueError: a number below zero."""
        if min(self.counts().values()) < 0 or self.minimum_age < timedelta(0):
            raise ValueError("a rule of a retention keeps a number of recovery points, not fewer than none")

    @property
    def is_everything(self) -> bool:
        """Nothing is ever removed."""
        return not any(self.counts().values()) and not self.minimum_age

    @property
    def has_calendar(self) -> bool:
        """Whether its zone matters."""
        return any(getattr(self, name) for name in _CALENDAR)

    def counts(self) -> dict[str, int]:
        """The rules that count, by their words."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name in _COUNTS}

    def covers(self, other: "Retention") -> bool:
        """Whether it keeps whatever the other keeps, of any recovery points at any time."""
        if self.is_everything or other.is_everything:
            return self.is_everything
        mine, theirs = self.counts(), other.counts()
        same_days = self.zone == other.zone or not other.has_calendar
        return same_days and self.minimum_age >= other.minimum_age and all(mine[each] >= theirs[each] for each in mine)


class Reason(StrEnum):
    """Why a recovery point is kept."""

    EVERYTHING = "everything"  # there is no rule
    LAST = "last"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    YEARLY = "yearly"
    YOUNG = "young"  # younger than the minimum age
    NEWEST = "newest"  # the newest good one; where none is good, the newest
    WISH = "wish"  # who protected the VM said how long
    HOLD = "hold"
    LOCKED = "locked"  # by the store
    USED = "used"  # a transaction that is not over copies from it, or reads it
    FOREIGN = "foreign"  # another installation made it, and removes it
    MISDATED = "misdated"  # of a time to come, or older than its transaction: some clock was wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """One reason to keep a recovery point."""

    reason: Reason
    detail: str = ""  # the day, the week, the date until when, who holds it and why


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What becomes of one recovery point in one target."""

    point: RecoveryPoint
    keeps: tuple[Keep, ...] = ()  # all reasons to keep it; none: it may go

    @property
    def is_kept(self) -> bool:
        """Whether it stays."""
        return bool(self.keeps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A recovery point that has grown old enough for a tier that it does not lie in."""

    point: RecoveryPoint
    tier: Tier
    stays: str = ""  # why it stays all the same, in words; "": it moves


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A recovery point whose turn to go has come, judged once more."""

    why: str  # why it stays, in words; "": it goes
    newest: str  # the newest good one of its VM in its target, which stays


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Somebody's word that a VM's recovery points, or one of them, stay whatever the rules say."""

    id: str
    reason: str
    by: str  # name of who said so
    at: datetime
    vm_uuid: str = ""  # all recovery points of this VM, those to come too
    vm: str = ""  # its name when it was said
    point: str = ""  # else: the transaction that made this one, in all targets
    until: datetime | None = None  # None: until somebody releases it

    def holds(self, point: RecoveryPoint, now: datetime) -> bool:
        """Whether it keeps this recovery point at that time."""
        is_its = point.vm_uuid == self.vm_uuid if self.vm_uuid else point.transaction_id == self.point
        return is_its and (self.until is None or now < self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retained:
    """What the recovery points of one VM are judged by."""

    sla: str  # that it is the retention of
    retention: Retention


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """What was decided for one SLA; a VM that it would keep less of is judged by it once that is approved."""

    sla: str
    retention: Retention
    since: datetime
    by: str  # name of who brought it into force
    text: str  # of the configuration when it was looked at last; a change of it is a new proposal


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionLine:
    """One SLA, as a list shows its retention."""

    force: InForce
    vms: int = 0  # that have recovery points and are judged by it
    behind: int = 0  # that have this SLA, and are judged by what keeps more until that is approved
    waits: str = ""  # the transaction that waits for an approval


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionTable:
    """What is in force, and what is held."""

    lines: tuple[RetentionLine, ...]
    holds: tuple[Hold, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewRequest:
    """`/retention preview keep 7 last for gold`, parsed; nothing looked up yet."""

    rules: Retention | None = None  # None: what is in force
    subject: str = ""  # an SLA, a VM, a pattern, a group; "": all


@dataclass(frozen=True, slots=True, kw_only=True)
class CostLine:
    """What the recovery points of one VM cost, as far as prices are known."""

    vm: str
    points: int
    size: int  # bytes
    a_month: str  # "about 1.20 USD a month"; "": not known
    less: str = ""  # the same of what would go


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What rules make of the recovery points that there are."""

    request: PreviewRequest
    sla: str = ""  # that the subject is, or all of its VMs have
    goes: tuple[Verdict, ...] = ()  # what would be removed
    stays: tuple[Verdict, ...] = ()
    due: int = 0  # of those that go: by what is in force already
    spared: int = 0  # of those that stay: only by these rules
    saves: str = ""  # "about 0.02 USD a month"
    costs: str = ""  # the same of what stays
    by_vm: tuple[CostLine, ...] = ()  # those that cost most before; a few
    is_shorter: bool = False  # to bring it into force takes an approval
    turns: tuple[Turn, ...] = ()  # of those that stay: what has grown old enough for a tier, oldest first
    has_tiers: bool = False  # an SLA of these VMs says from which age on
    moves_save: str = ""  # "about 0.02 USD a month"

    @property
    def total(self) -> int:
        """All recovery points that were looked at."""
        return len(self.goes) + len(self.stays)
