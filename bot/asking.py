"""Which transaction a person means, and requests about the recovery point of one. Part of the service's units."""

import secrets
from dataclasses import dataclass
from datetime import datetime

from bot import recorder
from bot.errors import AmbiguousName, NotFound, RequesterError
from bot.ids import transaction_id
from bot.model import Actor, AuditRow, AuditVerdict, Place, State, Transaction
from bot.store import Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """What the audit has of one transaction, and whether these rows are as they were written."""

    transaction: Transaction
    rows: tuple[AuditRow, ...]  # oldest first
    verdict: AuditVerdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A recovery point as the catalogue has it; who made it may not be known here."""

    id: str  # the transaction that made it
    vm: str
    vmstore: str
    targets: tuple[str, ...]  # that have it: in the order in which they were asked for, then any others


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


def point_meant(unit: Unit, text: str) -> tuple[Transaction | None, Point]:
    """The recovery point that a person names, by the transaction that made it or is about it; None: only a target does.

    NotFound, AmbiguousName, UsageError: which one? RequesterError: there is none.
    """
    try:
        transaction = meant(unit, text)
    except NotFound:
        found = dict.fromkeys(point.transaction_id for point in unit.points.containing(text.strip()))
        if not found:
            raise
        if len(found) > 1:
            raise AmbiguousName(f"“{text}” fits several recovery points; give more of the id.", [*found][:10]) from None
        return None, _point(unit, next(iter(found)))
    return transaction, _point(unit, str(transaction.request.get("point", "")) or transaction.id)


def _what(maker: Transaction | None) -> str:
    """ " (retention: succeeded)": why it has none."""
    return f" ({maker.workflow}: {maker.state})" if maker else ""


def _point(unit: Unit, made: str) -> Point:
    maker = unit.transactions.find(made)
    kept = {point.target: point for point in unit.points.containing(made) if point.transaction_id == made}
    if not kept:
        raise RequesterError(f"{made}{_what(maker)} has no recovery point. /recovery-points <vm> lists them.")
    order = maker.targets if maker else ()
    one = next(iter(kept.values()))
    return Point(
        id=made,
        vm=maker.vm if maker else one.vm_name,
        vmstore=maker.vmstore if maker else one.vmstore,
        targets=(*(name for name in order if name in kept), *(name for name in kept if name not in order)),
    )


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
    asked = Transaction(
        id=transaction_id(now, secrets.randbits(30)),
        workflow=workflow,
        vm=point.vm,
        targets=point.targets,
        actor=actor,
        state=State.PLANNING,
        created_at=now,
        request_key=request_key,
        place=place or Place(),
        plan={"request": {"point": point.id}, "made_on": point.vmstore},
    )
    return recorder.record(unit, asked, {"vm": point.vm, "point": point.id, "targets": list(point.targets)})


def audited(unit: Unit, transaction: Transaction) -> Audited:
    """All rows about it, and no others: to walk the whole chain takes as long as the audit is."""
    rows = unit.audit.list(transaction_id=transaction.id, limit=10_000)
    return Audited(transaction=transaction, rows=rows, verdict=unit.audit.verify_rows(transaction.id))
