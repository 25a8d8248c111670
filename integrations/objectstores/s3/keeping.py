"""What a bucket in S3's own terms keeps: versions, markers and locks, and the removal of each."""

from collections.abc import Iterator
from copy import copy
from typing import Any, Self

from bot.errors import DeniedError, PermanentError, RemoteError, TransientError
from bot.model import ObjectLock, ObjectVersion
from integrations.objectstores.s3.wire import UNHEARD_OF, Bucket

_NO_LOCK = ("ObjectLockConfigurationNotFoundError", "404", *UNHEARD_OF)


class KeepingBucket(Bucket):
    """A bucket that may keep what was overwritten or removed, and may refuse to let it go."""

    def locking(self, lock: ObjectLock) -> Self:
        """The same bucket, over the same connections, whose new objects are also locked so."""
        other = copy(self)
        other._options = self._options.locked(lock)  # noqa: SLF001 - our own
        return other

    def lock_rule(self) -> str:
        """How objects are locked: by the target's own setting, or by the bucket's; "" if they are not."""
        if self._options.lock:
            return self._own_lock()
        rule = self._object_lock().get("Rule", {}).get("DefaultRetention", {})
        if not rule:
            return ""
        span = f"{rule['Days']} days" if "Days" in rule else f"{rule.get('Years')} years"
        return f"{rule.get('Mode')}, {span}"

    def locks_all(self) -> bool:
        """Whether the bucket says that it locks all that is written to it. False also where it may not be asked."""
        try:
            return "DefaultRetention" in self._object_lock().get("Rule", {})
        except PermanentError:
            return False

    def _own_lock(self) -> str:
        if not self.can_lock():
            raise self.asked("look at the object lock of", "").failed(
                "the target has a lock, and the bucket cannot lock: switch its Object Lock on, or take lock out."
            )
        return f"{self._options.lock}, {self._options.lock_for.total_seconds() / 86_400:g} days"

    def can_lock(self) -> bool:
        """Whether an object lock may keep something here; who may not know has to look at each object."""
        try:
            return self._object_lock().get("ObjectLockEnabled") == "Enabled"
        except DeniedError:
            return True

    def _object_lock(self) -> dict[str, Any]:
        try:
            with self._asking("look at the object lock of", ""):
                told: Any = self._client.get_object_lock_configuration(Bucket=self._bucket)
        except RemoteError as error:
            if isinstance(error, DeniedError | TransientError) or error.code not in _NO_LOCK:
                raise
            return {}
        return dict(told.get("ObjectLockConfiguration", {}))

    def delete(self, key: str, version_id: str = "") -> None:
        """Remove an object, or one version of it for good; S3 itself does not mind when it is gone."""
        which: dict[str, Any] = {"VersionId": version_id} if version_id else {}
        with self._asking("remove", key):
            self._client.delete_object(Bucket=self._bucket, Key=self._root + key, **which)

    def everything(self, prefix: str) -> Iterator[ObjectVersion]:
        """Every version where the bucket has any, else the objects, in order of key."""
        if self._keeps_versions():
            return self._versions(prefix)
        return (ObjectVersion(key=found.key, size=found.size) for found in self.list(prefix))

    def _keeps_versions(self) -> bool:
        """Whether the bucket keeps older versions, or ever did (S3 never forgets a bucket's versioning)."""
        try:
            with self._asking("look at the versioning of", ""):
                return "Status" in self._client.get_bucket_versioning(Bucket=self._bucket)
        except DeniedError:
            return True  # then the list of versions tells whether they may be seen
        except RemoteError as error:
            if error.code not in UNHEARD_OF:
                raise
            return False

    def _versions(self, prefix: str) -> Iterator[ObjectVersion]:
        """Every version and marker, in order of key and then the newest first, a page at a time."""
        pages = iter(
            self._client.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=self._root + prefix)
        )
        while True:
            with self._asking("list versions of", prefix):
                page = next(pages, None)
            if page is None:
                return
            found: list[Any] = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            for each in sorted(found, key=_newest_first):
                key, version_id = each["Key"].removeprefix(self._root), each["VersionId"]
                size = each.get("Size")
                yield ObjectVersion(key=key, size=size or 0, version_id=version_id, is_marker=size is None)


def _newest_first(listed: Any) -> tuple[str, bool, float]:
    """S3 lists them so, but the SDK puts versions and markers apart."""
    return str(listed["Key"]), not listed.get("IsLatest"), -float(listed["LastModified"].timestamp())
