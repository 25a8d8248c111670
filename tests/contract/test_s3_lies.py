"""What the adapter makes of stores that lie, and of those that are stricter than what runs here."""

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest

from bot.checksum import crc64, whole
from bot.errors import (
    ArchivedError,
    ChangedError,
    CloudyError,
    IntegrityError,
    MissingError,
    PermanentError,
    TransientError,
)
from bot.model import Capabilities, CopySource, ObjectInfo, PartCopied, PartDone, Upload
from bot.ports import ObjectStore
from integrations.objectstores import OPENERS
from integrations.objectstores.s3 import probe_copies
from tests import peers
from tests.contract import s3_liar as lies
from tests.contract.s3_liar import Liar, Lie

MIB = 1 << 20
BASE = random.Random(7).randbytes(6 * MIB)
HONEST = Capabilities(
    checks_crc=True, conditional_complete=True, copies_parts=True, copy_tells_crc=True, copy_checks_etag=True
)


@pytest.fixture(scope="module")
def running() -> Iterator[Liar]:
    with peers.weed() as peer, lies.liar(peer) as server:
        yield server


@pytest.fixture
def liar(running: Liar) -> Iterator[Liar]:
    running.asked.clear()
    yield running
    running.lies = []


@pytest.fixture
def store(liar: Liar, request: pytest.FixtureRequest) -> ObjectStore:
    return OPENERS["s3"]("cloud", liar.peer.url(request.node.name.partition("[")[0]), liar.options)


@pytest.fixture
def trusting(store: Any) -> ObjectStore:
    """As if it were probed while the server was honest."""
    store._capabilities = [HONEST]
    return cast(ObjectStore, store)


def put(store: ObjectStore, body: bytes = BASE, key: str = "old/disk") -> ObjectInfo:
    return store.put(key, body, crc64=crc64(body), metadata={})


def copy(store: ObjectStore, upload: Upload, base: ObjectInfo, number: int = 1) -> PartCopied:
    source = CopySource(key=base.key, offset=3, length=5 * MIB, etag=base.etag)
    return store.copy_part(upload, number, source, crc64=crc64(BASE[3 : 5 * MIB + 3]))


def done(told: PartCopied, value: int = crc64(BASE[3 : 5 * MIB + 3])) -> PartDone:
    return PartDone(number=1, offset=0, length=5 * MIB, etag=told.etag, crc64=value)


# --- what the probe finds out ---


def test_an_honest_server_behind_it_is_what_it_is(store: ObjectStore) -> None:
    assert store.capabilities() == HONEST


@pytest.mark.parametrize(
    ("lie", "found"),
    [
        (lies.no_if_match, replace(HONEST, copy_checks_etag=False)),
        (lies.knows_no_if_match, replace(HONEST, copy_checks_etag=False)),
        (lies.another_crc, replace(HONEST, copy_tells_crc=False)),
        (lies.no_crc, replace(HONEST, copy_tells_crc=False)),
        (lies.wants_equal_parts, replace(HONEST, equal_parts=True)),
        (lies.wants_large_sources, HONEST),
        (lies.wants_the_right_size, HONEST),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_probe_finds_out_how_parts_are_copied(
    store: ObjectStore, liar: Liar, lie: Lie, found: Capabilities
) -> None:
    liar.lies = [lie]
    assert store.capabilities() == found
    liar.lies = []
    assert list(store.list_versions("")) == []
    assert store.list_uploads("") == ()


@pytest.mark.parametrize(
    "lie",
    [
        lies.whole_source,
        lies.other_bytes,
        lies.other_bytes_said_to_be_right,
        lies.refuses_copies(501, "NotImplemented"),
        lies.refuses_copies(403, "AccessDenied"),
        lies.refuses_copies(403, "InvalidObjectState"),
        lies.refuses_copies(404, "NoSuchKey"),
        lies.says_of_copies(b""),
    ],
    ids=["whole source", "other bytes", "said to be right", "501", "403", "archived", "404", "no word"],
)
def test_a_store_whose_copies_are_not_right_copies_none(store: ObjectStore, liar: Liar, lie: Lie) -> None:
    liar.lies = [lie]
    found = store.capabilities()
    assert found == Capabilities(checks_crc=True, conditional_complete=True, equal_parts=True)
    base = put(store)
    assert store.get("old/disk") == BASE
    liar.asked.clear()
    with pytest.raises(PermanentError, match="send it"):
        copy(store, Upload(key="new/disk", upload_id="none"), base)
    assert liar.asked == []
    liar.lies = []
    store.delete("old/disk")
    assert list(store.list_versions("")) == []
    assert store.list_uploads("") == ()


def test_a_probe_that_a_copy_keeps_waiting_is_asked_again(store: ObjectStore, liar: Liar) -> None:
    liar.lies = [lies.refuses_copies(503, "SlowDown")]
    with pytest.raises(TransientError):
        store.capabilities()
    liar.lies = []
    assert store.capabilities() == HONEST


def test_the_checksums_that_the_probe_knows_are_right() -> None:
    body, last = probe_copies.source_body(), bytes(probe_copies._LAST)
    pieces = [probe_copies.SOURCE, probe_copies.FIRST, probe_copies.LONGER, probe_copies.AS_LONG]
    cut = [body[piece.offset : piece.offset + piece.length] for piece in pieces]
    assert [crc64(part) for part in cut] == [piece.crc64 for piece in pieces]
    assert crc64(last) == probe_copies.LAST.crc64
    for second, made in ((cut[2], probe_copies.WITH_LONGER), (cut[3], probe_copies.WITH_AS_LONG)):
        assert (len(cut[1] + second + last), crc64(cut[1] + second + last)) == (made.length, made.crc64)


# --- a profile that trusts no more than it should ---


@pytest.mark.parametrize("lie", [lies.no_if_match, lies.knows_no_if_match])
def test_where_the_store_does_not_look_at_the_source_the_adapter_does(store: ObjectStore, liar: Liar, lie: Lie) -> None:
    liar.lies = [lie]
    base, upload = put(store), store.begin_upload("new/disk", metadata={})
    assert copy(store, upload, base).crc64 == crc64(BASE[3 : 5 * MIB + 3])
    put(store, b"x" + BASE[1:])
    with pytest.raises(ChangedError):
        copy(store, upload, base)


@pytest.mark.parametrize("lie", [lies.another_crc, lies.no_crc])
def test_a_word_that_was_found_wrong_once_is_not_given(store: ObjectStore, liar: Liar, lie: Lie) -> None:
    liar.lies = [lie]
    base, upload = put(store), store.begin_upload("new/disk", metadata={})
    assert copy(store, upload, base).crc64 is None


# --- a store that was honest when it was probed, and lies since ---


@pytest.mark.parametrize("lie", [lies.another_crc, lies.other_bytes, lies.no_crc, lies.whole_source])
def test_the_caller_sees_what_the_store_says_it_copied(trusting: ObjectStore, liar: Liar, lie: Lie) -> None:
    base, upload = put(trusting), trusting.begin_upload("new/disk", metadata={})
    right = crc64(BASE[3 : 5 * MIB + 3])
    assert copy(trusting, upload, base).crc64 == right
    liar.lies = [lie]
    assert copy(trusting, upload, base).crc64 != right


def test_a_source_that_is_overwritten_where_the_condition_is_dropped_is_seen_by_its_checksum(
    trusting: ObjectStore, liar: Liar
) -> None:
    base, upload = put(trusting), trusting.begin_upload("new/disk", metadata={})
    put(trusting, BASE[:4] + b"other" + BASE[9:])
    liar.lies = [lies.no_if_match]
    assert copy(trusting, upload, base).crc64 != crc64(BASE[3 : 5 * MIB + 3])


def test_other_bytes_that_are_said_to_be_right_are_refused_with_the_whole(trusting: ObjectStore, liar: Liar) -> None:
    base, upload = put(trusting), trusting.begin_upload("new/disk", metadata={})
    liar.lies = [lies.other_bytes_said_to_be_right]
    told = copy(trusting, upload, base)
    assert told.crc64 == crc64(BASE[3 : 5 * MIB + 3]), "nothing to be seen yet"
    with pytest.raises(IntegrityError):
        trusting.complete_upload(upload, [done(told)], size=5 * MIB, crc64=told.crc64, metadata={})
    assert list(trusting.list("new/")) == []


def test_a_bit_that_flips_on_its_way_is_refused(trusting: ObjectStore, liar: Liar) -> None:
    upload, body = trusting.begin_upload("new/disk", metadata={}), bytearray(BASE)
    liar.lies = [lies.flips_a_bit]
    with pytest.raises(IntegrityError):
        trusting.put_part(upload, 1, body, crc64=crc64(body))


def test_a_flipped_part_that_a_lax_store_took_is_refused_with_the_whole(trusting: ObjectStore, liar: Liar) -> None:
    upload, body = trusting.begin_upload("new/disk", metadata={}), bytearray(BASE)
    liar.lies = [lies.takes_flipped_parts]
    etag = trusting.put_part(upload, 1, body, crc64=crc64(body))
    part = PartDone(number=1, offset=0, length=len(body), etag=etag, crc64=crc64(body))
    with pytest.raises(IntegrityError):
        trusting.complete_upload(upload, [part], size=len(body), crc64=part.crc64, metadata={})
    assert list(trusting.list("new/")) == []


# --- refusals ---


@pytest.mark.parametrize(
    ("status", "code", "message", "kind", "told"),
    [
        (200, "InternalError", "We encountered an internal error.", TransientError, "InternalError"),
        (200, "NeverHeardOf", "No.", TransientError, "NeverHeardOf"),
        (200, "PreconditionFailed", "At least one.", ChangedError, "old/disk"),
        (200, "NoSuchKey", "Not there.", MissingError, "old/disk"),
        (200, "InvalidObjectState", "Archived.", ArchivedError, "old/disk"),
        (200, "SlowDown", "Slower.", TransientError, "SlowDown"),
        (403, "InvalidObjectState", "Archived.", ArchivedError, "bring it back"),
        (404, "NoSuchVersion", "Not there.", MissingError, "old/disk"),
        (404, "NoSuchUpload", "Not there.", MissingError, "NoSuchUpload"),
        (412, "PreconditionFailed", "At least one.", ChangedError, "old/disk"),
        (416, "InvalidRange", "No such range.", ChangedError, "old/disk"),
        (400, "InvalidArgument", "Range specified is not valid for source object of size: 9", ChangedError, "old/disk"),
        (400, "InvalidArgument", "Something else.", PermanentError, "InvalidArgument"),
        (
            400,
            "InvalidRequest",
            "The specified copy source is not supported as a byte-range copy source",
            PermanentError,
            "more than 5 MiB",
        ),
    ],
)
def test_a_refused_copy_says_whose_fault_it_is(
    trusting: ObjectStore,
    liar: Liar,
    status: int,
    code: str,
    message: str,
    kind: type[CloudyError],
    told: str,
) -> None:
    base, upload = put(trusting), trusting.begin_upload("new/disk", metadata={})
    liar.lies = [lies.refuses_copies(status, code, message)]
    with pytest.raises(CloudyError, match=told) as caught:
        copy(trusting, upload, base)
    assert type(caught.value) is kind


def test_an_answer_that_was_cut_may_pass(trusting: ObjectStore, liar: Liar) -> None:
    base, upload = put(trusting), trusting.begin_upload("new/disk", metadata={})
    for body in (b"", b"<CopyPartResult><ETa", b'<?xml version="1.0"?>\n<CopyPartResult></CopyPartResult>'):
        liar.lies = [lies.says_of_copies(body)]
        with pytest.raises(TransientError):
            copy(trusting, upload, base)


def test_a_small_source_is_refused_as_aws_does_with_the_reason(trusting: ObjectStore, liar: Liar) -> None:
    small, upload = put(trusting, BASE[:1000]), trusting.begin_upload("new/disk", metadata={})
    liar.lies = [lies.wants_large_sources]
    with pytest.raises(PermanentError, match="more than 5 MiB"):
        trusting.copy_part(upload, 1, CopySource(key=small.key, offset=0, length=9, etag=small.etag), crc64=1)


# --- what goes out ---


def test_a_copy_names_range_etag_and_version(trusting: ObjectStore, liar: Liar) -> None:
    base, upload = put(trusting), trusting.begin_upload("new/disk", metadata={})
    liar.asked.clear()
    copy(trusting, upload, base)
    (asked,) = [each for each in liar.asked if each.is_copy]
    assert asked.headers[lies.RANGE] == f"bytes=3-{5 * MIB + 2}"
    assert asked.headers[lies.IF_MATCH] == f'"{base.etag}"'
    source = CopySource(key=base.key, offset=3, length=9, etag=base.etag, version_id="v1")
    with pytest.raises(CloudyError):
        trusting.copy_part(upload, 2, source, crc64=1)
    assert liar.asked[-1].headers["x-amz-copy-source"].endswith("?versionId=v1")


def test_the_completion_carries_every_guard_also_for_copied_parts(trusting: ObjectStore, liar: Liar) -> None:
    base, upload = put(trusting), trusting.begin_upload("new/disk", metadata={})
    told, body = copy(trusting, upload, base), bytearray(b"tail")
    parts = [done(told), PartDone(number=2, offset=5 * MIB, length=4, etag="", crc64=crc64(body))]
    parts[1] = replace(parts[1], etag=trusting.put_part(upload, 2, body, crc64=crc64(body)))
    value = whole((part.crc64, part.length) for part in parts)
    liar.lies = [lies.wants_the_right_size]
    with pytest.raises(IntegrityError):
        trusting.complete_upload(upload, parts, size=5 * MIB + 5, crc64=value, metadata={})
    trusting.complete_upload(upload, parts, size=5 * MIB + 4, crc64=value, metadata={})
    asked = [each for each in liar.asked if each.is_completion][-1]
    assert asked.headers["x-amz-mp-object-size"] == str(5 * MIB + 4)
    assert asked.headers["x-amz-checksum-type"] == "FULL_OBJECT"
    assert asked.headers["if-none-match"] == "*"
    assert "x-amz-checksum-crc64nvme" in asked.headers
    assert asked.body.count(b"<ChecksumCRC64NVME>") == 2


def test_a_copy_may_take_minutes(trusting: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of a large part outlasts the time-out of other calls (measured by others: over 30 s)."""
    base, upload = put(trusting), trusting.begin_upload("new/disk", metadata={})
    seen: list[str] = []
    patient = trusting._bucket._patient
    patient.meta.events.register("before-call.s3.UploadPartCopy", lambda **_told: seen.append("patient"))
    copy(trusting, upload, base)
    assert seen == ["patient"]
    assert patient.meta.config.read_timeout == 300


def test_an_older_version_is_copied_from_although_its_key_is_overwritten(trusting: ObjectStore, liar: Liar) -> None:
    client = liar.peer.client
    client.create_bucket(Bucket="versioned")
    client.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    store = OPENERS["s3"]("cloud", "s3://versioned/vms", liar.options)
    put(store)
    base = store.head("old/disk")
    put(store, b"x" + BASE[1:])
    upload = store.begin_upload("new/disk", metadata={})
    source = CopySource(key=base.key, offset=0, length=5 * MIB, etag=base.etag, version_id=base.version_id)
    assert store.copy_part(upload, 1, source, crc64=1).crc64 == crc64(BASE[: 5 * MIB])
    client.delete_object(Bucket="versioned", Key="vms/old/disk", VersionId=base.version_id)
    with pytest.raises(MissingError):
        store.copy_part(upload, 1, source, crc64=1)
