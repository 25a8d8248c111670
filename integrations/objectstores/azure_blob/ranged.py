"""Ranges of blobs, read into memory that is there; and blobs that go into other access tiers and come back."""

from dataclasses import replace
from typing import Any

from azure.core import MatchConditions
from azure.storage.blob import RehydratePriority, StandardBlobTier

from bot.errors import ArchivedError, PermanentError
from bot.model import ObjectInfo, Tier
from integrations.objectstores.azure_blob.options import ARCHIVES, COLDS
from integrations.objectstores.azure_blob.wire import Container

_CHANGED = ("ConditionNotMet", "InvalidRange")


class RangedContainer(Container):
    """A container whose blobs are read into the caller's memory; the SDK has each answer in its own first."""

    def get_into(self, key: str, offset: int, buffer: memoryview, *, etag: str) -> None:
        """Fill the buffer from offset. ChangedError: there is another blob by now, or it ends before. MissingError."""
        asked, wanted = self.asked("read", key), len(buffer)
        self.options.pace(wanted)
        try:
            with self._asking("read", key) as blob:
                body = (
                    blob(key)
                    .download_blob(
                        offset=offset, length=wanted, etag=f'"{etag}"', match_condition=MatchConditions.IfNotModified
                    )
                    .readall()
                )
        except PermanentError as error:
            if error.code not in _CHANGED:
                raise
            self.head(key, with_crc=False)  # of a blob that is not there the service says the same
            raise asked.changed(f"it is not the one with etag {etag}, or has no such range ({error.code}).") from error
        except ValueError as error:  # what the SDK makes of an answer that does not say which range it is
            raise asked.wrong(f"the store does not say what it gave: {error}") from error
        if len(body) < wanted:
            raise asked.changed(f"it ends {len(body)} bytes behind {offset}, and {wanted} were there.")
        if len(body) > wanted:
            raise asked.wrong(f"the store gave {len(body)} bytes, and not the {wanted} that it was asked for.")
        buffer[:] = body

    def class_of(self, tier: Tier) -> str:
        """Azure's word for a tier, as the target says it."""
        options = self.options
        return options.cold_class or "Cold" if tier is Tier.COLD else options.archive_class or "Archive"

    def set_class(self, info: ObjectInfo, storage_class: str) -> ObjectInfo:
        """Have a blob lie in another access tier, in place: Azure leaves its etag, and no lock minds.

        Source: "Set Blob Tier", which takes no condition; so the etag is looked at right before.
        """
        key, asked, now = info.key, self.asked("move", info.key), self.head(info.key)
        if now.etag != info.etag:
            raise asked.changed(f"its etag is {now.etag}, and {info.etag} was to be moved.")
        if now.storage_class == storage_class:
            return now
        if storage_class not in (*COLDS, *ARCHIVES):
            known = ", ".join((*COLDS, *ARCHIVES))
            raise asked.failed(f"{storage_class} is no access tier to move it to; there are: {known}.")
        if now.is_archived:
            raise asked.failed(f"it lies in {now.storage_class}: bring it back first.", kind=ArchivedError)
        which: dict[str, Any] = {"version_id": now.version_id} if now.version_id else {}
        with self._asking(f"move to {storage_class}", key) as blob:
            blob(key).set_standard_blob_tier(StandardBlobTier(storage_class), **which)
        told = self.head(key, with_crc=False)
        if (told.size, told.etag) != (now.size, now.etag):
            raise asked.wrong(f"it has {told.size} bytes and etag {told.etag} by now.")
        if told.storage_class != storage_class:
            raise asked.failed(f"the store keeps it in {told.storage_class or 'its usual tier'}.")
        return replace(told, crc64=now.crc64)

    def restore(self, key: str) -> None:
        """Have an archived blob set back to the tier Hot, where it stays; one that is on its way goes on."""
        try:
            with self._asking("bring back", key) as blob:
                blob(key).set_standard_blob_tier(StandardBlobTier.HOT, rehydrate_priority=RehydratePriority.STANDARD)
        except ArchivedError:  # BlobBeingRehydrated
            return
