"""Every byte of an object, read once more: which stretches of it are not what was read from the VMstore.

Memory is that of the arena. How far it came is kept, so that a run that goes on later does not begin anew.
"""

from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from bot.arena import Arena, Lease
from bot.checksum import to_hex, whole
from bot.digests import Digests
from bot.errors import ArchivedError, MissingError
from bot.grains import Grain, grains_of
from bot.model import Damage, ObjectInfo, PartDone, StoredFile
from bot.ports import ObjectStore
from bot.ranges import Stretch, stretches
from bot.recall import recall

ALONE = 8  # windows of one that shares no memory
KEEP_BYTES = 256 << 20  # how much is read again after a crash, at most
MOST = 20  # stretches of a file that are told
_SO_FAR = 1  # number of the row that says how far it came


class Record(Protocol):
    """What must survive a crash."""

    def parts(self, target: str, key: str) -> Mapping[int, PartDone]:
        """What was recorded of that object, by number."""

    def record(self, target: str, key: str, part: PartDone) -> None:
        """A row of that number is replaced."""

    def forget(self, target: str, key: str) -> None:
        """Remove all rows of that object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How to read."""

    threads: int = 4
    arena: Arena | None = None  # the memory of all transfers; None: of its own


class _Seen(NamedTuple):
    """One stretch as it was read."""

    stretch: Stretch
    crc64: int
    bad: tuple[int, ...]  # positions of grains


def read_back(
    source: ObjectStore,
    file: StoredFile,
    *,
    record: Record,
    reading: Reading,
    check: Callable[[], None],
    on_read: Callable[[int], None],
) -> tuple[tuple[Damage, ...], str]:
    """What of it is damaged; and, where its digests are of no use, why: then only the CRC of the whole tells.

    check is called before each request, from several threads, and may raise; on_read by one thread, with bytes.
    ArchivedError: it must be brought back first. ChangedError: it was replaced meanwhile. Repeat: safe; what was good
    before is not read again, until it is forgotten.
    """
    return _Pass(source, file, record, reading, check).run(on_read)


def forget(record: Record, source: str, file: StoredFile) -> None:
    """Nobody goes on with it. source: name of the target."""
    record.forget(_label(source), file.key)


def _label(source: str) -> str:
    return f"verify:{source}"


class _Pass:
    """One object."""

    def __init__(
        self, source: ObjectStore, file: StoredFile, record: Record, reading: Reading, check: Callable[[], None]
    ) -> None:
        self._source = source
        self._file = file
        self._record = record
        self._threads = reading.threads
        self._arena = reading.arena or Arena(ALONE)
        self._check = check
        self._label = _label(source.name)

    def run(self, on_read: Callable[[int], None]) -> tuple[tuple[Damage, ...], str]:
        """See the function."""
        self._check()
        try:
            info = self._source.head(self._file.key)
        except MissingError:
            return (self._whole(f"{self._file.key} is not there"),), ""
        if info.is_archived:
            raise ArchivedError(
                f"{self._file.key} lies in an archive ({info.storage_class}): it must be brought back first.",
                system=self._source.name,
                operation="read",
            )
        if info.size != self._file.size:
            return (self._whole(f"it has {info.size:,} bytes, and the manifest says {self._file.size:,}"),), ""
        known, why = recall(self._source, self._file, self._arena.window)
        damage = self._read(info, known, on_read) if self._file.size else ()
        return damage, f"{self._file.digests} is of no use, so only the CRC-64 of the whole file tells" if why else ""

    def _whole(self, why: str) -> Damage:
        return Damage(file=self._file.name, offset=0, length=self._file.size, why=why)

    def _read(self, info: ObjectInfo, known: Digests | None, on_read: Callable[[int], None]) -> tuple[Damage, ...]:
        """In order, several stretches at a time."""
        size, bad = self._file.size, list[int]()
        step = self._arena.window // known.grain * known.grain if known else self._arena.window
        done, value = self._so_far(info, step)
        kept = done
        if done:
            on_read(done)
        lease = self._arena.lease(self._check, 1, min(self._arena.window, size))
        try:
            with closing(self._all(info, known, lease, range(-(-done // step), -(-size // step)))) as coming:
                for seen in coming:
                    value = whole([(value, done), (seen.crc64, seen.stretch.length)])
                    done = seen.stretch.end
                    bad += seen.bad
                    on_read(seen.stretch.length)
                    if not bad and (done - kept >= KEEP_BYTES or done == size):
                        self._keep(info, done, value)
                        kept = done
        finally:
            lease.close()
        if bad and known is not None:
            return _damage(self._file, known, bad)
        if value != self._file.crc64:
            said = f"CRC-64 {to_hex(value)}, and the manifest says {to_hex(self._file.crc64)}"
            return (self._whole(f"together its bytes have {said}"),)
        return ()

    def _so_far(self, info: ObjectInfo, step: int) -> tuple[int, int]:
        """Bytes that were good before, and their CRC; of this very object."""
        row = self._record.parts(self._label, self._file.key).get(_SO_FAR)
        usable = row is not None and row.etag == info.etag and (row.length % step == 0 or row.length == info.size)
        return (row.length, row.crc64) if row is not None and usable else (0, 0)

    def _keep(self, info: ObjectInfo, done: int, value: int) -> None:
        row = PartDone(number=_SO_FAR, offset=0, length=done, etag=info.etag, crc64=value)
        self._record.record(self._label, self._file.key, row)

    def _all(
        self, info: ObjectInfo, known: Digests | None, lease: Lease, wanted: range
    ) -> Generator[_Seen, None, None]:
        """wanted: positions of whole steps."""
        size, window = self._file.size, self._arena.window
        step = window // known.grain * known.grain if known else window
        plan = stretches(wanted, grain=step, size=size, window=step)
        coming: deque[Future[_Seen]] = deque()
        with ThreadPoolExecutor(self._threads, thread_name_prefix="verify") as pool:
            try:
                for stretch in plan:
                    if len(coming) >= self._threads:
                        yield coming.popleft().result()
                    coming.append(pool.submit(self._look, info, known, lease, stretch))
                while coming:
                    yield coming.popleft().result()
            finally:
                for future in coming:
                    future.cancel()

    def _look(self, info: ObjectInfo, known: Digests | None, lease: Lease, stretch: Stretch) -> _Seen:
        """A read that failed may still write into its memory: then nobody uses that again."""
        memory = lease.take(self._check)
        try:
            self._check()
            with memoryview(memory)[: stretch.length] as view:
                self._source.get_into(self._file.key, stretch.offset, view, etag=info.etag)
                grain = known.grain if known else len(view)
                grains = grains_of(view, grain)
        except BaseException:
            lease.give(None)
            raise
        lease.give(memory)
        value = whole((each.crc64, each.length) for each in grains)
        return _Seen(stretch, value, _bad(known, stretch, grains) if known else ())


def _bad(known: Digests, stretch: Stretch, grains: Sequence[Grain]) -> tuple[int, ...]:
    first = stretch.offset // known.grain
    return tuple(first + at for at, grain in enumerate(grains) if not known.is_same(first + at, grain))


def _damage(file: StoredFile, known: Digests, bad: Sequence[int]) -> tuple[Damage, ...]:
    """Neighbouring grains together; the first MOST stretches."""
    found = []
    for stretch in stretches(bad, grain=known.grain, size=file.size, window=file.size):
        why = "these bytes are not those that were read"
        found.append(Damage(file=file.name, offset=stretch.offset, length=stretch.length, why=why))
        if len(found) == MOST:
            break
    return tuple(found)
