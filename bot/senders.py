"""The threads that get parts to their targets."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, wait

from bot.lane import Job
from bot.model import PartSource
from bot.seen import Seen


class Senders:
    """The threads that send: parts that travel, and more of them for those that the store copies by itself."""

    def __init__(self, senders: Executor, copiers: Executor, work: Callable[[Job, Seen], None]) -> None:
        self._senders = senders
        self._copiers = copiers
        self._work = work
        self._begun: set[Future[None]] = set()

    def submit(self, jobs: Sequence[Job], seen: Seen) -> None:
        """Have them done; each is dropped afterwards."""
        self._begun = {future for future in self._begun if not future.done()}
        for job in jobs:
            pool = self._senders if job.part.source is PartSource.UPLOAD else self._copiers
            self._begun.add(pool.submit(self._work, job, seen))

    def wait(self) -> None:
        """Until all are done."""
        wait(self._begun)
