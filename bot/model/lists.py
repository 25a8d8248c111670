"""Nouns of answers: pages of VMs, of recovery points and of audit rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Generic, TypeVar

from bot.model.inventory import SeenVm
from bot.model.proofs import Proof
from bot.model.systems import RecoveryPoint

T = TypeVar("T")


class VmKind(StrEnum):
    """Which VMs are asked for; the words that people type."""

    ALL = ""
    PROTECTED = "protected"
    LATE = "late"
    UNPROTECTED = "unprotected"
    BIG = "big"  # all, the largest first


class Protection(StrEnum):
    """How a VM stands."""

    PROTECTED = "protected"  # its newest recovery point is younger than the RPO
    LATE = "late"  # it is older
    NEVER = "never"  # there is none
    EXEMPT = "exempt"  # its SLA says that it needs none


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """Some rows of a list, from the one numbered offset (0 is the first)."""

    rows: tuple[T, ...]
    total: int  # of the whole list
    offset: int = 0

    @property
    def end(self) -> int:
        """The offset of the next page."""
        return self.offset + len(self.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class VmLine:
    """One live VM and how it stands."""

    vm: SeenVm
    protection: Protection
    newest: datetime | None = None  # its newest recovery point
    targets: tuple[str, ...] = ()  # all targets that have a recovery point of it
    sla: str = ""  # name of its SLA
    rpo: timedelta = timedelta(hours=24)  # of that


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many live VMs stand how."""

    protected: int = 0
    late: int = 0
    never: int = 0
    exempt: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.protected + self.late + self.never + self.exempt

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            protected=self.protected + other.protected,
            late=self.late + other.late,
            never=self.never + other.never,
            exempt=self.exempt + other.exempt,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PointsOf:
    """The recovery points of what a person named; several VMs may have that name, or have had it."""

    named: str
    vms: tuple[SeenVm, ...]  # as far as the inventory knows them
    uuids: tuple[str, ...]
    page: Page[RecoveryPoint]
    proofs: tuple[Proof, ...] = ()  # of those on the page


@dataclass(frozen=True, slots=True, kw_only=True)
class DayMoved:
    """What the transactions that ended on one day (UTC) moved."""

    day: date
    read: int = 0  # what there was to protect
    sent: int = 0
    transactions: int = 0


class Subject(StrEnum):
    """What an audit can be asked about."""

    ALL = "all"
    TRANSACTION = "transaction"
    VM = "VM"
    USER = "user"


@dataclass(frozen=True, slots=True, kw_only=True)
class Handout:
    """A file that was promised to somebody; it is made when it is sent."""

    key: str  # of the request
    person: str  # the chat's id of the one who gets it
    asked: Mapping[str, Any]  # the question that it answers, as JSON
    at: datetime | None = None  # when it was promised
    attempts: int = 0  # that were begun, and may have delivered it
    not_before: datetime | None = None
