"""Takes back what was made in a target under one key. Repeating is safe; what is gone already is fine."""

from bot.errors import DeniedError, MissingError
from bot.model import Upload
from bot.ports import ObjectStore


def abort(target: ObjectStore, key: str, upload_id: str = "") -> None:
    """Give up every upload of that key, also one whose id nobody could note before a crash."""
    for upload in target.list_uploads(key):
        if upload.key == key:
            target.abort_upload(upload)
    if upload_id:
        target.abort_upload(Upload(key=key, upload_id=upload_id))


def erase(target: ObjectStore, key: str) -> bool:
    """Remove an object for good, with its older versions. Who may not do that hides it; then False."""
    try:
        versions = [version for version in target.list_versions(key) if version.key == key]
    except DeniedError:
        has_versions = _has_versions(target, key)
        target.delete(key)
        return not has_versions
    try:
        for version in versions:
            target.erase(version)
    except DeniedError:
        target.delete(key)
        return False
    return True


def _has_versions(target: ObjectStore, key: str) -> bool:
    """Whether removing it would leave something; so it is, too, of what is hidden already."""
    try:
        return bool(target.head(key).version_id)
    except MissingError:
        return True
