"""Nouns of what is told: the audit's rows and the messages that should stand in the chat."""

from dataclasses import dataclass, field
from datetime import datetime

from bot.model.json import Json
from bot.model.transactions import Actor, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One act to be kept; the same key twice is kept once."""

    key: str
    action: str  # "command", "step", "outcome", "stop", ...
    actor: Actor
    transaction_id: str = ""
    body: Json = field(default_factory=dict)

    @classmethod
    def of(cls, transaction: Transaction, *, key: str, action: str, body: Json) -> "AuditEvent":
        """One of a transaction, in the name of whoever asked for that."""
        return cls(key=key, action=action, actor=transaction.actor, transaction_id=transaction.id, body=body)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """One link of the audit chain."""

    seq: int
    at: datetime
    key: str
    action: str
    actor_id: str
    actor_name: str
    source: str
    transaction_id: str
    body: Json
    prev: str
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditVerdict:
    """What `cloudy audit verify` found."""

    rows: int
    broken_at: int | None  # seq of the first row that does not fit, None when whole
    why: str  # for people; also says when it cannot judge
    judged: bool = True  # False: no key, so nothing could be judged


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message that should stand in the chat: desired state, not an event."""

    key: str  # ours, unique: "<transaction id>:plan"
    channel: str
    view: Json  # see bot/story.py
    thread_key: str = ""  # key of the root message whose thread this is in
    thread_ts: str = ""  # or the thread's ts, where the root is not ours
    only_for: str = ""  # Slack user id: a private (ephemeral) answer
    version: int = 1
    sent_version: int = 0
    ts: str = ""  # where it stands, once sent
    intent: str = ""  # not empty: a send was begun and its outcome is not known
    attempts: int = 0
    not_before: datetime | None = None
    last_sent_at: datetime | None = None
    id: int = 0  # order of creation
