"""One bucket in S3's own terms, and the only place that asks boto3 anything; errors leave it as ours."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    SSLError,
    SSOError,
    TokenRetrievalError,
)
from botocore.exceptions import (
    ConnectionError as NoConnectionError,
)

from bot.errors import ArchivedError, ConfigError, DeniedError, PermanentError
from bot.model import Content, CopySource, ObjectInfo, PartCopied, PartDone, UploadRule
from integrations.objectstores.body import Body
from integrations.objectstores.s3 import lifecycle
from integrations.objectstores.s3.answers import crc, crc_in, date_in, etag_in, info_of, md5
from integrations.objectstores.s3.client import CONNECT_S, open_client, open_session
from integrations.objectstores.s3.errors import Asked
from integrations.objectstores.s3.metadata import encode_metadata
from integrations.objectstores.s3.options import ARCHIVES, S3Options
from integrations.objectstores.s3.punctual import attend
from integrations.objectstores.s3.rawput import send_raw
from integrations.objectstores.s3.trust import check_authorities, untrusted

_HELPERS = ".cloudy/"
_SMALL = 1 << 20  # bytes whose MD5 costs nothing to speak of
NO_WORD = "no copy result"  # of an answer that was cut, or of a store that sees no copy in a copy
_READ_S = 30
_LONG_READ_S = 300  # completing a large upload can take minutes, and so can copying a large part
_ROLE = "Let these keys assume the target's assume_role (its trust policy, and external_id), or correct it."
_NO_LOGIN = (SSOError, TokenRetrievalError)
_NO_KEYS = (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError)


class Bucket:
    """One bucket under one prefix. Keys are relative to the prefix, etags without quotes, CRCs integers.

    Opening it asks nothing of the network. A CRC of None is neither sent nor asked for.
    Nothing is tried twice here: bot/retry.py does that.
    """

    def __init__(self, target: str, bucket: str, prefix: str, options: S3Options) -> None:
        self.target = target
        self.url = f"s3://{bucket}/{prefix}" if prefix else f"s3://{bucket}"
        self._bucket = bucket
        self._root = f"{prefix}/" if prefix else ""
        try:
            check_authorities(options)
            session = open_session(options)
            self._client = open_client(session, options, read_s=_READ_S)
            self._patient = open_client(session, options, read_s=_LONG_READ_S)
            send_raw(self._client, options, connect_s=CONNECT_S, silence_s=_READ_S)
            attend(self._client, self._patient)
        except (BotoCoreError, ValueError) as error:  # an endpoint that is no URL, a profile that is not there
            raise ConfigError([f"targets.{target}: {error}"]) from error
        self.endpoint = self._client.meta.endpoint_url
        self._options = options
        self._made_with = options.made_with
        self._has_archive = threading.Event()

    def put(self, key: str, body: Content, *, crc64: int | None, metadata: Mapping[str, str]) -> ObjectInfo:
        """Write an object at once."""
        sent: Any = Body(body, self._options.pace)
        with self._asking("write", key):
            answer = self._client.put_object(
                Bucket=self._bucket,
                Key=self._root + key,
                Body=sent,
                Metadata=encode_metadata(metadata),
                **self._sum(body, crc64),
                **self._made(key),
            )
        etag = self._etag_of("write", key, answer)
        return ObjectInfo(key=key, size=len(body), etag=etag, crc64=crc_in(answer), metadata=metadata)

    def create(self, key: str, *, checked: bool, metadata: Mapping[str, str]) -> str:
        """Open a multipart upload and give its id; checked: by CRC-64/NVME of the whole object."""
        with self._asking("open upload", key):
            answer = self._client.create_multipart_upload(
                Bucket=self._bucket,
                Key=self._root + key,
                Metadata=encode_metadata(metadata),
                **(WHOLE_CRC if checked else {}),
                **self._made(key),
            )
        return answer["UploadId"]

    def put_part(self, key: str, upload_id: str, number: int, body: Content, *, crc64: int | None) -> str:
        """Send a part and give its etag; the body is not copied."""
        sent: Any = Body(body, self._options.pace)
        with self._asking(f"send part {number}", key):
            answer = self._client.upload_part(
                Bucket=self._bucket,
                Key=self._root + key,
                UploadId=upload_id,
                PartNumber=number,
                Body=sent,
                **self._sum(body, crc64),
            )
        return self._etag_of(f"send part {number}", key, answer)

    def _etag_of(self, operation: str, key: str, answer: Mapping[str, Any]) -> str:
        """TransientError: an answer that was cut, or one to something else, has none."""
        if etag := etag_in(answer):
            return etag
        raise self.asked(operation, key).wordless(NO_WORD)

    def copy_part(
        self,
        key: str,
        upload_id: str,
        number: int,
        source: CopySource,
        *,
        checks_etag: bool,
        is_whole: bool = False,
    ) -> PartCopied:
        """Make a part of a range of an object; checks_etag: only of the one with that etag.

        is_whole: the range is all of it, which may be small then, but has 5 GiB at most.
        A store may answer well at once and say only later, in that answer, that it could not (API_UploadPartCopy).
        """
        place: Any = {"Bucket": self._bucket, "Key": self._root + source.key}
        if source.version_id:
            place["VersionId"] = source.version_id
        condition: dict[str, Any] = {"CopySourceIfMatch": f'"{source.etag}"'} if checks_etag else {}
        if not is_whole:
            condition["CopySourceRange"] = f"bytes={source.offset}-{source.offset + source.length - 1}"
        operation = f"copy part {number} from {source.key} to"
        with self._asking(operation, key):
            answer: Mapping[str, Any] = self._patient.upload_part_copy(
                Bucket=self._bucket,
                Key=self._root + key,
                UploadId=upload_id,
                PartNumber=number,
                CopySource=place,
                **condition,
            )
        told = answer.get("CopyPartResult", {})
        return PartCopied(etag=self._etag_of(operation, key, told), crc64=crc_in(told))

    def complete(
        self,
        key: str,
        upload_id: str,
        parts: Sequence[PartDone],
        *,
        size: int,
        crc64: int | None,
        only_new: bool,
    ) -> ObjectInfo:
        """Make the object; only_new: refused with PreconditionFailed where the key is taken."""
        whole = ObjectInfo(key=key, size=size, crc64=crc64)
        return self._completed(whole, upload_id, parts, {"IfNoneMatch": "*"} if only_new else {})

    def _completed(
        self, whole: ObjectInfo, upload_id: str, parts: Sequence[PartDone], condition: Mapping[str, str]
    ) -> ObjectInfo:
        is_checked, conditions = whole.crc64 is not None, dict[str, Any](condition)
        if is_checked:
            conditions |= {"ChecksumType": "FULL_OBJECT", "MpuObjectSize": whole.size, **crc(whole.crc64)}
        listed: list[Any] = [
            {"PartNumber": part.number, "ETag": f'"{part.etag}"', **(crc(part.crc64) if is_checked else {})}
            for part in parts
        ]
        with self._asking("complete upload", whole.key):
            answer = self._patient.complete_multipart_upload(
                Bucket=self._bucket,
                Key=self._root + whole.key,
                UploadId=upload_id,
                MultipartUpload={"Parts": listed},
                **conditions,
            )
        return replace(whole, etag=etag_in(answer), crc64=crc_in(answer))

    def abort(self, key: str, upload_id: str) -> None:
        """Give an upload up. MissingError: no such upload."""
        with self._asking("abort upload", key):
            self._client.abort_multipart_upload(Bucket=self._bucket, Key=self._root + key, UploadId=upload_id)

    def parts(self, key: str, upload_id: str) -> dict[int, tuple[str, int]]:
        """Parts that are there: number -> (etag, size).

        SeaweedFS also lists a part that was sent again; of those the latest counts, as far as its whole seconds tell.
        """
        with self._asking("list parts of", key):
            pages = self._client.get_paginator("list_parts").paginate(
                Bucket=self._bucket, Key=self._root + key, UploadId=upload_id
            )
            found = [part for page in pages for part in page.get("Parts", ())]
        found.sort(key=lambda part: part["LastModified"])
        return {part["PartNumber"]: (etag_in(part), part["Size"]) for part in found}

    def uploads(self, prefix: str) -> list[tuple[str, datetime, str]]:
        """Open uploads as (key, when it was opened, id), by key and then the oldest first."""
        found: list[tuple[str, datetime, str]] = []
        with self._asking("list uploads of", prefix):
            pages = self._client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self._bucket, Prefix=self._root + prefix
            )
            for page in pages:
                found += [(each["Key"], each["Initiated"], each["UploadId"]) for each in page.get("Uploads", ())]
        return [(key.removeprefix(self._root), begun_at, upload_id) for key, begun_at, upload_id in sorted(found)]

    def head(self, key: str, version_id: str = "") -> ObjectInfo:
        """Ask for the facts of an object, or of one version of it."""
        which: dict[str, Any] = {"VersionId": version_id} if version_id else {}
        with self._asking("look at", key):
            answer = self._client.head_object(
                Bucket=self._bucket, Key=self._root + key, ChecksumMode="ENABLED", **which
            )
        info = info_of(key, answer)
        if version_id or not info.is_archived or answer.get("Restore") or not self._reads(info):
            return info
        return replace(info, is_archived=False, thaw_hours=0)

    def _reads(self, info: ObjectInfo) -> bool:
        """Whether an object of an archive class is read at once, as on a server that takes the word and has no archive.

        Such a server has no way to bring it back either. One that refuses is not asked again.
        """
        if self._has_archive.is_set() or not info.size or info.storage_class not in ARCHIVES:
            return False
        try:
            self.get(info.key, "bytes=0-0")
        except ArchivedError:
            self._has_archive.set()
            return False
        except DeniedError:  # who may not read it cannot tell
            return False
        return True

    def get(self, key: str, byte_range: str) -> bytes:
        """Read a range ("bytes=0-9"), or everything ("")."""
        ranged: dict[str, Any] = {"Range": byte_range} if byte_range else {}
        with self._asking("read", key):
            answer = self._client.get_object(Bucket=self._bucket, Key=self._root + key, **ranged)
            with answer["Body"] as body:
                return body.read()

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Objects in order of key, a page at a time."""
        pages = iter(
            self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._root + prefix)
        )
        while True:
            with self._asking("list", prefix):
                page = next(pages, None)
            if page is None:
                return
            for each in page.get("Contents", ()):
                yield ObjectInfo(
                    key=each["Key"].removeprefix(self._root),
                    size=each["Size"],
                    etag=etag_in(each),
                    modified_at=each["LastModified"],
                )

    def copy(self, source: str, key: str) -> None:
        """Copy an object within the bucket, by the store itself."""
        directive: dict[str, Any] = {"TaggingDirective": "REPLACE"} if self._options.tags else {}
        with self._asking("copy to", key):
            self._client.copy_object(
                Bucket=self._bucket,
                Key=self._root + key,
                CopySource={"Bucket": self._bucket, "Key": self._root + source},
                **self._made(key),
                **directive,
            )

    def _made(self, key: str) -> dict[str, Any]:
        """How an object is to be made. What Cloudy needs only itself is never locked, for it could not be removed, and
        lies in the usual class, where what is removed soon costs no more.
        """
        lock = self._options.lock
        if key.startswith(_HELPERS):
            return {name: value for name, value in self._made_with.items() if name != "StorageClass"}
        if not lock:
            return self._made_with
        until = datetime.now(UTC) + self._options.lock_for
        return {**self._made_with, "ObjectLockMode": lock, "ObjectLockRetainUntilDate": until}

    def _sum(self, body: Content, crc64: int | None) -> dict[str, Any]:
        """A checksum to send along: what is locked must have one, and MD5 is what every store knows.

        Elsewhere it would cost more than all the rest for large parts; small ones have it as well.
        Source: API_PutObject and API_UploadPart, "Content-MD5", required with Object Lock.
        """
        if crc64 is not None or not (self._options.lock or len(body) <= _SMALL):
            return crc(crc64)
        return md5(body)

    def now(self) -> datetime:
        """What time it is there, by the header Date; an answer that refuses us has it as well.

        So also a store that refuses us because the clocks differ (RequestTimeTooSkewed) tells the time.
        """
        try:
            with self._asking("ask the time of", ""):
                answer: Any = self._client.head_bucket(Bucket=self._bucket)
        except PermanentError as error:
            answer = getattr(error.__cause__, "response", {})
            if date_in(answer) is None:
                raise
        if told := date_in(answer):
            return told
        raise self.asked("ask the time of", "").failed("the store does not tell the time.")

    def upload_rule(self) -> UploadRule:
        """How unfinished uploads are given up by the bucket itself. DeniedError: its rules are not shown."""
        try:
            with self._asking("look at the lifecycle rules of", ""):
                told = self._client.get_bucket_lifecycle_configuration(Bucket=self._bucket)
        except PermanentError as error:
            if error.code in UNHEARD_OF:
                return lifecycle.unknown(self._root)
            if error.code != "NoSuchLifecycleConfiguration":
                raise
            return lifecycle.rule_of((), self._root)
        return lifecycle.rule_of(told.get("Rules", ()), self._root)

    def asked(self, operation: str, key: str) -> Asked:
        """Name a request, for errors."""
        return Asked(self.target, self.url, operation, key)

    @contextmanager
    def _asking(self, operation: str, key: str) -> Iterator[None]:
        asked = self.asked(operation, key)
        try:
            yield
        except ClientError as error:
            if error.operation_name == "AssumeRole":
                raise asked.failed(f"{error}. {_ROLE}", kind=DeniedError) from error
            facts: Mapping[str, Any] = error.response.get("ResponseMetadata", {})
            said = error.response.get("Error", {})
            raise asked.refused(
                str(said.get("Code") or ""),
                str(said.get("Message") or ""),
                int(facts.get("HTTPStatusCode", 0)),
                facts.get("HTTPHeaders", {}),
            ) from error
        except _NO_KEYS as error:
            raise asked.failed(f"{error}. Set the target's access_key and secret_key.", kind=DeniedError) from error
        except _NO_LOGIN as error:
            raise asked.failed(f"{error} Log in anew: aws sso login.", kind=DeniedError) from error
        except SSLError as error:
            raise untrusted(asked, error) from error
        except (NoConnectionError, HTTPClientError, IncompleteReadError) as error:
            raise asked.unreachable(str(error)) from error
        except BotoCoreError as error:
            raise asked.failed(str(error)) from error


UNHEARD_OF = ("NotImplemented", "MethodNotAllowed", "501", "405")  # of stores that keep no versions at all
WHOLE_CRC: dict[str, Any] = {"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "FULL_OBJECT"}
