"""Changes of several threads, kept by one commit: whoever may write first writes those of all who wait."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from bot.errors import CloudyError
from bot.store.change import Change

Write = Callable[[Sequence[Change]], None]  # all of them, durably, or none


@dataclass(slots=True, eq=False)
class Waiting:
    """What one caller wants to be kept."""

    changes: Sequence[Change]
    is_kept: bool = False


class Batch:
    """All who wait. `keep` is called by one at a time."""

    def __init__(self) -> None:
        self._waiting: list[Waiting] = []
        self._lock = Lock()

    @contextmanager
    def joined(self, changes: Sequence[Change]) -> Iterator[Waiting]:
        """Wait for a turn in here; somebody who comes earlier may keep them too."""
        mine = Waiting(changes)
        with self._lock:
            self._waiting.append(mine)
        try:
            yield mine
        finally:
            with self._lock:
                self._waiting.remove(mine)

    def keep(self, mine: Waiting, write: Write) -> None:
        """Have mine kept, if nobody did. Raises what is wrong with mine; the others' faults are told to them."""
        if mine.is_kept:
            return
        with self._lock:
            everybody = tuple(each for each in self._waiting if not each.is_kept)
        if len(everybody) > 1 and _is_kept(everybody, write):
            return
        write(mine.changes)
        mine.is_kept = True


def _is_kept(everybody: Sequence[Waiting], write: Write) -> bool:
    try:
        write([change for each in everybody for change in each.changes])
    except (CloudyError, sqlite3.Error):
        return False  # whoever it was for is told when it tries alone
    for each in everybody:
        each.is_kept = True
    return True
