"""Which transaction a person means, and requests about the recovery point of one. Part of the service's units."""

import secrets
from dataclasses import dataclass
from datetime import datetime

from bot.errors import NotFound, RequesterError
from bot.ids import transaction_id
from bot.model import Actor, AuditEvent, AuditRow, AuditVerdict, Place, State, Transaction
from bot.store import Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """What the audit has of one transaction, and whether these rows are as they were written."""

    transaction: Transaction
    rows: tuple[AuditRow, ...]  # oldest first
    verdict: AuditVerdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A recovery point as the catalogue has it."""

    maker: Transaction
    targets: tuple[str, ...]  # that have it, in the order in which they were asked for


def meant(unit: Unit, text: str) -> Transaction:
    """The transaction that a person names; of a request that joined another, the one that it joined.

    NotFound, AmbiguousName, UsageError.
    """
    transaction = unit.transactions.resolve(text)
    joined = str(transaction.plan.get("joined", ""))
    return unit.transactions.get(joined) if joined else transaction


def of_thread(unit: Unit, channel: str, thread_ts: str, command: str) -> Transaction:
    """The transaction whose thread this is. NotFound: the thread is none of ours."""
    message = unit.outbox.by_ts(channel, thread_ts)  # its root, or what one person got: a copy of the card, a receipt
    found = unit.transactions.find(message.key.partition(":")[0]) if message else None
    if found is None:
        raise NotFound(f"This thread does not belong to a transaction. Name it: /cloudy {command} <id>")
    return found


def point_of(unit: Unit, transaction: Transaction) -> Point:
    """The recovery point that this transaction made or is about.

    RequesterError: there is none.
    """
    made = str(transaction.request.get("point", ""))
    maker = unit.transactions.get(made) if made else transaction
    targets = tuple(name for name in maker.targets if unit.points.get(maker.id, name))
    if not targets:
        raise RequesterError(f"{maker.id} has no recovery point: {maker.state}.")
    return Point(maker=maker, targets=targets)


def record(
    unit: Unit,
    workflow: str,
    point: Point,
    actor: Actor,
    *,
    now: datetime,
    request_key: str,
    place: Place | None = None,
) -> Transaction:
    """Record a run about a recovery point; the same request key again: the one that is there."""
    maker, targets = point.maker, point.targets
    kept = unit.transactions.insert(
        Transaction(
            id=transaction_id(now, secrets.randbits(30)),
            workflow=workflow,
            vm=maker.vm,
            targets=tuple(targets),
            actor=actor,
            state=State.PLANNING,
            created_at=now,
            request_key=request_key,
            place=place or Place(),
            plan={"request": {"point": maker.id}, "made_on": maker.vmstore},
        )
    )
    unit.audit.append(
        AuditEvent(
            key=f"{request_key}:{kept.id}",
            action="command",
            actor=actor,
            transaction_id=kept.id,
            body={"command": workflow, "vm": maker.vm, "point": maker.id, "targets": list(targets)},
        )
    )
    return kept


def audited(unit: Unit, transaction: Transaction) -> Audited:
    """All rows about it, and no others: to walk the whole chain takes as long as the audit is."""
    rows = unit.audit.list(transaction_id=transaction.id, limit=10_000)
    return Audited(transaction=transaction, rows=rows, verdict=unit.audit.verify_rows(transaction.id))
