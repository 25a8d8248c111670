"""One file on its way to a share: what of it is safe there, what is written, and when it gets its name.

Until it is whole it is called `<name>.part`. What is new of a file is zeros: these are not written, and take no room.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from threading import Lock
from typing import Protocol

from bot.checksum import crc64, to_hex, whole
from bot.errors import CloudyError, IntegrityError, PermanentError, Stopped, TransientError
from bot.grains import is_zero
from bot.model import PartDone, StoredFile
from bot.placing import PART
from bot.ports import Reader, Share, Writer
from bot.ranges import Stretch

FLUSH_BYTES = 256 << 20  # written at most before the share is asked to keep them: what a crash costs
_HOLE = 64 << 10  # zeros of so many bytes are not written
_READ = 4 << 20  # bytes of a call
_BEGUN = 0  # number of the row that says that the file is ours, and which turn of it counts
_OPENING, _OPEN = "opening", "open"  # in that row: what lies there is not ours for sure; it is
_KNOWN, _UNKNOWN = "known", "unknown"  # there too: whether each grain was checked before it was written


class Record(Protocol):
    """What must survive a crash, so that nothing is fetched twice. Called from several threads."""

    def parts(self, target: str, key: str) -> Mapping[int, PartDone]:
        """What was recorded of that file, by number."""

    def record(self, target: str, key: str, part: PartDone) -> None:
        """A stretch of it is safe on the share; a row of that number is replaced."""


class Unsafe(Exception):  # noqa: N818 - no failure yet: what is not safe is fetched once more
    """The share has perhaps lost what was written since it was last flushed."""


class Landing:
    """One file in one place. Several threads write, each its own stretches."""

    def __init__(
        self,
        file: StoredFile,
        place: str,
        share: Share,
        record: Record,
        *,
        source: str,
        check: Callable[[], None],
        is_in_place: bool = False,
    ) -> None:
        """place: its final path on the export. source: the target's name. is_in_place: what is there is overwritten."""
        self.is_resumed = False  # something that was written before may lie where zeros are to be
        self.file = file
        self.place = place
        self.is_in_place = is_in_place
        self._share = share
        self._record = record
        self._check = check
        self._label = f"restore:{source}"
        self._state = ""  # how far a process before this one came
        self._kind = ""  # of what it wrote
        self._turn = 1  # rows of others count for nothing
        self._path = place if is_in_place else place + PART  # until it is whole
        self._writer: Writer | None = None
        self._safe: dict[Stretch, int] = {}  # and their CRCs: before this process, too
        self._fresh: set[Stretch] = set()  # those of this process
        self._waiting: list[PartDone] = []  # written, and not flushed
        self._bytes = 0  # of those
        self._lock, self._flushing = Lock(), Lock()

    def begin(self) -> bool:
        """Whether it is there already, and whole. PermanentError: another file has its name."""
        rows = dict(self._record.parts(self._label, self.place))
        self._state, self._turn, self._kind = self._begun(rows.pop(_BEGUN, None))
        turn = str(self._turn)
        self._safe = {Stretch(row.offset, row.length): row.crc64 for row in rows.values() if row.etag == turn}
        if self.is_in_place:
            return False
        if self._share.exists(self.place):
            self._refuse_unless(self._state == _OPEN, self.place)
            if self._is_whole():
                return True
            self._share.rename(self.place, self._path)
            self._state = _OPENING
        elif not self._state:
            self._refuse_unless(not self._share.exists(self._path), self._path)
        return False

    def open(self, *, is_known: bool) -> None:
        """Open it for writing. is_known: each grain is checked before it is written.

        Where that was otherwise before, it begins anew: unchecked bytes may lie where nobody would look again.
        """
        kind = _KNOWN if is_known else _UNKNOWN
        if self._state == _OPEN and self._kind == kind:
            self.is_resumed = True
        else:
            self._safe, self._kind = {}, kind
            self._start_anew()
        self._writer = self._share.create(self._path, self.file.size)

    def _begun(self, row: PartDone | None) -> tuple[str, int, str]:
        """How far a process before this one came with just this file; "": with another one, or there was none."""
        if row is None:
            return "", 0, ""
        state, turn, kind = (*row.etag.split(" "), "")[:3]  # of an earlier Cloudy: without a kind
        is_same = (row.length, row.crc64) == (self.file.size, self.file.crc64)
        return state if is_same else _OPENING, int(turn), kind

    def _refuse_unless(self, is_ours: bool, path: str) -> None:
        if not is_ours:
            raise PermanentError(
                f"{path} is there already, and it is not of this restore. Nothing is replaced.",
                system="share",
                operation="create",
            )

    def _start_anew(self) -> None:
        """It is made empty first, so that all of it is zeros, whatever lay there."""
        self._turn += 1
        self._note_state(_OPENING)
        if not self.is_in_place:
            self._share.create(self._path, 0).close()
        self._note_state(_OPEN)

    def _note_state(self, state: str) -> None:
        size, value, turn = self.file.size, self.file.crc64, f"{state} {self._turn} {self._kind}"
        self._note(PartDone(number=_BEGUN, offset=0, length=size, etag=turn, crc64=value))

    def _is_whole(self) -> bool:
        """Read what has its name already: the process died before it could say so."""
        with self.reading(self.place) as reader:
            if reader.size != self.file.size:
                return False
            value, body = 0, bytearray(min(_READ, self.file.size))
            for offset in range(0, self.file.size, _READ):
                self._check()
                with memoryview(body)[: self.file.size - offset] as view:
                    reader.read_into(offset, view)
                    value = crc64(view, value)
        return value == self.file.crc64

    @contextmanager
    def reading(self, path: str = "") -> Iterator[Reader]:
        """Read a file of the share, or what lies here of this one."""
        reader = self._share.open(path or self._path)
        try:
            yield reader
        finally:
            reader.close()

    @property
    def safe(self) -> int:
        """How many stretches this process has made safe."""
        return len(self._fresh)

    def is_fresh(self, stretch: Stretch) -> bool:
        """Whether this process has written it, and it is safe."""
        return stretch in self._fresh

    def kept(self, stretch: Stretch) -> int | None:
        """The CRC of a stretch that was safe before this process began; to be looked at once more."""
        return self._safe.get(stretch)

    def write(self, offset: int, view: memoryview, *, all_of_it: bool) -> None:
        """Write; all_of_it: zeros too, since something else may lie there. Unsafe: write all again that is not safe."""
        for start, end in [(0, len(view))] if all_of_it else _data(view):
            with view[start:end] as piece:
                self._ask(partial(_write, offset + start, piece))

    def done(self, stretch: Stretch, value: int) -> None:
        """All of it is written, and has this CRC. Now and then what was written is made safe."""
        row = PartDone(
            number=stretch.offset + 1,
            offset=stretch.offset,
            length=stretch.length,
            etag=str(self._turn),
            crc64=value,
        )
        with self._lock:
            self._waiting.append(row)
            self._bytes += stretch.length
            is_much = self._bytes >= FLUSH_BYTES
        if is_much and self._flushing.acquire(blocking=False):
            try:
                self._flush()
            finally:
                self._flushing.release()

    def checked(self, stretch: Stretch, value: int) -> None:
        """It was safe before, and is what it has to be."""
        with self._lock:
            self._safe[stretch] = value
            self._fresh.add(stretch)

    def reopen(self) -> None:
        """After Unsafe: what was not safe is not known any more."""
        self.close()
        self.is_resumed = True
        with self._lock:
            self._waiting, self._bytes = [], 0
        self._writer = self._share.create(self._path, self.file.size)

    def finish(self, *, is_known: bool) -> None:
        """Make all safe, then give it its name. is_known: each grain was checked; else the CRC of the whole is, now.

        IntegrityError: it is another, and the next try begins anew. Unsafe: write all again that is not safe.
        """
        if not is_known:
            self._check_whole()
        with self._flushing:
            self._flush()
        self.close()
        if not self.is_in_place:
            self._rename()

    def close(self) -> None:
        """Let go of it; repeating is safe."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _check_whole(self) -> None:
        with self._lock:
            found = {stretch: self._safe[stretch] for stretch in self._fresh}
            found |= {Stretch(row.offset, row.length): row.crc64 for row in self._waiting}
        value = whole((found[stretch], stretch.length) for stretch in sorted(found))
        if (sum(stretch.length for stretch in found), value) == (self.file.size, self.file.crc64):
            return
        self._note_state(_OPENING)
        raise IntegrityError(
            f"{self.file.key} has CRC-64 {to_hex(value)} as it was fetched, and the manifest says "
            f"{to_hex(self.file.crc64)}: it was damaged or replaced. {self.file.name} is not restored."
        )

    def _flush(self) -> None:
        """Rows are noted after their bytes are safe; what is written meanwhile waits for the next time."""
        with self._lock:
            rows, self._waiting, self._bytes = self._waiting, [], 0
        self._ask(lambda writer: writer.flush())
        for row in rows:
            self._note(row)
            self.checked(Stretch(row.offset, row.length), row.crc64)

    def _note(self, row: PartDone) -> None:
        self._record.record(self._label, self.place, row)

    def _ask(self, call: Callable[[Writer], None]) -> None:
        writer = self._writer
        if writer is None:
            raise PermanentError(f"{self._path} was closed.", system="share", operation="write")
        try:
            call(writer)
        except TransientError as error:
            raise Unsafe from error

    def _rename(self) -> None:
        """The answer to a call that did it may be lost, and then it cannot be done again."""
        try:
            self._share.rename(self._path, self.place)
        except Stopped:
            raise
        except CloudyError:
            if self._share.exists(self._path) or not self._share.exists(self.place):
                raise


def _write(offset: int, piece: memoryview, writer: Writer) -> None:
    writer.write_from(offset, piece)


def _data(view: memoryview) -> Iterator[tuple[int, int]]:
    """Where there is something else than zeros, from and to; short stretches of zeros count for it."""
    begin, size = -1, len(view)
    for at in range(0, size, _HOLE):
        with view[at : at + _HOLE] as piece:
            is_hole = is_zero(piece)
        if is_hole and begin >= 0:
            yield begin, at
            begin = -1
        elif not is_hole and begin < 0:
            begin = at
    if begin >= 0:
        yield begin, size
