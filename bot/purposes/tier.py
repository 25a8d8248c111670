"""Tier: recovery points that have grown old enough move to a cheaper storage class of their target."""

from collections.abc import Sequence

from bot.model import Json, Step, Tier, Transaction
from bot.prices import a_month
from bot.purposes.purpose import Facts, Lookup, Purpose, took
from bot.purposes.rounds import count, endings, of_vms, passed, stuck
from bot.words import size_text


def _asked(transaction: Transaction) -> str:
    return f"move what has grown old in {' and '.join(transaction.targets)} to its tier"


def _counts(transaction: Transaction, find: Lookup) -> Json:
    """By the tier that the catalogue has: also what was found to lie in one already."""
    moved = []
    for point, _vm, size, tier, less in transaction.plan.get("moves", []):
        known = find(point)
        if known is not None and known.tier is not None and known.tier in (tier, Tier.ARCHIVE):
            moved.append([point, known.tier.value, size, less if known.tier == tier else None])
    sums = {tier: [size for _point, its, size, _less in moved if its == tier] for tier in map(str, Tier)}
    told = {tier: [len(sizes), sum(sizes)] for tier, sizes in sums.items() if sizes}
    return {"moved": told, "less": sum(each[3] for each in moved if each[3] is not None)}


def _where(counted: Json) -> str:
    """ "2 recovery points to cold (1.2 TiB), 1 recovery point to archive (3.0 GiB)"; "" where there is none."""
    return ", ".join(f"{count(number)} to {tier} ({size_text(size)})" for tier, (number, size) in counted.items())


def _outcome(transaction: Transaction) -> str:
    moved = _where(transaction.plan.get("moved", {}))
    where = " and ".join(transaction.targets)
    return f"{moved} in {where}" if moved else f"nothing moved in {where}"


def _heads(transaction: Transaction) -> Facts:
    plan = transaction.plan
    later, moves = int(plan.get("later", 0)), plan.get("moves", [])
    by_tier = {tier: [each[2] for each in moves if each[3] == tier] for tier in map(str, Tier)}
    planned = _where({tier: (len(sizes), sum(sizes)) for tier, sizes in by_tier.items() if sizes})
    return [
        ["Target", ", ".join(transaction.targets)],
        ["To move", f"{planned}, {of_vms(each[1] for each in moves)}"],
        ["Saves", str(plan.get("saves", ""))],
        ["Stays", str(plan.get("stays", ""))],
        ["Next round", f"{count(later)} more" if later else ""],
    ]


def _facts(transaction: Transaction, steps: Sequence[Step]) -> Facts:
    plan = transaction.plan
    saves = a_month({plan["currency"]: plan["less"]}) if plan.get("less") and plan.get("currency") else ""
    return [
        ["Moved", _where(plan.get("moved", {})) or "nothing"],
        ["Saves", saves],
        ["Passed over", passed(steps, ("check", "move"))],
        ["Not moved", stuck(transaction)],
        ["Stays", str(plan.get("stays", ""))],
        ["Next round", count(int(plan["later"])) if plan.get("later") else ""],
        ["Took", took(transaction)],
    ]


def _checked(step: Step) -> str:
    over = int(step.outputs.get("passed_over", 0))
    return f"{len(step.outputs.get('going', []))} to move" + (f", {over} stay by now" if over else "")


def _moved(step: Step) -> str:
    over, moved = int(step.outputs.get("passed_over", 0)), step.outputs.get("moved", {})
    told = ", ".join(f"{number} to {tier}" for tier, number in moved.items()) or "nothing moved"
    return told + (f", {over} passed over" if over else "")


PURPOSE = Purpose(
    being="moved to its tier",
    asked=_asked,
    again=lambda _t, _targets: "cloudy tier",
    stopping="Nothing new is begun; the move of an object that is under way is given up, and the object stays whole.",
    endings=endings(_outcome),
    is_round=True,
    counts=_counts,
    heads=_heads,
    notes={
        "check": _checked,
        "move": _moved,
        "cleanup": lambda step: f"{len(step.outputs.get('removed', []))} given up, nothing left behind",
    },
    facts=lambda t, steps: [fact for fact in _facts(t, steps) if fact[1]],
)
