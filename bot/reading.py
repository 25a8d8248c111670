"""One pass over a file of a share: windows of its bytes in order, each with what its grains are.

Threads read ahead with large positional reads and look at each grain while it is in the processor's cache. The bytes
stay where they are until whoever sends them lets go of the window; the arena bounds how many there are.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Executor, Future
from threading import Condition, Lock

from bot.errors import IntegrityError
from bot.grains import MIB, Grain, grain_of
from bot.ports import Reader

WINDOW = 16 * MIB
AHEAD = 4  # windows of one file that are being read
_LOOK_S = 0.5  # how soon a Stop is heard while there is no room


class Arena:
    """Memory for so many windows; a buffer is made when it is first needed, and used again and again."""

    def __init__(self, windows: int, window: int = WINDOW) -> None:
        self.window = window
        self._left = windows  # that may still be made
        self._free: list[bytearray] = []
        self._changed = Condition()

    def take(self, check: Callable[[], None]) -> bytearray:
        """Give a buffer as soon as there is one; check may raise, and is called while there is none."""
        while True:
            if (found := self.take_now()) is not None:
                return found
            check()
            with self._changed:
                self._changed.wait_for(lambda: self._free or self._left, _LOOK_S)

    def take_now(self) -> bytearray | None:
        """Give a buffer if there is one."""
        with self._changed:
            if self._free:
                return self._free.pop()
            if not self._left:
                return None
            self._left -= 1
        return bytearray(self.window)

    def give(self, buffer: bytearray) -> None:
        """Take one back that nobody reads or writes any more."""
        with self._changed:
            self._free.append(buffer)
            self._changed.notify()

    def drop(self) -> None:
        """One does not come back: a read that hangs may still write into it. Another may be made."""
        with self._changed:
            self._left += 1
            self._changed.notify()


class Window:
    """Bytes of a file, from `offset` on, whole grains but at the file's end. Held once by whoever got it."""

    def __init__(self, arena: Arena, buffer: bytearray, offset: int, length: int, grains: tuple[Grain, ...]) -> None:
        self.offset = offset
        self.length = length
        self.grains = grains
        self._arena = arena
        self._buffer = buffer
        self._holders = 1
        self._lock = Lock()

    @property
    def end(self) -> int:
        """Where the next window begins."""
        return self.offset + self.length

    def hold(self) -> None:
        """Need it longer; `release` as often."""
        with self._lock:
            self._holders += 1

    def release(self) -> None:
        """Need it no more; the last one gives the memory back."""
        with self._lock:
            self._holders -= 1
            is_last = not self._holders
        if is_last:
            self._arena.give(self._buffer)

    def bytes_of(self, offset: int, length: int) -> memoryview:
        """The part of a stretch of the file that lies in this window; release the view before the window."""
        first, last = max(offset, self.offset), min(offset + length, self.end)
        return memoryview(self._buffer)[first - self.offset : last - self.offset]


def windows(
    reader: Reader, size: int, *, grain: int, arena: Arena, threads: Executor, check: Callable[[], None]
) -> Generator[Window, None, None]:
    """Read a file once. The arena's window is a multiple of the grain; check may raise, before each window.

    Whoever gets a window releases it. When the iterator is closed, what was read ahead is waited for and given back.
    Raises what the reader raises; IntegrityError: the file is not as long as it was when it was listed.
    """
    if reader.size != size:
        raise IntegrityError(
            f"A file has {reader.size} bytes, but had {size} when it was listed: something else writes into the clone."
        )
    ahead = _Ahead(reader, size, grain, arena, threads)
    try:
        for offset in range(0, size, arena.window):
            check()
            while (buffer := ahead.room(check)) is None:
                yield ahead.next()
                check()
            ahead.begin(buffer, offset)
        while ahead.coming:
            yield ahead.next()
    finally:
        ahead.give_up()


class _Ahead:
    """What of one file is being read, in order."""

    def __init__(self, reader: Reader, size: int, grain: int, arena: Arena, threads: Executor) -> None:
        self.coming: deque[Future[Window]] = deque()
        self._reader = reader
        self._size = size
        self._grain = grain
        self._arena = arena
        self._threads = threads

    def room(self, check: Callable[[], None]) -> bytearray | None:
        """Memory for the next read; None: first take what is coming."""
        if len(self.coming) >= AHEAD:
            return None
        return self._arena.take_now() if self.coming else self._arena.take(check)

    def begin(self, buffer: bytearray, offset: int) -> None:
        """Read on."""
        length = min(self._arena.window, self._size - offset)
        self.coming.append(self._threads.submit(self._read, buffer, offset, length))

    def next(self) -> Window:
        """Wait for the oldest one."""
        return self.coming.popleft().result()

    def give_up(self) -> None:
        """Wait for what is under way, and let go of all."""
        for future in self.coming:
            if future.cancel():
                self._arena.drop()
            elif future.exception() is None:
                future.result().release()

    def _read(self, buffer: bytearray, offset: int, length: int) -> Window:
        """Read by the MiB at least, and look at each grain at once."""
        step, grains = max(self._grain, MIB), list[Grain]()
        try:
            with memoryview(buffer)[:length] as view:
                for at in range(0, length, step):
                    with view[at : at + step] as piece:
                        self._reader.read_into(offset + at, piece)
                        grains += _grains_of(piece, self._grain)
        except BaseException:
            self._arena.drop()
            raise
        return Window(self._arena, buffer, offset, length, tuple(grains))


def _grains_of(piece: memoryview, grain: int) -> Iterator[Grain]:
    for start in range(0, piece.nbytes, grain):
        with piece[start : start + grain] as one:
            yield grain_of(one)
