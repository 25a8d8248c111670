"""The daily look at what digests tell of without asking anybody: what is stored by day, what ends when, what is left.

Each is kept in the database, as it was found last.
"""

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from bot import remembered
from bot.errors import CloudyError
from bot.model import Expiry
from bot.ports import Clock
from bot.store import Database

log = logging.getLogger(__name__)

EVERY = timedelta(days=1)
_LOOK_S = 600.0  # a clock may be set, a machine may sleep: how often is looked whether a day is over
_LOOKED = "watch.looked_at"


class Watch:
    """Belongs to the process that holds the worker lock."""

    def __init__(self, db: Database, clock: Clock, expiries: Callable[[], tuple[Expiry, ...]]) -> None:
        """expiries: asks the systems outside; never raises."""
        self._db = db
        self._clock = clock
        self._expiries = expiries

    def run(self, stop: threading.Event) -> None:
        """Look once a day until told to stop. Never raises."""
        while True:
            try:
                if self.is_due():
                    self.look()
            except CloudyError as error:
                log.warning("the daily look failed", extra={"action": "watch", "error": error.message})
            except Exception:  # whatever it is: the next look may fare better
                log.exception("the daily look failed", extra={"action": "watch"})
            if stop.wait(_LOOK_S):
                return

    def is_due(self) -> bool:
        """Whether the last look is a day old, or of a time that is still to come: the clock was set back."""
        with self._db.read() as unit:
            last = unit.settings.get(_LOOKED)
        now = self._clock.now()
        return last is None or abs(now - datetime.fromisoformat(last)) >= EVERY

    def look(self) -> None:
        """Look now; repeating is safe."""
        found = self._expiries()
        with self._db.unit() as unit:
            remembered.keep_expiries(unit, found)
            remembered.measure(unit, self._clock.now())
            unit.settings.put(_LOOKED, self._clock.now().isoformat())
