"""Files that were promised to somebody in the chat, until they are there."""

from datetime import datetime, timedelta

from sqlmodel import Session, col, delete, select

from bot.errors import MissingError
from bot.model import Handout
from bot.ports import Clock
from bot.store.rows import HandoutRow

_KEPT = timedelta(days=7)  # once delivered or given up


class Handouts:
    """Promises by key; the oldest is kept first."""

    def __init__(self, session: Session, clock: Clock) -> None:
        self._session = session
        self._clock = clock

    def put(self, handout: Handout) -> None:
        """Promise a file; the same key again: nothing."""
        if self._find(handout.key) is not None:
            return
        self._session.exec(
            delete(HandoutRow).where(col(HandoutRow.is_over).is_(True), col(HandoutRow.at) < self._clock.now() - _KEPT)
        )
        row = HandoutRow(key=handout.key, person=handout.person, asked=dict(handout.asked), at=self._clock.now())
        self._session.add(row)
        self._session.flush()

    def pending(self) -> tuple[Handout, ...]:
        """Give what is promised and not delivered, oldest first; also what has to wait."""
        rows = self._session.exec(
            select(HandoutRow).where(col(HandoutRow.is_over).is_(False)).order_by(col(HandoutRow.id))
        )
        return tuple(
            Handout(
                key=row.key,
                person=row.person,
                asked=row.asked,
                at=row.at,
                attempts=row.attempts,
                not_before=row.not_before,
            )
            for row in rows
        )

    def settle(self, key: str, error: str = "") -> None:
        """Note that it was delivered, or given up with this error. MissingError."""
        row = self._row(key)
        row.is_over, row.error = True, error
        self._session.add(row)
        self._session.flush()

    def begin(self, key: str) -> None:
        """Note before a try that it is made. MissingError."""
        row = self._row(key)
        row.attempts += 1
        self._session.add(row)
        self._session.flush()

    def defer(self, key: str, until: datetime, error: str) -> None:
        """Note that a try did not work and when the next one may be made. MissingError."""
        row = self._row(key)
        row.not_before, row.error = until, error
        self._session.add(row)
        self._session.flush()

    def _find(self, key: str) -> HandoutRow | None:
        return self._session.exec(select(HandoutRow).where(HandoutRow.key == key)).one_or_none()

    def _row(self, key: str) -> HandoutRow:
        row = self._find(key)
        if row is None:
            raise MissingError(f"No file {key} was promised.", system="database", operation="find handout")
        return row
