"""What a digest counts, of everything or of one person's VMs: numbers from SQL, of each list what is shown."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from statistics import median
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Float, Select, and_, case, cast, or_
from sqlmodel import Session, col, func, select

from bot.model import Actor, ConcernKind, Drilled, Page, ProofKind, Ran, State, Stored
from bot.store.concern_rows import ConcernRow
from bot.store.rows import PointRow, ProofRow, TransactionRow
from bot.store.standings import NO_FAILURE

_OF_VMS = tuple(kind.value for kind in (ConcernKind.RPO, ConcernKind.COVER, ConcernKind.PROOF, ConcernKind.GROWTH))
_PROTECT = "protect"
_MOST_DRILLS = 10_000
_WELL, _PARTLY, _FAILED, _STOPPED = State.SUCCEEDED, State.PARTIAL, State.FAILED, State.STOPPED
_NAMES = {_WELL.value: "well", _PARTLY.value: "partly", _FAILED.value: "failed", _STOPPED.value: "stopped"}
_UNWELL = (_FAILED.value, _PARTLY.value)
_KEY = col(TransactionRow.request_key)
_OF_A_SCHEDULE = _KEY.like("schedule:%")
_REFUSED_TO_A_SCHEDULE = and_(
    col(TransactionRow.state) == State.REFUSED.value,
    _OF_A_SCHEDULE,
    func.coalesce(col(TransactionRow.failure)["kind"].as_string(), "").not_in(NO_FAILURE),
)
# A refused run never came to know its VM, but the key of a schedule's ends with its uuid, behind the last colon.
_LAST = func.replace(_KEY, func.rtrim(_KEY, func.replace(_KEY, ":", "")), "")
_WHOSE = case(
    (col(TransactionRow.vm_uuid) != "", col(TransactionRow.vm_uuid)),
    (_OF_A_SCHEDULE, _LAST),
    else_=col(TransactionRow.vm),
)


class Counts:
    """Reads only. owner: a Slack user id, to count this person's alone; "": all."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def ran(self, since: datetime, until: datetime, owner: str = "") -> tuple[Ran, ...]:
        """Count what ended in that time, by workflow; the most frequent first.

        What a schedule asked for and was refused counts as failed: nobody was there to be told.
        """
        row = TransactionRow
        query = (
            select(row.workflow, row.state, func.count())
            .where(col(row.ended_at) > since, col(row.ended_at) <= until, *_asked_by(owner))
            .where(or_(col(row.state).in_(_NAMES), _REFUSED_TO_A_SCHEDULE))
            .group_by(row.workflow, row.state)
        )
        found: dict[str, Ran] = {}
        for workflow, state, count in self._session.execute(query):
            ran, name = found.get(workflow, Ran(workflow=workflow)), _NAMES.get(state, "failed")
            found[workflow] = replace(ran, **{name: getattr(ran, name) + count})
        return tuple(sorted(found.values(), key=lambda ran: (-ran.well - ran.partly - ran.failed, ran.workflow)))

    def moved(self, since: datetime, until: datetime, owner: str = "") -> tuple[int, int]:
        """Add up the bytes read and sent by what ended in that time."""
        moved = col(TransactionRow.bytes)
        query = select(*(func.sum(moved[name].as_integer()) for name in ("read", "sent"))).where(
            TransactionRow.workflow == _PROTECT,
            col(TransactionRow.ended_at) > since,
            col(TransactionRow.ended_at) <= until,
            *_asked_by(owner),
        )
        read, sent = self._session.execute(query).one()
        return int(read or 0), int(sent or 0)

    def failed(
        self, since: datetime, until: datetime, owner: str = "", *, without: Collection[str] = (), limit: int
    ) -> Page[str]:
        """Give the ids of runs that failed in that time, newest first, one for each VM and workflow, the last of them.

        One after which the same VM fared well is left out; that a later one was stopped says nothing. without: ids.
        """
        row = TransactionRow
        newest = (
            select(func.max(row.number))
            .where(col(row.ended_at) > since, col(row.ended_at) <= until)
            .where(or_(col(row.state).in_([_WELL.value, *_UNWELL]), _REFUSED_TO_A_SCHEDULE))
            .group_by(row.workflow, _WHOSE)
        )
        where = [
            col(row.number).in_(newest),
            col(row.state).in_([*_UNWELL, State.REFUSED.value]),
            col(row.id).not_in(without),
            *_asked_by(owner),
        ]
        return self._ids(where, limit, newest_first=True)

    def waiting(
        self, states: Collection[State], owner: str = "", *, without: Collection[str] = (), limit: int
    ) -> Page[str]:
        """Give the ids of transactions in these states, oldest first."""
        row = TransactionRow
        where = [
            col(row.state).in_([state.value for state in states]), col(row.id).not_in(without), *_asked_by(owner),
        ]  # fmt: skip
        return self._ids(where, limit, newest_first=False)

    def waiting_together(self, state: State, owner: str = "") -> tuple[tuple[str, ...], ...]:
        """Give the ids of those in this state that one fire of a schedule has started, where they are several."""
        row = TransactionRow
        where = (col(row.state) == state.value, _OF_A_SCHEDULE, *_asked_by(owner))
        found: dict[str, list[str]] = {}
        for key, id in self._session.execute(select(row.request_key, row.id).where(*where).order_by(col(row.number))):
            found.setdefault(":".join(key.split(":")[:3]), []).append(id)
        return tuple(tuple(ids) for ids in found.values() if len(ids) > 1)

    def drilled(self, since: datetime, until: datetime, owner: str = "") -> Drilled:
        """Count the drills of that time, and tell how long they took to a sign of life."""
        took = cast(col(ProofRow.body)["rto"]["seconds"].as_string(), Float)
        query = (
            select(ProofRow.is_good, took)
            .where(
                ProofRow.kind == ProofKind.DRILL.value,
                col(ProofRow.at) > since,
                col(ProofRow.at) <= until,
                *_owned(col(ProofRow.vm_uuid), owner),
            )
            .limit(_MOST_DRILLS)
        )
        rows = self._session.execute(query).all()
        seconds = [float(row[1]) for row in rows if row[0] and row[1] is not None]
        return Drilled(
            well=sum(bool(row[0]) for row in rows),
            failed=sum(not row[0] for row in rows),
            median_s=median(seconds) if seconds else None,
            slowest_s=max(seconds, default=None),
        )

    def stored(self, owner: str = "") -> tuple[Stored, ...]:
        """Add up the recovery points in each target; every one is whole objects, so their sizes are what lies there."""
        query = (
            select(PointRow.target, cast(func.sum(PointRow.size), BigInteger), func.count())
            .where(*_owned(col(PointRow.vm_uuid), owner))
            .group_by(PointRow.target)
            .order_by(PointRow.target)
        )
        return tuple(Stored(target=row[0], size=row[1], points=row[2]) for row in self._session.execute(query))

    def owned_uuids(self, owner: str) -> frozenset[str]:
        """Give the uuids of a person's VMs."""
        return frozenset(row[0] for row in self._session.execute(owned_by(owner)))

    def owners(self, since: datetime) -> tuple[Actor, ...]:
        """Give who asked in the chat for protections since then, by id."""
        row = TransactionRow
        query = (
            select(row.actor_id, func.max(row.actor_name))
            .where(row.workflow == _PROTECT, row.actor_source == "slack", col(row.created_at) >= since)
            .group_by(row.actor_id)
            .order_by(row.actor_id)
        )
        return tuple(Actor(id=found[0], name=found[1], source="slack") for found in self._session.execute(query))

    def targets_of(self, uuids: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Give the targets that have a recovery point of each VM, by uuid."""
        query = select(PointRow.vm_uuid, PointRow.target).where(col(PointRow.vm_uuid).in_(uuids)).distinct()
        found: dict[str, tuple[str, ...]] = {}
        for uuid, target in self._session.execute(query.order_by(PointRow.vm_uuid, PointRow.target)):
            found[uuid] = (*found.get(uuid, ()), target)
        return found

    def _ids(self, where: list[ColumnElement[bool]], limit: int, *, newest_first: bool) -> Page[str]:
        total = self._session.execute(select(func.count()).select_from(TransactionRow).where(*where)).scalar_one()
        number = col(TransactionRow.number)
        query = select(TransactionRow.id).where(*where).order_by(number.desc() if newest_first else number)
        return Page(rows=tuple(self._session.exec(query.limit(limit))), total=total)


def owned_by(owner: str) -> Select[Any]:
    """The uuids of a person's VMs: those whose protections he or she asked for, and those that are assigned."""
    asked = select(TransactionRow.vm_uuid).where(
        TransactionRow.actor_id == owner, TransactionRow.workflow == _PROTECT, TransactionRow.vm_uuid != ""
    )
    assigned = select(ConcernRow.id).where(ConcernRow.assigned == owner, col(ConcernRow.kind).in_(_OF_VMS))
    return asked.union(assigned)  # type: ignore[return-value]


def _owned(uuid: Any, owner: str) -> list[ColumnElement[bool]]:
    return [uuid.in_(owned_by(owner))] if owner else []


def _asked_by(owner: str) -> list[ColumnElement[bool]]:
    """Transactions of a person: asked for, or assigned, or of his or her VMs."""
    if not owner:
        return []
    row = TransactionRow
    assigned = select(ConcernRow.id).where(ConcernRow.kind == ConcernKind.RUN.value, ConcernRow.assigned == owner)
    own = and_(col(row.vm_uuid) != "", col(row.vm_uuid).in_(owned_by(owner)))
    return [or_(col(row.actor_id) == owner, col(row.id).in_(assigned), own)]
