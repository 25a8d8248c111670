"""The schedules, each with its cursor, and the fires: every time that is accounted for."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import insert, text, tuple_
from sqlmodel import Session, col, delete, func, select

from bot.codec import decode, encode
from bot.errors import MissingError
from bot.model import Actor, Fire, FireState, Place, Schedule, ScheduleRequest, ScheduleState
from bot.store.schedule_rows import FireRow, ScheduleRow

_HERE = tuple(state.value for state in ScheduleState if state is not ScheduleState.DELETED)
_NOT_YET = (FireState.MISSED.value, FireState.SKIPPED.value, FireState.NOTHING.value)
_ASKED = FireState.ASKED.value


class Schedules:
    """Schedules by id."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def insert(self, schedule: Schedule) -> Schedule:
        """Keep a new one. The same request key again: the one that is there, unchanged."""
        if there := self.asked_by(schedule.request_key):
            return there
        self._session.add(_row(schedule))
        self._session.flush()
        return schedule

    def asked_by(self, request_key: str) -> Schedule | None:
        """Give the one that this request made."""
        row = self._session.exec(select(ScheduleRow).where(ScheduleRow.request_key == request_key)).one_or_none()
        return _schedule(row) if row else None

    def find(self, schedule_id: str) -> Schedule | None:
        """Give one by its whole id, a deleted one too; None: there is none."""
        row = self._session.get(ScheduleRow, schedule_id)
        return _schedule(row) if row else None

    def get(self, schedule_id: str) -> Schedule:
        """Give one by its whole id, a deleted one too. MissingError."""
        found = self.find(schedule_id)
        if found is None:
            raise MissingError(f"There is no schedule {schedule_id}.", system="database", operation="find schedule")
        return found

    def list(self) -> tuple[Schedule, ...]:
        """Give those that are not deleted, oldest first."""
        here = select(ScheduleRow).where(col(ScheduleRow.state).in_(_HERE))
        rows = self._session.exec(here.order_by(col(ScheduleRow.created_at), col(ScheduleRow.id)))
        return tuple(map(_schedule, rows))

    def put(self, schedule: Schedule) -> Schedule:
        """Change one into this. MissingError."""
        self.get(schedule.id)
        self._session.merge(_row(schedule))
        self._session.flush()
        return schedule


class Fires:
    """Fires by schedule and time."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, fires: Iterable[Fire]) -> None:
        """Keep them. A time that is accounted for already is an error of the caller's, and undoes the unit."""
        if rows := [_fire_values(fire) for fire in fires]:
            self._session.execute(insert(FireRow), rows)

    def put(self, fire: Fire) -> None:
        """Keep what became of a time that is known already."""
        self._session.merge(FireRow(**_fire_values(fire)))
        self._session.flush()

    def get(self, schedule_id: str, at: datetime) -> Fire | None:
        """Give what became of one time; None: nobody has looked at it yet."""
        row = self._session.get(FireRow, (schedule_id, at))
        return _fire(row) if row else None

    def of(
        self, schedule_id: str, *, after: datetime | None = None, until: datetime | None = None, limit: int = 1000
    ) -> tuple[Fire, ...]:
        """Give those of one schedule between two times, the first not among them, newest first."""
        query = select(FireRow).where(FireRow.schedule == schedule_id)
        if after is not None:
            query = query.where(col(FireRow.at) > after)
        if until is not None:
            query = query.where(col(FireRow.at) <= until)
        return tuple(map(_fire, self._session.exec(query.order_by(col(FireRow.at).desc()).limit(limit))))

    def asked(self, schedule_id: str = "") -> tuple[Fire, ...]:
        """Give those that somebody asked for and that have not begun, oldest first; "": of all schedules."""
        query = select(FireRow).where(col(FireRow.state) == text(f"'{_ASKED}'"))  # as the index has it
        if schedule_id:
            query = query.where(FireRow.schedule == schedule_id)
        return tuple(map(_fire, self._session.exec(query.order_by(col(FireRow.at)))))

    def by_hand(self, schedule_id: str, after: datetime) -> Fire | None:
        """Give the newest after that time that somebody asked for and that has begun."""
        query = select(FireRow).where(FireRow.schedule == schedule_id, col(FireRow.at) > after)
        query = query.where(col(FireRow.state) == FireState.BY_HAND.value)
        row = self._session.exec(query.order_by(col(FireRow.at).desc()).limit(1)).first()
        return _fire(row) if row else None

    def wide(self, since: datetime, more_than: int) -> tuple[Fire, ...]:
        """Give those that were decided on since then and started more than that many, oldest first."""
        query = select(FireRow).where(col(FireRow.decided_at) >= since, col(FireRow.started) > more_than)
        return tuple(map(_fire, self._session.exec(query.order_by(col(FireRow.decided_at)))))

    def last(self, schedule_id: str, until: datetime, *, started: bool = False) -> Fire | None:
        """Give the newest one up to then; started: of those that started transactions."""
        query = select(FireRow).where(FireRow.schedule == schedule_id, col(FireRow.at) <= until)
        if started:
            query = query.where(col(FireRow.started) > 0)
        row = self._session.exec(query.order_by(col(FireRow.at).desc()).limit(1)).first()
        return _fire(row) if row else None

    def take_back(self, schedule_id: str, after: datetime) -> dict[FireState, int]:
        """Forget what was missed, or started nothing, at times that are still to come; gives how many of each state.

        What somebody wants skipped stays, and what was started stays.
        """
        future = (col(FireRow.schedule) == schedule_id, col(FireRow.at) > after, col(FireRow.by) == "")
        which = (*future, col(FireRow.state).in_(_NOT_YET))
        counted = select(FireRow.state, func.count()).where(*which).group_by(FireRow.state)
        taken = {FireState(state): number for state, number in self._session.execute(counted)}
        self._session.exec(delete(FireRow).where(*which))
        return taken

    def unskip(self, schedule_id: str, after: datetime) -> int:
        """Forget what somebody wants skipped after that time; gives how many."""
        which = (
            col(FireRow.schedule) == schedule_id,
            col(FireRow.at) > after,
            col(FireRow.by) != "",
            col(FireRow.state) == FireState.SKIPPED.value,
        )
        number = self._session.exec(select(func.count()).select_from(FireRow).where(*which)).one()
        self._session.exec(delete(FireRow).where(*which))
        return number

    def forget(self, before: datetime) -> None:
        """Remove those of times before then, if they were decided on before then as well.

        Of each schedule the newest stays, and the newest that started something.
        """
        key = tuple_(col(FireRow.schedule), col(FireRow.at))
        newest = select(FireRow.schedule, func.max(FireRow.at)).group_by(col(FireRow.schedule))
        is_old = (col(FireRow.at) < before, col(FireRow.decided_at) < before)
        started = newest.where(col(FireRow.started) > 0)
        self._session.execute(delete(FireRow).where(*is_old, key.not_in(newest), key.not_in(started)))


def _row(schedule: Schedule) -> ScheduleRow:
    return ScheduleRow(
        id=schedule.id,
        workflow=schedule.asked.workflow,
        asked=encode(schedule.asked),
        owner_id=schedule.owner.id,
        owner_name=schedule.owner.name,
        owner_source=schedule.owner.source,
        created_at=schedule.created_at,
        looked_until=schedule.looked_until,
        request_key=schedule.request_key,
        channel=schedule.place.channel,
        thread=schedule.place.thread,
        state=schedule.state.value,
        since=schedule.since,
        until=schedule.until,
        why=schedule.why,
    )


def _schedule(row: ScheduleRow) -> Schedule:
    return Schedule(
        id=row.id,
        asked=decode(ScheduleRequest, row.asked),
        owner=Actor(id=row.owner_id, name=row.owner_name, source=row.owner_source),
        created_at=row.created_at,
        looked_until=row.looked_until,
        request_key=row.request_key,
        place=Place(channel=row.channel, thread=row.thread),
        state=ScheduleState(row.state),
        since=row.since,
        until=row.until,
        why=row.why,
    )


def _fire_values(fire: Fire) -> dict[str, Any]:
    return {
        "schedule": fire.schedule,
        "at": fire.at,
        "state": fire.state.value,
        "decided_at": fire.decided_at,
        "why": fire.why,
        "started": fire.started,
        "passed": list(fire.passed),
        "by": fire.by,
    }


def _fire(row: FireRow) -> Fire:
    return Fire(
        schedule=row.schedule,
        at=row.at,
        state=FireState(row.state),
        decided_at=row.decided_at,
        why=row.why,
        started=row.started,
        passed=tuple(row.passed),
        by=row.by,
    )
