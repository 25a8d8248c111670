"""The only place that gives up a call that hangs: a share, wrapped so that each of its calls ends in time.

A read of a mount whose server froze cannot be broken off, so it is left alone in its thread: it reads into memory of
its own, and what it brings too late is thrown away. A read of several steps has the caller's memory instead, which is
lost to it then, and so has a write: copying all that is ever moved would cost more than a few windows once.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from bot.errors import TransientError
from bot.model import Entry
from bot.ports import Reader, Share, Writer

S = TypeVar("S")
T = TypeVar("T")

LOOK_S = 0.5  # how soon a Stop is heard while a call hangs
KEPT = 1  # piece of memory between reads; more would be there or not by chance, for ever
IDLE_S = 10.0  # then a thread ends
WRITTEN = 4 << 20  # bytes of a step: a share may hold as much again while it writes
MOST = 128  # calls at once for one share, those that hang included


class Watchdog:
    """Threads for the calls of one share; keep one for the life of the process, so that what hangs is bounded."""

    def __init__(self) -> None:
        self._threads = _Threads()
        self._spare: list[bytearray] = []
        self._lock = threading.Lock()

    def watch(self, share: Share, check: Callable[[], None]) -> Share:
        """Wrap a share; TransientError: a call took longer than the share's timeout_s. check may raise Stopped."""
        return _Watched(share, self, check)

    def call(
        self, work: Callable[[], T], what: str, timeout_s: float, check: Callable[[], None], late: Callable[[T], None]
    ) -> T:
        """Give what the work gives; `late` gets that instead when nobody waits for it any more."""
        begun = time.monotonic()
        return self.follow(work, what, timeout_s, check, late, lambda: begun)

    def follow(
        self,
        work: Callable[[], T],
        what: str,
        timeout_s: float,
        check: Callable[[], None],
        late: Callable[[T], None],
        alive: Callable[[], float],
    ) -> T:
        """The same for work of many calls, each of which may take as long; alive: when the last one ended."""
        future = self._threads.submit(work)
        try:
            return _waited(future, what, timeout_s, check, alive)
        except BaseException:
            if not future.cancel():
                future.add_done_callback(lambda done: None if done.exception() else late(done.result()))
            raise

    def close(self, opened: Reader | Writer, what: str, timeout_s: float, check: Callable[[], None]) -> None:
        """Close it, sooner or later; whether that ends in time says nothing, since `flush` tells what is kept."""
        begun = time.monotonic()
        future = self._threads.submit(opened.close)
        with suppress(TransientError):
            _waited(future, what, timeout_s, check, lambda: begun)

    def memory(self, length: int) -> bytearray:
        """Memory for one read; give it back by `spare` when nothing writes into it any more."""
        with self._lock:
            found = next((at for at, body in enumerate(self._spare) if len(body) == length), None)
            return bytearray(length) if found is None else self._spare.pop(found)

    def spare(self, body: bytearray) -> None:
        """Keep it for the next read; a few, since a part may be large and the share's readers have memory besides."""
        with self._lock:
            self._spare = [*self._spare, body][-KEPT:]


class _Threads:
    """As many threads as calls are under way at once, MOST of them; they wait IDLE_S for the next call.

    The library's pool may begin one more whenever the next call comes quickly, since there a thread says that it is
    free only after its answer was given.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        self._lock = threading.Lock()
        self._count, self._open = 0, 0

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Have it done in a thread, at once or when one is free."""
        future: Future[T] = Future()
        with self._lock:
            self._open += 1
            if self._open > self._count and self._count < MOST:
                self._count += 1
                threading.Thread(target=self._run, name=f"share-{self._count}", daemon=True).start()
        self._calls.put((future, work))
        return future

    def _run(self) -> None:
        while (call := self._next()) is not None:
            self._carry_out(*call)

    def _next(self) -> tuple[Future[Any], Callable[[], Any]] | None:
        """The next call; None: there was none for long, and every one that comes has a thread besides this one."""
        while True:
            try:
                return self._calls.get(timeout=IDLE_S)
            except Empty:
                with self._lock:
                    if self._open < self._count:
                        self._count -= 1
                        return None

    def _carry_out(self, future: Future[Any], work: Callable[[], Any]) -> None:
        result, failure = None, None
        is_wanted = future.set_running_or_notify_cancel()
        try:
            result = work() if is_wanted else None
        except BaseException as error:  # noqa: BLE001 - whoever waits gets it
            failure = error
        with self._lock:
            self._open -= 1  # before the answer: whoever gets it may call again at once
        if is_wanted and failure is not None:
            future.set_exception(failure)
        elif is_wanted:
            future.set_result(result)


def _waited(future: Future[T], what: str, timeout_s: float, check: Callable[[], None], alive: Callable[[], float]) -> T:
    while not wait([future], max(0.0, min(LOOK_S, alive() + timeout_s - time.monotonic()))).done:
        check()
        if time.monotonic() >= alive() + timeout_s:
            raise TransientError(
                f"The share did not {what} within {timeout_s:g} s: the mount hangs. "
                "Look at the mount and at the VMstore's data port.",
                system="share",
                operation=what.partition(" ")[0],
            )
    return future.result()


def _close(opened: Reader | Writer) -> None:
    opened.close()


class _Watched:
    """Looks like the share that it wraps."""

    def __init__(self, share: Share, dog: Watchdog, check: Callable[[], None]) -> None:
        self.export = share.export
        self.timeout_s = share.timeout_s
        self._share = share
        self._dog = dog
        self._check = check

    @property
    def may_be_unmounted(self) -> bool:
        return self._call(lambda: self._share.may_be_unmounted, f"look at {self.export}")

    def list(self, directory: str) -> tuple[Entry, ...]:
        return self._call(lambda: self._share.list(directory), f"list {self._full(directory)}")

    def walk(self, directory: str) -> tuple[Entry, ...]:
        return self._call(lambda: self._share.walk(directory), f"list {self._full(directory)}")

    def exists(self, path: str) -> bool:
        return self._call(lambda: self._share.exists(path), f"look for {self._full(path)}")

    def open(self, path: str) -> Reader:
        what = f"open {self._full(path)}"
        reader = self._dog.call(lambda: self._share.open(path), what, self.timeout_s, self._check, _close)
        return _WatchedReader(reader, self._dog, self._check, f"read {self._full(path)}", self.timeout_s)

    def remove_tree(self, directory: str) -> None:
        self._call(lambda: self._share.remove_tree(directory), f"remove {self._full(directory)}")

    def make_directory(self, directory: str) -> None:
        self._call(lambda: self._share.make_directory(directory), f"make {self._full(directory)}")

    def create(self, path: str, size: int) -> Writer:
        what = f"open {self._full(path)}"
        writer = self._dog.call(lambda: self._share.create(path, size), what, self.timeout_s, self._check, _close)
        return _WatchedWriter(writer, self._dog, self._check, f"write {self._full(path)}", self.timeout_s)

    def rename(self, path: str, new: str) -> None:
        self._call(lambda: self._share.rename(path, new), f"rename {self._full(path)}")

    def free(self) -> int | None:
        return self._call(self._share.free, f"measure {self.export}")

    def _call(self, work: Callable[[], T], what: str) -> T:
        return self._dog.call(work, what, self.timeout_s, self._check, lambda _: None)

    def _full(self, path: str) -> str:
        return f"{self.export.rstrip('/')}/{path}"


class _GivenUp(Exception):  # noqa: N818 - ends a thread that nobody waits for
    """What is read or written now is not wanted any more."""


class _Steps(Generic[S, T]):
    """How far work of several steps has come."""

    def __init__(self, step: Callable[[S], T]) -> None:
        self.at = time.monotonic()  # when the last one ended
        self.is_given_up = False
        self._step = step

    def take(self, what: S) -> T:
        """The next one."""
        if self.is_given_up:
            raise _GivenUp
        seen = self._step(what)
        self.at = time.monotonic()
        return seen


class _WatchedReader:
    """Looks like the reader that it wraps."""

    def __init__(self, reader: Reader, dog: Watchdog, check: Callable[[], None], what: str, timeout_s: float) -> None:
        self.size = reader.size
        self._reader = reader
        self._dog = dog
        self._check = check
        self._what = what
        self._timeout_s = timeout_s

    def read_into(self, offset: int, buffer: memoryview) -> None:
        body = self._dog.memory(len(buffer))

        def read() -> None:
            with memoryview(body) as view:
                self._reader.read_into(offset, view)

        self._dog.call(read, self._what, self._timeout_s, self._check, lambda _: self._dog.spare(body))
        buffer[:] = body
        self._dog.spare(body)

    def read_steps(
        self, offset: int, buffer: memoryview, step: int, look: Callable[[memoryview], T], on_hang: Callable[[], None]
    ) -> list[T]:
        """One call of a thread for all steps, straight into the buffer; the time-out is that of each step."""
        steps = _Steps(look)

        def read() -> list[T]:
            return self._reader.read_steps(offset, buffer, step, steps.take, on_hang)

        try:
            return self._dog.follow(read, self._what, self._timeout_s, self._check, lambda _: None, lambda: steps.at)
        except BaseException:
            steps.is_given_up = True
            on_hang()
            raise

    def close(self) -> None:
        self._dog.close(self._reader, self._what, self._timeout_s, self._check)


class _WatchedWriter:
    """Looks like the writer that it wraps. What is written too late is what lies in the caller's memory by then."""

    def __init__(self, writer: Writer, dog: Watchdog, check: Callable[[], None], what: str, timeout_s: float) -> None:
        self.size = writer.size
        self._writer = writer
        self._dog = dog
        self._check = check
        self._what = what
        self._timeout_s = timeout_s

    def write_from(self, offset: int, buffer: memoryview) -> None:
        """One call of a thread for all steps; the time-out is that of each step."""
        view = memoryview(buffer)  # its own: the caller may release the other one while this hangs
        steps = _Steps[tuple[int, memoryview], None](lambda step: self._writer.write_from(*step))

        def write() -> None:
            with view:
                for at in range(0, len(view), WRITTEN):
                    with view[at : at + WRITTEN] as piece:
                        steps.take((offset + at, piece))

        try:
            self._dog.follow(write, self._what, self._timeout_s, self._check, lambda _: None, lambda: steps.at)
        except BaseException:
            steps.is_given_up = True
            raise

    def flush(self) -> None:
        self._dog.call(self._writer.flush, self._what, self._timeout_s, self._check, lambda _: None)

    def close(self) -> None:
        self._dog.close(self._writer, self._what, self._timeout_s, self._check)
