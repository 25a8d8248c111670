"""How a transaction ends: by what its workflow is for and by the ledger, told and audited in one unit."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from bot import jointly, narrator, proving
from bot.model import ApprovalState, AuditEvent, Failure, Json, State, Step, StepState, Transaction
from bot.purposes import purpose_of
from bot.store import Unit


def close(unit: Unit, transaction_id: str, now: datetime, *, verdict: str, failure: Failure | None = None) -> State:
    """End it; one that has ended already stays as it is.

    verdict: what the walk came to, "ok", "stopped", "failed", or "refused" before it; failure: why, if no step says it.
    """
    transaction = unit.transactions.get(transaction_id)
    if transaction.state.is_final:
        return transaction.state
    _withdraw(unit, transaction)
    _end_steps(unit, transaction_id, failure)
    steps = unit.steps.of(transaction_id)
    known = _known_by_points(unit, transaction)
    if purpose_of(transaction).is_judged_by_points:
        state = _state_by_points(known["protected_in"], transaction.targets, verdict)
    else:
        state = _state_by_steps(transaction, steps, verdict)
    state = State.REFUSED if verdict == "refused" else state
    why = failure or _why(transaction, steps, state, known.get("protected_in", ()))
    known |= _known_by_proof(unit, replace(transaction, state=state, failure=why), steps, now)
    left = _left_behind(unit, transaction)
    unit.transactions.update(
        transaction_id,
        state=state,
        ended_at=now,
        plan=transaction.plan | known,
        failure=why,
        left_behind=left,
    )
    narrator.tell_end(unit, transaction_id)
    body: Json = {"state": state.value, **known, "left_behind": list(left)}
    body |= {"why": why.what} if why else {}
    unit.audit.append(AuditEvent.of(transaction, key=f"{transaction_id}:end", action="outcome", body=body))
    return state


def _known_by_points(unit: Unit, transaction: Transaction) -> Json:
    """What the catalogue says: where the recovery point stands that was made, or from where one is gone."""
    purpose, point = purpose_of(transaction), str(transaction.request.get("point", ""))
    if purpose.removes_a_point:
        return {"gone_from": [name for name in transaction.targets if unit.points.get(point, name) is None]}
    if purpose.counts is not None:
        (target,) = transaction.targets
        return purpose.counts(transaction, lambda name: unit.points.get(name, target))
    if purpose.is_judged_by_points:
        return {"protected_in": [name for name in transaction.targets if unit.points.get(transaction.id, name)]}
    return {}


def _known_by_proof(unit: Unit, transaction: Transaction, steps: Sequence[Step], now: datetime) -> Json:
    """Keep what its end says of a recovery point."""
    tell = purpose_of(transaction).proves
    proof = tell(transaction, steps, now) if tell else None
    if proof is None:
        return {}
    proving.keep(unit, transaction, proof)
    return {"rto_s": proof.rto.seconds} if proof.rto else {}


def _withdraw(unit: Unit, transaction: Transaction) -> None:
    """What has ended waits for no decision."""
    approval = unit.approvals.newest(transaction.id)
    if approval is None or approval.state not in (ApprovalState.PENDING, ApprovalState.APPROVED):
        return
    by = transaction.stop_asked_by
    why = f"{by} withdrew it" if by else "the transaction has ended"
    cancelled = replace(approval, state=ApprovalState.CANCELLED, why=why)
    unit.approvals.put(cancelled)
    key = f"approval:{approval.id}:cancelled"
    body: Json = {"approval": approval.id, "plan_hash": approval.plan_hash, "state": "cancelled", "why": why}
    unit.audit.append(AuditEvent.of(transaction, key=key, action="approval", body=body))
    narrator.tell_approval(unit, transaction, cancelled)
    jointly.retell(unit, transaction, cancelled)


def _end_steps(unit: Unit, transaction_id: str, failure: Failure | None) -> None:
    for step in unit.steps.of(transaction_id):
        if step.state is StepState.PENDING:
            unit.steps.finish(transaction_id, step.id, StepState.SKIPPED)
        elif step.state is StepState.RUNNING:  # only where the engine gave up
            unit.steps.finish(transaction_id, step.id, StepState.FAILED, failure=failure)


def _state_by_points(protected: Sequence[str], targets: Sequence[str], verdict: str) -> State:
    if protected:
        return State.SUCCEEDED if len(protected) == len(targets) else State.PARTIAL
    return _unreached(verdict)


def _state_by_steps(transaction: Transaction, steps: Sequence[Step], verdict: str) -> State:
    """A step that lost some of its targets and went on with the others has ended well, in part."""
    reached = purpose_of(transaction).reached
    if verdict != "ok" and reached is not None and reached(steps):
        return State.PARTIAL
    if verdict == "ok":
        return State.PARTIAL if any(step.outputs.get("failed") for step in steps) else State.SUCCEEDED
    return _unreached(verdict)


def _unreached(verdict: str) -> State:
    return {"stopped": State.STOPPED, "refused": State.REFUSED}.get(verdict, State.FAILED)


def _left_behind(unit: Unit, transaction: Transaction) -> tuple[str, ...]:
    """What the clean-up said; where it could say nothing, what the ledger holds."""
    found = unit.ledger.open(transaction.id)
    if not found:
        return ()
    return transaction.left_behind or tuple(
        f"{each.kind} {each.name} on {each.system}: `cloudy orphans --remove` removes it" for each in found
    )


def _why(transaction: Transaction, steps: Sequence[Step], state: State, protected: Sequence[str]) -> Failure | None:
    if state in (State.SUCCEEDED, State.STOPPED):
        return None
    failed = next((step.failure for step in steps if step.failure is not None), None)
    if state is State.PARTIAL:  # then the targets that were lost are the reason, whatever failed after them
        return _losses(transaction, steps, protected) or failed
    if failed is not None:
        return failed
    return _losses(transaction, steps, protected) or Failure(
        what="No recovery point was made: the workflow has no step that makes one.", step=transaction.workflow
    )


def _losses(transaction: Transaction, steps: Sequence[Step], protected: Sequence[str]) -> Failure | None:
    lost = [(step.title, name, why) for step in steps for name, why in step.outputs.get("failed", {}).items()]
    if not lost:
        return None
    purpose = purpose_of(transaction)
    names = {name for _title, name, _why in lost}
    missing = [
        name for name in transaction.targets if name not in protected and (purpose.is_judged_by_points or name in names)
    ]
    return Failure(
        what="; ".join(f"{name}: {why}" for _title, name, why in lost),
        step=lost[0][0],
        next=f"Mend the cause, then ask again for what is missing: {purpose.again(transaction, missing)}",
    )
