"""A database of its own for each test, and a transaction to put into it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bot.model import Actor, State, Transaction
from bot.store import Database

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ALICE = Actor(id="U1", name="alice", source="slack")
ID = "20261123T120000Z-7f3k9q"


class SteppingClock:
    """A clock that is one second later each time it is asked."""

    def __init__(self) -> None:
        self._seconds = 0

    def now(self) -> datetime:
        self._seconds += 1
        return NOON + timedelta(seconds=self._seconds)

    def sleep(self, seconds: float) -> None:
        raise AssertionError("the store never sleeps")


@contextmanager
def opened(folder: Path) -> Iterator[Database]:
    """Make the database and close it at the end."""
    path = folder / "cloudy.db"
    Database.migrate(path)
    db = Database.open(path, audit_key=b"k" * 32, busy_timeout_s=5, clock=SteppingClock())
    yield db
    db.close()


def asked(tx_id: str = ID, **changes: Any) -> Transaction:
    """Give a queued transaction."""
    plain = Transaction(
        id=tx_id,
        workflow="protect",
        vm="vm01",
        targets=("s3", "azure"),
        actor=ALICE,
        state=State.QUEUED,
        created_at=NOON,
        request_key=f"key of {tx_id}",
    )
    return replace(plain, **changes)


def kept(db: Database, *transactions: Transaction) -> None:
    """Insert them in this order."""
    with db.unit() as u:
        for tx in transactions:
            u.transactions.insert(tx)


def samples(db: Database) -> int:
    """How many grains the index has."""
    with closing(sqlite3.connect(db.path)) as raw:
        return int(raw.execute("SELECT count(*) FROM samples").fetchone()[0])
