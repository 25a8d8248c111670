"""Expire: recovery points that retention does not keep go from a target."""

from collections.abc import Sequence

from bot.model import Json, Step, Transaction
from bot.purposes.purpose import Facts, Lookup, Purpose, took
from bot.purposes.rounds import count, endings, of_vms, passed, stuck
from bot.words import size_text


def _asked(transaction: Transaction) -> str:
    return f"remove from {' and '.join(transaction.targets)} what retention does not keep"


def _outcome(transaction: Transaction) -> str:
    """By what the catalogue says at the end."""
    gone, freed = int(transaction.plan.get("gone", 0)), int(transaction.plan.get("freed", 0))
    where = " and ".join(transaction.targets)
    return f"{count(gone)} removed from {where}, {size_text(freed)} freed" if gone else f"nothing removed from {where}"


def _counts(transaction: Transaction, find: Lookup) -> Json:
    gone = [size for name, _vm, size in transaction.plan.get("points", []) if find(name) is None]
    return {"gone": len(gone), "freed": sum(gone)}


def _heads(transaction: Transaction) -> Facts:
    plan = transaction.plan
    points = plan.get("points", [])
    later = int(plan.get("later", 0))
    return [
        ["Target", ", ".join(transaction.targets)],
        [
            "To remove",
            f"{count(len(points))} {of_vms(each[1] for each in points)}, {size_text(plan.get('bytes', 0))}",
        ],
        ["Saves", str(plan.get("saves", "")).removeprefix("saves ")],
        ["Stays", str(plan.get("kept", ""))],
        ["Next round", f"{count(later)} more" if later else ""],
    ]


def _facts(transaction: Transaction, steps: Sequence[Step]) -> Facts:
    return [
        ["Removed", count(int(transaction.plan.get("gone", 0)))],
        ["Freed", size_text(int(transaction.plan.get("freed", 0)))],
        ["Saves", str(transaction.plan.get("saves", "")).removeprefix("saves ")],
        ["Passed over", passed(steps, ("check", "expire"))],
        ["Not removed", stuck(transaction)],
        ["Stays", str(transaction.plan.get("kept", ""))],
        ["Next round", count(int(transaction.plan["later"])) if transaction.plan.get("later") else ""],
        ["Took", took(transaction)],
    ]


def _checked(step: Step) -> str:
    over = int(step.outputs.get("passed_over", 0))
    return f"{len(step.outputs.get('going', []))} to remove" + (f", {over} kept by now" if over else "")


def _removed(step: Step) -> str:
    over = int(step.outputs.get("passed_over", 0))
    return f"{step.outputs.get('removed', 0)} removed" + (f", {over} passed over" if over else "")


PURPOSE = Purpose(
    being="cleared of recovery points",
    asked=_asked,
    again=lambda _t, _targets: "cloudy expire",
    stopping="Nothing new is begun; what has lost its manifest is still removed.",
    endings=endings(_outcome),
    is_round=True,
    counts=_counts,
    heads=_heads,
    notes={
        "check": _checked,
        "expire": _removed,
        "cleanup": lambda step: f"{len(step.outputs.get('removed', []))} removed, nothing left behind",
    },
    facts=lambda t, steps: [fact for fact in _facts(t, steps) if fact[1]],
)
