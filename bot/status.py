"""How Cloudy stands: what `/cloudy status` tells."""

from dataclasses import dataclass
from datetime import datetime

from bot.model import Transaction
from bot.ports import Clock
from bot.store import Database


@dataclass(frozen=True, kw_only=True, eq=False)
class Status:
    """What runs and what ran, as one look saw it; the transactions are outlines (see Transactions.outline)."""

    at: datetime
    active: tuple[Transaction, ...]
    waiting: tuple[Transaction, ...] = ()  # for their moments, those whose turn comes first before the others
    recent: tuple[Transaction, ...]
    vmstores: tuple[str, ...]
    targets: tuple[str, ...]


def standing(db: Database, clock: Clock, vmstores: tuple[str, ...], targets: tuple[str, ...]) -> Status:
    """Look. BusyError, DatabaseError."""
    with db.read() as unit:
        unended, recent = unit.transactions.active_outline(), unit.transactions.outline(5)
    now = clock.now()
    moments = {each.id: moment for each in unended if (moment := each.awaits(now))}
    return Status(
        at=now,
        active=tuple(each for each in unended if each.id not in moments),
        waiting=tuple(sorted((each for each in unended if each.id in moments), key=lambda each: moments[each.id])),
        recent=recent,
        vmstores=vmstores,
        targets=targets,
    )
