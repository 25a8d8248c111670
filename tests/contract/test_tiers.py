"""Objects that go into another class and stay what they are: every promise of `retier`, on every adapter and peer."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bot import recall
from bot.checksum import crc64
from bot.errors import ArchivedError, ChangedError, ConfigError, MissingError, PermanentError
from bot.model import CopySource, ObjectInfo, StoredFile, Tier
from bot.ports import ObjectStore
from integrations.objectstores import OPENERS
from tests.contract import test_objectstore as contract
from tests.contract.test_objectstore import Place

KEY = "run/disk"
BODY = bytes(range(256)) * 20481  # 5 MiB and 256 bytes: more than AWS wants of what ranges are copied from
opening, place = contract.opening, contract.place


@pytest.fixture
def store(place: Place) -> ObjectStore:
    """One that proves what it copies."""
    if not place.checks_crc:
        pytest.skip("this store proves no copy")
    return place.store


def piece_of(store: ObjectStore) -> int:
    """As long as a part must be there at least."""
    return max(1000, store.limits.smallest)


def long_body(store: ObjectStore) -> bytes:
    """So long that it takes two parts."""
    return BODY[: piece_of(store) + 256]


def make(store: ObjectStore, body: bytes) -> ObjectInfo:
    """Write an object in parts, and look at it."""
    upload, piece = store.begin_upload(KEY, metadata=contract.WHO), piece_of(store)
    cut = [body[:piece], body[piece:]] if len(body) > piece else [body]
    parts = [contract.send(store, upload, bytearray(piece), number) for number, piece in enumerate(cut, start=1)]
    contract.complete(store, upload, parts)
    return store.head(KEY)


@pytest.mark.parametrize("is_long", [True, False], ids=["long", "of one byte"])
def test_an_object_lies_in_another_class_and_is_all_that_it_was(store: ObjectStore, is_long: bool) -> None:
    body = long_body(store) if is_long else b"1"
    made, cold = make(store, body), store.class_of(Tier.COLD)
    moved = store.retier(made, cold)
    now = store.head(KEY)
    assert moved == now
    assert (made.storage_class, now.storage_class, now.is_archived) == ("", cold, False)
    assert (now.size, now.crc64, dict(now.metadata)) == (len(body), crc64(body), contract.WHO)
    assert store.get(KEY) == body
    assert store.list_uploads("") == ()
    assert [each.key for each in store.list_versions("")] == [KEY]


def test_what_reads_it_by_the_manifest_from_before_finds_it_and_copies_from_it(store: ObjectStore) -> None:
    body, piece = long_body(store), piece_of(store)
    made = make(store, body)
    file = StoredFile(path=f"/tintri/{KEY}", name="disk", key=KEY, size=len(body), crc64=crc64(body), etag=made.etag)
    store.retier(made, store.class_of(Tier.COLD))
    found, buffer = recall.look(store, file), bytearray(1000)
    store.get_into(KEY, 7, memoryview(buffer), etag=found.etag)
    assert buffer == body[7:1007]
    source = CopySource(key=KEY, offset=3, length=piece, etag=found.etag, version_id=found.version_id)
    upload, value = store.begin_upload("next/disk", metadata={}), crc64(body[3 : piece + 3])
    assert store.copy_part(upload, 1, source, crc64=value).crc64 == value
    store.abort_upload(upload)


def test_moved_again_it_stays_as_it_is_also_by_what_was_known_before(store: ObjectStore) -> None:
    made, cold = make(store, b"123456789"), store.class_of(Tier.COLD)
    moved = store.retier(made, cold)
    for known in (made, moved):
        assert store.retier(known, cold) == moved


def is_shut(store: ObjectStore) -> bool:
    """Whether the store gives none of its bytes. Some take the word for a class and keep everything in one place."""
    try:
        store.get_into(KEY, 0, memoryview(bytearray(1)), etag=store.head(KEY).etag)
    except ArchivedError:
        return True
    return False


def test_what_is_archived_is_told_if_it_cannot_be_read_and_does_not_come_back_by_this(store: ObjectStore) -> None:
    made = make(store, b"123456789")
    archived = store.retier(store.retier(made, store.class_of(Tier.COLD)), store.class_of(Tier.ARCHIVE))
    now, shut = store.head(KEY), is_shut(store)
    assert (now.storage_class, now.is_archived, now.thaw_hours > 0) == (store.class_of(Tier.ARCHIVE), shut, shut)
    assert (archived.size, archived.crc64, dict(now.metadata)) == (9, crc64(b"123456789"), contract.WHO)
    if shut:
        with pytest.raises(ArchivedError):
            store.retier(now, store.class_of(Tier.COLD))
    assert store.retier(now, store.class_of(Tier.ARCHIVE)) == now
    assert shut or store.thaw(KEY, 1).is_ready
    assert store.list_uploads("") == ()


def test_an_archived_object_of_parts_can_be_looked_at(store: ObjectStore) -> None:
    body = long_body(store)
    store.retier(make(store, body), store.class_of(Tier.ARCHIVE))
    now = store.head(KEY)
    assert (now.is_archived, now.size, now.crc64) == (is_shut(store), len(body), crc64(body))


def test_another_object_that_lies_there_by_now_is_not_touched(place: Place, store: ObjectStore) -> None:
    made = make(store, b"123456789")
    place.overwrite(KEY, b"another")
    with pytest.raises(ChangedError, match=KEY):
        store.retier(made, store.class_of(Tier.COLD))
    assert store.get(KEY) == b"another"
    assert store.head(KEY).storage_class == ""


def test_what_is_gone_is_missing(store: ObjectStore) -> None:
    made = make(store, b"123456789")
    store.delete(KEY)
    with pytest.raises(MissingError):
        store.retier(made, store.class_of(Tier.COLD))


def test_a_class_that_is_none_is_refused_with_those_there_are(store: ObjectStore) -> None:
    made = make(store, b"123456789")
    with pytest.raises(PermanentError, match=store.class_of(Tier.COLD)):
        store.retier(made, "NOWHERE")
    assert store.head(KEY) == made


def test_where_the_store_proves_no_copy_nothing_is_moved(place: Place) -> None:
    if place.checks_crc:
        pytest.skip("this one does")
    made = make(place.store, b"123456789")
    with pytest.raises(PermanentError, match="CRC-64/NVME"):
        place.store.retier(made, place.store.class_of(Tier.COLD))
    assert replace(place.store.head(KEY), modified_at=None) == replace(made, modified_at=None)
    assert place.store.list_uploads("") == ()


# --- what a target can be told ---

S3, AZURE = "s3://bucket/vms", "azure://account/box"


@pytest.mark.parametrize(
    ("url", "options", "cold", "archive"),
    [
        (S3, {}, "GLACIER_IR", "GLACIER"),
        (S3, {"cold_class": "STANDARD_IA", "archive_class": "DEEP_ARCHIVE"}, "STANDARD_IA", "DEEP_ARCHIVE"),
        (AZURE, {}, "Cold", "Archive"),
        (AZURE, {"cold_class": "Cool", "archive_class": "Archive"}, "Cool", "Archive"),
    ],
)
def test_a_tier_has_the_word_of_the_store_or_of_the_target(
    url: str, options: dict[str, object], cold: str, archive: str
) -> None:
    store = OPENERS[url.partition(":")[0]]("cloud", url, options)
    assert (store.class_of(Tier.COLD), store.class_of(Tier.ARCHIVE)) == (cold, archive)


@pytest.mark.parametrize(
    ("url", "options", "told"),
    [
        (S3, {"cold_class": "GLACIER"}, "targets.cloud.cold_class is 'GLACIER'; there are: STANDARD_IA, ONEZONE_IA"),
        (S3, {"archive_class": "GLACIER_IR"}, "targets.cloud.archive_class is 'GLACIER_IR'; there are: GLACIER, DEEP"),
        (S3, {"cold_class": timedelta(1)}, "targets.cloud.cold_class must be a text"),
        (AZURE, {"cold_class": "Archive"}, "targets.cloud.cold_class must be one of Cool, Cold"),
        (AZURE, {"archive_class": "GLACIER"}, "targets.cloud.archive_class must be Archive"),
    ],
)
def test_a_class_that_does_not_do_is_told(url: str, options: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        OPENERS[url.partition(":")[0]]("cloud", url, options)
    assert told in caught.value.message
