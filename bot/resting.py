"""A transaction that waits: for the hours in which its targets may be sent to, or for what comes from an archive.

Part of other units. It is queued meanwhile: it holds no place at the VMstore, no thread and no memory, and no process
needs to live. What was made and sent before is kept.
"""

from collections.abc import Sequence
from datetime import datetime

from bot import narrator
from bot.model import AuditEvent, Json, State, StepState, Transaction
from bot.store import Unit

SENDS = "objects.upload"  # the action that has hours
READS = "points.read_back"  # and this, where it reads all
_TOLD = ("all", "left", "from", "since", "due", "looks_at")  # of what a step kept that waits for an archive


def is_to_send(unit: Unit, transaction: Transaction) -> bool:
    """Whether it still has bytes to send."""
    steps, has_hours = transaction.frozen.get("step", []), {SENDS}
    if transaction.request.get("is_deep"):
        has_hours.add(READS)
    sending = {step["id"] for step in steps if step["action"] in has_hours}
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
    kept = _kept(unit, tx_id)
    plan = transaction.plan | {"run": f"hours{number}", "rests": number}
    if kept:
        plan |= {"archive": {name: kept[name] for name in _TOLD}, "looks_at": kept["looks_at"]}
    rests = unit.transactions.update(tx_id, state=State.QUEUED, plan=plan)
    narrator.retell(unit, tx_id)
    if kept:
        narrator.tell_archive(unit, rests)
        _audit(unit, rests, f"{rests.run}:archive", {"event": "waits for the archive", "left": kept["left"]})
    return State.QUEUED


def is_looked_at_later(transaction: Transaction, now: datetime) -> bool:
    """Whether a queued one waits for an archive, and nobody is to look yet; a Stop is heard at once."""
    at = str(transaction.plan.get("looks_at", ""))
    return bool(at) and not transaction.stop_asked_by and now < datetime.fromisoformat(at)


def _kept(unit: Unit, tx_id: str) -> Json:
    """What the step that was paused has kept, where it says when it is to be looked at again."""
    paused = (step.outputs for step in unit.steps.of(tx_id) if step.state is StepState.PENDING)
    return next((outputs for outputs in paused if "looks_at" in outputs), {})


def never(targets: Sequence[str]) -> str:
    """Why nothing can ever be sent to these."""
    names = " and ".join(targets)
    return f"The upload windows of {names} have no time in common: name one target at a time, or change upload_window."


def _audit(unit: Unit, transaction: Transaction, key: str, body: Json) -> None:
    unit.audit.append(AuditEvent.of(transaction, key=f"{transaction.id}:rest:{key}", action="rest", body=body))
