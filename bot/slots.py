"""How many requests of one kind may be under way at once, over all transactions of this process.

Those that bring bytes to or from a target, those by which it copies its own, and reads of all VMstores.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition

from bot.flow import Flow
from bot.stopping import HEARD_S

LONGEST_REST_S = 60.0


class Slots:
    """Room for `most` requests; memory and connections are bounded by it, whatever the number of runs.

    There is less room at first, and after the target wanted less (bot/flow.py).
    """

    def __init__(self, most: int, start: int | None = None, now: Callable[[], float] = time.monotonic) -> None:
        """start: how many at first; None: as many as there may ever be."""
        self._flow = Flow(most, most if start is None else start)
        self._now = now
        self._taken = 0
        self._rests_until = 0.0
        self._changed = Condition()

    @property
    def limit(self) -> int:
        """How many may be taken now."""
        return self._flow.limit

    @property
    def setbacks(self) -> int:
        """When something begins, to be told with its refusal."""
        return self._flow.setbacks

    @contextmanager
    def taken(self, go_on: Callable[[], None], size: int = 0) -> Iterator[None]:
        """Hold one, for so many bytes. While there is none free, go_on is called again and again; what it raises ends
        the wait.
        """
        while not self._take():
            go_on()
        is_done = False
        try:
            yield
            is_done = True
        finally:
            self._give(size if is_done else None)

    def refused(self, setbacks: int, rest_s: float) -> None:
        """The target wanted less than was on its way. rest_s: it asked for so long without anything new."""
        with self._changed:
            self._flow.refused(setbacks)
            self._rests_until = max(self._rests_until, self._now() + min(rest_s, LONGEST_REST_S))

    def _take(self) -> bool:
        with self._changed:
            if not self._changed.wait_for(self._has_room, HEARD_S):
                return False
            self._taken += 1
            return True

    def _has_room(self) -> bool:
        return self._taken < self._flow.limit and self._now() >= self._rests_until

    def _give(self, size: int | None) -> None:
        with self._changed:
            if size is not None:
                self._flow.done(self._now(), size, is_full=self._taken >= self._flow.limit)
            self._taken -= 1
            self._changed.notify_all()
