"""Keeps what was found of a recovery point, and its audit row with it. Part of other units."""

from bot.model import AuditEvent, Json, Proof, Transaction
from bot.proofs import damage_text
from bot.store import Unit


def keep(unit: Unit, transaction: Transaction, proof: Proof) -> None:
    """Note it, once for a run, a target and a kind; repeating is safe."""
    if not unit.proofs.append(proof):
        return
    told: Json = {
        "point": proof.point,
        "target": proof.target,
        "kind": proof.kind.value,
        "vm": proof.vm,
        "result": _result(proof),
        "why": proof.why,
        "damage": damage_text(proof.damage),
        "sign": proof.sign,
        "rto_s": round(proof.rto.seconds, 1) if proof.rto else "",
    }
    key = f"{proof.run}:proof:{proof.target}:{proof.kind}"
    body = {name: value for name, value in told.items() if value != ""}
    unit.audit.append(AuditEvent.of(transaction, key=key, action="proof", body=body))


def _result(proof: Proof) -> str:
    if proof.is_good:
        return "good"
    return "damaged" if proof.is_damaged else "not proven"
