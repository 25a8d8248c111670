"""One file on its way to one target: what each window of it is there, which parts follow, and how they get there.

bot/transfer.py owns the threads. Windows come from one thread, in order; jobs are carried out by several.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from threading import Lock
from typing import TypeVar

from bot import digests
from bot.checksum import crc64, to_hex, whole
from bot.desk import BaseLost, Desk
from bot.digests import Digests
from bot.errors import IntegrityError, MissingError
from bot.grains import Grain
from bot.lenient import is_there, listed, or_lost, was_put
from bot.model import (
    Base,
    CopySource,
    ObjectInfo,
    Part,
    PartDone,
    PartSource,
    Run,
    RunState,
    Segment,
    SourceFile,
    StoredFile,
    Upload,
)
from bot.plan import Cutter
from bot.ports import ObjectStore
from bot.reading import Window, body_of
from bot.seen import Seen

T = TypeVar("T")
_END = Part(number=0, offset=0, length=0)  # stands for "make the object"
_READ_BACK = 8 << 20  # bytes a request
_WORTH_DIGESTS = 1 << 20  # a smaller file is sent again sooner than looked up


@dataclass(frozen=True, slots=True, kw_only=True)
class Former:
    """The object of an earlier recovery point that a file is compared with, in one target."""

    digests: Digests
    etag: str
    version_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a file is to get to one target."""

    cut: Cutter
    grain: int
    is_small: bool  # of one window and one part at most
    former: Former | None  # what it is compared with


class Lane:
    """One file, one target. Small ones are written at once, others part by part in an upload."""

    def __init__(self, target: ObjectStore, file: SourceFile, number: int, *, way: Way, desk: Desk) -> None:
        """number: the file's position in the manifest."""
        self.target = target
        self.file = file
        self.stored: StoredFile | None = None
        self.lost = ""  # why the base was no good, in words
        self.number = number
        self._cut = way.cut
        self._base = way.former
        self._small: list[Part] | None = [] if way.is_small else None  # its parts, all known before the first is sent
        self._desk = desk
        self._windows: deque[Window] = deque()  # whose bytes may still be needed
        self._upload: Upload | None = None
        self._former: Mapping[int, PartDone] = {}
        self._done: dict[int, PartDone] = {}
        self._grain = way.grain
        self._is_at_once = False
        self._count = 0  # parts so far
        self._expected = -1  # parts; known at the end of the file
        self._lock = Lock()

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be sent."""
        return self.stored is not None or bool(self.lost)

    def begin(self) -> None:
        """Find what the target has already, open an upload where one is needed for sure."""
        self.stored = self._desk.journal.is_stored(self.target.name, self.file.key)
        if self.stored is None and self._small is None:
            self._resume()

    def see(self, window: Window) -> list["Job"]:
        """The next window; gives what can be sent now. Its bytes are held as long as they may be needed."""
        window.hold()
        self._windows.append(window)
        return self._jobs([part for run in self._runs(window) for part in _parts(self._cut.feed(run))])

    def end(self) -> list["Job"]:
        """The file has ended; gives the rest of what is to be sent."""
        last = _parts(self._cut.finish())
        if self._small is None:
            return self._closed(self._jobs(last))
        parts, self._small = [*self._small, *last], None
        if all(part.source is PartSource.UPLOAD for part in parts):
            self._is_at_once = True
            whole_file = Part(number=1, offset=0, length=self.file.size)
            return [Job(self, whole_file, self._held(whole_file))]
        self._resume()
        return self._closed(self._jobs(parts)) if self.stored is None else []

    def _closed(self, jobs: list["Job"]) -> list["Job"]:
        """All parts are known now. They may all be there already, and then no job of theirs would make the object."""
        with self._lock:
            self._expected = self._count
        return [*jobs, Job(self, _END, ())] if self._is_whole() else jobs

    def _is_whole(self) -> bool:
        """Whether all parts are there; told once."""
        with self._lock:
            is_whole = len(self._done) == self._expected
            self._expected = -1 if is_whole else self._expected
        return is_whole

    def drop(self) -> None:
        """Hold no window any more. Repeating is safe."""
        while self._windows:
            self._windows.popleft().release()

    def carry_out(self, part: Part, windows: Sequence[Window], seen: Seen) -> None:
        """Get one part there; the last one makes the object. What raises is the target's failure, or everybody's."""
        if self.is_over:
            return
        if part is _END:
            self._complete(seen)
            return
        value = seen.crc64(part.offset, part.length)
        if self._is_at_once:
            self.give_up_upload()
            body = body_of(windows, part.offset, part.length)
            put = partial(self.target.put, self.file.key, body, crc64=value, metadata=self._desk.metadata)
            self._keep(lambda: self._desk.ask(self.target, put), value, seen)
            self._desk.meter.arrived(self.target.name, part)
            return
        if self._is_there(part, value):
            self._desk.meter.found(self.target.name, part.length)
        elif self._has_sent(part, windows, value):
            self._desk.meter.arrived(self.target.name, part)
        else:
            return
        if self._is_whole():
            self._complete(seen)

    def give_up_upload(self) -> None:
        """One that was begun for copies that turned out to be impossible."""
        upload = self._desk.journal.upload(self.target.name, self.file.key)
        if upload is not None:
            self._desk.ask(self.target, partial(self.target.abort_upload, upload))

    def _runs(self, window: Window) -> Iterator[Run]:
        """What stretches of the window are: changed, in the base, or zero."""
        position, begun, length, now = window.offset // self._grain, window.offset, 0, RunState.CHANGED
        for grain in window.grains:
            state = self._state(position, grain)
            if state is not now and length:
                yield self._run(now, begun, length)
                begun, length = begun + length, 0
            position, length, now = position + 1, length + grain.length, state
        if length:
            yield self._run(now, begun, length)

    def _state(self, position: int, grain: Grain) -> RunState:
        if grain.is_zero:
            return RunState.ZERO
        if self._base is not None and self._base.digests.is_same(position, grain):
            return RunState.UNCHANGED
        return RunState.CHANGED

    def _run(self, state: RunState, offset: int, length: int) -> Run:
        if state is not RunState.UNCHANGED or self._base is None:
            return Run(length, state)
        return Run(length, state, Base(self._base.digests.key, self._base.digests.size), offset)

    def _jobs(self, parts: Sequence[Part]) -> list["Job"]:
        if self._small is not None:
            self._small += parts
            return []
        self._count = parts[-1].number if parts else self._count
        jobs = [Job(self, part, self._held(part)) for part in parts]
        while self._windows and self._windows[0].end <= self._cut.settled:
            self._windows.popleft().release()
        return jobs

    def _held(self, part: Part) -> tuple[Window, ...]:
        if part.source is not PartSource.UPLOAD:
            return ()
        end = part.offset + part.length
        found = tuple(each for each in self._windows if each.offset < end and each.end > part.offset)
        for window in found:
            window.hold()
        return found

    def _has_sent(self, part: Part, windows: Sequence[Window], value: int) -> bool:
        try:
            self._send(part, windows, value)
        except BaseLost as why:
            self.lost = str(why)
            return False
        return True

    def _send(self, part: Part, windows: Sequence[Window], value: int) -> None:
        assert self._upload is not None  # noqa: S101 - begin() has opened it
        if part.source is PartSource.UPLOAD:
            body = body_of(windows, part.offset, part.length)
            etag = self._desk.ask(
                self.target, partial(self.target.put_part, self._upload, part.number, body, crc64=value)
            )
        else:
            etag = self._copied(self._upload, part, value)
        done = PartDone(
            number=part.number, offset=part.offset, length=part.length, etag=etag, crc64=value, source=part.source
        )
        self._desk.journal.record(self.target.name, self.file.key, done)
        with self._lock:
            self._done[part.number] = done

    def _copied(self, upload: Upload, part: Part, value: int) -> str:
        """BaseLost: it cannot be copied, or the store says that it copied other bytes."""
        source = self._source(part)
        copy = partial(self.target.copy_part, upload, part.number, source, crc64=value)
        copied = self._desk.ask(self.target, partial(or_lost, copy, source.key))
        found = self._read_back(source) if copied.crc64 is None else copied.crc64
        if found != value:
            raise BaseLost(
                f"{source.key} has other bytes at {source.offset} than it should: CRC-64 {to_hex(found)}, "
                f"not {to_hex(value)}. It is damaged, and so is what it belongs to."
            )
        return copied.etag

    def _read_back(self, source: CopySource) -> int:
        """The CRC of what was copied from, where the store does not tell what it copied."""
        value = 0
        for at in range(0, source.length, _READ_BACK):
            get = partial(self.target.get, source.key, source.offset + at, min(_READ_BACK, source.length - at))
            value = crc64(self._desk.ask(self.target, partial(or_lost, get, source.key)), value)
        return value

    def _source(self, part: Part) -> CopySource:
        if part.source is PartSource.ZERO:
            return replace(self._desk.zeros(self.target, part.length), offset=0, length=part.length)
        assert self._base is not None  # noqa: S101 - what is unchanged is so against a base
        return CopySource(
            key=part.base,
            offset=part.base_offset,
            length=part.length,
            etag=self._base.etag,
            version_id=self._base.version_id,
        )

    def _is_there(self, part: Part, value: int) -> bool:
        """Whether journal and store agreed on it at the begin. IntegrityError: the file is not what was sent then."""
        known = self._former.get(part.number)
        if known is None or (known.offset, known.length) != (part.offset, part.length):
            return False
        if known.crc64 != value:
            raise IntegrityError(
                f"{self.file.path} changed while it was sent: the bytes from {part.offset} on are not those "
                f"that target {self.target.name} got. Protect the VM again."
            )
        with self._lock:
            self._done[part.number] = known
        return True

    def _resume(self) -> None:
        name, key, journal = self.target.name, self.file.key, self._desk.journal
        recorded, upload, there = journal.parts(name, key), journal.upload(name, key), None
        if upload is not None:
            there = self._desk.ask(self.target, partial(listed, self.target, upload))
            if there is None and self._was_completed(upload, recorded):
                return
        if upload is None or there is None:
            upload = self._open()
            there = self._desk.ask(self.target, partial(self.target.list_parts, upload)) if recorded else {}
        self._upload = upload
        self._former = {
            number: part for number, part in recorded.items() if there.get(number) == (part.etag, part.length)
        }

    def _open(self) -> Upload:
        journal, name, key = self._desk.journal, self.target.name, self.file.key
        journal.opening(name, key, self.target.url)
        begin = partial(self.target.begin_upload, key, metadata=self._desk.metadata)
        upload = self._desk.ask(self.target, begin)
        journal.opened(name, key, upload)
        return upload

    def _was_completed(self, upload: Upload, recorded: Mapping[int, PartDone]) -> bool:
        """Whether the upload is gone because the object was made just before a crash."""
        parts = [recorded[number] for number in sorted(recorded)]
        ends = [0, *(part.offset + part.length for part in parts)]
        if [part.offset for part in parts] != ends[:-1] or ends[-1] != self.file.size:
            return False  # not all of them
        info = self._desk.ask(self.target, partial(self._made, upload, parts))
        if info is None:
            return False
        key = self._digests_key
        has_digests = bool(key) and self._desk.ask(self.target, partial(is_there, self.target, key))
        self._note(info, _crc(parts), key if has_digests else "")
        return True

    def _made(self, upload: Upload, parts: Sequence[PartDone]) -> ObjectInfo | None:
        try:
            return self._make(upload, parts)
        except MissingError:
            return None

    def _make(self, upload: Upload, parts: Sequence[PartDone]) -> ObjectInfo:
        return self.target.complete_upload(
            upload, parts, size=self.file.size, crc64=_crc(parts), metadata=self._desk.metadata
        )

    def _complete(self, seen: Seen) -> None:
        assert self._upload is not None  # noqa: S101 - begin() has opened it
        parts = [self._done[number] for number in sorted(self._done)]
        make = partial(self._make, self._upload, parts)
        self._keep(lambda: self._desk.ask(self.target, make), _crc(parts), seen)

    def _keep(self, make: Callable[[], ObjectInfo], value: int, seen: Seen) -> None:
        """The digests go first: an object that is known as stored has them."""
        key = self._digests_key
        if key:
            body = digests.encode(seen.digests(self.file.key))
            put = partial(self.target.put, key, body, crc64=crc64(body), metadata=self._desk.metadata)
            key = key if self._desk.ask(self.target, partial(was_put, put, self.target, key, crc64(body))) else ""
        self._note(make(), value, key)

    def _note(self, info: ObjectInfo, value: int, digests_key: str) -> None:
        stored = StoredFile(
            path=f"{self._desk.export}/{self.file.path}",
            name=self.file.name,
            key=self.file.key,
            size=self.file.size,
            crc64=value,
            etag=info.etag,
            digests=digests_key,
        )
        self._desk.journal.stored(self.target.name, stored)
        self.stored = stored

    @property
    def _digests_key(self) -> str:
        worth = self.file.size >= max(_WORTH_DIGESTS, self.target.limits.smallest_source)
        return digests.key(self.file.key.partition("/")[0], self.number) if worth else ""


@dataclass(frozen=True, slots=True)
class Job:
    """One part to be got to its target; holds the windows that it needs until `drop`."""

    lane: Lane
    part: Part
    windows: tuple[Window, ...]

    def carry_out(self, seen: Seen) -> None:
        """See the lane."""
        self.lane.carry_out(self.part, self.windows, seen)

    def drop(self) -> None:
        """Hold nothing any more; once."""
        for window in self.windows:
            window.release()


def _parts(decided: Sequence[Part | Segment]) -> list[Part]:
    """All of them; segments are switched off (CutRules.segments), and parts of one must not be taken for others."""
    parts = [part for part in decided if isinstance(part, Part) and not part.segment]
    if len(parts) != len(decided):
        raise ValueError("the plan has segments, which are not sent")
    return parts


def _crc(parts: Sequence[PartDone]) -> int:
    return whole((part.crc64, part.length) for part in parts)
