"""Progress of a running step: kept in memory, written at most once a second."""

import threading
from datetime import timedelta

from bot import narrator
from bot.errors import BusyError, DatabaseError
from bot.model import Bytes, Step, Transaction
from bot.ports import Clock
from bot.speed import Pace, Track, forward
from bot.store import Database

WRITE_S = 1.0


class Progress:
    """Takes absolute values from any thread; what it shows never goes back, also not over a restart of the process.

    The speed is that of bytes which this process moved: what was there before it counts as done, never as moved.
    """

    def __init__(self, db: Database, clock: Clock, transaction: Transaction, step: Step) -> None:
        self._db = db
        self._clock = clock
        self._id = transaction.id
        self._step_id = step.id
        self._before = transaction.bytes
        self._told = (step.done, step.total)
        self._shown = (step.done, step.total)
        self._moved = Bytes()
        self._track = Track()
        self._is_waiting = False
        self._written_at = clock.now()
        self._dirty = False
        self._lock = threading.Lock()
        self._writing = threading.Lock()  # one at a time, else an older look at it could be written over a newer one

    def report(self, done: int, total: int) -> None:
        """So much of the step is done."""
        with self._lock:
            self._is_waiting = self._is_waiting and (done, total) == self._told
            self._told = (done, total)
            self._shown = forward(self._shown, self._told)
            self._dirty = True
            due = self._is_due()
        if due and self._writing.acquire(blocking=False):  # else somebody writes, and a later report or close does
            try:
                self._write()
            finally:
                self._writing.release()

    def moved(self, moved: Bytes) -> None:
        """So many bytes moved in this attempt; those of attempts before a restart are added."""
        with self._lock:
            self._moved = moved
            self._track = self._track.seen(self._clock.now().timestamp(), moved.sent or moved.read)
            self._dirty = True

    def waiting(self) -> None:
        """A call is tried again and again; shown at once, and until more is done."""
        with self._lock:
            self._is_waiting = True
        with self._writing:
            self._write()

    def close(self) -> None:
        """Write what is not written yet."""
        with self._writing:
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
            (done, total), moved, before = self._shown, self._moved, self._before
            pace = Pace(speed=self._track.speed, is_waiting=self._is_waiting)
            self._dirty = False
        try:
            with self._db.unit() as unit:
                unit.steps.progress(self._id, self._step_id, done, total)
                unit.transactions.update(self._id, bytes=before + moved)
                narrator.retell(unit, self._id, pace)
        except (BusyError, DatabaseError):
            self._dirty = True  # a later report or close tries again; a lost one costs nothing
