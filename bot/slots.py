"""How many parts may be on their way to one target at once, over all transactions of this process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

LOOK_S = 0.5  # how long a wait may be deaf to Stop


class Slots:
    """Room for `most` parts; memory and connections of a target are bounded by it, whatever the number of runs."""

    def __init__(self, most: int) -> None:
        self._free = BoundedSemaphore(most)

    @contextmanager
    def taken(self, go_on: Callable[[], None]) -> Iterator[None]:
        """Hold one. While there is none free, go_on is called again and again; what it raises ends the wait."""
        while not self._free.acquire(timeout=LOOK_S):
            go_on()
        try:
            yield
        finally:
            self._free.release()
