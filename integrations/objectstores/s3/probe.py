"""Finds out what an S3 store really does, with a few objects that are always removed again.

Asking is the only way: many stores take a checksum and look at it never.
"""

import secrets
from contextlib import ExitStack

from bot.errors import DeniedError, IntegrityError, MissingError, PermanentError
from bot.model import Capabilities, PartDone
from integrations.objectstores.s3.keeping import KeepingBucket
from integrations.objectstores.s3.leftovers import abort, create, erase
from integrations.objectstores.s3.probe_copies import probe_copies

# The published check value of CRC-64/NVME, so that nothing needs to be computed here.
_BODY = bytearray(b"123456789")
_CRC = 0xAE8B14860A799888
_WRONG_CRC = _CRC ^ 1
_ROOT = ".cloudy/probe-"
_NO_VERSION = ("", "null")  # what is removed is gone at once (S3 User Guide, "Deleting from suspended buckets")


def probe(bucket: KeepingBucket) -> Capabilities:
    """Try right and wrong checksums, at once and in parts, and copies. Errors that are no answer to that are raised.

    What a probe that was killed left behind is removed first. TransientError: another process did so with this one.
    """
    _remove_left(bucket)
    try:
        return _probe(bucket, f"{_ROOT}{secrets.token_hex(8)}")
    except MissingError as error:
        asked = bucket.asked("probe", _ROOT)
        raise asked.passing(f"Another Cloudy probes {bucket.url} at the same time: {error.message}") from error


def _probe(bucket: KeepingBucket, root: str) -> Capabilities:
    with ExitStack() as removing:
        removing.callback(erase, bucket, f"{root}/")
        bucket.put(f"{root}/whole", _BODY, crc64=None, metadata={})  # bucket, keys and rights are fine
        checks_crc = _checks_crc(bucket, root, removing)
        copying = probe_copies(bucket, root, removing, checks_crc=checks_crc)
        return Capabilities(
            checks_crc=checks_crc,
            conditional_complete=_refuses_taken_key(bucket, f"{root}/whole", removing),
            copies_parts=copying.copies_parts,
            copy_tells_crc=copying.copy_tells_crc,
            copy_checks_etag=copying.copy_checks_etag,
            equal_parts=copying.equal_parts,
            locks_all=bucket.locks_all() or _keeps(bucket, f"{root}/whole"),
        )


def _keeps(bucket: KeepingBucket, key: str) -> bool:
    """Whether what is written there cannot be removed for good, for a lock that may not be asked, or lack of rights."""
    version = bucket.head(key).version_id
    try:
        for each in bucket.everything(key):
            bucket.delete(each.key, each.version_id)
    except DeniedError:
        return version not in _NO_VERSION
    return False


def _remove_left(bucket: KeepingBucket) -> None:
    for upload_key, _, upload_id in bucket.uploads(_ROOT):
        abort(bucket, upload_key, upload_id)
    erase(bucket, _ROOT)


def _checks_crc(bucket: KeepingBucket, root: str, removing: ExitStack) -> bool:
    try:
        return _checks_whole(bucket, f"{root}/whole") and _checks_parts(bucket, f"{root}/parts", removing)
    except (DeniedError, MissingError):
        raise
    except PermanentError:  # does not know this checksum
        return False


def _checks_whole(bucket: KeepingBucket, key: str) -> bool:
    try:
        bucket.put(key, _BODY, crc64=_WRONG_CRC, metadata={})
    except IntegrityError:
        bucket.put(key, _BODY, crc64=_CRC, metadata={})
        return bucket.head(key).crc64 == _CRC
    return False


def _checks_parts(bucket: KeepingBucket, key: str, removing: ExitStack) -> bool:
    return (
        _refuses_part(bucket, key, removing)
        and _refuses_whole(bucket, key, removing)
        and _tells_whole(bucket, key, removing)
    )


def _refuses_part(bucket: KeepingBucket, key: str, removing: ExitStack) -> bool:
    upload_id = create(bucket, key, removing, checked=True)
    try:
        bucket.put_part(key, upload_id, 1, _BODY, crc64=_WRONG_CRC)
    except IntegrityError:
        return True
    return False


def _refuses_whole(bucket: KeepingBucket, key: str, removing: ExitStack) -> bool:
    try:
        _send(bucket, key, removing, crc64=_WRONG_CRC)
    except IntegrityError:
        return True
    return False


def _tells_whole(bucket: KeepingBucket, key: str, removing: ExitStack) -> bool:
    _send(bucket, key, removing, crc64=_CRC)
    return bucket.head(key).crc64 == _CRC


def _refuses_taken_key(bucket: KeepingBucket, key: str, removing: ExitStack) -> bool:
    try:
        _send(bucket, key, removing, crc64=None, only_new=True)
    except (DeniedError, MissingError):
        raise
    except PermanentError as error:
        return error.code == "PreconditionFailed"
    return False


def _send(bucket: KeepingBucket, key: str, removing: ExitStack, *, crc64: int | None, only_new: bool = False) -> None:
    """Make an object of one part; crc64 is claimed for the whole, and the part's is right."""
    upload_id = create(bucket, key, removing, checked=crc64 is not None)
    etag = bucket.put_part(key, upload_id, 1, _BODY, crc64=None if crc64 is None else _CRC)
    part = PartDone(number=1, offset=0, length=len(_BODY), etag=etag, crc64=_CRC)
    bucket.complete(key, upload_id, [part], size=len(_BODY), crc64=crc64, only_new=only_new)
