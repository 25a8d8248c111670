"""Stop and drain, as a running step sees them."""

import threading
from datetime import timedelta

from bot.errors import Stopped
from bot.ports import Clock
from bot.store import Database

LOOK_S = 0.5  # how old an answer to "was Stop asked for?" may be


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
        end = self._clock.now() + timedelta(seconds=seconds)
        while True:
            self.check()
            left = (end - self._clock.now()).total_seconds()
            if left <= 0:
                return
            self._clock.sleep(min(left, LOOK_S))

    def park_if_draining(self) -> None:
        """Stand still for ever while the process is on its way out."""
        if self._draining.is_set():
            threading.Event().wait()

    def _asked(self) -> bool:
        with self._lock:
            now = self._clock.now()
            if not self._heard and now - self._looked_at >= timedelta(seconds=LOOK_S):
                self._looked_at = now
                with self._db.read() as unit:
                    self._heard = unit.transactions.stop_asked(self._id)
            return self._heard
