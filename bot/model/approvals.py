"""Nouns of an approval: one plan, and what people decided about it."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from bot.model.json import Json
from bot.model.transactions import Actor


class ApprovalState(StrEnum):
    """Where an approval stands; all but pending and approved stay."""

    PENDING = "pending"
    APPROVED = "approved"  # by as many as are needed; not started yet
    VETOED = "vetoed"
    EXPIRED = "expired"  # nobody decided in time, or it was not started in time after the decision
    EXECUTED = "executed"  # what was approved has begun, once
    CANCELLED = "cancelled"  # withdrawn, or its plan does not hold any more


class Choice(StrEnum):
    """What one person decides."""

    APPROVE = "approve"
    VETO = "veto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One person's word on one approval; a person has one."""

    actor: Actor
    choice: Choice
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A plan that waits for a decision, bound to its hash. A plan that changed gets a new one."""

    id: str
    transaction_id: str
    number: int  # from 1: of this transaction
    operation: str
    state: ApprovalState
    token: str  # opaque; names this approval in buttons, and nothing else does
    decided: Json  # what is approved (bot/approving.py hashes it)
    estimates: Json  # shown beside it; may move by a tolerance
    plan_hash: str
    requester: Actor
    reason: str
    needed: int  # distinct approvers; 0: the requester confirms it
    created_at: datetime
    expires_at: datetime
    good_for_s: int  # seconds after the decision in which it may start
    remind_at: datetime | None = None  # None: it was reminded of
    good_until: datetime | None = None  # once approved
    why: str = ""  # of an end that nobody clicked
    decisions: tuple[Decision, ...] = field(default_factory=tuple)

    @property
    def is_confirmation(self) -> bool:
        """Whether it only waits for the one who asked."""
        return self.needed == 0

    @property
    def approvers(self) -> tuple[Actor, ...]:
        """Who approved, in order."""
        return tuple(decision.actor for decision in self.decisions if decision.choice is Choice.APPROVE)
