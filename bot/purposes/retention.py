"""Retention: rules that keep less come into force, or a hold is released."""

from collections.abc import Sequence

from bot.model import State, Step, Transaction
from bot.purposes.purpose import Facts, Purpose, failed_step, outputs_of, stopped, took


def _asked(transaction: Transaction) -> str:
    request = transaction.request
    if "release" in request:
        return f"release the hold on {request.get('of') or transaction.vm}"
    return f"{request.get('rules', 'keep less')} for {request.get('sla', 'an SLA')}"


def _effect(transaction: Transaction) -> str:
    return str(transaction.plan.get("effect", {}).get("decided", {}).get("effect", ""))


def _comes(transaction: Transaction) -> str:
    """The same, once it is in force."""
    removes = transaction.plan.get("effect", {}).get("counts")
    return f"{_effect(transaction)}; the next round removes them" if removes else _effect(transaction)


def _done(transaction: Transaction) -> str:
    request = transaction.request
    if "release" in request:
        return f"The hold on {request.get('of') or transaction.vm} is released"
    return f"In force for {request.get('sla', '')}: {request.get('rules', '')}"


def _again(transaction: Transaction, _targets: Sequence[str]) -> str:
    request = transaction.request
    if "release" in request:
        return f"/retention release {request['release']}"
    return f"/retention set {request.get('rules', '')} for {request.get('sla', '')}"


def _facts(transaction: Transaction, steps: Sequence[Step]) -> Facts:
    changed = outputs_of(steps, "apply").get("changed", 0)
    is_hold = "release" in transaction.request
    return [
        ["VMs", "" if is_hold else str(changed)],
        ["Effect", _comes(transaction)],
        ["Took", took(transaction)],
    ]


PURPOSE = Purpose(
    being="changed",
    asked=_asked,
    again=_again,
    endings={
        State.SUCCEEDED: _done,
        State.PARTIAL: _done,
        State.FAILED: lambda t: f"{failed_step(t)} failed: what was in force stays so",
        State.STOPPED: lambda t: f"{stopped(t)}: what was in force stays so",
    },
    heads=lambda t: [["Effect", _effect(t)]],
    facts=lambda t, steps: [fact for fact in _facts(t, steps) if fact[1]],
)
