"""A failed transaction that is held for a while: what it made is kept, so that Retry goes on from it (docs/adr/0006).

Part of other units. Where a transaction stands in this is kept in its row: until when it is held, and the name of the
engine's run that goes on with it.
"""

from datetime import datetime, timedelta

from bot import narrator
from bot.errors import MissingError, RequesterError
from bot.model import Actor, AuditEvent, Json, State, StepState, Transaction
from bot.store import Unit

CLEANUP = "cleanup"  # the run that only cleans up
_HOPELESS = ("IntegrityError", "NotRestorable")  # the clone or what was sent is not good: going on cannot help


def begin(unit: Unit, tx_id: str, run: str, step_id: str, *, now: datetime, hold: timedelta) -> bool:
    """Whether it is held now, after that step failed in that run. Repeating is safe, also when it has gone on since."""
    try:
        transaction = unit.transactions.get(tx_id)
    except MissingError:
        return False
    if transaction.run != run or transaction.state is State.HELD:
        return True  # said before, by a process that died before the engine kept it
    failure = next((step.failure for step in unit.steps.of(tx_id) if step.id == step_id), None)
    if transaction.state.is_final or transaction.stop_asked_by or not transaction.place.channel or not hold:
        return False
    if failure is None or failure.kind in _HOPELESS:
        return False
    until = (now + hold).isoformat()
    unit.transactions.update(tx_id, state=State.HELD, failure=failure, plan=transaction.plan | {"held_until": until})
    narrator.tell_held(unit, tx_id)
    body: Json = {"event": "held", "until": until, "why": failure.what}
    _audit(unit, f"{tx_id}:{run}:held", transaction, transaction.actor, body)
    return True


def is_over(transaction: Transaction, now: datetime) -> bool:
    """Whether what a held transaction made is to be removed now, or is being removed."""
    until = transaction.held_until
    return bool(transaction.stop_asked_by) or transaction.run == CLEANUP or until is None or now >= until


def retry(unit: Unit, transaction: Transaction, actor: Actor, now: datetime, key: str) -> Transaction:
    """Queue a held transaction again, so that it goes on with the step that failed. RequesterError: too late."""
    if is_over(transaction, now):
        raise RequesterError(f"The time to retry {transaction.id} is over: what was kept is being removed. Ask anew.")
    number = int(transaction.plan.get("retries", 0)) + 1
    plan = transaction.plan | {"run": f"retry{number}", "retries": number}
    queued = unit.transactions.update(transaction.id, state=State.QUEUED, failure=None, plan=plan)
    narrator.tell_retry(unit, transaction.id, actor.name)
    _audit(unit, key, transaction, actor, {"event": "retry", "number": number})
    return queued


def end(unit: Unit, tx_id: str, now: datetime) -> Transaction | None:
    """Let the clean-up of a held transaction begin, if its time has come; None: it is not to. Repeating is safe."""
    transaction = unit.transactions.get(tx_id)
    if transaction.state is not State.HELD or not is_over(transaction, now):
        return None
    if transaction.run != CLEANUP:
        transaction = unit.transactions.update(tx_id, plan=transaction.plan | {"run": CLEANUP})
        narrator.tell_held(unit, tx_id)
        _audit(unit, f"{tx_id}:{CLEANUP}", transaction, transaction.actor, {"event": "hold ended"})
    return transaction


def resume(unit: Unit, transaction: Transaction) -> Json | None:
    """What the walk of a further run begins with: outputs of the steps that are complete. None: it is the first run."""
    if not transaction.run:
        return None
    steps = unit.steps.of(transaction.id)
    known = {step.id: step.outputs for step in steps if step.state is StepState.COMPLETE}
    return {"run": transaction.run, "known": known, "verdict": "failed" if transaction.run == CLEANUP else "ok"}


def _audit(unit: Unit, key: str, transaction: Transaction, actor: Actor, body: Json) -> None:
    unit.audit.append(AuditEvent(key=key, action="hold", actor=actor, transaction_id=transaction.id, body=body))
