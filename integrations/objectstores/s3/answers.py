"""What S3 writes into its answers, and how: checksums, etags, locks, classes."""

import base64
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from bot.model import Content, ObjectInfo
from integrations.objectstores.body import views_of
from integrations.objectstores.s3.metadata import decode_metadata
from integrations.objectstores.s3.options import ARCHIVES

# Source: "Understanding archive retrieval options", standard retrievals.
_HOURS = {"GLACIER": 5, "INTELLIGENT_TIERING": 12, "DEEP_ARCHIVE": 12}
_LONGEST_H = 12


def info_of(key: str, answer: Mapping[str, Any]) -> ObjectInfo:
    """Read the facts of an object from the answer to a HEAD."""
    return ObjectInfo(
        key=key,
        size=answer["ContentLength"],
        etag=etag_in(answer),
        crc64=crc_in(answer),
        metadata=decode_metadata(answer.get("Metadata", {})),
        modified_at=answer.get("LastModified"),
        locked_until=_lock_in(answer),
        is_held=answer.get("ObjectLockLegalHoldStatus") == "ON",
        storage_class=str(answer.get("StorageClass", "")),
        is_archived=_is_archived(answer),
        thaw_hours=_HOURS.get(str(answer.get("StorageClass", "")), _LONGEST_H) if _is_archived(answer) else 0,
        version_id=str(answer.get("VersionId", "")),
    )


def crc(crc64: int | None) -> dict[str, Any]:
    """Write a CRC as S3 wants it: base64 of the big-endian bytes."""
    if crc64 is None:
        return {}
    return {"ChecksumCRC64NVME": base64.b64encode(crc64.to_bytes(8, "big")).decode()}


def md5(content: Content) -> dict[str, Any]:
    """The MD5 of what is sent, as S3 wants it."""
    digest = hashlib.md5(usedforsecurity=False)
    for view in views_of(content):
        digest.update(view)
    return {"ContentMD5": base64.b64encode(digest.digest()).decode()}


def crc_in(answer: Mapping[str, Any]) -> int | None:
    """Read the CRC of a whole object or of a part; None where there is none, or one of the parts' CRCs."""
    text = str(answer.get("ChecksumCRC64NVME", ""))
    if not text or "-" in text or answer.get("ChecksumType", "FULL_OBJECT") != "FULL_OBJECT":
        return None
    try:
        return int.from_bytes(base64.b64decode(text, validate=True), "big")
    except ValueError:  # it is no base64, so nobody told a CRC
        return None


def etag_in(answer: Mapping[str, Any]) -> str:
    """Read an etag, without its quotes."""
    return str(answer.get("ETag", "")).strip('"')


def _is_archived(answer: Mapping[str, Any]) -> bool:
    """Whether it must be brought back; one that was has a copy for some days, and S3 says so.

    Source: API_HeadObject, `x-amz-restore` and `x-amz-archive-status` (the archive tiers of INTELLIGENT_TIERING).
    """
    lies_deep = answer.get("StorageClass") in ARCHIVES or bool(answer.get("ArchiveStatus"))
    return lies_deep and 'ongoing-request="false"' not in str(answer.get("Restore", ""))


def _lock_in(answer: Mapping[str, Any]) -> datetime | None:
    """Until when it is locked; S3 goes on to tell of a lock that is over by its own clock, which is none any more."""
    until: datetime | None = answer.get("ObjectLockRetainUntilDate")
    told = date_in(answer)
    return None if until and told and until <= told else until


def date_in(answer: Mapping[str, Any]) -> datetime | None:
    """Read what time it is by the store's own clock; None: it does not tell."""
    told = str(answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", ""))
    try:
        return parsedate_to_datetime(told).replace(tzinfo=UTC)  # HTTP dates are in GMT (RFC 9110, 5.6.7)
    except (ValueError, TypeError):
        return None
