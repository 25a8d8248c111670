"""Small files: several lie in one window together, and are read and put side by side, in the order of the list.

Such a file is put at once, whole. It is compared with nothing and has no digests: to send it costs less than to look.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
from itertools import accumulate
from threading import Condition
from typing import NamedTuple

from bot.arena import Arena
from bot.assembly import Assembly
from bot.checksum import crc64
from bot.desk import Desk, GivenUp
from bot.model import Part, SourceFile
from bot.ports import ObjectStore, Reader
from bot.reading import Room, Window, must_fit, pieces_of
from bot.senders import Senders
from bot.stopping import wait_until

AHEAD = 2  # bundles on their way at once
Numbered = tuple[int, SourceFile]  # with the file's position in the manifest
Wanted = tuple[SourceFile, Sequence[ObjectStore]]  # with the targets that it is sent to


def bundles(
    files: Iterable[Numbered], is_small: Callable[[SourceFile], bool], most: int
) -> Iterator[Sequence[Numbered]]:
    """All files in their order: small ones that follow each other together, up to so many bytes; every other alone."""
    bundle: list[Numbered] = []
    room = -1  # bytes that may still be added; none after one that is not small
    for number, file in files:
        small = is_small(file)
        if bundle and not (small and file.size <= room):
            yield bundle
            bundle = []
        room = (room if bundle else most) - file.size if small else -1
        bundle.append((number, file))
    if bundle:
        yield bundle


class Placed(NamedTuple):
    """A small file and where it is to lie in the window."""

    file: SourceFile
    targets: Sequence[ObjectStore]
    offset: int


class _Bundle:
    """Small files that lie in one window, one behind the other, and those who need it."""

    def __init__(self, files: Sequence[Wanted], room: Room, size: int) -> None:
        self.room = room
        self.window = Window(room, 0, size, {})
        self.threads = 1
        ends = accumulate(file.size for file, _ in files)
        self._queue = deque(Placed(file, to, end - file.size) for (file, to), end in zip(files, ends, strict=True))

    def next(self) -> Placed | None:
        """The next one that nobody has."""
        try:
            return self._queue.popleft()
        except IndexError:
            return None


class Bundles:
    """Sends small files. Begun by one thread; the rest happens in those that send."""

    def __init__(
        self,
        desk: Desk,
        arena: Arena,
        *,
        opened: Callable[[SourceFile], Reader],
        check: Callable[[], None],
        is_out: Callable[[ObjectStore], bool],
        carefully: Callable[[Callable[[], None]], None],
    ) -> None:
        """check may raise. is_out: nothing more is sent to that target. carefully: does it, whatever it raises."""
        self._desk = desk
        self._arena = arena
        self._opened = opened
        self._check = check
        self._is_out = is_out
        self._carefully = carefully
        self._count = 0  # bundles on their way
        self._changed = Condition()

    def begin(self, files: Sequence[Wanted], senders: Senders, threads: int) -> None:
        """Have them sent by so many threads, as far as they are not there. Returns when all have a place in memory."""
        wanted = [(file, missing) for file, targets in files if (missing := self._missing(file, targets))]
        if not wanted:
            return
        self._wait()
        bundle = self._placed(wanted)
        try:
            for _ in range(min(threads, len(wanted))):
                self._joined(bundle)
                senders.begin(partial(self._work, bundle))
        finally:
            self._left(bundle)

    def _wait(self) -> None:
        """Until there are few on their way."""
        with self._changed:
            wait_until(self._changed, lambda: self._count < AHEAD, self._check)

    def _placed(self, files: Sequence[Wanted]) -> "_Bundle":
        """With memory; joined by whoever begins it."""
        size = sum(file.size for file, _ in files)
        lease = self._arena.lease(self._check, 1, max(1, size))
        try:
            bundle = _Bundle(files, Room(lease, lease.take(self._check)), size)
        finally:
            lease.close()
        with self._changed:
            self._count += 1
        return bundle

    def _joined(self, bundle: "_Bundle") -> None:
        with self._changed:
            bundle.threads += 1

    def _left(self, bundle: "_Bundle") -> None:
        """The last one gives the memory back."""
        with self._changed:
            bundle.threads -= 1
            is_over = not bundle.threads
            self._count -= is_over
            self._changed.notify_all()
        if is_over:
            bundle.window.release()

    def _missing(self, file: SourceFile, targets: Sequence[ObjectStore]) -> list[ObjectStore]:
        """Those that do not have it yet."""
        missing = []
        for target in targets:
            if self._desk.journal.is_stored(target.name, file.key) is None:
                missing.append(target)
            else:
                self._desk.meter.found(target.name, file.size)
        return missing

    def _work(self, bundle: "_Bundle") -> None:
        try:
            self._carefully(partial(self._send_all, bundle))
        finally:
            self._left(bundle)

    def _send_all(self, bundle: "_Bundle") -> None:
        """One of the threads: the next one that no other has, until there is none."""
        while (placed := bundle.next()) is not None:
            self._send(placed, bundle)

    def _send(self, placed: Placed, bundle: "_Bundle") -> None:
        targets = [target for target in placed.targets if not self._is_out(target)]
        if not targets:
            return
        value = self._read(placed, bundle)
        for target in targets:
            with suppress(GivenUp):
                self._put(placed, target, bundle, value)

    def _read(self, placed: Placed, bundle: "_Bundle") -> int:
        """Its bytes come into the window; gives their CRC."""
        file = placed.file
        with closing(self._opened(file)) as reader, bundle.window.bytes_of(placed.offset, file.size) as view:
            must_fit(reader, file)
            seen = reader.read_steps(0, view, max(1, file.size), crc64, bundle.room.lose)
        self._desk.meter.read(file.size)
        return seen[0] if seen else crc64(b"")

    def _put(self, placed: Placed, target: ObjectStore, bundle: "_Bundle", value: int) -> None:
        file, desk = placed.file, self._desk
        with pieces_of([bundle.window], placed.offset, file.size) as body:
            info = Assembly(target, file.key, desk, path=file.path).put_at_once(body, value)
        desk.note(target, file, info, value)
        desk.meter.arrived(target.name, Part(number=1, offset=0, length=file.size))
