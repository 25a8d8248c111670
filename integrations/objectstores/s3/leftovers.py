"""What a probe makes, and how all of it goes away again."""

from contextlib import ExitStack

from bot.errors import DeniedError, MissingError
from integrations.objectstores.s3.keeping import KeepingBucket


def create(bucket: KeepingBucket, key: str, removing: ExitStack, *, checked: bool) -> str:
    """Open an upload that is given up at the end, unless it is completed by then."""
    upload_id = bucket.create(key, checked=checked, metadata={})
    removing.callback(abort, bucket, key, upload_id)
    return upload_id


def abort(bucket: KeepingBucket, key: str, upload_id: str) -> None:
    """Give an upload up; completed or gone already is fine."""
    try:
        bucket.abort(key, upload_id)
    except MissingError:
        return


def erase(bucket: KeepingBucket, prefix: str) -> None:
    """Remove what lies there for good; who may not remove versions leaves them to the bucket's own rules."""
    try:
        for each in bucket.everything(prefix):
            bucket.delete(each.key, each.version_id)
    except DeniedError:
        for found in bucket.list(prefix):
            bucket.delete(found.key)
