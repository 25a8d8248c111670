"""Cloudy's own database may be busy for a while: what has to be kept or known is tried until it is."""

import logging
from collections.abc import Callable
from typing import TypeVar

from bot.errors import BusyError
from bot.ports import Clock

log = logging.getLogger(__name__)
T = TypeVar("T")

WAIT_S = 1.0


def insist(work: Callable[[], T], clock: Clock) -> T:
    """Do it, and again while the database is busy. Every other error passes."""
    while True:
        try:
            return work()
        except BusyError:
            log.warning("database busy, trying again", extra={"action": "database_busy"})
            clock.sleep(WAIT_S)
