"""Finds out whether and how an S3 store makes parts of what it has.

A range is copied only from an object of more than 5 MiB (API_UploadPartCopy), so 5 MiB are sent, once for a process.
"""

import hashlib
from contextlib import ExitStack
from dataclasses import dataclass, replace

from bot.errors import IntegrityError, MissingError, PermanentError, TransientError
from bot.model import CopySource, PartCopied, PartDone
from integrations.objectstores.s3.keeping import KeepingBucket
from integrations.objectstores.s3.leftovers import create
from integrations.objectstores.s3.wire import NO_WORD

_PART = 5 << 20
_OTHER_ETAG = "0" * 32
_LAST = bytearray(b"123456789")


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes with their CRC-64/NVME, which is written down here so that nothing is computed."""

    offset: int
    length: int
    crc64: int


SOURCE = Piece(0, _PART + 9, 0xEF2744E56D13433C)
FIRST = Piece(0, _PART, 0xDB763F3B114258E1)
LONGER = Piece(4, _PART + 1, 0x566B9DAF0B696A47)
AS_LONG = Piece(4, _PART, 0x6B6EFC126A59C20E)
LAST = Piece(0, len(_LAST), 0xAE8B14860A799888)
# What comes out: the first piece, one of the others, and the last.
WITH_LONGER = Piece(0, 2 * _PART + 10, 0xB8552A7D13F1A949)
WITH_AS_LONG = Piece(0, 2 * _PART + 9, 0x7DDBEFA4FBE6DAE7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Copying:
    """How a store copies parts, as in Capabilities; equal_parts also where it could not be found out."""

    copies_parts: bool = False
    copy_tells_crc: bool = False
    copy_checks_etag: bool = False
    equal_parts: bool = True


def probe_copies(bucket: KeepingBucket, root: str, removing: ExitStack, *, checks_crc: bool) -> Copying:
    """Copy ranges into parts and look what comes out. Whatever the store refuses, it does not do.

    A role that may not copy is no mistake: then everything is sent. Errors that are not an answer are raised.
    """
    trial = _Trial(bucket, root, removing, checks_crc=checks_crc)
    found = Copying(copies_parts=True, copy_checks_etag=trial.checks_etag())
    tells = trial.makes(LONGER, WITH_LONGER)
    if tells is not None:
        return replace(found, copy_tells_crc=tells, equal_parts=False)
    tells = trial.makes(AS_LONG, WITH_AS_LONG)
    return Copying() if tells is None else replace(found, copy_tells_crc=tells)


def source_body() -> bytes:
    """Make bytes that are nowhere alike, so that another range would be noticed."""
    return hashlib.shake_128(b"cloudy").digest(SOURCE.length)


class _Trial:
    """A source, and what is made of it."""

    def __init__(self, bucket: KeepingBucket, root: str, removing: ExitStack, *, checks_crc: bool) -> None:
        self._bucket = bucket
        self._root = root
        self._removing = removing
        self._checks_crc = checks_crc
        self._body = source_body()
        self._key = f"{root}/source"
        put = bucket.put(self._key, self._body, crc64=SOURCE.crc64 if checks_crc else None, metadata={})
        self._etag = put.etag

    def checks_etag(self) -> bool:
        """Whether a copy with the right etag is made, and one with another refused for that reason."""
        key = f"{self._root}/etags"
        upload_id = create(self._bucket, key, self._removing, checked=self._checks_crc)
        if self._tried(key, upload_id, self._etag) != "":
            return False
        return self._tried(key, upload_id, _OTHER_ETAG) in ("PreconditionFailed", "412")

    def makes(self, second: Piece, whole: Piece) -> bool | None:
        """Whether the right CRCs are told of the copies that an object is made of; None: it is not made rightly."""
        key = f"{self._root}/copied-{second.length}"
        upload_id = create(self._bucket, key, self._removing, checked=self._checks_crc)
        try:
            copied = [self._copy(key, upload_id, 1, FIRST), self._copy(key, upload_id, 2, second)]
            self._complete(key, upload_id, copied, second, whole)
        except (PermanentError, IntegrityError, TransientError) as error:
            self._judge(error, key, upload_id)
            return None
        if not self._is_right(key, second, whole):
            return None
        return self._checks_crc and [told.crc64 for told in copied] == [FIRST.crc64, second.crc64]

    def _tried(self, key: str, upload_id: str, etag: str) -> str:
        """The code of the refusal, or "" where there was none."""
        try:
            self._copy(key, upload_id, 1, FIRST, etag=etag)
        except (PermanentError, TransientError) as error:
            self._judge(error, key, upload_id)
            return error.code or "refused"
        return ""

    def _copy(self, key: str, upload_id: str, number: int, piece: Piece, *, etag: str = "") -> PartCopied:
        source = CopySource(key=self._key, offset=piece.offset, length=piece.length, etag=etag)
        return self._bucket.copy_part(key, upload_id, number, source, checks_etag=bool(etag))

    def _complete(self, key: str, upload_id: str, copied: list[PartCopied], second: Piece, whole: Piece) -> None:
        told = self._bucket.put_part(key, upload_id, 3, _LAST, crc64=LAST.crc64 if self._checks_crc else None)
        etags = [*(part.etag for part in copied), told]
        parts = [
            PartDone(number=number, offset=0, length=piece.length, etag=etag, crc64=piece.crc64)
            for number, (piece, etag) in enumerate(zip((FIRST, second, LAST), etags, strict=True), start=1)
        ]
        crc64 = whole.crc64 if self._checks_crc else None
        self._bucket.complete(key, upload_id, parts, size=whole.length, crc64=crc64, only_new=False)

    def _is_right(self, key: str, second: Piece, whole: Piece) -> bool:
        info = self._bucket.head(key)
        seam = self._bucket.get(key, f"bytes={_PART - 4}-{_PART + 3}")
        return (
            info.size == whole.length
            and (not self._checks_crc or info.crc64 == whole.crc64)
            and seam == self._body[_PART - 4 : _PART] + self._body[second.offset : second.offset + 4]
        )

    def _judge(self, error: Exception, key: str, upload_id: str) -> None:
        """Raise what is no answer: what may pass, and what another process has taken away under our feet."""
        if isinstance(error, TransientError) and error.code != NO_WORD:
            raise error
        if isinstance(error, MissingError):
            self._bucket.head(self._key)
            self._bucket.parts(key, upload_id)
