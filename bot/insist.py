"""Cloudy's own database may be busy, or its disk full: what has to be kept or known is tried until it is."""

import logging
from collections.abc import Callable
from typing import TypeVar

from bot.errors import BusyError, DatabaseError
from bot.ports import Clock
from bot.store import Database, Unit

log = logging.getLogger(__name__)
T = TypeVar("T")

WAIT_S = 1.0
AFTER_FAULT_S = 5.0


def insist(work: Callable[[], T], clock: Clock) -> T:
    """Do it, and again while the database is busy or cannot be used. Every other error passes.

    A run waits for the disk rather than end without a word: its end could not be kept either.
    """
    while True:
        try:
            return work()
        except BusyError:
            log.warning("database busy, trying again", extra={"action": "database_busy"})
            clock.sleep(WAIT_S)
        except DatabaseError as error:
            log.warning("database unusable, trying again", extra={"action": "database", "error": error.message})
            clock.sleep(AFTER_FAULT_S)


def write(db: Database, work: Callable[[Unit], T], clock: Clock) -> T:
    """Insist on one unit of work; it may be begun several times, and is kept once."""

    def once() -> T:
        with db.unit() as unit:
            return work(unit)

    return insist(once, clock)


def read(db: Database, look: Callable[[Unit], T], clock: Clock) -> T:
    """Insist on one look."""

    def once() -> T:
        with db.read() as unit:
            return look(unit)

    return insist(once, clock)
