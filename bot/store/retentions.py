"""Retention as it is in force, by SLA and by VM, and the holds."""

import json
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import delete, insert
from sqlmodel import Session, col, or_, select

from bot.codec import decode, encode
from bot.errors import MissingError
from bot.model import Hold, InForce, Retained, Retention
from bot.store.retention_rows import HoldRow, RetainedRow, RetentionRow

_AT_ONCE = 500


class Retentions:
    """What is in force: by SLA what was decided, by VM what its recovery points are judged by."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def in_force(self) -> dict[str, InForce]:
        """Give all by the name of the SLA, also of those that the configuration has no more."""
        return {row.sla: _in_force(row) for row in self._session.exec(select(RetentionRow))}

    def put(self, retention: InForce) -> None:
        """Bring it into force; the one before is replaced."""
        self._session.merge(
            RetentionRow(
                sla=retention.sla,
                rules=encode(retention.retention),
                since=retention.since,
                by=retention.by,
                text=retention.text,
            )
        )
        self._session.flush()

    def retained(self) -> dict[str, Retained]:
        """Give all by the VM's uuid; a VM that is not there was never judged."""
        known: dict[str, Retention] = {}  # thousands of VMs have a handful of retentions
        found: dict[str, Retained] = {}
        query = select(RetainedRow.vm_uuid, RetainedRow.sla, RetainedRow.rules)
        for uuid, sla, rules in self._session.exec(query):
            text = json.dumps(rules, sort_keys=True)
            known[text] = known.get(text) or decode(Retention, rules)
            found[uuid] = Retained(sla=sla, retention=known[text])
        return found

    def of_vm(self, vm_uuid: str) -> Retained | None:
        """Give what one VM is judged by; None: it was never judged."""
        row = self._session.get(RetainedRow, vm_uuid)
        return _retained(row) if row else None

    def retain(self, changed: Mapping[str, Retained]) -> None:
        """From now on these VMs, by uuid, are judged so."""
        rules = {each: encode(each.retention) for each in changed.values()}
        rows = [{"vm_uuid": uuid, "sla": each.sla, "rules": rules[each]} for uuid, each in changed.items()]
        for begin in range(0, len(rows), _AT_ONCE):
            some = rows[begin : begin + _AT_ONCE]
            uuids = [row["vm_uuid"] for row in some]
            self._session.execute(delete(RetainedRow).where(col(RetainedRow.vm_uuid).in_(uuids)))
            self._session.execute(insert(RetainedRow), some)
        self._session.expire_all()


class Holds:
    """Holds by id."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def put(self, hold: Hold) -> Hold:
        """Keep it; the same id again: the one that is there, unchanged."""
        if known := self._session.get(HoldRow, hold.id):
            return _hold(known)
        self._session.add(
            HoldRow(
                id=hold.id,
                vm_uuid=hold.vm_uuid,
                vm=hold.vm,
                point=hold.point,
                until=hold.until,
                reason=hold.reason,
                by=hold.by,
                at=hold.at,
            )
        )
        self._session.flush()
        return hold

    def get(self, id: str) -> Hold:
        """Give it, also one that has ended. MissingError."""
        return _hold(self._row(id))

    def active(self, now: datetime) -> tuple[Hold, ...]:
        """Give those that hold something at that time, oldest first."""
        rows = self._session.exec(
            select(HoldRow)
            .where(col(HoldRow.released_at).is_(None), or_(col(HoldRow.until).is_(None), col(HoldRow.until) > now))
            .order_by(col(HoldRow.at), col(HoldRow.id))
        )
        return tuple(_hold(row) for row in rows)

    def release(self, id: str, by: str, at: datetime) -> bool:
        """End it; False: it was released before. MissingError."""
        row = self._row(id)
        if row.released_at is not None:
            return False
        row.released_at, row.released_by = at, by
        self._session.add(row)
        self._session.flush()
        return True

    def _row(self, id: str) -> HoldRow:
        row = self._session.get(HoldRow, id)
        if row is None:
            raise MissingError(f"There is no hold {id}.", system="database", operation="find hold")
        return row


def _in_force(row: RetentionRow) -> InForce:
    retention = decode(Retention, row.rules)
    return InForce(sla=row.sla, retention=retention, since=row.since, by=row.by, text=row.text)


def _retained(row: RetainedRow) -> Retained:
    return Retained(sla=row.sla, retention=decode(Retention, row.rules))


def _hold(row: HoldRow) -> Hold:
    return Hold(
        id=row.id,
        vm_uuid=row.vm_uuid,
        vm=row.vm,
        point=row.point,
        until=row.until,
        reason=row.reason,
        by=row.by,
        at=row.at,
    )
