"""Delete: a recovery point is removed from its targets, for good."""

from collections.abc import Mapping, Sequence

from bot.model import State, Step, Transaction
from bot.purposes.purpose import Facts, Purpose, failed_step, outputs_of, removed, step_of, stopped, took
from bot.words import size_text


def _point(transaction: Transaction) -> str:
    point = transaction.request.get("point", "")  # an outline has none
    return f"the recovery point {point} of {transaction.vm}" if point else f"a recovery point of {transaction.vm}"


def _where(transaction: Transaction) -> str:
    return " and ".join(transaction.targets)


def _outcome(transaction: Transaction) -> str:
    """From where it is gone, by what the catalogue says at the end."""
    gone = transaction.plan.get("gone_from", ())
    stays = [name for name in transaction.targets if name not in gone]
    if not gone:
        return f"{_point(transaction)} is not deleted"
    rest = f", and stays in {' and '.join(stays)}" if stays else ""
    return f"{_point(transaction)} is gone from {' and '.join(gone)}{rest}"


def _failed(transaction: Transaction) -> str:
    return f"{failed_step(transaction)} failed: {_outcome(transaction)}"


def _found(step: Step) -> str:
    told: Mapping[str, Mapping[str, int]] = step.outputs.get("found", {})
    return ", ".join(f"{name}: {each['objects']} objects, {size_text(each['bytes'])}" for name, each in told.items())


def _facts(transaction: Transaction, steps: Sequence[Step]) -> Facts:
    return [
        ["Recovery point", str(transaction.request.get("point", ""))],
        ["Removed from", ", ".join(outputs_of(steps, "withdraw").get("good", []))],
        ["Removed", _found(step_of(steps, "check"))],
        ["Cleaned up", "; ".join(removed(steps))],
        ["Took", took(transaction)],
    ]


PURPOSE = Purpose(
    being="deleted",
    asked=lambda t: f"delete {_point(t)} in {_where(t)}",
    again=lambda t, _targets: f"/cloudy delete {t.request.get('point', '')}",
    stopping="Nothing new is begun; what has lost its manifest is still removed.",
    endings={
        State.SUCCEEDED: lambda t: f"Deleted: {_point(t)} in {_where(t)}",
        State.PARTIAL: lambda t: f"Deleted in part: {_outcome(t)}",
        State.FAILED: _failed,
        State.STOPPED: lambda t: f"{stopped(t)}: {_outcome(t)}",
    },
    removes_a_point=True,
    notes={
        "check": _found,
        "withdraw": lambda step: ", ".join(step.outputs.get("good", [])),
        "cleanup": lambda step: f"{len(step.outputs.get('removed', []))} removed, nothing left behind",
    },
    milestones={"withdraw": lambda _step: "The manifest is removed: the recovery point does not exist any more."},
    facts=_facts,
)
