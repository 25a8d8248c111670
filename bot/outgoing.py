"""Files on their way: what one file is to the share, and what it is to each target, across crashes.

bot/transfer.py owns the threads; all here may be called from several of them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from threading import Condition, Lock
from typing import Protocol, TypeVar

from bot.checksum import crc64, whole
from bot.errors import IntegrityError, MissingError
from bot.model import ObjectInfo, Part, PartDone, SourceFile, StoredFile, Upload
from bot.ports import ObjectStore, Reader, Share

T = TypeVar("T")
_STEP = 1 << 20  # read and hashed while it is still in the processor's cache


class Journal(Protocol):
    """What must survive a crash, so that nothing is sent twice and nothing is left behind. Targets by name.

    Called from several threads. What it raises ends the whole transfer.
    """

    def opening(self, target: str, key: str, url: str) -> None:
        """An upload of that key is about to be opened. url: where the target is."""

    def opened(self, target: str, key: str, upload: Upload) -> None:
        """It is open."""

    def upload(self, target: str, key: str) -> Upload | None:
        """The upload that was opened last, if any."""

    def parts(self, target: str, key: str) -> Mapping[int, PartDone]:
        """Parts recorded so far, by number."""

    def record(self, target: str, key: str, part: PartDone) -> None:
        """The target has this part."""

    def stored(self, target: str, file: StoredFile) -> None:
        """The target has the whole object."""

    def is_stored(self, target: str, key: str) -> StoredFile | None:
        """What `stored` was told of that key, if anything."""


class Ask(Protocol):
    """Makes one call to a target; its errors are the target's own."""

    def __call__(self, target: ObjectStore, call: Callable[[], T]) -> T:
        """Call, and give what it gave."""


class Copy:
    """One file as one object of one target. A file of at most one part is written at once, without an upload."""

    def __init__(
        self,
        target: ObjectStore,
        file: SourceFile,
        plan: tuple[Part, ...],
        *,
        full_path: str,
        journal: Journal,
        metadata: Mapping[str, str],
        ask: Ask,
    ) -> None:
        self.target = target
        self.done: dict[int, PartDone] = {}
        self.stored: StoredFile | None = None
        self._file = file
        self._plan = plan
        self._full_path = full_path
        self._journal = journal
        self._metadata = metadata
        self._gate = ask
        self._upload: Upload | None = None
        self._lock = Lock()

    def prepare(self) -> int:
        """Find what the target has already, open an upload where one is needed; gives the bytes that it has."""
        self.stored = self._journal.is_stored(self.target.name, self._file.key)
        if self.stored is None and len(self._plan) > 1:
            self._resume()
        return self._file.size if self.stored else sum(part.length for part in self.done.values())

    def needs(self, part: Part) -> bool:
        """Whether the target still lacks that part."""
        return self.stored is None and part.number not in self.done

    def send(self, part: Part, body: bytearray, value: int) -> None:
        """Give the target a part, whose CRC is `value`; the last one that was missing makes the object."""
        if self._upload is None:
            put = partial(self.target.put, self._file.key, body, crc64=value, metadata=self._metadata)
            self._keep(self._ask(put), value)
            return
        etag = self._ask(partial(self.target.put_part, self._upload, part.number, body, crc64=value))
        sent = PartDone(number=part.number, offset=part.offset, length=part.length, etag=etag, crc64=value)
        self._journal.record(self.target.name, self._file.key, sent)
        with self._lock:
            self.done[sent.number] = sent
            is_last = len(self.done) == len(self._plan)
        if is_last:
            self._complete(self._upload)

    def _resume(self) -> None:
        name, key = self.target.name, self._file.key
        recorded, upload, there = self._journal.parts(name, key), self._journal.upload(name, key), None
        if upload is not None:
            there = self._ask(partial(_listed, self.target, upload))
            if there is None and self._was_completed(upload, recorded):
                return
        if upload is None or there is None:
            upload = self._open()
            there = self._ask(partial(self.target.list_parts, upload)) if recorded else {}
        self._upload = upload
        self._take_over(recorded, there)
        if len(self.done) == len(self._plan):
            self._complete(upload)

    def _open(self) -> Upload:
        self._journal.opening(self.target.name, self._file.key, self.target.url)
        upload = self._ask(partial(self.target.begin_upload, self._file.key, metadata=self._metadata))
        self._journal.opened(self.target.name, self._file.key, upload)
        return upload

    def _was_completed(self, upload: Upload, recorded: Mapping[int, PartDone]) -> bool:
        """Whether the upload is gone because the object was made just before a crash."""
        if not all(_fits(recorded.get(part.number), part) for part in self._plan):
            return False
        parts = [recorded[part.number] for part in self._plan]
        info = self._ask(partial(self._made, upload, parts))
        if info is None:
            return False
        self._keep(info, _crc(parts))
        return True

    def _made(self, upload: Upload, parts: Sequence[PartDone]) -> ObjectInfo | None:
        try:
            return self._make(upload, parts)
        except MissingError:
            return None

    def _make(self, upload: Upload, parts: Sequence[PartDone]) -> ObjectInfo:
        return self.target.complete_upload(
            upload, parts, size=self._file.size, crc64=_crc(parts), metadata=self._metadata
        )

    def _take_over(self, recorded: Mapping[int, PartDone], there: Mapping[int, tuple[str, int]]) -> None:
        """Keep the parts that plan, journal and store agree on."""
        for part in self._plan:
            known = recorded.get(part.number)
            if known and _fits(known, part) and there.get(part.number) == (known.etag, part.length):
                self.done[part.number] = known

    def _complete(self, upload: Upload) -> None:
        parts = [self.done[number] for number in sorted(self.done)]
        self._keep(self._ask(partial(self._make, upload, parts)), _crc(parts))

    def _keep(self, info: ObjectInfo, value: int) -> None:
        file = self._file
        stored = StoredFile(
            path=self._full_path, name=file.name, key=file.key, size=file.size, crc64=value, etag=info.etag
        )
        self._journal.stored(self.target.name, stored)
        self.stored = stored

    def _ask(self, call: Callable[[], T]) -> T:
        return self._gate(self.target, call)


class Outgoing:
    """One file of the share, opened when its first byte is needed and closed after its last part."""

    def __init__(self, share: Share, file: SourceFile, plan: tuple[Part, ...]) -> None:
        self.copies: list[Copy] = []
        self._share = share
        self._file = file
        self._plan = plan
        self._reader: Reader | None = None
        self._left = 0
        self._lock = Lock()

    def missing(self) -> list[Part]:
        """Parts that some target lacks; an empty file is one part of no bytes."""
        pieces = self._plan or (Part(number=1, offset=0, length=0),)
        wanted = [part for part in pieces if any(copy.needs(part) for copy in self.copies)]
        self._left = len(wanted)
        return wanted

    def read(self, part: Part, buffer: bytearray) -> int:
        """Fill the buffer with the part and give its CRC. IntegrityError: not the file that was listed."""
        reader = self._open()
        value = 0
        with memoryview(buffer) as view:
            for start in range(0, part.length, _STEP):
                with view[start : min(start + _STEP, part.length)] as piece:
                    reader.read_into(part.offset + start, piece)
                    value = crc64(piece, value)
        for copy in self.copies:
            if part.number in copy.done and copy.done[part.number].crc64 != value:
                raise IntegrityError(
                    f"{self._file.path} changed while it was sent: the bytes from {part.offset} on are not those "
                    f"that target {copy.target.name} got. Protect the VM again."
                )
        return value

    def part_over(self) -> None:
        """Count a part that needs no more reading."""
        with self._lock:
            self._left -= 1
            if self._left == 0:
                self._close()

    def close(self) -> None:
        """Let go of the file; repeating is safe."""
        with self._lock:
            self._close()

    def _open(self) -> Reader:
        with self._lock:
            if self._reader is None:
                self._reader = self._share.open(self._file.path)
                if self._reader.size != self._file.size:
                    raise IntegrityError(
                        f"{self._file.path} has {self._reader.size} bytes, but had {self._file.size} when it was "
                        "listed: something else writes into the clone."
                    )
            return self._reader

    def _close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None


class Buffers:
    """The memory of all threads: bytearrays of exactly the length asked for, reused where that is the same.

    Together they are never longer than the room, unless one alone is, and never more than `most`. A fresh one per part
    would cost twice the CPU in page faults (measured).
    """

    def __init__(self, *, room: int, most: int) -> None:
        self._room = room
        self._most = most
        self._used: list[int] = []  # lengths of those in use
        self._free: list[bytearray] = []
        self._changed = Condition()

    @property
    def size(self) -> int:
        """Bytes of all that there are."""
        return sum(self._used) + sum(len(body) for body in self._free)

    @contextmanager
    def of(self, length: int) -> Iterator[bytearray]:
        """Give memory, as soon as there is room for it; it must not be used any more afterwards."""
        with self._changed:
            self._changed.wait_for(lambda: not self._used or sum(self._used) + length <= self._room)
            body = self._take(length)
        try:
            yield body
        finally:
            with self._changed:
                self._used.remove(length)
                self._free.append(body)
                self._changed.notify_all()

    def _take(self, length: int) -> bytearray:
        """One of that length, the last used first; for a new one, those least used are let go of."""
        found = next((at for at in reversed(range(len(self._free))) if len(self._free[at]) == length), None)
        body = None if found is None else self._free.pop(found)
        while body is None and self._free and (self.size + length > self._room or self._count() >= self._most):
            del self._free[0]
        self._used.append(length)
        return bytearray(length) if body is None else body

    def _count(self) -> int:
        return len(self._used) + len(self._free)


def _listed(target: ObjectStore, upload: Upload) -> Mapping[int, tuple[str, int]] | None:
    try:
        return target.list_parts(upload)
    except MissingError:  # completed, given up or expired
        return None


def _fits(known: PartDone | None, part: Part) -> bool:
    return known is not None and (known.offset, known.length) == (part.offset, part.length)


def _crc(parts: Sequence[PartDone]) -> int:
    return whole((part.crc64, part.length) for part in parts)
