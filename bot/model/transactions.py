"""Nouns of one transaction: who asked for what, how it stands, what it may leave behind."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from bot.model.json import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who asked, and where from."""

    id: str  # Slack user id, or the login name for the command line
    name: str
    source: str  # "slack" | "cli" | "schedule"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the answer goes; empty channel: nowhere (command line)."""

    channel: str = ""
    thread: str = ""  # ts of a thread's root message, when something was asked inside one


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectRequest:
    """`/protect vm01, vm02 to s3`, parsed; nothing looked up yet."""

    vms: tuple[str, ...]
    targets: tuple[str, ...]
    consistency: str = "crash"  # "crash" | "vm"
    note: str = ""  # why, in a person's words
    keep_for: str = ""  # as bot.keeping has it; "": nothing was said


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreRequest:
    """`/restore vm01 to vmstore2 as vm01-restored`, parsed; nothing looked up yet."""

    what: str  # a VM by name or uuid, or a recovery point by its transaction id
    vmstore: str = ""  # "": the one that it was on
    name: str = ""  # "": the VM's, with "-restored" behind it
    target: str = ""  # "": the first one that has it and is good
    at: str = ""  # of a VM: the newest recovery point before that time, as bot.durations reads it; "": the newest
    is_on: bool = False  # started at the end
    is_over_original: bool = False  # the VM itself is put back in place; then `confirmed` is needed
    confirmed: str = ""  # the VM's name, as it was typed for that
    is_off_allowed: bool = False  # over the original: it may be powered off for it
    reason: str = ""  # why, in a person's words; the policy may demand it
    via: str = ""  # "snapshot": the one that the VMstore still has; "target"; "": what fits best, with the reason


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillRequest:
    """`/drill vm01 to vmstore2`, parsed; nothing looked up yet."""

    what: str = ""  # as of a restore; "": whose turn it is
    vmstore: str = ""  # "": the one that it was on
    target: str = ""  # "": the first one that has it and is good


class State(StrEnum):
    """Where a transaction stands; `is_final` tells the ones that stay."""

    PLANNING = "planning"  # asked for, being looked up; nobody but the asker knows of it
    AWAITING_APPROVAL = "awaiting approval"
    QUEUED = "queued"
    RUNNING = "running"
    HELD = "held"  # a step failed, and what was made is kept for a while, so that Retry can go on
    SUCCEEDED = "succeeded"  # the recovery point exists in every target
    PARTIAL = "partial"  # in some target, not in all
    FAILED = "failed"
    STOPPED = "stopped"
    REFUSED = "refused"  # could not be planned: unknown VM, ...

    @property
    def is_final(self) -> bool:
        """Whether it will not change any more."""
        return self in _FINAL


_FINAL = frozenset({State.SUCCEEDED, State.PARTIAL, State.FAILED, State.STOPPED, State.REFUSED})


class StepState(StrEnum):
    """Where a step stands."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"
    STOPPED = "stopped"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """How bytes came to one target: sent, copied in the store, never sent because zero."""

    sent: int = 0
    copied: int = 0
    zero: int = 0

    def __add__(self, other: "Carried") -> "Carried":
        return Carried(sent=self.sent + other.sent, copied=self.copied + other.copied, zero=self.zero + other.zero)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bytes:
    """What a transaction moved: read from the share, sent, copied in the store, never sent because zero."""

    read: int = 0  # once, for however many targets
    sent: int = 0
    copied: int = 0
    zero: int = 0
    targets: Mapping[str, Carried] = field(default_factory=dict)  # of the last three, each target's; empty: not known

    def __add__(self, other: "Bytes") -> "Bytes":
        names = dict.fromkeys((*self.targets, *other.targets))
        return Bytes(
            read=self.read + other.read,
            sent=self.sent + other.sent,
            copied=self.copied + other.copied,
            zero=self.zero + other.zero,
            targets={name: self.targets.get(name, Carried()) + other.targets.get(name, Carried()) for name in names},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why something did not work, for the person who must act."""

    what: str  # what happened, in words, with the other system's code
    step: str = ""  # title of the step
    kind: str = ""  # class name in the error tree
    system: str = ""
    code: str = ""
    next: str = ""  # what to do now


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of one transaction."""

    id: str
    title: str
    position: int  # from 0
    state: StepState = StepState.PENDING
    attempt: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    done: int = 0  # bytes or percent so far
    total: int = 0  # 0: nothing to count
    outputs: Json = field(default_factory=dict)
    failure: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One execution of a workflow."""

    id: str
    workflow: str
    vm: str  # as typed until planned, then the VM's name
    targets: tuple[str, ...]
    actor: Actor
    state: State
    created_at: datetime
    request_key: str  # the same request, delivered twice, is one transaction
    consistency: str = "crash"
    note: str = ""
    keep_for: str = ""
    place: Place = field(default_factory=Place)
    vm_uuid: str = ""
    vmstore: str = ""
    frozen: Json = field(default_factory=dict)  # the workflow, as it was when this was planned
    plan: Json = field(default_factory=dict)  # sizes and facts found while planning
    started_at: datetime | None = None
    ended_at: datetime | None = None
    stop_asked_by: str = ""
    bytes: Bytes = field(default_factory=Bytes)
    failure: Failure | None = None
    left_behind: tuple[str, ...] = ()
    not_before: datetime | None = None  # its moment within a start window; until then nothing of it begins

    @property
    def request(self) -> Json:
        """What was asked for beside VM and targets, like {"point": "<transaction id>"}; kept in the plan."""
        asked: Json = self.plan.get("request", {})
        return asked

    @property
    def settled(self) -> Json:
        """What planning made of a request that leaves something open, like the name of a restored VM."""
        made: Json = self.plan.get("settled", {})
        return made

    @property
    def addresses(self) -> dict[str, str]:
        """Target -> where it was when this was approved (ObjectStore.address); {}: no approval, or an old one."""
        return dict(self.plan.get("addresses", {}))

    @property
    def schedule(self) -> str:
        """Id of the schedule that started it; "": somebody asked for it."""
        return self.request_key.split(":")[1] if self.request_key.startswith("schedule:") else ""

    @property
    def asked_by(self) -> str:
        """Who asked for it; of what a schedule started its owner, and the schedule."""
        return f"{self.actor.name}, by schedule {self.schedule}" if self.schedule else self.actor.name

    def awaits(self, now: datetime) -> datetime | None:
        """Its moment, while that is still to come and nothing of it has begun; None: it awaits none."""
        is_still = self.state is State.PLANNING and not self.stop_asked_by
        return self.not_before if is_still and self.not_before and self.not_before > now else None

    @property
    def run(self) -> str:
        """The further run of the engine that goes on with it: "retry1", "cleanup"; "": the first one."""
        return str(self.plan.get("run", ""))

    @property
    def rests_until(self) -> datetime | None:
        """When its targets may be sent to again, while it is queued for that; None: it never had to wait for it."""
        until = str(self.plan.get("rests_until", ""))
        return datetime.fromisoformat(until) if until else None

    @property
    def held_until(self) -> datetime | None:
        """How long what it made is kept for a Retry; None: it was never held."""
        until = str(self.plan.get("held_until", ""))
        return datetime.fromisoformat(until) if until else None


class ResourceKind(StrEnum):
    """What a transaction may leave behind if nobody removes it."""

    SNAPSHOT = "snapshot"
    CLONE = "clone"
    UPLOAD = "upload"
    OBJECTS = "objects"  # everything under the transaction's prefix in one target
    OBJECT = "object"  # one temporary object
    FOLDER = "folder"  # restored files; once in their place, until the restore is done
    REGISTRATION = "registration"  # of a VM with a hypervisor
    ORIGINAL = "original"  # a VM that is being overwritten: to be put back as it was


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One thing to clean up; the row is written before the call that makes the thing."""

    transaction_id: str
    kind: ResourceKind
    system: str  # name of the VMstore or target
    name: str  # label, directory, key: chosen by us, before the thing exists
    detail: Json = field(default_factory=dict)  # what the other system called it (upload id, uuid, task id)
