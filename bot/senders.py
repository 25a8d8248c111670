"""The threads that get parts to their targets."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, wait
from contextlib import suppress
from threading import Lock

from bot.lane import Job
from bot.model import PartSource
from bot.seen import Sights


class Senders:
    """The threads that send: parts that travel, and more of them for those that the store copies by itself."""

    def __init__(self, senders: Executor, copiers: Executor, work: Callable[[Job, Sights], Sequence[Job]]) -> None:
        """work: does one, and gives what is to be done after it."""
        self._senders = senders
        self._copiers = copiers
        self._work = work
        self._begun: set[Future[None]] = set()
        self._lock = Lock()

    def submit(self, jobs: Sequence[Job], seen: Sights) -> None:
        """Have them done; each is dropped afterwards."""
        with self._lock:
            self._begun = {future for future in self._begun if not future.done()}
            for job in jobs:
                pool = self._senders if job.part.source is PartSource.UPLOAD else self._copiers
                self._begun.add(pool.submit(self._do, job, seen))

    def begin(self, work: Callable[[], None]) -> None:
        """Have something else done by those that send."""
        with self._lock:
            self._begun.add(self._senders.submit(work))

    def wait(self) -> None:
        """Until all are done, and what follows from them."""
        while begun := self._under_way():
            wait(begun)

    def _do(self, job: Job, seen: Sights) -> None:
        if after := self._work(job, seen):
            with suppress(RuntimeError):  # the transfer has ended meanwhile: nothing new begins
                self.submit(after, seen)

    def _under_way(self) -> set[Future[None]]:
        with self._lock:
            return {future for future in self._begun if not future.done()}
