"""One container in Azure's own terms; errors leave it as ours."""

import base64
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Self
from urllib.parse import quote

from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.storage.blob import BlobBlock, BlobClient, BlobProperties, ImmutabilityPolicy, StandardBlobTier
from azure.storage.blob import BlobImmutabilityPolicyMode as Mode

from bot.errors import ArchivedError, CloudyError, DeniedError, PermanentError
from bot.model import Content, CopySource, ObjectInfo, ObjectLock, ObjectVersion
from integrations.objectstores.azure_blob.access import Access
from integrations.objectstores.azure_blob.blocks import Block, read_id
from integrations.objectstores.azure_blob.errors import Asked
from integrations.objectstores.azure_blob.metadata import decode_metadata, encode_metadata
from integrations.objectstores.azure_blob.options import LOCKS, AzureOptions, Location
from integrations.objectstores.body import Body
from integrations.objectstores.sums import whole

HELPERS = ".cloudy/"  # below it lies nothing of a recovery point, so it is neither locked nor in a cooler tier
REHYDRATION_H = 15  # Source: "Blob rehydration from the archive tier", standard priority
_LONG_READ_S = 300  # the service answers a copy, and a long list of blocks, when it has done it
_COPY_POLL_S = 0.5
_LONGEST_SOURCE = 2 << 10  # characters of an address with its token. Source: "Put Block From URL", x-ms-copy-source
_CRC = "cloudy-crc64"  # of the whole, as hex digits: Azure keeps none, and content and metadata change together
_PARTS = "cloudy-parts"  # of how many blocks it was made, where it was
_WRONG_KEY = ("AuthenticationFailed", "AuthorizationFailure")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the container says of locks; it tells no dates of policies of its own."""

    has_policy: bool = False  # of the container: all in it is locked for a time
    is_held: bool = False
    locks_versions: bool = False  # each blob can have a policy of its own

    @property
    def can_lock(self) -> bool:
        """Whether something in it may be locked."""
        return self.has_policy or self.is_held or self.locks_versions


class Container:
    """One container under one prefix. Keys are relative to the prefix, etags without quotes, CRCs integers.

    Opening it asks nothing of the network. Nothing is tried twice here, but for the body of an answer that breaks off,
    which the SDK reads up to three times; no setting of it turns that off.
    """

    def __init__(self, target: str, location: Location, options: AzureOptions) -> None:
        self.target = target
        self.url = location.url
        self.options = options
        self._access = Access(target, location, options)
        self.endpoint = self._access.endpoint
        self._root = f"{location.prefix}/" if location.prefix else ""

    def locking(self, lock: ObjectLock) -> Self:
        """The same container, over the same connections, whose new blobs are also locked so."""
        other = copy(self)
        other.options = self.options.locked(lock)
        return other

    def put(self, key: str, body: Content, *, crc64: int, metadata: Mapping[str, str]) -> str:
        """Write a blob at once and give its etag."""
        self.options.pace(len(body))
        with self._asking("write", key) as blob:
            answer = blob(key).upload_blob(
                bytes(body),
                overwrite=True,
                metadata=encode_metadata({**metadata, _CRC: f"{crc64:016x}"}),
                headers={"x-ms-content-crc64": _base64(crc64)},
                **self._made_with(key),
            )
        _compare(self.asked("write", key), answer, crc64)
        return _etag(answer)

    def stage(self, key: str, block: Block, body: Content) -> None:
        """Send a block, whose id is said to the service with the CRC that it must have; the body is not copied.

        IntegrityError: the service says that it got other bytes, also where it took them all the same.
        """
        sent: Any = Body(body, self.options.pace)
        operation = f"send part {block.number}"
        with self._asking(operation, key) as blob:
            answer = blob(key).stage_block(
                block.id, sent, length=len(body), headers={"x-ms-content-crc64": _base64(block.crc64)}
            )
        _compare(self.asked(operation, key), answer, block.crc64)

    def stage_from(self, key: str, block: Block, source: CopySource, *, is_checked: bool = True) -> int | None:
        """Let the service make a block of a range of a blob, and give the CRC that it tells.

        is_checked: only if the range has the block's CRC. Always: only if the source has the etag.
        """
        headers = {"x-ms-source-if-match": f'"{source.etag}"'}
        if is_checked:
            headers["x-ms-source-content-crc64"] = _base64(block.crc64)
        operation = f"copy part {block.number}"
        with self._asking(operation, key) as blob:
            address = self._signed(blob(source.key), source.version_id)
            if len(address) > _LONGEST_SOURCE:
                raise self.asked(operation, key).failed(
                    f"the address of {source.key} is longer than the 2 KiB that Azure copies from; send it."
                )
            told = blob(key).stage_block_from_url(
                block.id,
                address,
                source_offset=source.offset,
                source_length=source.length,
                headers=headers,
                read_timeout=_LONG_READ_S,
            )
        return _number(told.get("content_crc64"))

    def commit(
        self, key: str, blocks: Sequence[Block], *, crc64: int, metadata: Mapping[str, str], only_new: bool
    ) -> str:
        """Make the blob and give its etag; all blocks that wait there and are not named are dropped.

        only_new: refused with BlobAlreadyExists where the key is taken.
        """
        facts = {**metadata, _CRC: f"{crc64:016x}", _PARTS: str(len(blocks))}
        conditions: dict[str, Any] = {"match_condition": MatchConditions.IfMissing} if only_new else {}
        with self._asking("complete upload", key) as blob:
            answer = blob(key).commit_block_list(
                [BlobBlock(block.id) for block in blocks],
                metadata=encode_metadata(facts),
                read_timeout=_LONG_READ_S,
                **self._made_with(key),
                **conditions,
            )
        return _etag(answer)

    def discard(self, key: str) -> None:
        """Drop all blocks that wait there, in the only way there is: make an empty blob of none of them and remove it.

        PermanentError of code BlobAlreadyExists: there is a blob, which stays as it is, and so do the blocks.
        """
        with self._asking("abort upload", key) as blob:
            made = blob(key).commit_block_list([], match_condition=MatchConditions.IfMissing)
        self.delete(key)
        if made.get("version_id"):
            self.delete(key, str(made["version_id"]))

    def waiting(self, key: str) -> list[Block]:
        """Our blocks that wait there to be made a blob. MissingError: neither blob nor blocks."""
        return [block for block in self._blocks(key, "uncommitted") if block is not None]

    def _blocks(self, key: str, which: str) -> list[Block | None]:
        with self._asking("list parts of", key) as blob:
            committed, waiting = blob(key).get_block_list(which)
        return [read_id(str(each.id), int(each.size or 0)) for each in (*committed, *waiting)]

    def candidates(self, prefix: str) -> list[str]:
        """Keys of empty blobs and of such as are none yet: those that blocks may wait for."""
        found = self._pages("list uploads of", prefix, ["uncommittedblobs"])
        return [each.name.removeprefix(self._root) for each in found if not each.size]

    def head(self, key: str, version_id: str = "", *, with_crc: bool = True) -> ObjectInfo:
        """Ask for the facts of a blob, or of one version of it; that one has no CRC."""
        dates: list[str] = []
        which: dict[str, Any] = {"version_id": version_id} if version_id else {}
        with self._asking("look at", key) as blob:
            facts = blob(key).get_blob_properties(raw_response_hook=lambda told: dates.append(_date(told)), **which)
        metadata = decode_metadata(facts.metadata or {})
        crc64, parts = metadata.pop(_CRC, ""), metadata.pop(_PARTS, "")
        return ObjectInfo(
            key=key,
            size=facts.size,
            etag=str(facts.etag).strip('"'),
            crc64=self._crc(key, crc64, parts) if with_crc and not version_id else None,
            metadata=metadata,
            modified_at=facts.last_modified,
            locked_until=_lock_in(facts, dates),
            is_held=bool(facts.has_legal_hold),
            storage_class="" if facts.blob_tier_inferred else str(facts.blob_tier or ""),
            is_archived=facts.blob_tier == "Archive",
            thaw_hours=REHYDRATION_H if facts.blob_tier == "Archive" else 0,
            version_id=facts.version_id or "",
        )

    def _crc(self, key: str, told: str, parts: str) -> int | None:
        """The CRC that was kept with the content; of one in parts, that which the service's list of them makes.

        None also of one in an archive, whose list the service may keep to itself.
        """
        if not told or not parts:
            return int(told, 16) if told else None
        try:
            listed = [block for block in self._blocks(key, "committed") if block is not None]
        except ArchivedError:
            return None
        made = whole((block.crc64, block.size) for block in listed)
        return made if str(len(listed)) == parts and f"{made:016x}" == told else None

    def get(self, key: str, offset: int, length: int | None) -> bytes:
        """Read a range, or all from offset."""
        with self._asking("read", key) as blob:
            begin = None if not offset and length is None else offset
            return bytes(blob(key).download_blob(offset=begin, length=length).readall())

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Blobs in order of key, a page at a time."""
        for each in self._pages("list", prefix, []):
            yield ObjectInfo(
                key=each.name.removeprefix(self._root),
                size=each.size,
                etag=str(each.etag).strip('"'),
                modified_at=each.last_modified,
            )

    def versions(self, prefix: str) -> Iterator[ObjectVersion]:
        """Every version where the account keeps any, else the blobs, in order of key."""
        for each in self._pages("list versions of", prefix, ["versions"]):
            key = each.name.removeprefix(self._root)
            yield ObjectVersion(key=key, size=each.size or 0, version_id=each.version_id or "")

    def _pages(self, operation: str, prefix: str, include: Sequence[str]) -> Iterator[BlobProperties]:
        with self._asking(operation, prefix):
            found = self._access.client.list_blobs(
                name_starts_with=self._root + prefix, include=[*include] if include else None
            )
        while True:
            with self._asking(operation, prefix):
                each = _next(found)
            if each is None:
                return
            yield each

    def copy(self, source: str, key: str) -> None:
        """Copy a blob within the container, by the service itself, and wait until it is done."""
        with self._asking("copy to", key) as blob:
            blob(key).start_copy_from_url(self._signed(blob(source), ""), **self._made_with(key))
            while (state := blob(key).get_blob_properties().copy).status == "pending":
                time.sleep(_COPY_POLL_S)
        if state.status not in ("success", None):
            raise self.asked("copy to", key).failed(f"the store says {state.status}: {state.status_description}")

    def now(self) -> datetime:
        """What time it is there, by the header Date; an answer that refuses us has it as well.

        So also who may not look at a container (a SAS token of one does not let one), or is too early or late, hears.
        """
        dates: list[str] = []
        try:
            with self._asking("ask the time of", ""):
                self._access.client.get_container_properties(raw_response_hook=lambda told: dates.append(_date(told)))
        except PermanentError:
            if _time_in(dates) is None:
                raise
        if told := _time_in(dates):
            return told
        raise self.asked("ask the time of", "").failed("the store does not tell the time.")

    def rules(self) -> Rules:
        """What the container says of locks. DeniedError: a SAS token of a container does not let one ask."""
        with self._asking("look at the locks of", ""):
            told = self._access.client.get_container_properties()
        return Rules(
            has_policy=bool(told.has_immutability_policy),
            is_held=bool(told.has_legal_hold),
            locks_versions=bool(told.immutable_storage_with_versioning_enabled),
        )

    def is_hierarchical(self) -> bool:
        """Whether the account has a hierarchical namespace, in which folders are objects of their own."""
        with self._asking("look at the account of", ""):
            return bool(self._access.client.get_account_information().get("is_hns_enabled"))

    def delete(self, key: str, version_id: str = "") -> None:
        """Remove a blob with its snapshots, or one version for good. MissingError: gone."""
        which: dict[str, Any] = {"version_id": version_id} if version_id else {"delete_snapshots": "include"}
        with self._asking("remove", key) as blob:
            blob(key).delete_blob(**which)

    def _made_with(self, key: str) -> dict[str, Any]:
        options, made_with = self.options, dict[str, Any]()
        if key.startswith(HELPERS):
            return made_with
        if options.storage_class:
            made_with["standard_blob_tier"] = StandardBlobTier(options.storage_class)
        if options.lock_for:
            until = datetime.now(UTC) + options.lock_for
            made_with["immutability_policy"] = ImmutabilityPolicy(
                expiry_time=until, policy_mode=Mode(LOCKS[options.lock])
            )
        if options.legal_hold:
            made_with["legal_hold"] = True
        return made_with

    def _signed(self, blob: BlobClient, version_id: str) -> str:
        version = f"versionid={quote(version_id)}&" if version_id else ""
        return f"{blob.url.partition('?')[0]}?{version}{self._access.sas()}"

    def asked(self, operation: str, key: str) -> Asked:
        """Name a request, for errors."""
        return Asked(self.target, self.url, operation, key)

    @contextmanager
    def _asking(self, operation: str, key: str) -> Iterator[Callable[[str], BlobClient]]:
        """Turn what goes wrong into ours; the causes are left out, since they may hold a SAS token."""
        asked, client = self.asked(operation, key), self._access.client
        try:
            yield lambda name: client.get_blob_client(self._root + name)
            self._access.worked()
        except HttpResponseError as error:
            raise self._refused(asked, error, client) from None
        except ServiceRequestError as error:
            raise _unsent(asked, str(error)) from None
        except (ServiceResponseError, IncompleteReadError, OSError) as error:  # OSError: what requests raises
            raise asked.unreachable(str(error)) from None
        except AzureError as error:
            raise asked.failed(str(error)) from None

    def _refused(self, asked: Asked, error: HttpResponseError, client: Any) -> CloudyError:
        if error.response is None:
            if isinstance(error, ClientAuthenticationError):
                advice = "Set the target's account_key or sas_token, or give this machine an identity."
                return asked.failed(f"{str(error).splitlines()[0]} {advice}", kind=DeniedError)
            return asked.unreachable(str(error))
        headers: Mapping[str, str] = getattr(error.response, "headers", {})
        code = headers.get("x-ms-error-code", "")
        found = asked.refused(code, str(error.message), error.status_code or 0, headers)
        if code in _WRONG_KEY and self.options.account_key2 and self._access.go_on(client):
            return asked.passing("one of the account's keys was refused; the other one is tried.", code=code)
        return found


def _compare(asked: Asked, answer: Mapping[str, Any], crc64: int) -> None:
    told = _number(answer.get("content_crc64"))
    if told is not None and told != crc64:
        raise asked.wrong(f"the store has CRC-64 {told:016x}, but what was sent has {crc64:016x}.")


def _next(found: Iterator[BlobProperties]) -> BlobProperties | None:
    try:
        return next(found, None)
    except AttributeError as error:  # what the SDK makes of an empty answer where there should be a list
        raise ServiceResponseError("the answer is not what a store says") from error


def _unsent(asked: Asked, why: str) -> CloudyError:
    if "CERTIFICATE_VERIFY_FAILED" in why:
        return asked.failed(f"{why}. Set the target's ca to a file with the certificate of its authority.")
    return asked.unreachable(why)


def _base64(crc64: int) -> str:
    """Write a CRC as Azure wants it: base64 of the little-endian bytes."""
    return base64.b64encode(crc64.to_bytes(8, "little")).decode()


def _number(told: object) -> int | None:
    return int.from_bytes(told, "little") if isinstance(told, bytes | bytearray) and len(told) == 8 else None


def _lock_in(facts: BlobProperties, dates: Sequence[str]) -> datetime | None:
    """Until when it is locked; a lock that is over by the service's own clock is none any more."""
    until: datetime | None = facts.immutability_policy.expiry_time if facts.immutability_policy else None
    told = _time_in(dates)
    return None if until and told and until <= told else until


def _time_in(dates: Sequence[str]) -> datetime | None:
    """What time it is by the service's own clock; None: it does not tell."""
    try:
        return parsedate_to_datetime(dates[-1]).replace(tzinfo=UTC)  # HTTP dates are in GMT (RFC 9110, 5.6.7)
    except (ValueError, TypeError, IndexError):
        return None


def _date(told: Any) -> str:
    return str(told.http_response.headers.get("Date", ""))


def _etag(answer: Mapping[str, Any]) -> str:
    return str(answer.get("etag", "")).strip('"')
