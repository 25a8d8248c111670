"""The zero object of a target: long stretches of zeros are copied from it by the store, so that they never travel.

It lies at .cloudy/zero/<size>, is shared by all transactions and belongs to no recovery point; losing it costs nothing.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import TypeVar

from bot.checksum import crc64, whole
from bot.desk import Ask, CopyFailed, Journal
from bot.lenient import found, or_lost
from bot.model import CopySource, ObjectInfo, PartDone, PartSource, Upload
from bot.ports import ObjectStore
from bot.stopping import HEARD_S

SIZES = (8 << 20, 256 << 20, 5 << 30)  # bytes; each larger one is made of copies of the one before it

_LOCKS: dict[str, Lock] = {}  # by the address of a target; of this process, as the worker lock allows only one
_LOCKS_LOCK = Lock()
T = TypeVar("T")


class Zeros:
    """What there is in each target, looked up at most once in a transfer."""

    def __init__(self, journal: Journal, ask: Ask, metadata: Mapping[str, str]) -> None:
        self._journal = journal
        self._ask = ask
        self._metadata = metadata
        self._known: dict[tuple[str, int], CopySource] = {}

    def copied(self, target: ObjectStore, length: int, copy: Callable[[CopySource], None]) -> None:
        """Have so many zeros copied, 5 GiB at most; made where they are not there yet.

        What was removed meanwhile, by a rule of the bucket say, or is damaged is made anew and copied from once more.
        CopyFailed: that came to nothing, too.
        """
        source: CopySource | None = None
        try:
            source = self._source(target, length)
            copy(replace(source, length=length))
        except CopyFailed as why:
            if why.source is not PartSource.ZERO:
                raise
            self._forget(target, source, is_damaged=why.is_damaged)
            copy(replace(self._source(target, length), length=length))

    def _source(self, target: ObjectStore, length: int) -> CopySource:
        """So many at least."""
        with self._alone(target):
            source = self._found(target, SIZES[0]) or self._put(target)
            for size in SIZES[1:]:
                if length <= source.length:
                    break
                source = self._found(target, size) or self._multiplied(target, source, size)
            return source

    def _forget(self, target: ObjectStore, source: CopySource | None, *, is_damaged: bool) -> None:
        """Look all of them up anew, unless another thread has done so since. None: it could not even be made."""
        with self._alone(target):
            known = {place: each for place, each in list(self._known.items()) if place[0] == target.name}
            if source is not None and all(each is not source for each in known.values()):
                return
            for place in known:
                del self._known[place]
            if source is not None and is_damaged:
                self._call(target, partial(target.delete, source.key))

    @contextmanager
    def _alone(self, target: ObjectStore) -> Iterator[None]:
        """One makes it, the others wait, also those of other transactions; Stop is heard meanwhile."""
        with _LOCKS_LOCK:
            lock = _LOCKS.setdefault(target.address, Lock())
        while not lock.acquire(timeout=HEARD_S):
            self._ask(target, lambda: None)
        try:
            yield
        finally:
            lock.release()

    def _found(self, target: ObjectStore, size: int) -> CopySource | None:
        if known := self._known.get((target.name, size)):
            return known
        info = self._call(target, partial(found, target, _key(size)))
        if info is None:
            return None
        if info.size != size or info.is_archived or info.crc64 not in (None, _crc(size)):
            self._call(target, partial(target.delete, info.key))  # damaged, or somebody else's: made anew
            return None
        return self._keep(target, info)

    def _put(self, target: ObjectStore) -> CopySource:
        zeros = bytearray(SIZES[0])
        put = partial(target.put, _key(len(zeros)), zeros, crc64=crc64(zeros), metadata=self._metadata)
        return self._keep(target, self._call(target, put))

    def _multiplied(self, target: ObjectStore, source: CopySource, size: int) -> CopySource:
        key = _key(size)
        self._journal.opening(target.name, key, target.url)
        upload = self._call(target, partial(target.begin_upload, key, metadata=self._metadata))
        self._journal.opened(target.name, key, upload)
        try:
            parts = [self._copied(target, upload, at, source) for at in range(1, size // source.length + 1)]
            make = partial(target.complete_upload, upload, parts, size=size, crc64=_crc(size), metadata=self._metadata)
            made = self._keep(target, self._call(target, make))
        except CopyFailed:
            self._call(target, partial(target.abort_upload, upload))
            self._journal.settled(target.name, key)
            raise
        self._journal.settled(target.name, key)
        return made

    def _copied(self, target: ObjectStore, upload: Upload, number: int, source: CopySource) -> PartDone:
        value = _crc(source.length)
        copied = self._call(target, partial(target.copy_part, upload, number, source, crc64=value))
        if copied.crc64 not in (None, value):
            self._known.pop((target.name, source.length), None)
            self._call(target, partial(target.delete, source.key))
            raise CopyFailed(f"{source.key} was not all zeros.", PartSource.ZERO, source.key)
        return PartDone(
            number=number,
            offset=(number - 1) * source.length,
            length=source.length,
            etag=copied.etag,
            crc64=value,
            source=PartSource.COPY,
        )

    def _call(self, target: ObjectStore, call: Callable[[], T]) -> T:
        """Zeros are no reason to give a target up: they can be sent."""
        return self._ask(target, partial(or_lost, call, PartSource.ZERO, "The zero object"))

    def _keep(self, target: ObjectStore, info: ObjectInfo) -> CopySource:
        source = CopySource(key=info.key, offset=0, length=info.size, etag=info.etag, version_id=info.version_id)
        self._known[target.name, info.size] = source
        return source


def _crc(size: int) -> int:
    return whole([(crc64(bytes(SIZES[0])), SIZES[0])] * (size // SIZES[0]))


def _key(size: int) -> str:
    return f".cloudy/zero/{size}"
