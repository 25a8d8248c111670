"""Small files: several lie in one window together, and are read and put side by side, in the order of the list.

Such a file is put at once, whole. It is compared with nothing and has no digests: to send it costs less than to look.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
from typing import NamedTuple

from bot.arena import Arena
from bot.assembly import Assembly
from bot.checksum import crc64
from bot.desk import Desk, GivenUp
from bot.model import Part, SourceFile
from bot.ports import ObjectStore, Reader
from bot.reading import Room, Window, must_fit, pieces_of
from bot.senders import Senders

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

    def begin(self, files: Sequence[Wanted], senders: Senders, threads: int) -> None:
        """Have them sent by so many threads, as far as they are not there; returns as soon as there is memory for them,
        at most one window's.
        """
        wanted = [(file, missing) for file, targets in files if (missing := self._missing(file, targets))]
        if not wanted:
            return
        queue = deque(_placed(wanted))
        size = sum(file.size for file, _ in wanted)
        lease = self._arena.lease(self._check, 1, max(1, size))
        try:
            room = Room(lease, lease.take(self._check))
        finally:
            lease.close()
        window = Window(room, 0, size, {})
        try:
            for _ in range(min(threads, len(queue))):
                window.hold()
                senders.begin(partial(self._work, queue, window, room))
        finally:
            window.release()

    def _missing(self, file: SourceFile, targets: Sequence[ObjectStore]) -> list[ObjectStore]:
        """Those that do not have it yet."""
        missing = []
        for target in targets:
            if self._desk.journal.is_stored(target.name, file.key) is None:
                missing.append(target)
            else:
                self._desk.meter.found(target.name, file.size)
        return missing

    def _work(self, queue: deque[Placed], window: Window, room: Room) -> None:
        try:
            self._carefully(partial(self._send_all, queue, window, room))
        finally:
            window.release()

    def _send_all(self, queue: deque[Placed], window: Window, room: Room) -> None:
        """One of the threads: the next one that no other has, until there is none."""
        while (placed := _next(queue)) is not None:
            self._send(placed, window, room)

    def _send(self, placed: Placed, window: Window, room: Room) -> None:
        targets = [target for target in placed.targets if not self._is_out(target)]
        if not targets:
            return
        value = self._read(placed, window, room)
        for target in targets:
            with suppress(GivenUp):
                self._put(placed, target, window, value)

    def _read(self, placed: Placed, window: Window, room: Room) -> int:
        """Its bytes come into the window; gives their CRC."""
        file = placed.file
        with closing(self._opened(file)) as reader, window.bytes_of(placed.offset, file.size) as view:
            must_fit(reader, file)
            seen = reader.read_steps(0, view, max(1, file.size), crc64, room.lose)
        self._desk.meter.read(file.size)
        return seen[0] if seen else crc64(b"")

    def _put(self, placed: Placed, target: ObjectStore, window: Window, value: int) -> None:
        file, desk = placed.file, self._desk
        Assembly(target, file.key, desk, path=file.path).give_up()  # begun before a crash, by other settings
        with pieces_of([window], placed.offset, file.size) as body:
            put = partial(target.put, file.key, body, crc64=value, metadata=desk.metadata)
            info = desk.ask(target, put)
        desk.note(target, file, info, value)
        desk.meter.arrived(target.name, Part(number=1, offset=0, length=file.size))


def _next(queue: deque[Placed]) -> Placed | None:
    try:
        return queue.popleft()
    except IndexError:
        return None


def _placed(files: Sequence[Wanted]) -> Iterator[Placed]:
    """One behind the other."""
    offset = 0
    for file, targets in files:
        yield Placed(file, targets, offset)
        offset += file.size
