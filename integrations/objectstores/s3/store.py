"""The ObjectStore port on S3: what is kept, found again and never made twice."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from datetime import datetime
from threading import Lock

from bot.errors import DeniedError, MissingError, PermanentError, TransientError
from bot.model import (
    Capabilities,
    Content,
    CopySource,
    ObjectInfo,
    ObjectLock,
    ObjectVersion,
    PartCopied,
    PartDone,
    PartLimits,
    Thaw,
    Tier,
    Upload,
    UploadRule,
)
from integrations.objectstores.refusals import dated
from integrations.objectstores.s3.moves import Moves
from integrations.objectstores.s3.moving import MovingBucket
from integrations.objectstores.s3.options import read_options, read_url
from integrations.objectstores.s3.probe import probe

_TAKEN = "PreconditionFailed"
_CONFLICT = "ConditionalRequestConflict"


class S3Store:
    """One bucket under one prefix. Opening it asks nothing of the network."""

    def __init__(self, name: str, bucket: MovingBucket) -> None:
        self.name = name
        self.limits = PartLimits()
        self._bucket = bucket
        self._capabilities: list[Capabilities] = []  # once it is probed, also for who has the same place otherwise
        self._probing = Lock()
        self._moves = Moves(bucket)

    def __repr__(self) -> str:
        return f"S3Store({self.name!r}, {self.url!r})"

    @property
    def url(self) -> str:
        """Where it is, for people."""
        return self._bucket.url

    @property
    def address(self) -> str:
        """Where it is, with the endpoint that is really used."""
        return f"{self._bucket.url} at {self._bucket.endpoint}"

    def now(self) -> datetime:
        """By an answer to a HEAD of the bucket. Repeat: safe, it only reads."""
        return self._bucket.now()

    def capabilities(self) -> Capabilities:
        """Probe the store at the first call; a probe that fails is tried again at the next."""
        with self._probing:
            if not self._capabilities:
                self._capabilities.append(probe(self._bucket))
            return self._capabilities[0]

    def put(self, key: str, body: Content, *, crc64: int, metadata: Mapping[str, str]) -> ObjectInfo:
        """Write an object at once, checked by the store where it can. Repeat: safe."""
        info = self._bucket.put(key, body, crc64=self._checked(crc64), metadata=metadata)
        return self._right(info, len(body), crc64, "write")

    def begin_upload(self, key: str, *, metadata: Mapping[str, str]) -> Upload:
        """Open an upload, or go on with the oldest one of that key; others of it are given up."""
        found = self._open_uploads(key)
        for extra in found[1:]:
            self.abort_upload(extra)
        if found:
            return found[0]
        checked = self.capabilities().checks_crc
        return Upload(key=key, upload_id=self._bucket.create(key, checked=checked, metadata=metadata))

    def put_part(self, upload: Upload, number: int, body: Content, *, crc64: int) -> str:
        """Send a part. Repeat: safe, the later one counts."""
        return self._bucket.put_part(upload.key, upload.upload_id, number, body, crc64=self._checked(crc64))

    def copy_part(
        self,
        upload: Upload,
        number: int,
        source: CopySource,
        *,
        crc64: int,  # noqa: ARG002 - S3 takes none with a copy: the caller compares the answer's
    ) -> PartCopied:
        """Let the store copy a range into a part. Repeat: safe, the later one counts.

        Not asked of a store whose copies the probe found wrong: the part has to be sent.
        """
        able = self.capabilities()
        if not able.copies_parts:
            raise self._bucket.asked("copy part of", source.key).failed("this store copies no parts rightly; send it.")
        try:
            copied = self._bucket.copy_part(
                upload.key, upload.upload_id, number, source, checks_etag=able.copy_checks_etag
            )
        except PermanentError as error:
            raise self._bucket.asked("copy part of", source.key).copy_refused(error) from error
        if not able.copy_checks_etag:
            self._see(source)
        return copied if able.copy_tells_crc else replace(copied, crc64=None)

    def _see(self, source: CopySource) -> None:
        """Look whether it is still what was recorded: the most that can be done where the store does not look."""
        info = self._bucket.head(source.key, source.version_id)
        if info.etag != source.etag or info.size < source.offset + source.length:
            raise self._bucket.asked("copy part of", source.key).changed(
                f"what lies there has {info.size} bytes and etag {info.etag}, recorded was etag {source.etag}."
            )

    def list_parts(self, upload: Upload) -> Mapping[int, tuple[str, int]]:
        """Parts that the store has."""
        return self._bucket.parts(upload.key, upload.upload_id)

    def complete_upload(
        self,
        upload: Upload,
        parts: Sequence[PartDone],
        *,
        size: int,
        crc64: int,
        metadata: Mapping[str, str],  # noqa: ARG002 - S3 took it when the upload was opened
    ) -> ObjectInfo:
        """Make the object. Repeat: safe; an object that is there already must be the one that was to be made.

        An upload of that key that the store opened late, after its request had been given up, is aborted here.
        """
        info = self._complete(upload, parts, size, crc64)
        for extra in self._open_uploads(upload.key):
            self.abort_upload(extra)
        return info

    def _complete(self, upload: Upload, parts: Sequence[PartDone], size: int, crc64: int) -> ObjectInfo:
        try:
            info = self._bucket.complete(
                upload.key,
                upload.upload_id,
                parts,
                size=size,
                crc64=self._checked(crc64),
                only_new=self.capabilities().conditional_complete,
            )
        except MissingError:  # no such upload: completed before, or given up
            return self._ours(upload, parts, size, crc64)
        except TransientError as error:
            if error.code != _CONFLICT:
                raise
            return self._after_conflict(upload, parts, size, crc64, error)
        except PermanentError as error:
            if error.code != _TAKEN:
                raise
            return self._ours(upload, parts, size, crc64)
        return self._right(info, size, crc64, "complete upload")

    def abort_upload(self, upload: Upload) -> None:
        """Give an upload up; gone already is fine."""
        try:
            self._bucket.abort(upload.key, upload.upload_id)
        except MissingError:
            return

    def _open_uploads(self, key: str) -> list[Upload]:
        return [upload for upload in self.list_uploads(key) if upload.key == key]

    def list_uploads(self, prefix: str) -> tuple[Upload, ...]:
        """Unfinished uploads, by key and then the oldest first."""
        return tuple(
            Upload(key=key, upload_id=upload_id, begun_at=begun_at)
            for key, begun_at, upload_id in self._bucket.uploads(prefix)
        )

    def head(self, key: str) -> ObjectInfo:
        """Ask the store for an object's facts."""
        return self._bucket.head(key)

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read a range, shorter where the object ends before."""
        if length == 0:
            return b""
        if offset == 0 and length is None:
            return self._bucket.get(key, "")
        last = "" if length is None else offset + length - 1
        try:
            return self._bucket.get(key, f"bytes={offset}-{last}")
        except PermanentError as error:
            if error.code != "InvalidRange":  # begins behind the end
                raise
            return b""

    def get_into(self, key: str, offset: int, buffer: memoryview, *, etag: str) -> None:
        """Fill the buffer. Repeat: safe."""
        if len(buffer):
            self._bucket.get_into(key, offset, buffer, etag=etag)

    def thaw(self, key: str, days: int) -> Thaw:
        """By RestoreObject, of the usual speed. Repeat: safe; one that is on its way goes on."""
        info = self._bucket.head(key)
        if info.is_archived:
            self._bucket.restore(key, days, info.storage_class)
        return Thaw(is_ready=not info.is_archived, words=f"within {info.thaw_hours} hours" if info.is_archived else "")

    def class_of(self, tier: Tier) -> str:
        """As the target says, else what is read at once or within hours for the least money that does not bind long."""
        return self._bucket.class_of(tier)

    def retier(self, info: ObjectInfo, storage_class: str, *, check: Callable[[], None] = lambda: None) -> ObjectInfo:
        """By an upload of ranges of itself, which the store proves when it takes the object's place. Repeat: safe."""
        return self._moves.move(info, storage_class, self.capabilities, check)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Objects whose key begins with prefix, in order of key."""
        return self._bucket.list(prefix)

    def copy(self, source: str, key: str) -> ObjectInfo:
        """Copy within the bucket. Repeat: safe."""
        self._bucket.copy(source, key)
        return self._bucket.head(key)

    def upload_rule(self) -> UploadRule:
        """By the bucket's lifecycle rules."""
        return self._bucket.upload_rule()

    def by_hand(self, upload: Upload, where: str) -> str:
        """Any S3 tool does it by the upload's id."""
        return f"abort the multipart upload {upload.upload_id} of {where}"

    def lock_rule(self) -> str:
        """The bucket's object lock: how it locks new objects by itself."""
        return self._bucket.lock_rule()

    def locking(self, lock: ObjectLock) -> "S3Store":
        """By a retention that each object is made with."""
        other = copy(self)
        other._bucket = self._bucket.locking(lock)  # noqa: SLF001 - our own
        return other

    def delete(self, key: str) -> None:
        """Remove an object; gone already is fine."""
        try:
            self._bucket.delete(key)
        except MissingError:
            return

    def list_versions(self, prefix: str) -> Iterator[ObjectVersion]:
        """Every version, where the bucket keeps any or ever did; else the objects."""
        return self._bucket.everything(prefix)

    def locks(self, versions: Sequence[ObjectVersion]) -> Iterator[ObjectVersion]:
        """Those that are locked by the store's own clock. S3 tells nothing to who has not the rights to see locks."""
        if not self._bucket.can_lock():
            return
        for version in versions:
            info = None if version.is_marker else self._seen(version)
            if info is not None and (info.locked_until or info.is_held):
                yield replace(version, locked_until=info.locked_until, is_held=info.is_held)

    def _seen(self, version: ObjectVersion) -> ObjectInfo | None:
        try:
            return self._bucket.head(version.key, version.version_id)
        except (MissingError, DeniedError):  # gone since, or not ours to see
            return None

    def erase(self, version: ObjectVersion) -> None:
        """Remove one version; gone already is fine. S3 refuses it without a word of why: the version is asked."""
        try:
            self._bucket.delete(version.key, version.version_id)
        except MissingError:
            return
        except DeniedError as error:
            raise dated(error, None if version.is_marker else self._seen(version)) from error

    def _checked(self, crc64: int) -> int | None:
        return crc64 if self.capabilities().checks_crc else None

    def _right(self, info: ObjectInfo, size: int, crc64: int, operation: str) -> ObjectInfo:
        if info.size != size or info.crc64 not in (None, crc64):
            raise self._bucket.asked(operation, info.key).wrong("the store tells another checksum than what was sent.")
        return info

    def _after_conflict(
        self, upload: Upload, parts: Sequence[PartDone], size: int, crc64: int, conflict: TransientError
    ) -> ObjectInfo:
        """Look who was faster. S3 tells a conflict when two complete the same key at once."""
        try:
            return self._ours(upload, parts, size, crc64)
        except MissingError:
            raise conflict from None

    def _ours(self, upload: Upload, parts: Sequence[PartDone], size: int, crc64: int) -> ObjectInfo:
        info = self.head(upload.key)
        same = info.crc64 == crc64 if info.crc64 is not None else info.etag == _etag_of(parts)
        if info.size != size or not same:
            raise self._bucket.asked("complete upload", upload.key).wrong(
                f"another object lies there already: {info.size} bytes, etag {info.etag}. It is not touched; "
                "find out who wrote it."
            )
        return info


def open_s3(name: str, url: str, options: Mapping[str, object]) -> S3Store:
    """Open the target `name` at "s3://bucket/prefix". ConfigError lists what is wrong with url and options."""
    bucket, prefix = read_url(name, url)
    return S3Store(name, MovingBucket(name, bucket, prefix, read_options(name, options)))


def _etag_of(parts: Sequence[PartDone]) -> str:
    """What S3 makes of an object in parts: the MD5 of the parts' MD5s, and their number."""
    try:
        digests = b"".join(bytes.fromhex(part.etag) for part in parts)
    except ValueError:  # not MD5s there
        return ""
    return f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"
