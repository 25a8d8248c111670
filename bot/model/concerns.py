"""Nouns of a concern: what people decided about something that is not as it should be."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.model.transactions import Actor


class ConcernKind(StrEnum):
    """What can be of concern; the id that goes with each is said beside it."""

    RPO = "rpo"  # uuid of a VM that is late, will be, fails, or has no recovery point
    COVER = "cover"  # uuid of a VM that no schedule protects
    PROOF = "proof"  # uuid of a VM that no drill has proven
    GROWTH = "growth"  # uuid of a VM
    RUN = "run"  # a transaction that failed, is held, or waits for a decision
    SCHEDULE = "schedule"  # its id
    EXPIRY = "expiry"  # name of a certificate or credential
    ORPHANS = "orphans"  # "all"
    SYSTEM = "system"  # name of a VMstore or target


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """One thing, until when it is not to be told of, and who takes care of it."""

    kind: ConcernKind
    id: str
    until: datetime | None = None  # None: it is not snoozed
    reason: str = ""  # of the snooze
    by: Actor | None = None  # who snoozed it
    assigned: str = ""  # Slack user id; "": to nobody
    assigned_by: str = ""  # a name
