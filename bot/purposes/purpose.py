"""What one workflow is for, as a value: how its end is judged and in which words it is told."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bot.model import Bytes, Json, Proof, RecoveryPoint, State, Step, Transaction
from bot.words import duration_text, moved_text

Facts = list[list[str]]
Lookup = Callable[[str], RecoveryPoint | None]  # the recovery point of that id in the target of a round


def no_facts(_transaction: Transaction, _steps: Sequence[Step]) -> Facts:
    """Nothing that is peculiar to it."""
    return []


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """A workflow's meaning. All texts are raw; endings must have every final state but `refused`."""

    being: str  # "vm01 is already being <protected> by ..."
    asked: Callable[[Transaction], str]  # "protect vm01 to s3"; also of an outline
    again: Callable[[Transaction, Sequence[str]], str]  # the command that asks for the same in these targets
    endings: Mapping[State, Callable[[Transaction], str]]
    after_damage: Callable[[Transaction], str] | None = None  # what to do when a checksum was wrong; None: ask again
    buttons: tuple[str, ...] = ()  # of the receipt of a success: "verify"
    can_retry: bool = False  # the receipt of a failure offers Retry, which asks for the same anew
    stopping: str = "Nothing new is begun."  # what a Stop does to it
    is_judged_by_points: bool = False  # it has succeeded where its recovery point stands, whatever its steps came to
    reached: Callable[[Sequence[Step]], bool] | None = None  # what it is for is done, whatever its later steps come to
    proves: Callable[[Transaction, Sequence[Step], datetime], Proof | None] | None = (
        None  # what its end says of a point
    )
    removes_a_point: bool = False  # its end tells from which targets that is gone
    is_round: bool = False  # it comes round by itself: that it had nothing to do is told to nobody
    counts: Callable[[Transaction, Lookup], Json] | None = None  # what the catalogue says at its end of what it did
    notes: Mapping[str, Callable[[Step], str]] = field(default_factory=dict)  # what a finished step came to
    milestones: Mapping[str, Callable[[Step], str]] = field(default_factory=dict)  # the reply after a finished step
    moved: Callable[[Bytes], str] = moved_text
    heads: Callable[[Transaction], Facts] | None = None  # of the message in the channel; None: VM and targets
    kept: str = "The clone and what was sent are kept"  # while it is held
    rests: str = "Snapshot, clone and what was sent are kept, and it goes on with what is missing"  # between its hours
    not_again: str = "What was sent is not sent again."  # by a Retry
    facts: Callable[[Transaction, Sequence[Step]], Facts] = no_facts  # of the receipt of a success


def step_of(steps: Sequence[Step], step_id: str) -> Step:
    """The step of that id; an empty one where the workflow has none."""
    return next((step for step in steps if step.id == step_id), Step(id=step_id, title=step_id, position=0))


def outputs_of(steps: Sequence[Step], step_id: str) -> Json:
    """What that step gave; nothing where there is none."""
    return step_of(steps, step_id).outputs


def removed(steps: Sequence[Step]) -> list[str]:
    """What the clean-up removed."""
    return list(outputs_of(steps, "cleanup").get("removed", []))


def took(transaction: Transaction) -> str:
    """How long it ran; "" before its end."""
    if not (transaction.started_at and transaction.ended_at):
        return ""
    return duration_text((transaction.ended_at - transaction.started_at).total_seconds())


def refusal(transaction: Transaction) -> str:
    """Why it could not be planned."""
    return transaction.failure.what if transaction.failure else "Refused"


def stopped(transaction: Transaction) -> str:
    """Who stopped it."""
    return f"Stopped by {transaction.stop_asked_by or 'request'}"


def failed_step(transaction: Transaction) -> str:
    """The title of the step that failed."""
    return transaction.failure.step if transaction.failure else "a step"
