"""Parts that the store makes itself of what it has: every promise of `copy_part`, on every adapter and counterpart."""

import random
from dataclasses import replace

import pytest

from bot.checksum import crc64, whole
from bot.errors import ChangedError, IntegrityError, MissingError, PermanentError, RemoteError
from bot.model import CopySource, ObjectInfo, PartCopied, PartDone, PartSource, Upload
from bot.ports import ObjectStore
from tests.contract import test_objectstore as contract

MIB = 1 << 20
WHO = contract.WHO
BASE = random.Random(5).randbytes(11 * MIB + 12345)
PIECE = 5 * MIB
opening, place, store = contract.opening, contract.place, contract.store


@pytest.fixture(autouse=True)
def _only_where_parts_are_copied(store: ObjectStore) -> None:
    if not store.capabilities().copies_parts:
        pytest.skip("this store copies no parts")


def put_base(store: ObjectStore, key: str = "old/disk", body: bytes = BASE) -> ObjectInfo:
    return store.put(key, body, crc64=crc64(body), metadata=WHO)


def source_in(base: ObjectInfo, offset: int, length: int) -> CopySource:
    return CopySource(key=base.key, offset=offset, length=length, etag=base.etag)


def begin(store: ObjectStore, key: str = "new/disk") -> Upload:
    return store.begin_upload(key, metadata=WHO)


def copy(store: ObjectStore, upload: Upload, number: int, source: CopySource) -> PartCopied:
    value = crc64(BASE[source.offset : source.offset + source.length])
    return store.copy_part(upload, number, source, crc64=value)


def copied(number: int, offset: int, source: CopySource, told: PartCopied) -> PartDone:
    value = crc64(BASE[source.offset : source.offset + source.length])
    return PartDone(
        number=number, offset=offset, length=source.length, etag=told.etag, crc64=value, source=PartSource.COPY
    )


def sent(store: ObjectStore, upload: Upload, number: int, offset: int, body: bytes) -> PartDone:
    etag = store.put_part(upload, number, bytearray(body), crc64=crc64(body))
    return PartDone(number=number, offset=offset, length=len(body), etag=etag, crc64=crc64(body))


def complete(store: ObjectStore, upload: Upload, parts: list[PartDone]) -> ObjectInfo:
    return store.complete_upload(
        upload,
        parts,
        size=sum(part.length for part in parts),
        crc64=whole((part.crc64, part.length) for part in parts),
        metadata=WHO,
    )


def test_sent_and_copied_parts_of_unequal_length_make_the_object(store: ObjectStore) -> None:
    base, upload = put_base(store), begin(store)
    new = random.Random(6).randbytes(PIECE)
    first, last = source_in(base, 3, PIECE + 7), source_in(base, 9 * MIB, 321)
    parts = [
        copied(1, 0, first, copy(store, upload, 1, first)),
        sent(store, upload, 2, PIECE + 7, new),
        copied(3, 2 * PIECE + 7, last, copy(store, upload, 3, last)),
    ]
    info = complete(store, upload, parts)
    expected = BASE[3 : PIECE + 10] + new + BASE[9 * MIB : 9 * MIB + 321]
    assert info.size == len(expected)
    assert store.get("new/disk") == expected
    head = store.head("new/disk")
    assert (head.size, dict(head.metadata)) == (len(expected), WHO)
    if store.capabilities().checks_crc:
        assert head.crc64 == crc64(expected)
    assert store.list_uploads("") == ()


def test_the_store_says_itself_what_it_copied(store: ObjectStore) -> None:
    base, upload = put_base(store), begin(store)
    told = store.copy_part(upload, 1, source_in(base, 1000, PIECE), crc64=crc64(b"not what lies there"))
    expected = crc64(BASE[1000 : 1000 + PIECE]) if store.capabilities().copy_tells_crc else None
    assert told.crc64 == expected, "its own word, not the caller's"


def test_a_copied_part_is_listed_as_one_that_was_sent(store: ObjectStore) -> None:
    base, upload = put_base(store), begin(store)
    told = copy(store, upload, 7, source_in(base, 0, PIECE))
    assert store.list_parts(upload) == {7: (told.etag, PIECE)}


def test_a_part_copied_again_or_sent_instead_replaces_the_first(store: ObjectStore) -> None:
    base, upload = put_base(store), begin(store)
    wrong = copy(store, upload, 1, source_in(base, 0, 111))
    source = source_in(base, 5, PIECE)
    first = copied(1, 0, source, copy(store, upload, 1, source))
    assert first.etag != wrong.etag
    copy(store, upload, 2, source_in(base, 6, 222))
    second = sent(store, upload, 2, PIECE, b"sent instead")
    complete(store, upload, [first, second])
    assert store.get("new/disk") == BASE[5 : 5 + PIECE] + b"sent instead"


def test_what_was_copied_stays_when_its_source_is_removed(store: ObjectStore) -> None:
    base, upload = put_base(store), begin(store)
    source = source_in(base, 0, PIECE)
    part = copied(1, 0, source, copy(store, upload, 1, source))
    store.delete(base.key)
    complete(store, upload, [part])
    assert store.get("new/disk") == BASE[:PIECE]


def test_a_source_of_any_name_is_found(store: ObjectStore) -> None:
    base, upload = put_base(store, "old/dir/ä file+&%?#.vmdk"), begin(store)
    copy(store, upload, 1, source_in(base, 0, PIECE))
    assert store.list_parts(upload)[1][1] == PIECE


def test_a_source_that_was_overwritten_is_noticed(place: contract.Place) -> None:
    base, upload = put_base(place.store), begin(place.store)
    place.overwrite(base.key, b"x" + BASE[1:])
    with pytest.raises(ChangedError, match="old/disk"):
        copy(place.store, upload, 1, source_in(base, 0, PIECE))


def test_a_source_of_another_etag_is_noticed(store: ObjectStore) -> None:
    base, upload = put_base(store), begin(store)
    other = put_base(store, "old/other", BASE[::-1])
    with pytest.raises(ChangedError, match="old/disk"):
        copy(store, upload, 1, replace(source_in(base, 0, PIECE), etag=other.etag))


def test_a_source_that_was_cut_is_noticed(place: contract.Place) -> None:
    base, upload = put_base(place.store), begin(place.store)
    place.overwrite(base.key, BASE[: 8 * MIB])
    with pytest.raises(ChangedError, match="old/disk"):
        copy(place.store, upload, 1, source_in(base, 7 * MIB, 2 * MIB))


def test_a_range_behind_the_end_of_its_source_is_noticed(store: ObjectStore) -> None:
    base, upload = put_base(store), begin(store)
    for offset in (len(BASE) - MIB, len(BASE) + MIB):
        with pytest.raises(ChangedError, match="old/disk"):
            copy(store, upload, 1, source_in(base, offset, 2 * MIB))


def test_a_source_that_is_gone_is_missing(store: ObjectStore) -> None:
    base, upload = put_base(store), begin(store)
    store.delete(base.key)
    with pytest.raises(MissingError):
        copy(store, upload, 1, source_in(base, 0, PIECE))


def test_an_upload_that_is_gone_is_missing_to_a_copy_too(place: contract.Place) -> None:
    base, upload = put_base(place.store), begin(place.store)
    place.store.abort_upload(upload)
    with pytest.raises(MissingError if place.misses_uploads else RemoteError):
        copy(place.store, upload, 1, source_in(base, 0, PIECE))


def test_a_source_that_is_too_small_is_refused_with_the_reason_or_copied(store: ObjectStore) -> None:
    """AWS refuses it, the stores that run here do not; see test_s3_lies for the refusal."""
    small, upload = put_base(store, "old/small", BASE[:1000]), begin(store)
    refused = ""
    try:
        copy(store, upload, 1, source_in(small, 0, 1000))
    except PermanentError as error:
        refused = error.message
    assert "5 MiB" in refused or store.list_parts(upload)[1][1] == 1000


def test_a_wrong_copy_in_the_completion_is_refused_where_the_store_checks(store: ObjectStore) -> None:
    """A manifest that lies: a range is said to hold what it does not hold."""
    if not store.capabilities().checks_crc:
        pytest.skip("this store does not check")
    base, upload = put_base(store), begin(store)
    source = source_in(base, 0, PIECE)
    told = store.copy_part(upload, 1, source, crc64=1)
    lie = replace(copied(1, 0, source, told), crc64=crc64(b"another"))
    with pytest.raises(IntegrityError):
        complete(store, upload, [lie])
    assert [info.key for info in store.list("new/")] == []
