"""Lists over several tables, a page at a time: VMs with how they stand, recovery points, audit rows."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_
from sqlmodel import Session, col, func, select

from bot.model import (
    AuditRow,
    DayMoved,
    Page,
    Protection,
    RecoveryPoint,
    SlaTally,
    Subject,
    Tally,
    VmKind,
    VmLine,
)
from bot.store.audit import audit_row
from bot.store.inventory import seen_vm
from bot.store.matching import PATH, like
from bot.store.points import point_of
from bot.store.rows import AuditLink, InventoryRow, PointRow, TransactionRow
from bot.store.yardstick import NEWEST, Yardstick


class Lists:
    """Reads only."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def vms(self, pattern: str, kind: VmKind, *, by: Yardstick, offset: int, limit: int) -> Page[VmLine]:
        """Give live VMs whose name, VMstore/name or uuid fits; by name, the late ones by lateness, the big by size.

        pattern: with * and ? for the whole name, else a part of it.
        """
        where = [*_called(pattern), *by.kind(kind)]
        total = self._session.execute(select(func.count()).select_from(InventoryRow).where(*where)).scalar_one()
        order: list[ColumnElement[Any]] = []
        if kind is VmKind.BIG:
            order = [col(InventoryRow.used_bytes).desc()]
        elif kind is VmKind.LATE:
            order = [by.promised]
        rows = self._session.execute(
            select(InventoryRow, NEWEST, by.state, by.number)
            .where(*where)
            .order_by(*order, col(InventoryRow.folded), col(InventoryRow.vmstore), col(InventoryRow.vm_uuid))
            .offset(offset)
            .limit(limit)
        ).all()
        targets = self._targets([row.vm_uuid for row, *_ in rows])
        lines = (
            VmLine(
                vm=seen_vm(row),
                newest=newest,
                protection=Protection(state),
                targets=targets.get(row.vm_uuid, ()),
                sla=by.slas.all[number].name,
                rpo=by.slas.all[number].rpo,
            )
            for row, newest, state, number in rows
        )
        return Page(rows=tuple(lines), total=total, offset=offset)

    def tally(self, *, by: Yardstick) -> Tally:
        """Count the live VMs by how they stand."""
        return sum((each.tally for each in self.tallies(by=by)), Tally())

    def tallies(self, *, by: Yardstick) -> tuple[SlaTally, ...]:
        """Count them by SLA, in the order of the SLAs."""
        one = select(by.number.label("sla"), by.state.label("state")).where(col(InventoryRow.gone_at).is_(None))
        each = one.subquery()
        rows = self._session.execute(
            select(each.c.sla, each.c.state, func.count()).group_by(each.c.sla, each.c.state)
        ).all()
        return tuple(
            SlaTally(sla=sla, tally=Tally(**{state: count for number, state, count in rows if number == place}))
            for place, sla in enumerate(by.slas.all)
        )

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


def _called(pattern: str) -> list[ColumnElement[bool]]:
    """Live, and of such a name."""
    where: list[ColumnElement[bool]] = [col(InventoryRow.gone_at).is_(None)]
    if pattern:
        named = PATH if "/" in pattern else col(InventoryRow.folded)
        where.append(or_(named.like(_like(pattern.casefold()), escape="\\"), col(InventoryRow.vm_uuid) == pattern))
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
