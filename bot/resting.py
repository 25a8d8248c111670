"""A transaction that waits for the hours in which its targets may be sent to.

Part of other units. It is queued meanwhile: it holds no place at the VMstore, no thread and no memory, and no process
needs to live. What was made and sent before the hours were over is kept.
"""

from collections.abc import Sequence
from datetime import datetime

from bot import narrator
from bot.model import AuditEvent, Json, State, StepState, Transaction
from bot.store import Unit

SENDS = "objects.upload"  # the action that has hours


def is_to_send(unit: Unit, transaction: Transaction) -> bool:
    """Whether it still has bytes to send."""
    sending = {step["id"] for step in transaction.frozen.get("step", []) if step["action"] == SENDS}
    done = {step.id for step in unit.steps.of(transaction.id) if step.state is StepState.COMPLETE}
    return bool(sending - done)


def begin(unit: Unit, transaction: Transaction, until: datetime) -> None:
    """Note until when a queued one waits, and say so once."""
    if transaction.rests_until == until:
        return
    plan = transaction.plan | {"rests_until": until.isoformat()}
    rests = unit.transactions.update(transaction.id, plan=plan)
    narrator.tell_rest(unit, rests)
    _audit(unit, rests, f"{transaction.run}:{until.isoformat()}", {"event": "rests", "until": until.isoformat()})


def pause(unit: Unit, tx_id: str, run: str) -> State:
    """Queue a running one again, whose hours are over: a further run goes on with it. Repeating is safe."""
    transaction = unit.transactions.get(tx_id)
    if transaction.run != run or transaction.state is not State.RUNNING:
        return transaction.state
    number = int(transaction.plan.get("rests", 0)) + 1
    plan = transaction.plan | {"run": f"hours{number}", "rests": number}
    unit.transactions.update(tx_id, state=State.QUEUED, plan=plan)
    narrator.retell(unit, tx_id)
    return State.QUEUED


def never(targets: Sequence[str]) -> str:
    """Why nothing can ever be sent to these."""
    names = " and ".join(targets)
    return f"The upload windows of {names} have no time in common: name one target at a time, or change upload_window."


def _audit(unit: Unit, transaction: Transaction, key: str, body: Json) -> None:
    unit.audit.append(
        AuditEvent(
            key=f"{transaction.id}:rest:{key}",
            action="rest",
            actor=transaction.actor,
            transaction_id=transaction.id,
            body=body,
        )
    )
