"""How Cloudy stands: what `/cloudy status` tells."""

from dataclasses import dataclass

from bot.model import Transaction
from bot.store import Database


@dataclass(frozen=True, kw_only=True, eq=False)
class Status:
    """What runs and what ran, as one look saw it; the transactions are outlines (see Transactions.outline)."""

    active: tuple[Transaction, ...]
    recent: tuple[Transaction, ...]
    vmstores: tuple[str, ...]
    targets: tuple[str, ...]


def standing(db: Database, vmstores: tuple[str, ...], targets: tuple[str, ...]) -> Status:
    """Look. BusyError, DatabaseError."""
    with db.read() as unit:
        active, recent = unit.transactions.active_outline(), unit.transactions.outline(5)
    return Status(active=active, recent=recent, vmstores=vmstores, targets=targets)
