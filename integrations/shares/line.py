"""A connection to a file server: made when it is needed, given up when it broke, made anew by the next call."""

import threading
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Generic, NamedTuple, TypeVar

from bot.errors import CloudyError, IntegrityError, PermanentError
from integrations.shares.names import lost

C = TypeVar("C")
F = TypeVar("F")
R = TypeVar("R")


class Broken(Exception):  # noqa: N818 - not a failure yet: the line decides whether the call is made again
    """The connection cannot be used any more. again: it said so at once, so that the call may be made on a new one."""

    def __init__(self, told: CloudyError, *, again: bool) -> None:
        super().__init__(str(told))
        self.told = told
        self.again = again


class Line(Generic[C]):
    """One connection for all threads; `connect` and what is done with it raise Broken or an error of ours."""

    def __init__(self, connect: Callable[[], C], hang_up: Callable[[C], None]) -> None:
        self._connect = connect
        self._hang_up = hang_up
        self._current: C | None = None
        self._lock = threading.Lock()

    def call(self, work: Callable[[C], R]) -> R:
        """Do the work on the connection; once more on a new one if an old one had been cut meanwhile."""
        connection, is_new = self._get()
        try:
            return work(connection)
        except Broken as broken:
            self.drop(connection)
            if is_new or not broken.again:
                raise broken.told from broken.__cause__
        connection, _ = self._get()
        try:
            return work(connection)
        except Broken as broken:
            self.drop(connection)
            raise broken.told from broken.__cause__

    def has(self, connection: C) -> bool:
        """Whether it is the one in use, not one that broke."""
        with self._lock:
            return self._current is connection

    def hang_up(self) -> None:
        """Let go of it; the next call makes another one."""
        with self._lock:
            connection, self._current = self._current, None
        if connection is not None:
            self._hang_up(connection)

    def drop(self, connection: C) -> None:
        """Let go of one that broke; another one that is in use by now stays."""
        with self._lock:
            if self._current is connection:
                self._current = None
        self._hang_up(connection)

    def _get(self) -> tuple[C, bool]:
        with self._lock:
            if self._current is not None:
                return self._current, False
            try:
                self._current = self._connect()
            except Broken as broken:
                raise broken.told from broken.__cause__
            return self._current, True


class Opened(NamedTuple, Generic[C, F]):
    """A file on a connection; identity: by which the server tells it from any other of its name."""

    connection: C
    file: F
    identity: Hashable


class KeptFile(Generic[C, F]):
    """One open file, used by many threads, opened again where the connection that it was opened on is gone.

    open_on: opens it again, and makes nothing where it is not there any more.
    """

    def __init__(
        self,
        line: Line[C],
        path: str,
        open_on: Callable[[C], Opened[C, F]],
        close: Callable[[F], None],
        opened: Opened[C, F],
    ) -> None:
        self._line = line
        self._path = path
        self._open_on = open_on
        self._close = close
        self._opened: Opened[C, F] | None = opened
        self._identity = opened.identity
        self._lock = threading.Lock()
        self._users = 0
        self._closed = False
        self._written, self._kept = 0, 0  # writes that ended well, and how many of them are safe on the server
        self._lost = ""  # why what was written may not be there; it stays so

    def use(self, work: Callable[[F], R], operation: str) -> R:
        """Do the work on the file. PermanentError: closed before. TransientError: what was written is not safe."""
        with self._lock:
            if self._closed:
                raise PermanentError(f"{self._path} was closed.", system="share", operation=operation)
            self._users += 1
        try:
            return self._line.call(lambda connection: work(self._on(connection)))
        finally:
            self._release()

    def write(self, work: Callable[[F], None]) -> None:
        """Do work that writes what the server may keep in its memory for now.

        TransientError: the file was opened again before this write counted, so that it may be lost.
        """

        def counted(file: F) -> None:
            work(file)
            with self._lock:
                if self._opened is None or self._opened.file is not file:
                    raise lost(self._path, "the connection was lost meanwhile")
                self._written += 1

        self.use(counted, "write")

    def flush(self, work: Callable[[F], None]) -> None:
        """Do work after which all that was written before it is safe. It fails for ever once it failed.

        A server tells once that it could not keep something, and a flush that ends well afterwards says nothing.
        """
        written = self._written
        try:
            self.use(work, "write")
        except BaseException:
            with self._lock:
                self._lost = self._lost or "flushing it failed"
            raise
        with self._lock:
            if self._lost:
                raise lost(self._path, self._lost)
            self._kept = max(self._kept, written)

    def close(self) -> None:
        """Let go of the file; what is under way ends well first. Repeating is safe."""
        with self._lock:
            unused = not self._closed and not self._users
            self._closed = True
        if unused:
            self._end()

    def _on(self, connection: C) -> F:
        with self._lock:
            if self._opened is not None and self._opened.connection is connection:
                return self._opened.file
            if self._written > self._kept:
                self._lost = self._lost or "the connection was lost meanwhile"
            if self._lost:
                raise lost(self._path, self._lost)
            opened = self._open_on(connection)
            if opened.identity != self._identity:
                with suppress(CloudyError, Broken):
                    self._close(opened.file)
                raise IntegrityError(
                    f"{self._path} was replaced by another file while the connection was lost. "
                    "Look who else changes files there, then start again."
                )
            self._opened = opened
            return opened.file

    def _release(self) -> None:
        with self._lock:
            self._users -= 1
            is_last = self._closed and not self._users
        if is_last:
            self._end()

    def _end(self) -> None:
        opened, self._opened = self._opened, None
        if opened is None or not self._line.has(opened.connection):
            return  # a file of a connection that is gone is closed already
        try:
            self._close(opened.file)
        except Broken:
            self._line.drop(opened.connection)
        except CloudyError:
            return  # what is kept was said by `flush`
