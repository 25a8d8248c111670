"""The threads that get parts to their targets."""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from functools import partial
from threading import Condition

from bot.lane import Errand, Lane
from bot.model import PartSource
from bot.seen import Sights
from bot.stopping import wait_until


class Senders:
    """The threads that send: parts that travel, and more of them for those that the store copies by itself.

    A segment that is whole is copied before all that waits: it can be removed then.
    """

    def __init__(
        self, senders: Executor, copiers: Executor, work: Callable[[Errand, Sights], Sequence[Errand]], *, most: int
    ) -> None:
        """work: does one, and gives what is to be done after it. most: copies of one file in one target that may wait
        or be under way; with them grows what is temporary.
        """
        self._senders = senders
        self._copiers = copiers
        self._work = work
        self._most = most
        self._joins: deque[tuple[Errand, Sights]] = deque()  # of segments; these and the copies wait for a thread
        self._copies: deque[tuple[Errand, Sights]] = deque()
        self._under_way = 0
        self._by_lane: Counter[Lane] = Counter()  # copies that wait or are under way
        self._changed = Condition()

    def submit(self, errands: Sequence[Errand], seen: Sights) -> None:
        """Have them done; each is dropped afterwards."""
        for errand in errands:
            if errand.part.source is PartSource.UPLOAD:
                self.begin(partial(self._do, errand, seen))
            else:
                self._copy(errand, seen)

    def begin(self, work: Callable[[], None]) -> None:
        """Have something else done by those that send."""
        self._begin(self._senders, work)

    def keep_pace(self, lanes: Sequence[Lane], check: Callable[[], None]) -> None:
        """Wait while too many copies of one of them do; check may raise, and is called meanwhile."""

        def is_near() -> bool:
            return all(self._by_lane[lane] < self._most for lane in lanes)

        with self._changed:
            wait_until(self._changed, is_near, check)

    def wait(self) -> None:
        """Until all are done, and what follows from them."""
        with self._changed:
            self._changed.wait_for(lambda: not self._under_way)

    def _copy(self, errand: Errand, seen: Sights) -> None:
        with self._changed:
            waiting = self._joins if errand.part.source is PartSource.SEGMENT else self._copies
            waiting.append((errand, seen))
            self._by_lane[errand.lane] += 1
        self._begin(self._copiers, self._do_next)

    def _begin(self, pool: Executor, work: Callable[[], None]) -> None:
        with self._changed:
            self._under_way += 1
        try:
            pool.submit(self._counted, work)
        except RuntimeError:
            self._ended()
            raise

    def _counted(self, work: Callable[[], None]) -> None:
        try:
            work()
        finally:
            self._ended()

    def _ended(self) -> None:
        with self._changed:
            self._under_way -= 1
            self._changed.notify_all()

    def _do_next(self) -> None:
        with self._changed:
            errand, seen = (self._joins or self._copies).popleft()
        try:
            self._do(errand, seen)
        finally:
            with self._changed:
                self._by_lane -= Counter([errand.lane])  # keeps none that has no more

    def _do(self, errand: Errand, seen: Sights) -> None:
        if after := self._work(errand, seen):
            with suppress(RuntimeError):  # the transfer has ended meanwhile: nothing new begins
                self.submit(after, seen)
