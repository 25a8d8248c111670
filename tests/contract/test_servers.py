"""What the servers that stand in for S3 and Azure really do, asked by their vendors' plain clients.

What one of them does not do as the real one is asserted too, so that somebody notices when it learns it: then a test
that works around it can go. Which test of Cloudy holds which row is told in docs/object-store-contract.md.
"""

import base64
import hashlib
import itertools
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import (
    BlobBlock,
    BlobImmutabilityPolicyMode,
    ContainerSasPermissions,
    ImmutabilityPolicy,
    StandardBlobTier,
    generate_container_sas,
)
from botocore.exceptions import ClientError

from bot.checksum import crc64
from tests import azurite, peers
from tests.azurite import AzurePeer
from tests.peers import S3Peer

MIB = 1 << 20
BODY = bytes(range(256)) * (6 << 12)  # 6 MiB
_names = itertools.count(1)


def refused(call: Callable[[], object], *codes: str) -> bool:
    """Whether the server says no; with codes, by one of them."""
    try:
        call()
    except ClientError as error:
        told = error.response
        return not codes or told["Error"]["Code"] in codes or str(told["ResponseMetadata"]["HTTPStatusCode"]) in codes
    except HttpResponseError as error:
        code = getattr(error.response, "headers", {}).get("x-ms-error-code", "")
        return not codes or code in codes or str(error.status_code) in codes
    return False


def big(value: int) -> str:
    """A CRC as S3 writes it."""
    return base64.b64encode(value.to_bytes(8, "big")).decode()


# --- S3 ---


class S3:
    """A bucket of one's own for one row."""

    def __init__(self, peer: S3Peer, *, locks: bool = False) -> None:
        self.client = peer.client
        self.bucket = f"row-{next(_names)}"
        self.client.create_bucket(Bucket=self.bucket, **({"ObjectLockEnabledForBucket": True} if locks else {}))

    def put(self, key: str, body: bytes = BODY, **more: Any) -> Any:
        return self.client.put_object(Bucket=self.bucket, Key=key, Body=body, **more)

    def begin(self, key: str = "made", **more: Any) -> dict[str, str]:
        checked = {"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "FULL_OBJECT"}
        told = self.client.create_multipart_upload(Bucket=self.bucket, Key=key, **checked, **more)
        return {"Bucket": self.bucket, "Key": key, "UploadId": told["UploadId"]}

    def part(self, upload: dict[str, str], number: int, body: bytes, **more: Any) -> dict[str, Any]:
        value = big(crc64(body))
        sent = {"ChecksumCRC64NVME": value, **more}
        told = self.client.upload_part(**upload, PartNumber=number, Body=body, **sent)
        return {"PartNumber": number, "ETag": told["ETag"], "ChecksumCRC64NVME": value}

    def copy(self, upload: dict[str, str], first: int, last: int, **more: Any) -> Any:
        return self.client.upload_part_copy(
            **upload,
            PartNumber=1,
            CopySource={"Bucket": self.bucket, "Key": "source"},
            CopySourceRange=f"bytes={first}-{last}",
            **more,
        )["CopyPartResult"]

    def complete(self, upload: dict[str, str], *parts: dict[str, Any], **more: Any) -> Any:
        return self.client.complete_multipart_upload(
            **upload, MultipartUpload={"Parts": list(parts)}, ChecksumType="FULL_OBJECT", **more
        )

    def get(self, key: str = "made", **more: Any) -> bytes:
        return bytes(self.client.get_object(Bucket=self.bucket, Key=key, **more)["Body"].read())


def copies_the_range_that_was_asked_for(s3: S3) -> bool:
    s3.put("source")
    upload = s3.begin()
    told = s3.copy(upload, 7, 5 * MIB + 6)
    s3.complete(upload, {"PartNumber": 1, "ETag": told["ETag"]})
    return s3.get() == BODY[7 : 5 * MIB + 7]


def tells_the_crc_of_what_it_copied(s3: S3) -> bool:
    s3.put("source")
    told = s3.copy(s3.begin(), 7, 5 * MIB + 6)
    return bool(told.get("ChecksumCRC64NVME") == big(crc64(BODY[7 : 5 * MIB + 7])))


def refuses_a_wrong_crc_of_the_whole(s3: S3) -> bool:
    upload = s3.begin()
    part = s3.part(upload, 1, b"123456789")
    return refused(lambda: s3.complete(upload, part, ChecksumCRC64NVME=big(1)), "BadDigest")


def refuses_a_wrong_crc_of_a_part(s3: S3) -> bool:
    return refused(lambda: s3.part(s3.begin(), 1, b"123456789", ChecksumCRC64NVME=big(1)), "BadDigest")


def refuses_a_wrong_size_of_the_whole(s3: S3) -> bool:
    upload = s3.begin()
    part = s3.part(upload, 1, b"123456789")
    return refused(lambda: s3.complete(upload, part, MpuObjectSize=8))


def copies_only_from_the_etag_that_was_named(s3: S3) -> bool:
    s3.put("source")
    return refused(lambda: s3.copy(s3.begin(), 0, 5 * MIB, CopySourceIfMatch='"' + "0" * 32 + '"'), "412")


def refuses_a_range_behind_the_end(s3: S3) -> bool:
    s3.put("source")
    return refused(lambda: s3.copy(s3.begin(), MIB, 7 * MIB))


def refuses_a_range_of_a_small_source(s3: S3) -> bool:
    s3.put("source", b"123456789")
    return refused(lambda: s3.copy(s3.begin(), 0, 3))


def refuses_a_small_part_that_is_not_the_last(s3: S3) -> bool:
    upload = s3.begin()
    parts = [s3.part(upload, number, b"123456789") for number in (1, 2)]
    return refused(lambda: s3.complete(upload, *parts), "EntityTooSmall")


def looks_at_conditions_of_a_put(s3: S3) -> bool:
    etag = s3.put("taken", b"1")["ETag"]
    fresh = refused(lambda: s3.put("taken", b"2", IfNoneMatch="*"), "412")
    other = refused(lambda: s3.put("taken", b"2", IfMatch='"' + "0" * 32 + '"'), "412")
    return fresh and other and not refused(lambda: s3.put("taken", b"2", IfMatch=etag))


def completes_no_taken_key_where_that_was_asked(s3: S3) -> bool:
    s3.put("made", b"1")
    upload = s3.begin()
    part = s3.part(upload, 1, b"123456789")
    return refused(lambda: s3.complete(upload, part, IfNoneMatch="*"), "412")


def lists_uploads_and_their_parts(s3: S3) -> bool:
    upload = s3.begin()
    part = s3.part(upload, 3, b"123456789")
    [found] = s3.client.list_multipart_uploads(Bucket=s3.bucket)["Uploads"]
    [listed] = s3.client.list_parts(**upload)["Parts"]
    there = (listed["PartNumber"], listed["ETag"], listed["Size"]) == (3, part["ETag"], 9)
    return bool(there and found["UploadId"] == upload["UploadId"])


def lists_parts_with_their_crc(s3: S3) -> bool:
    upload = s3.begin()
    s3.part(upload, 1, b"123456789")
    return "ChecksumCRC64NVME" in s3.client.list_parts(**upload)["Parts"][0]


def tells_an_objects_parts(s3: S3) -> bool:
    upload = s3.begin()
    s3.complete(upload, s3.part(upload, 1, BODY), s3.part(upload, 2, b"123456789"))
    try:
        told = s3.client.get_object_attributes(Bucket=s3.bucket, Key="made", ObjectAttributes=["ObjectParts"])
    except ClientError:
        return False
    return bool(told.get("ObjectParts", {}).get("TotalPartsCount") == 2)


def gives_one_part_of_an_object(s3: S3) -> bool:
    upload = s3.begin()
    s3.complete(upload, s3.part(upload, 1, BODY), s3.part(upload, 2, b"123456789"))
    return s3.get(PartNumber=2) == b"123456789"


def takes_a_rule_for_unfinished_uploads(s3: S3) -> bool:
    rule = {
        "ID": "abort", "Status": "Enabled", "Filter": {"Prefix": ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
    }  # fmt: skip
    s3.client.put_bucket_lifecycle_configuration(Bucket=s3.bucket, LifecycleConfiguration={"Rules": [rule]})
    told = s3.client.get_bucket_lifecycle_configuration(Bucket=s3.bucket)["Rules"]
    return bool(told[0]["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] == 7)


def reads_no_archived_object_and_brings_it_back(s3: S3) -> bool:
    s3.put("cold", b"1", StorageClass="GLACIER")
    is_shut = refused(lambda: s3.get("cold"), "InvalidObjectState")
    if is_shut:
        s3.client.restore_object(Bucket=s3.bucket, Key="cold", RestoreRequest={"Days": 1})
    return is_shut and s3.get("cold") == b"1"


def copies_from_no_archived_object(s3: S3) -> bool:
    s3.put("source", StorageClass="GLACIER")
    return refused(lambda: s3.copy(s3.begin(), 0, 5 * MIB))


def takes_a_key_of_kms(s3: S3) -> bool:
    return not refused(lambda: s3.put("sealed", b"1", ServerSideEncryption="aws:kms"))


def completes_only_over_the_etag_that_was_named(s3: S3) -> bool:
    etag = s3.put("made", b"1")["ETag"]
    upload = s3.begin()
    part = s3.part(upload, 1, b"123456789")
    other = refused(lambda: s3.complete(upload, part, IfMatch='"' + "0" * 32 + '"'), "412")
    return other and not refused(lambda: s3.complete(upload, part, IfMatch=etag)) and s3.get() == b"123456789"


def copies_a_small_source_whole(s3: S3) -> bool:
    s3.put("source", b"1")
    upload = s3.begin()
    told = s3.client.upload_part_copy(**upload, PartNumber=1, CopySource={"Bucket": s3.bucket, "Key": "source"})[
        "CopyPartResult"
    ]
    s3.complete(upload, {"PartNumber": 1, "ETag": told["ETag"]})
    return s3.get() == b"1"


def gives_an_object_the_class_metadata_and_tags_of_its_upload(s3: S3) -> bool:
    upload = s3.begin(StorageClass="GLACIER_IR", Metadata={"who": "alice"}, ContentType="text/x-old", Tagging="a=b%20c")
    s3.complete(upload, s3.part(upload, 1, b"123456789"))
    told = s3.client.head_object(Bucket=s3.bucket, Key="made")
    tags = s3.client.get_object_tagging(Bucket=s3.bucket, Key="made")["TagSet"]
    facts = told.get("StorageClass"), told["Metadata"], told["ContentType"], tags
    return facts == ("GLACIER_IR", {"who": "alice"}, "text/x-old", [{"Key": "a", "Value": "b c"}])


def begins_no_upload_of_a_class_that_is_none(s3: S3) -> bool:
    return refused(lambda: s3.begin(StorageClass="NOWHERE"), "InvalidStorageClass")


S3_ROWS: list[tuple[Callable[[S3], bool], bool, bool]] = [  # what it does, and whether moto and SeaweedFS do it
    (copies_the_range_that_was_asked_for, True, True),
    (tells_the_crc_of_what_it_copied, False, True),
    (refuses_a_wrong_crc_of_the_whole, False, True),
    (refuses_a_wrong_crc_of_a_part, False, True),
    (refuses_a_wrong_size_of_the_whole, False, False),
    (copies_only_from_the_etag_that_was_named, False, True),
    (refuses_a_range_behind_the_end, False, True),
    (refuses_a_range_of_a_small_source, False, False),
    (refuses_a_small_part_that_is_not_the_last, True, True),
    (looks_at_conditions_of_a_put, True, True),
    (completes_no_taken_key_where_that_was_asked, True, True),
    (lists_uploads_and_their_parts, True, True),
    (lists_parts_with_their_crc, False, False),
    (tells_an_objects_parts, False, True),
    (gives_one_part_of_an_object, False, True),
    (takes_a_rule_for_unfinished_uploads, True, True),
    (reads_no_archived_object_and_brings_it_back, True, False),
    (copies_from_no_archived_object, False, False),
    (takes_a_key_of_kms, True, False),
    (completes_only_over_the_etag_that_was_named, False, True),
    (copies_a_small_source_whole, True, True),
    (gives_an_object_the_class_metadata_and_tags_of_its_upload, True, True),
    (begins_no_upload_of_a_class_that_is_none, False, False),
]


# --- S3, locks ---


def _lock(s3: S3, key: str, days: int = 3, mode: str = "COMPLIANCE", **more: Any) -> Any:
    retention = {"Mode": mode, "RetainUntilDate": datetime.now(UTC) + timedelta(days=days)}
    return s3.client.put_object_retention(Bucket=s3.bucket, Key=key, Retention=retention, **more)


def _erase(s3: S3, key: str, version: str) -> Any:
    return s3.client.delete_object(Bucket=s3.bucket, Key=key, VersionId=version)


def keeps_a_version_that_is_locked(s3: S3) -> bool:
    version = s3.put("a", b"1")["VersionId"]
    _lock(s3, "a")
    return refused(lambda: _erase(s3, "a", version), "AccessDenied")


def keeps_a_version_that_was_locked_when_it_was_put(s3: S3) -> bool:
    until = datetime.now(UTC) + timedelta(days=3)
    lock = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": until}
    digest = base64.b64encode(hashlib.md5(b"1", usedforsecurity=False).digest()).decode()
    version = s3.put("a", b"1", ContentMD5=digest, **lock)["VersionId"]
    return refused(lambda: _erase(s3, "a", version), "AccessDenied")


def keeps_a_version_that_was_locked_when_its_upload_was_begun(s3: S3) -> bool:
    until = datetime.now(UTC) + timedelta(days=3)
    upload = s3.begin("a", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until)
    s3.complete(upload, s3.part(upload, 1, b"123456789"))
    told = s3.client.head_object(Bucket=s3.bucket, Key="a")
    return told.get("ObjectLockMode") == "COMPLIANCE" and refused(lambda: _erase(s3, "a", told["VersionId"]))


def shortens_no_lock_of_compliance(s3: S3) -> bool:
    s3.put("a", b"1")
    _lock(s3, "a", 9)
    return refused(lambda: _lock(s3, "a", 3))


def keeps_a_version_that_is_held(s3: S3) -> bool:
    version = s3.put("a", b"1")["VersionId"]
    s3.client.put_object_legal_hold(Bucket=s3.bucket, Key="a", LegalHold={"Status": "ON"})
    return refused(lambda: _erase(s3, "a", version), "AccessDenied")


def copies_from_what_is_locked(s3: S3) -> bool:
    s3.put("source")
    _lock(s3, "source")
    return not refused(lambda: s3.copy(s3.begin(), 0, 5 * MIB))


def makes_a_version_of_what_is_overwritten(s3: S3) -> bool:
    return bool(s3.put("a", b"1")["VersionId"] != s3.put("a", b"2")["VersionId"])


def stays_versioned_where_it_locks(s3: S3) -> bool:
    off = {"Status": "Suspended"}
    return refused(lambda: s3.client.put_bucket_versioning(Bucket=s3.bucket, VersioningConfiguration=off))


def _bypassed(s3: S3, mode: str) -> bool:
    version = s3.put("a", b"1")["VersionId"]
    _lock(s3, "a", mode=mode)
    return not refused(
        lambda: s3.client.delete_object(Bucket=s3.bucket, Key="a", VersionId=version, BypassGovernanceRetention=True)
    )


def lets_go_of_governance_for_who_may_bypass_it(s3: S3) -> bool:
    return _bypassed(s3, "GOVERNANCE")


def keeps_compliance_from_everybody(s3: S3) -> bool:
    return not _bypassed(s3, "COMPLIANCE")


def locks_what_a_whole_copy_is_told_to_lock(s3: S3) -> bool:
    s3.put("source", b"1")
    until = datetime.now(UTC) + timedelta(days=3)
    lock = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": until}
    source = {"Bucket": s3.bucket, "Key": "source"}
    if refused(lambda: s3.client.copy_object(Bucket=s3.bucket, Key="a", CopySource=source, **lock)):
        return False
    return "ObjectLockMode" in s3.client.head_object(Bucket=s3.bucket, Key="a")


LOCK_ROWS: list[tuple[Callable[[S3], bool], bool, bool]] = [
    (keeps_a_version_that_is_locked, True, True),
    (keeps_a_version_that_was_locked_when_it_was_put, True, True),
    (keeps_a_version_that_was_locked_when_its_upload_was_begun, False, True),
    (shortens_no_lock_of_compliance, False, True),
    (keeps_a_version_that_is_held, True, True),
    (copies_from_what_is_locked, True, True),
    (makes_a_version_of_what_is_overwritten, True, True),
    (stays_versioned_where_it_locks, False, True),
    (lets_go_of_governance_for_who_may_bypass_it, True, True),
    (keeps_compliance_from_everybody, True, True),
    (locks_what_a_whole_copy_is_told_to_lock, False, False),
]


@pytest.fixture(scope="module", params=[peers.moto, peers.weed], ids=["moto", "seaweedfs"])
def peer(request: pytest.FixtureRequest) -> Iterator[S3Peer]:
    with request.param() as started:
        yield started


@pytest.mark.parametrize(("row", "moto", "weed"), S3_ROWS, ids=lambda value: getattr(value, "__name__", ""))
def test_the_s3_servers_do_and_do_not(peer: S3Peer, row: Callable[[S3], bool], moto: bool, weed: bool) -> None:
    assert row(S3(peer)) == (weed if peer.checks_crc else moto)


@pytest.mark.parametrize(("row", "moto", "weed"), LOCK_ROWS, ids=lambda value: getattr(value, "__name__", ""))
def test_the_s3_servers_lock_and_do_not(peer: S3Peer, row: Callable[[S3], bool], moto: bool, weed: bool) -> None:
    assert row(S3(peer, locks=True)) == (weed if peer.checks_crc else moto)


# --- Azure ---


class Azure:
    """A name of one's own for one row."""

    def __init__(self, peer: AzurePeer) -> None:
        self.peer = peer
        number = next(_names)
        self.blob = peer.client.get_blob_client(f"row-{number}")
        self.source = peer.client.get_blob_client(f"source-{number}")

    def stage(self, body: bytes, crc: int) -> Any:
        headers = {"x-ms-content-crc64": base64.b64encode(crc.to_bytes(8, "little")).decode()}
        return self.blob.stage_block("1", body, length=len(body), headers=headers)

    def copy(self, *, crc: int = 0, etag: str = "", first: int = 2, length: int = 3, signed: bool = True) -> Any:
        headers = {"x-ms-source-content-crc64": base64.b64encode(crc.to_bytes(8, "little")).decode()} if crc else {}
        headers |= {"x-ms-source-if-match": etag} if etag else {}
        url = f"{self.source.url}?{self._sas()}" if signed else self.source.url
        return self.blob.stage_block_from_url("1", url, source_offset=first, source_length=length, headers=headers)

    def _sas(self) -> str:
        account = self.peer.account
        return generate_container_sas(
            account.name,
            account.container,
            account_key=account.key,
            permission=ContainerSasPermissions(read=True),
            expiry=datetime.now(UTC) + timedelta(hours=1),
        )

    def commit(self, **more: Any) -> Any:
        return self.blob.commit_block_list([BlobBlock("1")], **more)

    def read(self) -> bytes:
        return bytes(self.blob.download_blob().readall())


def copies_a_range_into_a_block(azure: Azure) -> bool:
    azure.source.upload_blob(b"123456789")
    azure.copy()
    azure.commit()
    return azure.read() == b"345"


def copies_only_the_crc_that_was_named(azure: Azure) -> bool:
    azure.source.upload_blob(b"123456789")
    azure.copy(crc=crc64(b"345"))
    return refused(lambda: azure.copy(crc=1), "400")


def copies_only_the_etag_that_was_named(azure: Azure) -> bool:
    told = azure.source.upload_blob(b"123456789")
    azure.copy(etag=told["etag"])
    return refused(lambda: azure.copy(etag='"0x1"'), "412")


def tells_the_crc_of_a_copy(azure: Azure) -> bool:
    azure.source.upload_blob(b"123456789")
    return bool(azure.copy()["content_crc64"] == bytearray(crc64(b"345").to_bytes(8, "little")))


def wants_a_token_for_the_source_of_its_own_account_too(azure: Azure) -> bool:
    azure.source.upload_blob(b"123456789")
    return refused(lambda: azure.copy(signed=False), "CannotVerifyCopySource")


def refuses_a_range_that_ends_behind_its_source(azure: Azure) -> bool:
    azure.source.upload_blob(b"123456789")
    return refused(lambda: azure.copy(first=7, length=5))


def refuses_a_wrong_crc_of_a_block(azure: Azure) -> bool:
    azure.stage(b"123456789", crc64(b"123456789"))
    return refused(lambda: azure.stage(b"123456789", 1), "400")


def tells_the_crc_of_a_block(azure: Azure) -> bool:
    told = azure.blob.stage_block("1", b"123456789", length=9)
    return bool(told["content_crc64"] == bytearray(crc64(b"123456789").to_bytes(8, "little")))


def makes_no_blob_of_a_taken_name_where_that_was_asked(azure: Azure) -> bool:
    azure.blob.upload_blob(b"1")
    azure.blob.stage_block("1", b"2")
    return refused(lambda: azure.commit(match_condition=MatchConditions.IfMissing), "BlobAlreadyExists")


def lists_the_blocks_that_wait(azure: Azure) -> bool:
    azure.blob.stage_block("1", b"123456789")
    return [(block.id, block.size) for block in azure.blob.get_block_list("uncommitted")[1]] == [("1", 9)]


def keeps_ids_and_sizes_of_a_blobs_blocks(azure: Azure) -> bool:
    azure.blob.stage_block("1", b"123456789")
    azure.commit()
    return [(block.id, block.size) for block in azure.blob.get_block_list("committed")[0]] == [("1", 9)]


def reads_no_archived_blob(azure: Azure) -> bool:
    azure.blob.upload_blob(b"1")
    azure.blob.set_standard_blob_tier(StandardBlobTier.ARCHIVE)
    return refused(azure.read, "BlobArchived")


def copies_from_no_archived_blob(azure: Azure) -> bool:
    azure.source.upload_blob(b"123456789")
    azure.source.set_standard_blob_tier(StandardBlobTier.ARCHIVE)
    return refused(azure.copy, "409")


def leaves_the_etag_of_a_blob_that_goes_into_another_tier(azure: Azure) -> bool:
    etag = azure.blob.upload_blob(b"1")["etag"]
    azure.blob.set_standard_blob_tier(StandardBlobTier.COLD)
    told = azure.blob.get_blob_properties()
    return (told.etag.strip('"'), told.blob_tier) == (etag.strip('"'), "Cold")


def lists_the_blocks_of_an_archived_blob(azure: Azure) -> bool:
    azure.blob.stage_block("1", b"1")
    azure.commit()
    azure.blob.set_standard_blob_tier(StandardBlobTier.ARCHIVE)
    return not refused(lambda: azure.blob.get_block_list("committed"))


def takes_hours_to_bring_a_blob_back(azure: Azure) -> bool:
    azure.blob.upload_blob(b"1")
    azure.blob.set_standard_blob_tier(StandardBlobTier.ARCHIVE)
    azure.blob.set_standard_blob_tier(StandardBlobTier.HOT)
    return refused(azure.read)


def keeps_what_a_policy_locks(azure: Azure) -> bool:
    policy = ImmutabilityPolicy(
        expiry_time=datetime.now(UTC) + timedelta(days=3), policy_mode=BlobImmutabilityPolicyMode.UNLOCKED
    )
    azure.blob.stage_block("1", b"1")
    azure.commit(immutability_policy=policy)
    return refused(azure.blob.delete_blob)


def keeps_what_is_held(azure: Azure) -> bool:
    azure.blob.stage_block("1", b"1")
    azure.commit(legal_hold=True)
    return refused(azure.blob.delete_blob)


def sets_a_legal_hold(azure: Azure) -> bool:
    azure.blob.upload_blob(b"1")
    return not refused(lambda: azure.blob.set_legal_hold(True))


def keeps_versions(azure: Azure) -> bool:
    return bool(azure.blob.upload_blob(b"1").get("version_id"))


AZURE_ROWS: list[tuple[Callable[[Azure], bool], bool]] = [
    (copies_a_range_into_a_block, True),
    (copies_only_the_crc_that_was_named, True),
    (copies_only_the_etag_that_was_named, True),
    (tells_the_crc_of_a_copy, True),
    (wants_a_token_for_the_source_of_its_own_account_too, True),
    (refuses_a_range_that_ends_behind_its_source, False),
    (refuses_a_wrong_crc_of_a_block, True),
    (tells_the_crc_of_a_block, True),
    (makes_no_blob_of_a_taken_name_where_that_was_asked, True),
    (lists_the_blocks_that_wait, True),
    (keeps_ids_and_sizes_of_a_blobs_blocks, True),
    (reads_no_archived_blob, True),
    (copies_from_no_archived_blob, True),
    (leaves_the_etag_of_a_blob_that_goes_into_another_tier, True),
    (lists_the_blocks_of_an_archived_blob, True),
    (takes_hours_to_bring_a_blob_back, False),
    (keeps_what_a_policy_locks, False),
    (keeps_what_is_held, False),
    (sets_a_legal_hold, False),
    (keeps_versions, False),
]


@pytest.fixture(scope="module")
def account() -> Iterator[AzurePeer]:
    with azurite.azurite() as started:
        yield started


@pytest.mark.parametrize(("row", "does"), AZURE_ROWS, ids=lambda value: getattr(value, "__name__", ""))
def test_azurite_does_and_does_not(account: AzurePeer, row: Callable[[Azure], bool], does: bool) -> None:
    assert row(Azure(account)) == does


# --- the page that tells all of it ---

PAGE = Path(__file__).parents[2] / "docs" / "object-store-contract.md"


def test_the_page_has_every_row_as_the_servers_have_it() -> None:
    page = PAGE.read_text()
    rows: list[tuple[str, tuple[bool, ...]]] = [
        (row.__name__, (moto, weed)) for row, moto, weed in (*S3_ROWS, *LOCK_ROWS)
    ]
    rows += [(row.__name__, (does,)) for row, does in AZURE_ROWS]
    for name, does in rows:
        told = " | ".join("yes" if each else "no" for each in does)
        assert f"\n| {name.replace('_', ' ')} | {told} | " in page


def test_every_test_that_the_page_names_is_there() -> None:
    tests = "".join(file.read_text() for file in PAGE.parents[1].glob("tests/*/test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", PAGE.read_text()))
    assert named
    assert [name for name in sorted(named) if f"def {name}(" not in tests] == []
