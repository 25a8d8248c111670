"""The transactions: what was asked for and how it stands."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from sqlalchemy import ColumnElement, bindparam, func, update
from sqlmodel import Session, col, select

from bot.errors import AmbiguousName, MissingError, NotFound, UsageError
from bot.model import Actor, Bytes, Carried, Failure, Json, Place, State, Transaction
from bot.ports import Clock
from bot.store.rows import TransactionRow

_SHORTEST_PART = 4  # characters of an id that may stand for it
_MOST_CANDIDATES = 10
_AT_ONCE = 500  # ids of one statement
_REMOVES = ("delete", "expire")  # the workflows that remove recovery points
_DRILLS = "drill"
_ACTIVE = tuple(state.value for state in State if not state.is_final)


class Transactions:
    """Transactions by id and by request key."""

    def __init__(self, session: Session, clock: Clock) -> None:
        self._session = session
        self._clock = clock

    def insert(self, tx: Transaction) -> Transaction:
        """Keep a new transaction. The same request key again: the one that is there, unchanged."""
        row = self._session.exec(
            select(TransactionRow).where(TransactionRow.request_key == tx.request_key)
        ).one_or_none()
        return _transaction(row) if row else self._save(_row(tx))

    def insert_new(self, transactions: Iterable[Transaction]) -> None:
        """Keep many at once. A request key that is there already is an error of the caller's, and undoes the unit."""
        self._session.add_all([_row(each) for each in transactions])
        self._session.flush()

    def asked_by(self, *keys: str) -> Transaction | None:
        """Give the transaction that one of these request keys asked for."""
        row = self._session.exec(select(TransactionRow).where(col(TransactionRow.request_key).in_(keys))).first()
        return _transaction(row) if row else None

    def get(self, tx_id: str) -> Transaction:
        """Give a transaction by its whole id. MissingError."""
        return _transaction(self._row(tx_id))

    def find(self, tx_id: str) -> Transaction | None:
        """Give a transaction by its whole id; None: not of this database."""
        row = self._session.exec(select(TransactionRow).where(TransactionRow.id == tx_id)).one_or_none()
        return _transaction(row) if row else None

    def ids(self) -> frozenset[str]:
        """Give the ids of all."""
        return frozenset(self._session.exec(select(TransactionRow.id)))

    def resolve(self, text: str) -> Transaction:
        """Find what a person means: "last", or a part of an id, at least 4 characters, in any case.

        UsageError: too short. NotFound carries near ids, AmbiguousName all that fit (ten at most).
        """
        wanted = text.strip().lower()
        if wanted == "last":
            return self._last()
        if len(wanted) < _SHORTEST_PART:
            raise UsageError(f"“{text}” is too short for a transaction id: give at least 4 of its characters, or last.")
        found = self._containing(wanted)
        exact = [row for row in found if row.id.lower() == wanted]
        if not found:
            raise NotFound(f"There is no transaction “{text}”.", self._near(wanted))
        if len(found) > 1 and not exact:
            raise AmbiguousName(f"“{text}” fits several transactions; give more of the id.", [row.id for row in found])
        return _transaction((exact or found)[0])

    def list(
        self,
        *,
        states: Collection[State] | None = None,
        vm: str | None = None,
        workflows: Collection[str] = (),
        limit: int = 50,
    ) -> tuple[Transaction, ...]:
        """Give the newest first."""
        query = select(TransactionRow).order_by(col(TransactionRow.number).desc()).limit(limit)
        if states is not None:
            query = query.where(col(TransactionRow.state).in_([state.value for state in states]))
        if vm is not None:
            query = query.where(TransactionRow.vm == vm)
        if workflows:
            query = query.where(col(TransactionRow.workflow).in_(workflows))
        return tuple(_transaction(row) for row in self._session.exec(query))

    def outline(self, limit: int) -> tuple[Transaction, ...]:
        """Give the newest first, without workflow, plan and failure: many, quickly."""
        return tuple(_outlined(row) for row in self._session.execute(_NEWEST, {"most": limit}))

    def active_outline(self) -> tuple[Transaction, ...]:
        """Give all that are not final, oldest first, as `outline` does."""
        return tuple(_outlined(row) for row in self._session.execute(_UNENDED))

    def active(self, *, at: datetime | None = None) -> tuple[Transaction, ...]:
        """Give all that are not final, oldest first; at: without those that wait for a moment later than that.

        One that is to be stopped waits for none.
        """
        query = select(TransactionRow).where(col(TransactionRow.state).in_(_ACTIVE))
        if at is not None:
            moment = col(TransactionRow.not_before)
            query = query.where(moment.is_(None) | (moment <= at) | (TransactionRow.stop_asked_by != ""))
        return tuple(_transaction(row) for row in self._session.exec(query.order_by(col(TransactionRow.number))))

    def going(self) -> frozenset[str]:
        """Give the recovery points that are about to be removed."""
        asked = self._session.exec(
            select(col(TransactionRow.plan)["request"]).where(
                col(TransactionRow.state).in_(_ACTIVE), col(TransactionRow.workflow).in_(_REMOVES)
            )
        )
        found = [request or {} for request in asked]
        one_by_one = {str(request.get("point", "")) for request in found}
        return frozenset(one_by_one.union(*(map(str, request.get("points", ())) for request in found)))

    def drilled(self) -> dict[str, datetime]:
        """Give when a drill of each VM was asked for last, by uuid, whatever came of it."""
        uuid = col(TransactionRow.plan)["vm_uuid"].as_string()
        asked = select(uuid, func.max(TransactionRow.created_at)).where(TransactionRow.workflow == _DRILLS)
        return {str(of): at for of, at in self._session.execute(asked.group_by(uuid))}

    def active_under(self, prefix: str) -> dict[str, str]:
        """Give the ids of those that have not ended, by request key, whose request keys begin so."""
        key = col(TransactionRow.request_key)
        rows = self._session.execute(
            select(TransactionRow.request_key, TransactionRow.id).where(
                key >= prefix, key < f"{prefix}\uffff", col(TransactionRow.state).in_(_ACTIVE)
            )
        )
        return {request_key: tx_id for request_key, tx_id in rows}

    def asked_under(
        self, prefix: str, *, states: Collection[State] | None = None, limit: int | None = None
    ) -> tuple[Transaction, ...]:
        """Give those whose request keys begin so, oldest first."""
        key = col(TransactionRow.request_key)
        query = select(TransactionRow).where(key >= prefix, key < f"{prefix}\uffff")
        if states is not None:
            query = query.where(col(TransactionRow.state).in_([state.value for state in states]))
        return tuple(map(_transaction, self._session.exec(query.order_by(col(TransactionRow.number)).limit(limit))))

    def states_under(self, prefix: str) -> dict[State, int]:
        """Count those whose request keys begin so, by state."""
        key = col(TransactionRow.request_key)
        query = select(TransactionRow.state, func.count()).where(key >= prefix, key < f"{prefix}\uffff")
        return {State(state): number for state, number in self._session.execute(query.group_by(TransactionRow.state))}

    def waiting_under(self, prefix: str, now: datetime) -> tuple[Transaction, ...]:
        """Give those whose request keys begin so and that wait for moments to come, the next one first."""
        query = select(TransactionRow).where(*_waits(prefix, now))
        order = (col(TransactionRow.not_before), col(TransactionRow.number))
        return tuple(map(_transaction, self._session.exec(query.order_by(*order))))

    def count_waiting_under(self, prefix: str, now: datetime) -> int:
        """Count those that `waiting_under` gives."""
        return self._session.exec(select(func.count()).select_from(TransactionRow).where(*_waits(prefix, now))).one()

    def stop_all(self, ids: Sequence[str], now: datetime, *, by: str, failure: Failure) -> None:
        """End these as stopped by that person; none of them has begun."""
        changes = {"state": State.STOPPED.value, "stop_asked_by": by, "ended_at": now, "failure": asdict(failure)}
        for start in range(0, len(ids), _AT_ONCE):
            which = col(TransactionRow.id).in_(ids[start : start + _AT_ONCE])
            self._session.execute(update(TransactionRow).where(which).values(changes))

    def hasten(self, begin: str, end: str) -> None:
        """Let those whose request keys are between these wait for no moment any more."""
        key = col(TransactionRow.request_key)
        self._session.execute(update(TransactionRow).where(key >= begin, key < end).values(not_before=None))

    def update(self, tx_id: str, **changes: Any) -> Transaction:
        """Change fields that `Transaction` has, by their names there. MissingError."""
        row = self._row(tx_id)
        for name, value in changes.items():
            for column, kept in _COLUMNS[name](value).items():
                setattr(row, column, kept)
        return self._save(row)

    def claim(self, tx_id: str) -> bool:
        """Take it from queued to running; False if it is not queued or another of its VM is running. MissingError."""
        row = self._row(tx_id)
        if row.state != State.QUEUED.value or self._is_busy(row.vm_uuid):
            return False
        row.state = State.RUNNING.value
        row.started_at = row.started_at or self._clock.now()  # a Retry is the same transaction
        self._save(row)
        return True

    def ask_stop(self, tx_id: str, by: str) -> Transaction:
        """Note who wants it stopped; the first one stays. MissingError."""
        row = self._row(tx_id)
        row.stop_asked_by = row.stop_asked_by or by
        return self._save(row)

    def stop_asked(self, tx_id: str) -> bool:
        """Whether somebody wants it stopped. MissingError."""
        return bool(self._row(tx_id).stop_asked_by)

    def _last(self) -> Transaction:
        newest = self.list(limit=1)
        if not newest:
            raise NotFound("There is no transaction yet.")
        return newest[0]

    def _containing(self, part: str) -> tuple[TransactionRow, ...]:
        return tuple(
            self._session.exec(
                select(TransactionRow)
                .where(func.lower(TransactionRow.id).contains(part, autoescape=True))
                .order_by(col(TransactionRow.number).desc())
                .limit(_MOST_CANDIDATES)
            )
        )

    def _near(self, wanted: str) -> tuple[str, ...]:
        ids = {tx.id.lower(): tx.id for tx in self.list(limit=100)}
        ends = {each.rpartition("-")[2]: each for each in ids}
        near = get_close_matches(wanted, [*ids, *ends], n=3)
        return tuple(dict.fromkeys(ids[ends.get(each, each)] for each in near))

    def _is_busy(self, vm_uuid: str) -> bool:
        query = select(TransactionRow.id).where(
            TransactionRow.vm_uuid == vm_uuid, TransactionRow.state == State.RUNNING.value
        )
        return bool(vm_uuid) and self._session.exec(query).first() is not None

    def _row(self, tx_id: str) -> TransactionRow:
        row = self._session.exec(select(TransactionRow).where(TransactionRow.id == tx_id)).one_or_none()
        if row is None:
            raise MissingError(f"There is no transaction {tx_id}.", system="database", operation="find transaction")
        return row

    def _save(self, row: TransactionRow) -> Transaction:
        self._session.add(row)
        self._session.flush()
        return _transaction(row)


def _waits(prefix: str, now: datetime) -> tuple[ColumnElement[bool], ...]:
    """As Transaction.awaits says it."""
    key = col(TransactionRow.request_key)
    is_still = (col(TransactionRow.state) == State.PLANNING.value, col(TransactionRow.stop_asked_by) == "")
    return (key >= prefix, key < f"{prefix}\uffff", *is_still, col(TransactionRow.not_before) > now)


def _as_is(name: str) -> Callable[[Any], Json]:
    return lambda value: {name: value}


_SAME = ("vm", "vm_uuid", "vmstore", "started_at", "ended_at", "consistency", "note", "not_before")
_COLUMNS: Mapping[str, Callable[[Any], Json]] = {
    **{name: _as_is(name) for name in _SAME},
    "state": lambda state: {"state": State(state).value},
    "frozen": lambda frozen: {"frozen": dict(frozen)},
    "plan": lambda plan: {"plan": dict(plan)},
    "bytes": lambda moved: {"bytes": asdict(moved)},
    "failure": lambda failure: {"failure": asdict(failure) if failure else None},
    "left_behind": lambda lines: {"left_behind": list(lines)},
    "place": lambda place: {"channel": place.channel, "thread": place.thread},
}


# Reading the other columns costs most of the time of a look at many transactions: they are JSON, and some are large.
_OUTLINE = tuple(
    col(getattr(TransactionRow, name))
    for name in (
        "id", "request_key", "workflow", "vm", "targets", "actor_id", "actor_name", "actor_source", "state",
        "created_at", "consistency", "note", "keep_for", "channel", "thread", "vm_uuid", "vmstore", "started_at",
        "ended_at",
        "stop_asked_by", "not_before",
    )
)  # fmt: skip
_NEWEST = select(*_OUTLINE).order_by(col(TransactionRow.number).desc()).limit(bindparam("most"))
_UNENDED = select(*_OUTLINE).where(col(TransactionRow.state).in_(_ACTIVE)).order_by(col(TransactionRow.number))


def _outlined(row: Any) -> Transaction:
    return Transaction(
        id=row.id,
        request_key=row.request_key,
        workflow=row.workflow,
        vm=row.vm,
        targets=tuple(row.targets),
        actor=Actor(id=row.actor_id, name=row.actor_name, source=row.actor_source),
        state=State(row.state),
        created_at=row.created_at,
        consistency=row.consistency,
        note=row.note,
        keep_for=row.keep_for,
        place=Place(channel=row.channel, thread=row.thread),
        vm_uuid=row.vm_uuid,
        vmstore=row.vmstore,
        started_at=row.started_at,
        ended_at=row.ended_at,
        stop_asked_by=row.stop_asked_by,
        not_before=row.not_before,
    )


def _row(tx: Transaction) -> TransactionRow:
    return TransactionRow(
        id=tx.id,
        request_key=tx.request_key,
        workflow=tx.workflow,
        vm=tx.vm,
        targets=list(tx.targets),
        actor_id=tx.actor.id,
        actor_name=tx.actor.name,
        actor_source=tx.actor.source,
        state=tx.state.value,
        created_at=tx.created_at,
        consistency=tx.consistency,
        note=tx.note,
        keep_for=tx.keep_for,
        channel=tx.place.channel,
        thread=tx.place.thread,
        vm_uuid=tx.vm_uuid,
        vmstore=tx.vmstore,
        frozen=dict(tx.frozen),
        plan=dict(tx.plan),
        started_at=tx.started_at,
        ended_at=tx.ended_at,
        stop_asked_by=tx.stop_asked_by,
        bytes=asdict(tx.bytes),
        failure=asdict(tx.failure) if tx.failure else None,
        left_behind=list(tx.left_behind),
        not_before=tx.not_before,
    )


def bytes_of(kept: Json) -> Bytes:
    """A column as a noun; rows from before this was counted by target have none."""
    return Bytes(**{**kept, "targets": {name: Carried(**each) for name, each in kept.get("targets", {}).items()}})


def _transaction(row: TransactionRow) -> Transaction:
    return replace(
        _outlined(row),
        frozen=row.frozen,
        plan=row.plan,
        bytes=bytes_of(row.bytes),
        failure=Failure(**row.failure) if row.failure else None,
        left_behind=tuple(row.left_behind),
    )
