"""The lanes of a file begin in all targets at the same time; a target that keeps the others waiting is served later."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait

from bot.lane import Lane
from bot.model import SourceFile
from bot.ports import ObjectStore
from bot.stopping import HEARD_S

PATIENCE_S = 60.0  # so long the others wait for a target; its files are then read once more, for it alone

Begin = Callable[[int, SourceFile, ObjectStore], Lane | None]
_Late = tuple[int, SourceFile, ObjectStore, "Future[Lane | None] | None"]


class Starts:
    """Asked by one thread. What `begin` raises is raised to it."""

    def __init__(self, begin: Begin, threads: Executor, check: Callable[[], None]) -> None:
        """begin: None where nothing is to be sent. threads: as many as targets."""
        self._begin = begin
        self._threads = threads
        self._check = check
        self._late: deque[_Late] = deque()

    def lanes(self, number: int, file: SourceFile, targets: Sequence[ObjectStore]) -> list[Lane]:
        """Those that have begun, in the order of the targets; they are read for together."""
        if len(targets) == 1 and not self._late:
            lane = self._begin(number, file, targets[0])
            return [lane] if lane is not None else []
        futures: dict[str, Future[Lane | None]] = {}
        for target in targets:
            if self._is_busy(target):
                self._late.append((number, file, target, None))
            else:
                futures[target.name] = self._threads.submit(self._begin, number, file, target)
        self._wait(list(futures.values()))
        for target in targets:
            if target.name in futures and not futures[target.name].done():
                self._late.append((number, file, target, futures.pop(target.name)))
        lanes = [future.result() for future in futures.values()]
        return [lane for lane in lanes if lane is not None]

    def not_late(self, number: int, file: SourceFile, targets: Sequence[ObjectStore]) -> list[ObjectStore]:
        """Those that are not behind with an earlier file; the others get it when they are served."""
        late = [target for target in targets if self._is_busy(target)]
        self._late.extend((number, file, target, None) for target in late)
        return [target for target in targets if target not in late]

    def late(self) -> Iterator[Lane]:
        """The others, one by one, as long as it takes."""
        while self._late:
            number, file, target, future = self._late.popleft()
            while future is not None and not future.done():
                self._check()
                wait([future], HEARD_S)
            lane = self._begin(number, file, target) if future is None else future.result()
            if lane is not None:
                yield lane

    def _is_busy(self, target: ObjectStore) -> bool:
        """Whether it has not even begun with an earlier file."""
        return any(each.name == target.name and future and not future.done() for _, _, each, future in self._late)

    def _wait(self, futures: Sequence["Future[Lane | None]"]) -> None:
        """For all of them, but not long for those that are late; for one of them in any case."""
        waited_s = 0.0  # counted, not measured: the clock may be set meanwhile
        while futures and (waited_s < PATIENCE_S or not any(future.done() for future in futures)):
            if all(future.done() for future in futures):
                return
            self._check()
            waiting = [future for future in futures if not future.done()]
            if not wait(waiting, HEARD_S, return_when=FIRST_COMPLETED).done:
                waited_s += HEARD_S
