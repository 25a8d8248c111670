"""One pass over a file of a share: windows of its bytes in order, each with what its grains are.

Threads read ahead with large positional reads and look at each grain while it is in the processor's cache. The bytes
stay where they are until whoever sends them lets go of the window; the arena bounds how many there are.
"""

from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Executor, Future
from threading import Lock

from bot.arena import Lease
from bot.errors import IntegrityError
from bot.grains import MIB, Grain, grains_of
from bot.model import Pieces, SourceFile
from bot.ports import Reader

AHEAD = 4  # windows of one file that are being read


class Window:
    """Bytes of a file, from `offset` on, whole grains but at the file's end. Held once by whoever got it."""

    def __init__(self, room: "Room", offset: int, length: int, grains: Mapping[int, Sequence[Grain]]) -> None:
        """grains: by their size, as many sizes as were asked for."""
        self.offset = offset
        self.length = length
        self.grains = grains
        self._room = room
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
            self._room.give()

    def bytes_of(self, offset: int, length: int) -> memoryview:
        """The part of a stretch of the file that lies in this window; release the view before the window."""
        first, last = max(offset, self.offset), min(offset + length, self.end)
        return memoryview(self._room.buffer)[first - self.offset : last - self.offset]


class Room:
    """One buffer of a lease; lost once a read into it hangs, since that may write into it at any time."""

    def __init__(self, lease: Lease, buffer: bytearray) -> None:
        self.buffer = buffer
        self._lease = lease
        self._is_lost = False

    def lose(self) -> None:
        """Use it for this stretch of the file, then never again."""
        self._is_lost = True

    def give(self) -> None:
        """Need it no more."""
        self._lease.give(None if self._is_lost else self.buffer)


def pieces_of(windows: Sequence[Window], offset: int, length: int) -> Pieces:
    """The bytes of a stretch, where they lie; release them before the windows."""
    return Pieces(window.bytes_of(offset, length) for window in windows)


def must_fit(reader: Reader, file: SourceFile) -> None:
    """IntegrityError: the file is not as long as it was when it was listed."""
    if reader.size != file.size:
        raise IntegrityError(
            f"{file.path} has {reader.size} bytes, but had {file.size} when it was listed: "
            "something else writes into the clone."
        )


def windows(
    reader: Reader,
    file: SourceFile,
    *,
    grains: Sequence[int],
    lease: Lease,
    threads: Executor,
    check: Callable[[], None],
) -> Generator[Window, None, None]:
    """Read a file once. The lease's window is a multiple of each size of grain, and of two sizes the larger one is of
    the smaller. check may raise; several threads call it.

    Whoever gets a window releases it. When the iterator is closed, what was read ahead is waited for and given back.
    Raises what the reader raises; IntegrityError: the file is not as long as it was when it was listed.
    """
    must_fit(reader, file)
    ahead = _Ahead(reader, file.size, tuple(grains), lease, threads, check)
    try:
        for offset in range(0, file.size, lease.window):
            check()
            while (buffer := ahead.room()) is None:
                yield ahead.next()
                check()
            ahead.begin(buffer, offset)
        while ahead.coming:
            yield ahead.next()
    finally:
        ahead.give_up()


class _Ahead:
    """What of one file is being read, in order."""

    def __init__(
        self,
        reader: Reader,
        size: int,
        grains: Sequence[int],
        lease: Lease,
        threads: Executor,
        check: Callable[[], None],
    ) -> None:
        self.coming: deque[Future[Window]] = deque()
        self._reader = reader
        self._size = size
        self._grains = grains
        self._lease = lease
        self._threads = threads
        self._check = check

    def room(self) -> bytearray | None:
        """Memory for the next read; None: first take what is coming."""
        if len(self.coming) >= AHEAD:
            return None
        return self._lease.take_now() if self.coming else self._lease.take(self._check)

    def begin(self, buffer: bytearray, offset: int) -> None:
        """Read on."""
        length = min(self._lease.window, self._size - offset)
        self.coming.append(self._threads.submit(self._read, buffer, offset, length))

    def next(self) -> Window:
        """Wait for the oldest one."""
        return self.coming.popleft().result()

    def give_up(self) -> None:
        """Wait for what is under way, and let go of all."""
        for future in self.coming:
            if future.cancel():
                self._lease.give(None)
            elif future.exception() is None:
                future.result().release()

    def _read(self, buffer: bytearray, offset: int, length: int) -> Window:
        """Read by the MiB at least, and look at each grain at once."""
        step, room = max(*self._grains, MIB), Room(self._lease, buffer)
        try:
            self._check()
            with memoryview(buffer)[:length] as view:
                seen = self._reader.read_steps(offset, view, step, self._look, room.lose)
        except BaseException:
            self._lease.give(None)
            raise
        return Window(room, offset, length, {grain: [one for each in seen for one in each[grain]] for grain in seen[0]})

    def _look(self, piece: memoryview) -> dict[int, list[Grain]]:
        return {grain: grains_of(piece, grain) for grain in self._grains}
