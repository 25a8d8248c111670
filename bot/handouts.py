"""Files that somebody in the chat was promised: recorded at once, delivered by whoever speaks with the chat.

A promise survives a restart, an outage and a storm of refusals. Each try is noted before it is made, so that the next
one can look first whether the file is there.
"""

from datetime import datetime

from bot.model import Handout
from bot.recorder import WAIT_S
from bot.store import Database


class Handouts:
    """Each method is one unit of work."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def promise(self, handout: Handout) -> None:
        """Record it; the same key again: nothing. BusyError: nothing was recorded."""
        with self._db.unit(wait_s=WAIT_S) as unit:
            unit.handouts.put(handout)

    def pending(self) -> tuple[Handout, ...]:
        """What is promised and not delivered, oldest first."""
        with self._db.read() as unit:
            return unit.handouts.pending()

    def begin(self, key: str) -> None:
        """A try is about to be made."""
        with self._db.unit() as unit:
            unit.handouts.begin(key)

    def delivered(self, key: str) -> None:
        """It is there."""
        with self._db.unit() as unit:
            unit.handouts.settle(key)

    def give_up(self, key: str, why: str) -> None:
        """It will never be there."""
        with self._db.unit() as unit:
            unit.handouts.settle(key, why)

    def defer(self, key: str, until: datetime, why: str) -> None:
        """A try did not work; the next one may be made then."""
        with self._db.unit() as unit:
            unit.handouts.defer(key, until, why)
