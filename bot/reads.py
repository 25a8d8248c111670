"""How much is read from one VMstore at once, and how fast, over all transactions of this process."""

from collections.abc import Callable
from dataclasses import dataclass

from bot.ports import Reader
from bot.slots import Slots
from bot.throttle import Throttle, heed, heeding


@dataclass(frozen=True, slots=True)
class Reads:
    """Room for reads, and the rate of all together."""

    slots: Slots
    throttle: Throttle

    def of(self, reader: Reader, check: Callable[[], None]) -> Reader:
        """The reader, within these limits; check may raise, and is called while a read waits."""
        return _Bounded(reader, self, check)


class _Bounded:
    """Looks like the reader that it wraps."""

    def __init__(self, reader: Reader, reads: Reads, check: Callable[[], None]) -> None:
        self.size = reader.size
        self._reader = reader
        self._reads = reads
        self._check = check

    def read_into(self, offset: int, buffer: memoryview) -> None:
        with heeding(self._check):
            self._reads.throttle(len(buffer))
            with self._reads.slots.taken(heed):
                self._reader.read_into(offset, buffer)

    def close(self) -> None:
        self._reader.close()
