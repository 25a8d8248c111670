"""Expire: recovery points that retention does not keep go from a target."""

from collections.abc import Sequence

from bot.model import State, Step, Transaction
from bot.purposes.purpose import Facts, Purpose, failed_step, outputs_of, took
from bot.words import size_text

_MOST_TOLD = 5


def _asked(transaction: Transaction) -> str:
    return f"remove from {' and '.join(transaction.targets)} what retention does not keep"


def _count(number: int) -> str:
    return f"{number:,} recovery {'point' if number == 1 else 'points'}"


def _outcome(transaction: Transaction) -> str:
    """By what the catalogue says at the end."""
    gone, freed = int(transaction.plan.get("gone", 0)), int(transaction.plan.get("freed", 0))
    where = " and ".join(transaction.targets)
    return f"{_count(gone)} removed from {where}, {size_text(freed)} freed" if gone else f"nothing removed from {where}"


def _ended(transaction: Transaction) -> str:
    words = _outcome(transaction)
    return f"{words[0].upper()}{words[1:]}"


def _passed(steps: Sequence[Step]) -> str:
    told = {**outputs_of(steps, "check").get("passed", {}), **outputs_of(steps, "expire").get("passed", {})}
    number = sum(int(outputs_of(steps, name).get("passed_over", 0)) for name in ("check", "expire"))
    lines = [f"{point}: {why}" for point, why in [*told.items()][:_MOST_TOLD]]
    more = [f"and {number - len(lines)} more"] if number > len(lines) else []
    return "; ".join([*lines, *more])


def _heads(transaction: Transaction) -> Facts:
    plan = transaction.plan
    points = plan.get("points", [])
    vms = len({each[1] for each in points})
    later = int(plan.get("later", 0))
    return [
        ["Target", ", ".join(transaction.targets)],
        [
            "To remove",
            f"{_count(len(points))} of {vms} {'VM' if vms == 1 else 'VMs'}, {size_text(plan.get('bytes', 0))}",
        ],
        ["Saves", str(plan.get("saves", "")).removeprefix("saves ")],
        ["Stays", str(plan.get("kept", ""))],
        ["Next round", f"{_count(later)} more" if later else ""],
    ]


def _facts(transaction: Transaction, steps: Sequence[Step]) -> Facts:
    return [
        ["Removed", _count(int(transaction.plan.get("gone", 0)))],
        ["Freed", size_text(int(transaction.plan.get("freed", 0)))],
        ["Saves", str(transaction.plan.get("saves", "")).removeprefix("saves ")],
        ["Passed over", _passed(steps)],
        ["Stays", str(transaction.plan.get("kept", ""))],
        ["Next round", _count(int(transaction.plan["later"])) if transaction.plan.get("later") else ""],
        ["Took", took(transaction)],
    ]


def _checked(step: Step) -> str:
    passed = int(step.outputs.get("passed_over", 0))
    return f"{len(step.outputs.get('going', []))} to remove" + (f", {passed} kept by now" if passed else "")


def _removed(step: Step) -> str:
    passed = int(step.outputs.get("passed_over", 0))
    return f"{step.outputs.get('removed', 0)} removed" + (f", {passed} passed over" if passed else "")


PURPOSE = Purpose(
    being="cleared of recovery points",
    asked=_asked,
    again=lambda _t, _targets: "cloudy expire",
    stopping="Nothing new is begun; what has lost its manifest is still removed.",
    endings={
        State.SUCCEEDED: _ended,
        State.PARTIAL: lambda t: f"Done in part: {_outcome(t)}",
        State.FAILED: lambda t: f"{failed_step(t)} failed: {_outcome(t)}",
        State.STOPPED: lambda t: f"Stopped by {t.stop_asked_by or 'request'}: {_outcome(t)}",
    },
    removes_points=True,
    heads=_heads,
    notes={
        "check": _checked,
        "expire": _removed,
        "cleanup": lambda step: f"{len(step.outputs.get('removed', []))} removed, nothing left behind",
    },
    facts=lambda t, steps: [fact for fact in _facts(t, steps) if fact[1]],
)
