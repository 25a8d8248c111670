"""Takes back what was made in a target under one key. Repeating is safe; what is gone already is fine."""

from bot.errors import DeniedError
from bot.model import Upload
from bot.ports import ObjectStore


def abort(target: ObjectStore, key: str, upload_id: str = "") -> None:
    """Give up every upload of that key, also one whose id nobody could note before a crash."""
    for upload in target.list_uploads(key):
        if upload.key == key:
            target.abort_upload(upload)
    if upload_id:
        target.abort_upload(Upload(key=key, upload_id=upload_id))


def erase(target: ObjectStore, key: str) -> None:
    """Remove an object for good, with its older versions. Who may not remove versions hides it."""
    try:
        for version in target.list_versions(key):
            if version.key == key:
                target.erase(version)
    except DeniedError:
        target.delete(key)
