"""What was answered already, so that a delivery that comes again is not answered again."""

from datetime import timedelta

from sqlmodel import Session, col, delete

from bot.ports import Clock
from bot.store.rows import DeliveryRow

_KEPT = timedelta(days=2)  # Slack gives up after some minutes; over a socket it may wait for a bot that is away


class Deliveries:
    """Keys of deliveries."""

    def __init__(self, session: Session, clock: Clock) -> None:
        self._session = session
        self._clock = clock

    def claim(self, key: str) -> bool:
        """Note the key; False: it is there already, also from before a restart. Old ones are forgotten."""
        if self._session.get(DeliveryRow, key) is not None:
            return False
        now = self._clock.now()
        self._session.exec(delete(DeliveryRow).where(col(DeliveryRow.at) < now - _KEPT))
        self._session.add(DeliveryRow(key=key, at=now))
        self._session.flush()
        return True
