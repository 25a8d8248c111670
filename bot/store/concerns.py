"""What people decided about things that are not as they should be: snoozed, assigned."""

from collections.abc import Iterable
from datetime import date, datetime

from sqlmodel import Session, col, func, select

from bot.model import Actor, Concern, ConcernKind
from bot.store.concern_rows import ConcernRow, MeasureRow


class Concerns:
    """Concerns by kind and id."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, kind: ConcernKind, id: str) -> Concern:
        """Give it; one that nobody decided anything about is as nothing was decided."""
        row = self._session.get(ConcernRow, (kind.value, id))
        return _concern(row) if row else Concern(kind=kind, id=id)

    def put(self, concern: Concern) -> None:
        """Keep it; what was decided before is replaced."""
        by = concern.by or Actor(id="", name="", source="")
        self._session.merge(
            ConcernRow(
                kind=concern.kind.value,
                id=concern.id,
                until=concern.until,
                reason=concern.reason,
                by_id=by.id,
                by_name=by.name,
                by_source=by.source,
                assigned=concern.assigned,
                assigned_by=concern.assigned_by,
            )
        )
        self._session.flush()

    def snoozed(self, kind: ConcernKind, now: datetime) -> frozenset[str]:
        """Give the ids of those that are not to be told of now."""
        query = select(ConcernRow.id).where(ConcernRow.kind == kind.value, col(ConcernRow.until) > now)
        return frozenset(self._session.exec(query))

    def of(self, kind: ConcernKind, ids: Iterable[str]) -> dict[str, Concern]:
        """Give what was decided about these, by id."""
        query = select(ConcernRow).where(ConcernRow.kind == kind.value, col(ConcernRow.id).in_(tuple(ids)))
        return {row.id: _concern(row) for row in self._session.exec(query)}

    def assignees(self) -> tuple[str, ...]:
        """Give the users that something is assigned to."""
        query = select(ConcernRow.assigned).where(ConcernRow.assigned != "").distinct()
        return tuple(sorted(self._session.exec(query)))


class Measures:
    """Numbers by name and day (UTC)."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def put(self, name: str, day: date, value: int) -> None:
        """Keep it; a former one of the same day is replaced."""
        self._session.merge(MeasureRow(name=name, day=day, value=value))
        self._session.flush()

    def since(self, name: str, day: date) -> tuple[tuple[date, int], ...]:
        """Give those of a name from that day on, in order."""
        query = select(col(MeasureRow.day), col(MeasureRow.value)).where(
            MeasureRow.name == name, col(MeasureRow.day) >= day
        )
        return tuple((row[0], row[1]) for row in self._session.execute(query.order_by(col(MeasureRow.day))))

    def sums(self, prefix: str, day: date) -> dict[date, int]:
        """Add up those of all names that begin so, by day, from that day on."""
        name = col(MeasureRow.name)
        named = (name >= prefix, name < f"{prefix}\uffff", col(MeasureRow.day) >= day)
        query = select(col(MeasureRow.day), func.sum(MeasureRow.value)).where(*named).group_by(col(MeasureRow.day))
        return {row[0]: int(row[1]) for row in self._session.execute(query)}


def _concern(row: ConcernRow) -> Concern:
    by = Actor(id=row.by_id, name=row.by_name, source=row.by_source) if row.by_id else None
    return Concern(
        kind=ConcernKind(row.kind),
        id=row.id,
        until=row.until,
        reason=row.reason,
        by=by,
        assigned=row.assigned,
        assigned_by=row.assigned_by,
    )
