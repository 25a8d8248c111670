"""Lists over several tables, a page at a time: VMs with how they stand, recovery points, audit rows."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_
from sqlmodel import Session, col, func, select

from bot.model import AuditRow, DayMoved, Page, Protection, RecoveryPoint, Subject, Tally, VmKind, VmLine
from bot.store.audit import audit_row
from bot.store.inventory import seen_vm
from bot.store.matching import PATH, like
from bot.store.points import point_of
from bot.store.rows import AuditLink, InventoryRow, PointRow, TransactionRow

_NEWEST = (
    select(func.max(PointRow.taken_at))
    .where(PointRow.vm_uuid == InventoryRow.vm_uuid)
    .correlate(InventoryRow)
    .scalar_subquery()
)


class Lists:
    """Reads only."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def vms(self, pattern: str, kind: VmKind, *, late_before: datetime, offset: int, limit: int) -> Page[VmLine]:
        """Give live VMs whose name, VMstore/name or uuid fits; by name, the late ones by lateness, the big by size.

        pattern: with * and ? for the whole name, else a part of it. late_before: what an older newest point means.
        """
        where = _fits(pattern, kind, late_before)
        total = self._session.execute(select(func.count()).select_from(InventoryRow).where(*where)).scalar_one()
        order: list[ColumnElement[Any]] = []
        if kind is VmKind.BIG:
            order = [col(InventoryRow.used_bytes).desc()]
        elif kind is VmKind.LATE:
            order = [_NEWEST]
        rows = self._session.execute(
            select(InventoryRow, _NEWEST)
            .where(*where)
            .order_by(*order, col(InventoryRow.folded), col(InventoryRow.vmstore), col(InventoryRow.vm_uuid))
            .offset(offset)
            .limit(limit)
        ).all()
        targets = self._targets([row.vm_uuid for row, _ in rows])
        lines = (
            VmLine(
                vm=seen_vm(row),
                newest=newest,
                protection=_protection(newest, late_before),
                targets=targets.get(row.vm_uuid, ()),
            )
            for row, newest in rows
        )
        return Page(rows=tuple(lines), total=total, offset=offset)

    def tally(self, *, late_before: datetime) -> Tally:
        """Count the live VMs by how they stand."""
        live = col(InventoryRow.gone_at).is_(None)
        count = select(func.count()).select_from(InventoryRow).where(live)
        every = self._session.execute(count).scalar_one()
        never = self._session.execute(count.where(_NEWEST.is_(None))).scalar_one()
        late = self._session.execute(count.where(late_before > _NEWEST)).scalar_one()
        return Tally(protected=every - never - late, late=late, never=never)

    def points(self, uuids: Collection[str], *, offset: int, limit: int) -> Page[RecoveryPoint]:
        """Give the recovery points of these VMs, newest first."""
        ours = col(PointRow.vm_uuid).in_(uuids)
        total = self._session.execute(select(func.count()).select_from(PointRow).where(ours)).scalar_one()
        rows = self._session.exec(
            select(PointRow)
            .where(ours)
            .order_by(col(PointRow.taken_at).desc(), col(PointRow.transaction_id).desc(), col(PointRow.target))
            .offset(offset)
            .limit(limit)
        )
        return Page(rows=tuple(point_of(row) for row in rows), total=total, offset=offset)

    def uuids_with_points(self, text: str) -> tuple[str, ...]:
        """Give the VMs that have a recovery point and are of this uuid, or had this name when it was taken."""
        named = or_(col(PointRow.vm_uuid) == text, col(PointRow.vm_name) == text)
        rows = self._session.exec(select(PointRow.vm_uuid).where(named).distinct().order_by(col(PointRow.vm_uuid)))
        return tuple(rows)

    def audit(
        self, subject: Subject, names: Collection[str], *, since: datetime | None, offset: int, limit: int
    ) -> Page[AuditRow]:
        """Give audit rows, newest first. names: transaction ids, user ids, or names and uuids of VMs."""
        where = _about(subject, names)
        if since is not None:
            where.append(col(AuditLink.at) >= since)
        total = self._session.execute(select(func.count()).select_from(AuditLink).where(*where)).scalar_one()
        query: Select[Any] = select(AuditLink).where(*where).order_by(col(AuditLink.seq).desc())
        links: Sequence[AuditLink] = self._session.execute(query.offset(offset).limit(limit)).scalars().all()
        return Page(rows=tuple(audit_row(link) for link in links), total=total, offset=offset)

    def moved_by_day(self, since: datetime, vm_uuid: str = "") -> tuple[DayMoved, ...]:
        """Give the days since then on which transactions (of one VM, or all) ended that moved bytes, in their order."""
        ended = col(TransactionRow.ended_at)
        where = [ended >= since, *([col(TransactionRow.vm_uuid) == vm_uuid] if vm_uuid else [])]
        rows = self._session.execute(
            select(ended, TransactionRow.bytes).where(*where).order_by(col(TransactionRow.number))
        )
        days: dict[date, DayMoved] = {}
        for at, moved in rows:
            if moved.get("read"):
                day = days.get(at.date(), DayMoved(day=at.date()))
                days[day.day] = DayMoved(
                    day=day.day,
                    read=day.read + moved["read"],
                    sent=day.sent + moved.get("sent", 0),
                    transactions=day.transactions + 1,
                )
        return tuple(days[day] for day in sorted(days))

    def users(self, text: str) -> tuple[str, ...]:
        """Give the ids of those in the audit that have this id or name."""
        one = or_(col(AuditLink.actor_id) == text, col(AuditLink.actor_name) == text)
        return tuple(self._session.exec(select(AuditLink.actor_id).where(one).distinct()))

    def was_asked_for(self, names: Collection[str]) -> bool:
        """Whether there is a transaction of a VM of one of these names or uuids."""
        query = select(TransactionRow.id).where(_of_vms(names)).limit(1)
        return self._session.exec(query).first() is not None

    def _targets(self, uuids: Collection[str]) -> dict[str, tuple[str, ...]]:
        query = select(PointRow.vm_uuid, PointRow.target).where(col(PointRow.vm_uuid).in_(uuids)).distinct()
        rows = self._session.execute(query.order_by(col(PointRow.vm_uuid), col(PointRow.target))).all()
        return {uuid: tuple(row[1] for row in some) for uuid, some in groupby(rows, key=lambda row: row[0])}


def _fits(pattern: str, kind: VmKind, late_before: datetime) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = [col(InventoryRow.gone_at).is_(None)]
    if pattern:
        named = PATH if "/" in pattern else col(InventoryRow.folded)
        where.append(or_(named.like(_like(pattern.casefold()), escape="\\"), col(InventoryRow.vm_uuid) == pattern))
    if kind is VmKind.UNPROTECTED:
        where.append(_NEWEST.is_(None))
    if kind is VmKind.PROTECTED:
        where.append(late_before <= _NEWEST)
    if kind is VmKind.LATE:
        where.append(late_before > _NEWEST)
    return where


def _like(pattern: str) -> str:
    """Without * and ? it may stand anywhere in the name."""
    return like(pattern if set(pattern) & {"*", "?"} else f"*{pattern}*")


def _about(subject: Subject, names: Collection[str]) -> list[ColumnElement[bool]]:
    if subject is Subject.ALL:
        return []
    if subject is Subject.USER:
        return [col(AuditLink.actor_id).in_(names)]
    if subject is Subject.TRANSACTION:
        return [col(AuditLink.transaction_id).in_(names)]
    return [col(AuditLink.transaction_id).in_(select(TransactionRow.id).where(_of_vms(names)))]


def _of_vms(names: Collection[str]) -> ColumnElement[bool]:
    by_uuid = and_(col(TransactionRow.vm_uuid).in_(names), col(TransactionRow.vm_uuid) != "")
    return or_(col(TransactionRow.vm).in_(names), by_uuid)


def _protection(newest: datetime | None, late_before: datetime) -> Protection:
    if newest is None:
        return Protection.NEVER
    return Protection.LATE if newest < late_before else Protection.PROTECTED
