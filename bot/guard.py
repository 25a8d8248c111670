"""Stop and drain, as a running step sees them."""

import threading
from datetime import timedelta

from bot.errors import BusyError, DatabaseError, Stopped
from bot.ports import Clock
from bot.stopping import HEARD_S
from bot.store import Database


class Guard:
    """Answers "may I go on?" between parts and calls.

    Drain is not Stop: a step that meets it stands still until the process ends, so that nothing of it is kept and the
    run goes on at the next start.
    """

    def __init__(
        self, db: Database, clock: Clock, transaction_id: str, draining: threading.Event, *, heeds_stop: bool
    ) -> None:
        self._db = db
        self._clock = clock
        self._id = transaction_id
        self._draining = draining
        self._heeds_stop = heeds_stop
        self._looked_at = clock.now() - timedelta(days=1)
        self._heard = False
        self._lock = threading.Lock()

    def check(self) -> None:
        """Raise Stopped once somebody asked for it."""
        self.park_if_draining()
        if self._heeds_stop and self._asked():
            raise Stopped()

    def pause(self, seconds: float) -> None:
        """Wait, looking at Stop meanwhile."""
        left = seconds  # counted, not measured: the clock may be set meanwhile
        self.check()
        while left > 0:
            self._clock.sleep(min(left, HEARD_S))
            left -= HEARD_S
            self.check()

    def park_if_draining(self) -> None:
        """Stand still for ever while the process is on its way out."""
        if self._draining.is_set():
            threading.Event().wait()

    def _asked(self) -> bool:
        with self._lock:
            now = self._clock.now()
            # In absolute terms, since the clock may be set back.
            if not self._heard and abs(now - self._looked_at) >= timedelta(seconds=HEARD_S):
                self._looked_at = now
                self._heard = self._look()
            return self._heard

    def _look(self) -> bool:
        try:
            with self._db.read() as unit:
                return unit.transactions.stop_asked(self._id)
        except (BusyError, DatabaseError):
            return False  # no news; the next look tells
