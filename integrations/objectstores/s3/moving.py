"""A bucket whose objects are made anew out of themselves, in another storage class."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

from bot.errors import DeniedError, PermanentError, RemoteError, TransientError
from bot.model import ObjectInfo, PartDone, Tier
from integrations.objectstores.s3.answers import etag_in
from integrations.objectstores.s3.options import ARCHIVE, COLD
from integrations.objectstores.s3.ranged import RangedBucket
from integrations.objectstores.s3.wire import UNHEARD_OF, WHOLE_CRC

_KEPT = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "Metadata",
    "SSEKMSKeyId",
    "ServerSideEncryption",
)
_UNTAGGED = ("NoSuchTagSet", *UNHEARD_OF)
_READ_TAGS = "Its tags would be lost. Give this user the right s3:GetObjectTagging (s3:GetObjectVersionTagging)."
_OTHER_LIES_THERE = ("PreconditionFailed", "412")


class MovingBucket(RangedBucket):
    """A bucket that makes an object anew: as it is, but for its class and its etag, and without a lock of its own."""

    def class_of(self, tier: Tier) -> str:
        """S3's word for a tier, as the target says it."""
        options = self._options
        return options.cold_class or COLD if tier is Tier.COLD else options.archive_class or ARCHIVE

    def begin_anew(self, info: ObjectInfo, storage_class: str) -> str:
        """Open an upload that is to make the same object in another class, and give its id.

        ChangedError: another object lies there by now. DeniedError: also where the tags may not be read.
        """
        key, kept = info.key, self._facts(info) | self._tags(info)
        with self._asking(f"open upload for {storage_class} of", key):
            answer = self._client.create_multipart_upload(
                Bucket=self._bucket,
                Key=self._root + key,
                StorageClass=storage_class,  # type: ignore[arg-type] # one of options.COLDS and ARCHIVES
                **WHOLE_CRC,
                **kept,
            )
        return answer["UploadId"]

    def _facts(self, info: ObjectInfo) -> dict[str, Any]:
        """Source: API_HeadObject and API_CreateMultipartUpload; lists and access rights of its own no object has."""
        with self._asking("look at", info.key):
            told: Any = self._client.head_object(Bucket=self._bucket, Key=self._root + info.key, **_version(info))
        if etag_in(told) != info.etag:
            raise self.asked("look at", info.key).changed(
                f"its etag is {etag_in(told)}, and {info.etag} was to be moved."
            )
        facts = {name: told[name] for name in _KEPT if told.get(name)}
        if "SSEKMSKeyId" in facts:
            facts["BucketKeyEnabled"] = bool(told.get("BucketKeyEnabled"))
        return facts

    def _tags(self, info: ObjectInfo) -> dict[str, Any]:
        try:
            with self._asking("read the tags of", info.key):
                told = self._client.get_object_tagging(Bucket=self._bucket, Key=self._root + info.key, **_version(info))
        except DeniedError as error:
            raise self.asked("read the tags of", info.key).failed(
                f"{error.message} {_READ_TAGS}", kind=DeniedError
            ) from error
        except RemoteError as error:
            if isinstance(error, TransientError) or error.code not in _UNTAGGED:
                raise
            return {}
        tags = {each["Key"]: each["Value"] for each in told.get("TagSet", ())}
        return {"Tagging": urlencode(tags, quote_via=quote)} if tags else {}

    def complete_anew(self, info: ObjectInfo, upload_id: str, parts: Sequence[PartDone]) -> None:
        """Put what was made in the place of the object, only if that is still the one with the etag.

        Where the store does not know the condition it is done without: the caller looks right before. IntegrityError:
        the store finds another checksum or size; the object stands as it was. ChangedError. MissingError.
        """
        try:
            self._completed(info, upload_id, parts, {"IfMatch": f'"{info.etag}"'})
        except PermanentError as error:
            if error.code in _OTHER_LIES_THERE:
                raise self.asked("complete upload", info.key).changed(
                    f"{error.message} Another object lies there by now."
                ) from error
            if error.code not in UNHEARD_OF:
                raise
            self._completed(info, upload_id, parts, {})


def _version(info: ObjectInfo) -> dict[str, Any]:
    return {"VersionId": info.version_id} if info.version_id else {}
