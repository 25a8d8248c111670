"""Progress of a running step: kept in memory, written at most once a second."""

import threading
from datetime import timedelta

from bot import narrator
from bot.errors import BusyError, DatabaseError
from bot.model import Bytes, Transaction
from bot.ports import Clock
from bot.store import Database

WRITE_S = 1.0


class Progress:
    """Takes absolute values from any thread; never goes backwards while the total stays."""

    def __init__(self, db: Database, clock: Clock, transaction: Transaction, step_id: str) -> None:
        self._db = db
        self._clock = clock
        self._id = transaction.id
        self._step_id = step_id
        self._before = transaction.bytes
        self._done, self._total = 0, 0
        self._moved = Bytes()
        self._written_at = clock.now()
        self._dirty = False
        self._lock = threading.Lock()

    def report(self, done: int, total: int) -> None:
        """So much of the step is done."""
        with self._lock:
            self._done = max(done, self._done) if total == self._total else done  # a target was given up
            self._total = total
            self._dirty = True
            due = self._is_due()
        if due:
            self._write()

    def moved(self, moved: Bytes) -> None:
        """So many bytes moved in this attempt; those of attempts before a restart are added."""
        with self._lock:
            self._moved = moved
            self._dirty = True

    def close(self) -> None:
        """Write what is not written yet."""
        if self._dirty:
            self._write()

    def _is_due(self) -> bool:
        now = self._clock.now()
        if abs(now - self._written_at) < timedelta(seconds=WRITE_S):  # the clock may be set back
            return False
        self._written_at = now
        return True

    def _write(self) -> None:
        with self._lock:
            done, total, moved, before = self._done, self._total, self._moved, self._before
            self._dirty = False
        summed = Bytes(
            read=before.read + moved.read,
            sent=before.sent + moved.sent,
            copied=before.copied + moved.copied,
            zero=before.zero + moved.zero,
        )
        try:
            with self._db.unit() as unit:
                unit.steps.progress(self._id, self._step_id, done, total)
                unit.transactions.update(self._id, bytes=summed)
                narrator.retell(unit, self._id)
        except (BusyError, DatabaseError):
            self._dirty = True  # a later report or close tries again; a lost one costs nothing
