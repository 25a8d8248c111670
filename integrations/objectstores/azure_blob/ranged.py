"""Ranges of blobs, read into memory that is there; and blobs that are brought back from the archive tier."""

from azure.core import MatchConditions
from azure.storage.blob import RehydratePriority, StandardBlobTier

from bot.errors import ArchivedError, PermanentError
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

    def restore(self, key: str) -> None:
        """Have an archived blob set back to the tier Hot, where it stays; one that is on its way goes on."""
        try:
            with self._asking("bring back", key) as blob:
                blob(key).set_standard_blob_tier(StandardBlobTier.HOT, rehydrate_priority=RehydratePriority.STANDARD)
        except ArchivedError:  # BlobBeingRehydrated
            return
