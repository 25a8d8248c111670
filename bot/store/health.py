"""How the systems outside fared lately, as the ends of transactions tell it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

from bot.model import Fared, State
from bot.store.rows import TransactionRow

_ENDS = 200  # transactions that are looked at, newest first
_ENDED = tuple(state.value for state in (State.SUCCEEDED, State.PARTIAL, State.FAILED))
_TOLD = tuple(col(getattr(TransactionRow, name)) for name in ("vmstore", "targets", "state", "ended_at", "failure"))


class Health:
    """Reads only."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def lately(self) -> tuple[Fared, ...]:
        """Give one row for each VMstore and target that took part, from the newest 200 ends."""
        query = (
            select(*_TOLD)
            .where(col(TransactionRow.state).in_(_ENDED), col(TransactionRow.ended_at).is_not(None))
            .order_by(col(TransactionRow.number).desc())
            .limit(_ENDS)
        )
        found: dict[str, Fared] = {}
        for end in self._session.execute(query).all():
            for name, why in _told(end):
                found[name] = _with(found.get(name, Fared(name=name)), end.ended_at, why)
        return tuple(found.values())


def _told(end: Any) -> Iterator[tuple[str, str | None]]:
    """Whom an end tells about, with what was wrong: those that it needed if it went well, and the one that failed."""
    failed = (end.failure or {}).get("system")
    if end.state != State.FAILED.value:
        yield from ((name, None) for name in (end.vmstore, *end.targets) if name and name != failed)
    if failed:
        yield failed, str(end.failure.get("what", ""))


def _with(fared: Fared, at: datetime, why: str | None) -> Fared:
    """Ends come newest first, so the first of each kind stays."""
    if why is None:
        return replace(fared, well_at=fared.well_at or at)
    return fared if fared.failed_at else replace(fared, failed_at=at, why=why)
