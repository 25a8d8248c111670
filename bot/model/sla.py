"""Nouns of what is promised for VMs, and of how each stands by it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from bot.model.inventory import SeenVm
from bot.model.lists import Protection, Tally
from bot.model.retention import Retention
from bot.model.tiers import Tiering
from bot.model.transactions import State

DEFAULT = "default"  # the SLA of whatever no other fits


@dataclass(frozen=True, slots=True, kw_only=True)
class Sla:
    """What is promised for some VMs; the first that fits a VM is its own."""

    name: str
    vms: tuple[str, ...] = ()  # patterns and "@group"s, as they are written; see bot/groups.py
    rpo: timedelta = timedelta(hours=24)
    targets: tuple[str, ...] = ()  # a recovery point must be in each of them; none named: in any one
    drill_every: timedelta | None = timedelta(days=30)  # how old the newest proof may be; None: none is asked for
    retention: Retention = field(default_factory=Retention)
    is_exempt: bool = False  # its VMs need no protection, and nothing is promised
    channel: str = ""  # where changes are told; "": the admin channel
    lock: timedelta | None = None  # how long the store is to refuse the removal of each recovery point
    lock_mode: str = ""  # "GOVERNANCE" | "COMPLIANCE"; "" without a lock
    tiering: Tiering = field(default_factory=Tiering)

    @property
    def leeway(self) -> timedelta:
        """How much later than promised is worth no word: 1 h of an RPO of 24 h.

        A run each day begins when the one before did, and ends some minutes later than that one's snapshot.
        """
        return self.rpo / 24

    @property
    def is_default(self) -> bool:
        """Whether it is the last resort, and not written as an SLA."""
        return self.name == DEFAULT


@dataclass(frozen=True, slots=True, kw_only=True)
class Slas:
    """All of them, in their order, with the groups that they name."""

    listed: tuple[Sla, ...] = ()
    last: Sla = Sla(name=DEFAULT)  # of whatever none of the others fits
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # patterns of names

    @property
    def all(self) -> tuple[Sla, ...]:
        """With the last resort at the end."""
        return (*self.listed, self.last)

    def named(self, name: str) -> Sla | None:
        """The one of that name, None if there is none."""
        return next((each for each in self.all if each.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Which SLA a VM has, and by which pattern."""

    sla: Sla
    pattern: str = ""  # "": it is the last resort
    group: str = ""  # that the pattern stands in


@dataclass(frozen=True, slots=True, kw_only=True)
class NextFire:
    """The next time at which one schedule starts a run of one VM."""

    at: datetime
    schedule: str  # its name, for people
    targets: tuple[str, ...] = ()  # none: the schedule does not say


# The next fire of each schedule that protects one of these VMs, by the VM's uuid; a VM that none covers is left out.
NextFires = Callable[[Sequence[SeenVm], datetime], Mapping[str, Sequence[NextFire]]]


class Trouble(StrEnum):
    """What is not well with a VM, the worst first."""

    UNPROTECTED = "unprotected"  # no recovery point at all
    LATE = "late"  # the newest one is older than the RPO, in a target that it is promised in
    FAILING = "failing"  # the last two runs, or more, did not work
    WILL_BE_LATE = "will be late"  # no run that is scheduled can end before the RPO passes
    UNSCHEDULED = "no schedule"  # there is an RPO, and no schedule protects the VM
    GROWING = "growing"  # the newest run sent far more than those before
    NEVER_PROVEN = "never proven"
    PROOF_OLD = "proof too old"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOfVm:
    """One protection of a VM, as far as it tells how the VM stands."""

    id: str
    state: State
    targets: tuple[str, ...]
    started_at: datetime | None = None
    ended_at: datetime | None = None  # None: it is not over
    not_before: datetime | None = None  # its moment, while it waits for one
    sent: int = 0  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class VmFacts:
    """What is known of one live VM that tells how it stands."""

    vm: SeenVm
    newest: Mapping[str, datetime] = field(default_factory=dict)  # target -> when its newest recovery point was taken
    runs: tuple[RunOfVm, ...] = ()  # protections, newest first; those that are not over among them
    proven_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InTarget:
    """How a VM stands in one target that its SLA promises."""

    target: str  # "": any of them will do
    newest: datetime | None = None
    due: datetime | None = None  # when the RPO passes; None: there is no recovery point
    late_by: timedelta | None = None  # None: not late
    is_late: bool = False
    failed: int = 0  # runs to it in a row, the newest ones, that brought no recovery point
    ready_by: datetime | None = None  # when the next run will have ended, as far as that is known


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """What the newest run sent, against what is usual."""

    sent: int  # bytes
    usual: int  # bytes; the median of the ones before


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one VM stands by its SLA."""

    vm: SeenVm
    fit: Fit
    protection: Protection
    newest: datetime | None = None  # of all targets
    targets: tuple[InTarget, ...] = ()  # those that are promised
    troubles: tuple[Trouble, ...] = ()  # the worst first
    proven_at: datetime | None = None
    growth: Growth | None = None  # only when it is unusual
    takes: timedelta | None = None  # what nine of ten runs took at most; None: there was none yet
    fires: tuple[NextFire, ...] = ()  # soonest first

    @property
    def sla(self) -> Sla:
        """The VM's own."""
        return self.fit.sla

    @property
    def late_by(self) -> timedelta | None:
        """The most that it is late by in any target; None: not late, or it has nothing there."""
        return max((each.late_by for each in self.targets if each.late_by is not None), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlaTally:
    """How many live VMs have one SLA, and stand how."""

    sla: Sla
    tally: Tally
