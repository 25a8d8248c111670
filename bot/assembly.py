"""An object in the making, part by part: its upload, what was there of it before, and what is there by now."""

from collections.abc import Mapping, Sequence
from functools import partial
from threading import Lock

from bot.checksum import of_read, to_hex, whole
from bot.desk import CopyFailed, Desk
from bot.errors import IntegrityError, MissingError
from bot.lenient import listed, or_lost
from bot.model import Content, CopySource, ObjectInfo, Part, PartDone, PartSource, Upload
from bot.ports import ObjectStore
from bot.undoing import abort


class Assembly:
    """One key in one target. Parts are put, copied or found by several threads."""

    def __init__(self, target: ObjectStore, key: str, desk: Desk, *, path: str) -> None:
        """path: of the file that it is of, for people."""
        self.key = key
        self.made: ObjectInfo | None = None  # the object, if it was made just before a crash
        self._path = path
        self._target = target
        self._desk = desk
        self._upload: Upload | None = None
        self._former: Mapping[int, PartDone] = {}
        self._done: dict[int, PartDone] = {}
        self._expected = -1  # parts; known at the end
        self._lock = Lock()

    @property
    def crc64(self) -> int:
        """Of all that is there."""
        return _crc(self._parts())

    @property
    def size(self) -> int:
        """Of all that is there, in bytes."""
        return sum(part.length for part in self._parts())

    def begin(self, size: int = 0) -> None:
        """Go on with what journal and store agree on, or open an upload. size: the object's; 0: not known yet."""
        name, journal = self._target.name, self._desk.journal
        recorded, upload, there = journal.parts(name, self.key), journal.upload(name, self.key), None
        if upload is not None:
            there = self._desk.ask(self._target, partial(listed, self._target, upload))
            if there is None and self._was_made(upload, recorded, size):
                return
        if upload is None or there is None:
            upload = self._open()
            there = self._desk.ask(self._target, partial(self._target.list_parts, upload)) if recorded else {}
        self._upload = upload
        self._former = {
            number: part for number, part in recorded.items() if there.get(number) == (part.etag, part.length)
        }
        if recorded and not self._former:
            journal.forget(name, self.key)

    def former(self, number: int) -> PartDone | None:
        """What journal and store agreed on at the begin."""
        return self._former.get(number)

    def give_up(self) -> None:
        """Abort what was begun, as far as anything of that key may be open, and forget its parts. Repeating is safe."""
        name, journal = self._target.name, self._desk.journal
        if not journal.may_be_open(name, self.key):
            return
        known = journal.upload(name, self.key)
        self._desk.ask(self._target, partial(abort, self._target, self.key, known.upload_id if known else ""))
        journal.forget(name, self.key)

    def is_there(self, part: Part, value: int) -> bool:
        """Whether it was there at the begin. IntegrityError: the file is not what was sent then."""
        known = self._former.get(part.number)
        if known is None or (known.offset, known.length) != (part.offset, part.length):
            return False
        if known.crc64 != value:
            raise IntegrityError(
                f"{self._path} changed while it was sent: the bytes from {part.offset} on are not those "
                f"that target {self._target.name} got. Protect the VM again."
            )
        with self._lock:
            self._done[part.number] = known
        return True

    def put(self, part: Part, body: Content, value: int) -> None:
        """Send a part. CopyFailed: the object was made of others."""
        send = partial(self._target.put_part, self._open_upload(), part.number, body, crc64=value)
        self._record(part, self._desk.ask(self._target, send), value)

    def put_at_once(self, body: Content, value: int) -> ObjectInfo:
        """Send the whole object without an upload; one from before a crash is given up. Repeating is safe."""
        self.give_up()
        put = partial(self._target.put, self.key, body, crc64=value, metadata=self._desk.metadata)
        return self._desk.ask(self._target, put)

    def copy(self, part: Part, source: CopySource, value: int) -> None:
        """Have a part copied. CopyFailed: it cannot be, or the store says that it copied other bytes.

        Where it does not say what it copied, what it copied from is read; a segment is not, since it was checked when
        it was made, and what is made of it is.
        """
        make = partial(self._target.copy_part, self._open_upload(), part.number, source, crc64=value)
        copied = self._desk.ask(self._target, partial(or_lost, make, part.source, source.key))
        found = copied.crc64
        if found is None:
            found = value if part.source is PartSource.SEGMENT else self._read_back(part.source, source)
        if found != value:
            words = f"{self._other_bytes(part, source)}: CRC-64 {to_hex(found)}, not {to_hex(value)}."
            raise CopyFailed(words, part.source, source.key, is_damaged=True)
        self._record(part, copied.etag, value)

    def close(self, count: int) -> bool:
        """All parts are known now: so many. Gives whether they are all there, as `is_whole` does."""
        with self._lock:
            self._expected = count
        return self.is_whole()

    def is_whole(self) -> bool:
        """Whether all parts are there; told once."""
        with self._lock:
            is_whole = len(self._done) == self._expected
            self._expected = -1 if is_whole else self._expected
        return is_whole

    def make(self) -> ObjectInfo:
        """Make the object of its parts."""
        if self.made is None:
            self.made = self._desk.ask(self._target, partial(self._complete, self._open_upload(), self._parts()))
        return self.made

    def _parts(self) -> Sequence[PartDone]:
        return [self._done[number] for number in sorted(self._done)]

    def _record(self, part: Part, etag: str, value: int) -> None:
        done = PartDone(
            number=part.number, offset=part.offset, length=part.length, etag=etag, crc64=value, source=part.source
        )
        self._desk.journal.record(self._target.name, self.key, done)
        with self._lock:
            self._done[part.number] = done

    def _open_upload(self) -> Upload:
        if self._upload is None:
            words = f"{self.key} was made of other parts before a crash."
            raise CopyFailed(words, PartSource.SEGMENT, self.key)
        return self._upload

    def _open(self) -> Upload:
        journal, name = self._desk.journal, self._target.name
        journal.opening(name, self.key, self._target.url)
        begin = partial(self._target.begin_upload, self.key, metadata=self._desk.metadata)
        upload = self._desk.ask(self._target, begin)
        journal.opened(name, self.key, upload)
        return upload

    def _was_made(self, upload: Upload, recorded: Mapping[int, PartDone], size: int) -> bool:
        """Whether the upload is gone because the object was made just before a crash."""
        parts = [recorded[number] for number in sorted(recorded)]
        ends = [part.offset + part.length for part in parts]
        if not parts or [part.offset for part in parts[1:]] != ends[:-1] or size not in (0, ends[-1] - parts[0].offset):
            return False  # not all of them
        self.made = self._desk.ask(self._target, partial(self._found, upload, parts))
        if self.made is None:
            return False
        self._former = recorded
        self._done = dict(recorded) if size else {}
        return True

    def _found(self, upload: Upload, parts: Sequence[PartDone]) -> ObjectInfo | None:
        try:
            return self._complete(upload, parts)
        except MissingError:
            return None

    def _complete(self, upload: Upload, parts: Sequence[PartDone]) -> ObjectInfo:
        size = sum(part.length for part in parts)
        return self._target.complete_upload(upload, parts, size=size, crc64=_crc(parts), metadata=self._desk.metadata)

    def _other_bytes(self, part: Part, source: CopySource) -> str:
        """What is said of a copy that came out wrong. Only a recovery point's object is somebody's data."""
        if part.source is PartSource.COPY:
            return f"{source.key} is damaged, and so is what it belongs to: it has other bytes at {source.offset}"
        if part.source is PartSource.ZERO:
            return f"{source.key} was copied as something else than zeros"
        return f"a temporary object of {self._path}, {source.key}, was copied as other bytes than it has"

    def _read_back(self, kind: PartSource, source: CopySource) -> int:
        """The CRC of what was copied from."""

        def read(at: int, length: int) -> bytes:
            get = partial(self._target.get, source.key, source.offset + at, length)
            return self._desk.ask(self._target, partial(or_lost, get, kind, source.key))

        return of_read(read, source.length)


def _crc(parts: Sequence[PartDone]) -> int:
    return whole((part.crc64, part.length) for part in parts)
