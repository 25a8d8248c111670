"""One open file's descriptor that many threads use and one may let go of at any moment."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from bot.errors import PermanentError


class Descriptor:
    """Closed when nobody uses it any more: its number could be another file's the moment it is closed."""

    def __init__(self, number: int, path: str) -> None:
        self._number = number
        self._path = path
        self._lock = threading.Lock()
        self._users = 0
        self._closed = False

    @contextmanager
    def held(self, operation: str) -> Iterator[int]:
        """Keep it open while it is used. PermanentError: it was closed before."""
        with self._lock:
            if self._closed:
                raise PermanentError(f"{self._path} was closed.", system="share", operation=operation)
            self._users += 1
        try:
            yield self._number
        finally:
            if self._is_last():
                self._end()

    def close(self) -> None:
        """Let go of the file; what is under way ends well first. Repeating is safe."""
        with self._lock:
            unused = not self._closed and not self._users
            self._closed = True
        if unused:
            self._end()

    def _end(self) -> None:
        """Linux lets go of it even if it says that it failed (close(2)); what is kept, flushing has said."""
        with suppress(OSError):
            os.close(self._number)

    def _is_last(self) -> bool:
        with self._lock:
            self._users -= 1
            return self._closed and not self._users
