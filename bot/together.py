"""Questions that come at the same time share one look: whoever comes while it is under way shares the next one.

So an answer is never older than its question, and a hundred people who ask at once cost two looks, not a hundred that
fight for the interpreter.
"""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar, cast

T = TypeVar("T")


class _Round(Generic[T]):
    def __init__(self) -> None:
        self.over = threading.Event()
        self.answer: T | None = None
        self.error: BaseException | None = None


class Together(Generic[T]):
    """A look that is shared; any number of threads."""

    def __init__(self, look: Callable[[], T]) -> None:
        self._look = look
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        self._coming: _Round[T] | None = None  # the one that has not begun

    def __call__(self) -> T:
        """Give what a look gives that begins from now on; raises what it raised, to everybody who shares it."""
        with self._lock:
            mine, leads = self._coming or _Round(), self._coming is None
            self._coming = mine
        if leads:
            self._lead(mine)
        else:
            mine.over.wait()
        if mine.error is not None:
            raise mine.error
        return cast(T, mine.answer)

    def _lead(self, mine: _Round[T]) -> None:
        with self._looking:
            with self._lock:
                self._coming = None
            try:
                mine.answer = self._look()
            except BaseException as error:  # noqa: BLE001 - whoever shares it gets it
                mine.error = error
            finally:
                mine.over.set()
