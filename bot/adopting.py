"""Brings the retention of the configuration into force: what keeps more at once, what keeps less once it is approved.

What recovery points are judged by stands in the database, by VM. So neither an edited file, nor a VM that was renamed
or given another SLA, ever makes anything go that nobody has approved.
"""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bot import retained
from bot.ids import transaction_id
from bot.model import (
    CLOUDY,
    Actor,
    AuditEvent,
    InForce,
    Json,
    Place,
    Retained,
    Retention,
    Sla,
    Slas,
    State,
    Transaction,
)
from bot.recorder import record
from bot.retention_text import said
from bot.store import Unit

WORKFLOW = "retention"
FILE = "cloudy.toml"


def adopt(
    unit: Unit, slas: Slas, now: datetime, place: Place, have: Mapping[str, Sla] | None = None
) -> tuple[Transaction, ...]:
    """Look at the configuration and at all VMs; gives what waits for an approval. Repeating is safe.

    have: the SLA of each VM that has recovery points, where it is known.
    """
    have = retained.slas_by_vm(unit, slas, now) if have is None else have
    for sla in slas.all:
        if sla.name not in unit.retentions.in_force():
            _put(unit, sla.name, sla.retention, now, CLOUDY, said(sla.retention))
    asked = _cover(unit, have, now, place)
    in_force = unit.retentions.in_force()
    changed = [sla for sla in slas.all if in_force[sla.name].text != said(sla.retention)]
    for sla in changed:
        mine = [uuid for uuid, its in have.items() if its.name == sla.name]
        asked += _look_again(unit, mine, sla, now, place)
    return tuple(asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """A change that keeps less, as somebody approved it."""

    transaction: str
    old: frozenset[str]  # what VMs were judged by that may change to it
    slas: frozenset[str]  # and as VMs of which SLAs; "": of none yet


def decide(
    unit: Unit,
    vms: Sequence[str],
    sla: Sla,
    retention: Retention,
    actor: Actor,
    now: datetime,
    approved: Approved | None = None,
) -> int:
    """Bring it into force for an SLA and for these VMs of it, by uuid; gives for how many. Repeating is safe.

    A VM that it would keep less of stays as it was, unless that was approved.
    """
    known = unit.retentions.in_force().get(sla.name)
    if known is None or known.retention != retention:
        text = known.text if known else said(sla.retention)
        _put(unit, sla.name, retention, now, actor, text, transaction_id=approved.transaction if approved else "")
    before = unit.retentions.retained()
    wanted = Retained(sla=sla.name, retention=retention)

    def may(uuid: str) -> bool:
        told = approved and said(was(before, uuid)) in approved.old and sla_of(before, uuid) in approved.slas
        return bool(told) or retention.covers(was(before, uuid))

    changed = {uuid: wanted for uuid in vms if may(uuid)}
    unit.retentions.retain({uuid: each for uuid, each in changed.items() if before.get(uuid) != each})
    return len(changed)


def was(before: Mapping[str, Retained], vm_uuid: str) -> Retention:
    """What a VM was judged by so far; one that never was keeps everything."""
    return before[vm_uuid].retention if vm_uuid in before else Retention()


def sla_of(before: Mapping[str, Retained], vm_uuid: str) -> str:
    """The SLA by whose rules a VM was judged so far; "": by none."""
    return before[vm_uuid].sla if vm_uuid in before else ""


def outdated(unit: Unit, transaction: Transaction) -> str:
    """Why a change that waited for its approval is not made any more, since a later one came; "": it may be made."""
    sla, rules = str(transaction.request["sla"]), str(transaction.request["rules"])
    force = unit.retentions.in_force().get(sla)
    if force is None or said(force.retention) == rules:
        return ""
    if force.since > transaction.created_at:
        return f"{said(force.retention)} came into force for {sla} after this was asked for: the last change wins."
    if transaction.actor == CLOUDY and force.text != rules:
        return f"{FILE} says something else of {sla} by now: {force.text}."
    return ""


def propose(
    unit: Unit, request: Json, actor: Actor, *, now: datetime, request_key: str, place: Place, note: str = ""
) -> Transaction:
    """Record a change that keeps less, to be planned and approved; the same request key again: the one that is there.

    request: {"sla": name, "rules": text} or {"release": id of a hold, "vm": name}.
    """
    asked = Transaction(
        id=transaction_id(now, secrets.randbits(30)),
        workflow=WORKFLOW,
        vm=str(request.get("vm", "")),
        targets=(),
        actor=actor,
        state=State.PLANNING,
        created_at=now,
        request_key=request_key,
        note=note,
        place=place,
        plan={"request": request},
    )
    return record(unit, asked, request)


def _look_again(unit: Unit, vms: Sequence[str], sla: Sla, now: datetime, place: Place) -> list[Transaction]:
    """The file says something else than when it was looked at last: a new proposal, and the last change wins."""
    text, known = said(sla.retention), unit.retentions.in_force()[sla.name]
    unit.retentions.put(replace(known, text=text))
    if known.retention == sla.retention:
        return []
    if sla.retention.covers(known.retention):
        decide(unit, vms, sla, sla.retention, CLOUDY, now)
        return []
    request = {"sla": sla.name, "rules": text}
    key = f"retention:{sla.name}:{now:%Y%m%dT%H%M%S.%f}"
    return [propose(unit, request, CLOUDY, now=now, request_key=key, place=place, note=f"{FILE} says so")]


def _cover(unit: Unit, have: Mapping[str, Sla], now: datetime, place: Place) -> list[Transaction]:
    """Give each VM what is in force of its SLA; where that would keep less than before, ask, once for the same VMs."""
    decided, before = unit.retentions.in_force(), unit.retentions.retained()
    changed: dict[str, Retained] = {}
    waiting: dict[str, list[str]] = {}
    for uuid, sla in have.items():
        force = decided[sla.name]
        wanted = Retained(sla=sla.name, retention=force.retention)
        if before.get(uuid) == wanted:
            continue
        is_new = uuid not in before and all(point.taken_at >= force.since for point in unit.points.of_vm(uuid))
        if is_new or wanted.retention.covers(was(before, uuid)):
            changed[uuid] = wanted
        else:
            waiting.setdefault(sla.name, []).append(uuid)
    unit.retentions.retain(changed)
    return [_ask_for(unit, decided[name], uuids, now, place) for name, uuids in waiting.items()]


def _ask_for(unit: Unit, force: InForce, uuids: list[str], now: datetime, place: Place) -> Transaction:
    text = said(force.retention)
    whom = hashlib.sha256("\n".join([text, *sorted(uuids)]).encode()).hexdigest()[:16]
    request = {"sla": force.sla, "rules": text}
    whose = "1 VM has" if len(uuids) == 1 else f"{len(uuids)} VMs have"
    note = f"{whose} the SLA {force.sla} by now, and {'was' if len(uuids) == 1 else 'were'} kept by more before"
    key = f"retention:{force.sla}:vms:{whom}"
    return propose(unit, request, CLOUDY, now=now, request_key=key, place=place, note=note)


def _put(
    unit: Unit,
    sla: str,
    retention: Retention,
    now: datetime,
    actor: Actor,
    text: str,
    *,
    transaction_id: str = "",
) -> None:
    known = unit.retentions.in_force().get(sla)
    by = FILE if actor == CLOUDY else actor.name
    unit.retentions.put(InForce(sla=sla, retention=retention, since=now, by=by, text=text))
    body: Json = {"sla": sla, "old": said(known.retention) if known else "", "new": said(retention), "by": by}
    unit.audit.append(
        AuditEvent(
            key=f"retention:{sla}:{transaction_id or now.isoformat()}",
            action=WORKFLOW,
            actor=actor,
            transaction_id=transaction_id,
            body=body,
        )
    )
