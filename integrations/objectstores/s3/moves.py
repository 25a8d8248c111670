"""Objects on their way into another storage class: out of themselves, proven by the store, the old one last."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, field

from bot.errors import (
    ArchivedError,
    CloudyError,
    DeniedError,
    MissingError,
    PermanentError,
    TransientError,
)
from bot.model import Capabilities, CopySource, ObjectInfo, ObjectVersion, PartDone
from integrations.objectstores.refusals import dated
from integrations.objectstores.s3.moving import MovingBucket
from integrations.objectstores.s3.options import ARCHIVES, COLDS
from integrations.objectstores.sums import whole

_PIECE = 256 << 20  # long enough that requests cost little; one is copied in some 4 s
_MOST_PIECES = 10_000
_MIB = 1 << 20
_CONFLICT = "ConditionalRequestConflict"
_AT_ONCE = 16  # copies, which the store makes side by side
_UNPROVEN = (
    "the store does not prove by a CRC-64/NVME what it copies, so Cloudy moves nothing there. A lifecycle rule of the "
    "bucket can, which does not know which recovery point is the newest."
)
_UNTOLD = "the store tells no CRC-64/NVME of it, so nothing would prove its copy. It stays where it is."


@dataclass(slots=True)
class _Move:
    """An upload that becomes an object anew, and what is copied of it."""

    info: ObjectInfo
    storage_class: str
    upload_id: str
    checks_etag: bool
    done: dict[int, PartDone] = field(default_factory=dict)


def pieces(size: int) -> Iterator[tuple[int, int]]:
    """Cut an object into (offset, length): at most 10,000 of one length but for the last, each 256 MiB or more.

    So every store takes them, also one that wants equal parts. What has one piece, also an empty object, goes whole.
    """
    length = max(_PIECE, -(-size // (_MOST_PIECES * _MIB)) * _MIB)
    for offset in range(0, max(size, 1), length):
        yield offset, min(length, size - offset)


class Moves:
    """What is on its way in one bucket. A try that is made again, after an error that may pass, goes on."""

    def __init__(self, bucket: MovingBucket) -> None:
        self._bucket = bucket
        self._under_way: dict[str, _Move] = {}  # by key

    def move(
        self, info: ObjectInfo, storage_class: str, able: Callable[[], Capabilities], check: Callable[[], None]
    ) -> ObjectInfo:
        """See ObjectStore.retier."""
        now = self._bucket.head(info.key)
        if now.storage_class != storage_class or not _is_same(now, info):
            self._check(now, info, storage_class)
            now = self._made(now, storage_class, able(), check)
        self._under_way.pop(info.key, None)
        for version in self._older(now):
            self._erase(version, now)
        if now.storage_class != storage_class:
            raise self._bucket.asked("move", info.key).failed(
                f"the store keeps it in {now.storage_class or 'its usual class'}, and {storage_class} was asked for."
            )
        return now

    def _check(self, now: ObjectInfo, info: ObjectInfo, storage_class: str) -> None:
        asked = self._bucket.asked("move", info.key)
        if storage_class not in (*COLDS, *ARCHIVES):
            raise asked.failed(f"{storage_class} is no class that S3 has; there are: {', '.join((*COLDS, *ARCHIVES))}.")
        if now.etag != info.etag:
            raise asked.changed(f"its etag is {now.etag}, and {info.etag} was to be moved.")
        if now.locked_until or now.is_held:
            refused = asked.failed("it is not moved, since what it takes the place of could not go.")
            raise dated(DeniedError(refused.message, system=refused.system, operation=refused.operation), now)
        if now.is_archived:
            raise asked.failed(f"it lies in {now.storage_class}: bring it back first.", kind=ArchivedError)
        if now.crc64 is None:
            raise asked.failed(_UNTOLD)
        self._older(now)  # DeniedError: who may not see versions could not remove the old one either

    def _made(self, info: ObjectInfo, storage_class: str, able: Capabilities, check: Callable[[], None]) -> ObjectInfo:
        if not (able.checks_crc and able.copies_parts and able.copy_tells_crc):
            raise self._bucket.asked("move", info.key).failed(_UNPROVEN)
        move = self._opened(info, storage_class, checks_etag=able.copy_checks_etag)
        try:
            self._copy(move, check)
            self._complete(move)
        except TransientError as error:
            if error.code == _CONFLICT:  # its upload is good for nothing then (API_CompleteMultipartUpload)
                self._give_up(move)
            raise  # else what is copied stays, for the next try
        except BaseException:
            self._give_up(move)
            raise
        self._abort_open(info.key)  # one that the store opened late, after its request had been given up
        made = self._bucket.head(info.key)
        if (made.size, made.crc64) != (info.size, info.crc64):
            raise self._bucket.asked("move", info.key).wrong("the store tells another size or checksum than before.")
        return made

    def _opened(self, info: ObjectInfo, storage_class: str, *, checks_etag: bool) -> _Move:
        """The one that is under way if it is still good; uploads of unknown making are given up, not gone on with."""
        move = self._under_way.get(info.key)
        if move and (move.info.etag, move.storage_class) == (info.etag, storage_class) and self._is_open(move):
            return move
        self._under_way.pop(info.key, None)
        self._abort_open(info.key)
        move = _Move(info, storage_class, self._bucket.begin_anew(info, storage_class), checks_etag)
        self._under_way[info.key] = move
        return move

    def _is_open(self, move: _Move) -> bool:
        try:
            self._bucket.parts(move.info.key, move.upload_id)
        except MissingError:
            return False
        return True

    def _copy(self, move: _Move, check: Callable[[], None]) -> None:
        cut = list(enumerate(pieces(move.info.size), start=1))
        missing = [(number, *piece) for number, piece in cut if number not in move.done]
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="move") as pool:
            try:
                for copied in as_completed(
                    [pool.submit(self._copied, move, *each, is_whole=len(cut) == 1) for each in missing]
                ):
                    part = copied.result()
                    move.done[part.number] = part
                    check()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _copied(self, move: _Move, number: int, offset: int, length: int, *, is_whole: bool) -> PartDone:
        info, asked = move.info, self._bucket.asked(f"copy part {number} of", move.info.key)
        source = CopySource(key=info.key, offset=offset, length=length, etag=info.etag, version_id=info.version_id)
        try:
            told = self._bucket.copy_part(
                info.key, move.upload_id, number, source, checks_etag=move.checks_etag, is_whole=is_whole
            )
        except PermanentError as error:
            raise asked.copy_refused(error) from error
        if told.crc64 is None:
            raise asked.passing("the store does not say what it copied.")
        return PartDone(number=number, offset=offset, length=length, etag=told.etag, crc64=told.crc64)

    def _complete(self, move: _Move) -> None:
        info, parts = move.info, [move.done[number] for number in sorted(move.done)]
        asked = self._bucket.asked("complete upload", info.key)
        if whole((part.crc64, part.length) for part in parts) != info.crc64:
            raise asked.wrong("what the store copied has another checksum than the object. The object stands.")
        now = self._bucket.head(info.key)
        if now.etag != info.etag:
            raise asked.changed(f"its etag is {now.etag}, and {info.etag} was to be moved.")
        try:
            self._bucket.complete_anew(info, move.upload_id, parts)
        except MissingError:  # no such upload: it was completed by a try whose answer was lost, or given up
            now = self._bucket.head(info.key)
            if now.storage_class != move.storage_class or not _is_same(now, info):
                raise

    def _give_up(self, move: _Move) -> None:
        self._under_way.pop(move.info.key, None)
        with suppress(CloudyError):  # the caller's own clean-up does it then
            self._bucket.abort(move.info.key, move.upload_id)

    def _abort_open(self, key: str) -> None:
        for found, _, upload_id in self._bucket.uploads(key):
            if found == key:
                with suppress(MissingError):
                    self._bucket.abort(key, upload_id)

    def _older(self, now: ObjectInfo) -> list[ObjectVersion]:
        """All other versions of the key, also one that a try left which died; what has no id is the object itself."""
        if not now.version_id:
            return []
        found = [each for each in self._bucket.everything(now.key) if each.key == now.key and not each.is_marker]
        return [version for version in found if version.version_id not in ("", now.version_id)]

    def _erase(self, version: ObjectVersion, now: ObjectInfo) -> None:
        """Remove it for good, if it has the very bytes of what stands in its place."""
        seen: ObjectInfo | None = None
        try:
            seen = self._bucket.head(version.key, version.version_id)
            if now.crc64 is not None and (seen.size, seen.crc64) == (now.size, now.crc64):
                self._bucket.delete(version.key, version.version_id)
        except MissingError:
            return
        except DeniedError as error:
            raise dated(error, seen) from error


def _is_same(one: ObjectInfo, other: ObjectInfo) -> bool:
    """Whether they are one object, or have the same bytes by the store's own checksum."""
    return one.etag == other.etag or (one.crc64 is not None and (one.size, one.crc64) == (other.size, other.crc64))
