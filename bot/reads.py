"""How much is read from one VMstore at once, and how fast, over all transactions of this process."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from bot.ports import Reader
from bot.retry import beneath
from bot.slots import Slots
from bot.throttle import Throttle, heed, heeding

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reads:
    """Room for reads, and the rate of all together."""

    slots: Slots
    throttle: Throttle

    def of(self, reader: Reader, check: Callable[[], None]) -> Reader:
        """The reader, within these limits; check may raise, and is called while a read waits for room.

        Below what tries again: a read that failed holds no room while it waits to be tried again.
        """
        return beneath(reader, lambda below: _Bounded(below, self, check))


class _Bounded(Reader):
    """Looks like the reader that it wraps. Waits are outside of its calls, whose time-outs are for the share alone."""

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

    def read_steps(
        self, offset: int, buffer: memoryview, step: int, look: Callable[[memoryview], T], on_hang: Callable[[], None]
    ) -> list[T]:
        """In one call; where there is a rate now, in a call for each step."""
        seen: list[T] = []
        with heeding(self._check):
            at_once = step if self._reads.throttle.is_on() else max(step, buffer.nbytes)
            for at in range(0, buffer.nbytes, at_once):
                with buffer[at : at + at_once] as piece:
                    self._reads.throttle(len(piece))
                    with self._reads.slots.taken(heed):
                        seen += self._reader.read_steps(offset + at, piece, step, look, on_hang)
        return seen

    def close(self) -> None:
        self._reader.close()
