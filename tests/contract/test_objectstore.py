"""Every promise of the ObjectStore port, on every registered adapter against every counterpart that it has."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot import transfer
from bot.checksum import crc64, whole
from bot.errors import IntegrityError, MissingError, RemoteError
from bot.model import ObjectInfo, PartDone, SourceFile, StoredFile, Upload
from bot.ports import ObjectStore
from bot.transfer import Sent, TransferSettings
from bot.verifying import verify
from integrations.objectstores import OPENERS
from tests import azurite, peers
from tests.memory import Crash, MemoryJournal, MemoryShare, MemoryStore, unwatched

MIB = 1 << 20
COUNTERPARTS: dict[str, tuple[Callable[..., Any], ...]] = {
    "azure": (azurite.azurite,),
    "s3": (peers.moto, peers.weed),
}
PAIRS = [(scheme, start) for scheme, starts in COUNTERPARTS.items() for start in starts]
WHO = {"cloudy-transaction": "20261123T142233Z-7f3k9q", "cloudy-requester": "Zoë  100% & söhne "}
_prefixes = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class Place:
    """An adapter and its counterpart."""

    store: ObjectStore
    overwrite: Callable[[str, bytes], object]  # behind the adapter's back
    checks_crc: bool
    misses_uploads: bool = True


def test_every_registered_store_has_a_counterpart() -> None:
    assert set(OPENERS) == set(COUNTERPARTS)


@pytest.fixture(scope="module", params=[*PAIRS, None], ids=[*(f"{s}-{start.__name__}" for s, start in PAIRS), "memory"])
def opening(request: pytest.FixtureRequest) -> Iterator[Callable[[], Place]]:
    if request.param is None:
        yield _memory
        return
    scheme, start = request.param
    with start() as peer:

        def open_place() -> Place:
            prefix = f"prefix-{next(_prefixes)}"
            return Place(
                store=OPENERS[scheme]("cloud", peer.url(prefix), peer.options),
                overwrite=lambda key, body: peer.overwrite(f"{prefix}/{key}", body),
                checks_crc=peer.checks_crc,
                misses_uploads=peer.misses_uploads,
            )

        yield open_place


def _memory() -> Place:
    store = MemoryStore("cloud")
    return Place(store=store, overwrite=store.overwrite, checks_crc=True)


@pytest.fixture
def place(opening: Callable[[], Place]) -> Place:
    return opening()


@pytest.fixture
def store(place: Place) -> ObjectStore:
    return place.store


def put(store: ObjectStore, key: str, body: bytes) -> ObjectInfo:
    return store.put(key, body, crc64=crc64(body), metadata=WHO)


def begin(store: ObjectStore, key: str = "run/disk") -> Upload:
    return store.begin_upload(key, metadata=WHO)


def bodies() -> list[bytearray]:
    return [bytearray(bytes([number]) * length) for number, length in ((1, 5 * MIB), (2, 5 * MIB), (3, 12345))]


def send(store: ObjectStore, upload: Upload, body: bytearray, number: int) -> PartDone:
    value = crc64(body)
    etag = store.put_part(upload, number, body, crc64=value)
    return PartDone(number=number, offset=5 * MIB * (number - 1), length=len(body), etag=etag, crc64=value)


def complete(store: ObjectStore, upload: Upload, parts: Sequence[PartDone]) -> ObjectInfo:
    return store.complete_upload(
        upload,
        parts,
        size=sum(part.length for part in parts),
        crc64=whole((part.crc64, part.length) for part in parts),
        metadata=WHO,
    )


def send_all(store: ObjectStore, upload: Upload) -> list[PartDone]:
    return [send(store, upload, body, number) for number, body in enumerate(bodies(), start=1)]


def test_what_is_put_is_read_back_whole_and_in_ranges(store: ObjectStore) -> None:
    body = bytes(range(256)) * 10
    info = put(store, "run/dir/ä file+&%.vmx", body)
    assert (info.key, info.size) == ("run/dir/ä file+&%.vmx", 2560)
    assert store.get(info.key) == body
    assert store.get(info.key, 250, 20) == body[250:270]
    assert store.get(info.key, 2500) == body[2500:]
    assert store.get(info.key, 2550, 100) == body[2550:]
    assert store.get(info.key, 10, 0) == b""
    assert store.get(info.key, 2560) == b""


def test_the_store_tells_its_own_time(store: ObjectStore) -> None:
    assert abs(store.now() - datetime.now(UTC)) < timedelta(hours=1)


def test_an_empty_object_is_kept(store: ObjectStore) -> None:
    put(store, "run/empty", b"")
    assert store.head("run/empty").size == 0
    assert store.get("run/empty") == b""


def test_put_again_replaces(store: ObjectStore) -> None:
    put(store, "run/a", b"old")
    put(store, "run/a", b"newer")
    assert store.get("run/a") == b"newer"


def test_head_tells_what_was_put(place: Place) -> None:
    put(place.store, "run/a", b"123456789")
    info = place.store.head("run/a")
    assert (info.size, dict(info.metadata)) == (9, WHO)
    if place.checks_crc:
        assert info.crc64 == 0xAE8B14860A799888


def test_what_is_not_there_is_missing(store: ObjectStore) -> None:
    with pytest.raises(MissingError):
        store.head("run/nothing")
    with pytest.raises(MissingError):
        store.get("run/nothing")
    with pytest.raises(MissingError):
        store.get("run/nothing", 5, 5)


def test_delete_can_be_repeated(store: ObjectStore) -> None:
    put(store, "run/a", b"a")
    store.delete("run/a")
    store.delete("run/a")
    with pytest.raises(MissingError):
        store.head("run/a")


def test_list_gives_keys_under_the_prefix_in_order(store: ObjectStore) -> None:
    for key in ("run2/b", "run/b", "run/a/z", "run/a", "other"):
        put(store, key, key.encode())
    assert [(info.key, info.size) for info in store.list("run/")] == [("run/a", 5), ("run/a/z", 7), ("run/b", 5)]
    assert [info.key for info in store.list("")] == ["other", "run/a", "run/a/z", "run/b", "run2/b"]
    assert list(store.list("nothing")) == []


def test_parts_sent_out_of_order_make_the_object(place: Place) -> None:
    store, upload = place.store, begin(place.store)
    third, first, second = (send(store, upload, bodies()[number - 1], number) for number in (3, 1, 2))
    assert complete(store, upload, [first, second, third]).size == 10 * MIB + 12345
    info = store.head("run/disk")
    assert (info.size, dict(info.metadata)) == (10 * MIB + 12345, WHO)
    assert store.get("run/disk", 5 * MIB - 1, 2) == b"\1\2"
    assert store.get("run/disk", 10 * MIB) == bodies()[2]
    if place.checks_crc:
        assert info.crc64 == crc64(b"".join(bodies()))


def test_a_part_sent_again_replaces_the_first(store: ObjectStore) -> None:
    upload = begin(store)
    first = send(store, upload, bytearray(b"x" * 12345), 1)
    again = send(store, upload, bodies()[2], 1)
    assert store.list_parts(upload)[1] in ((again.etag, 12345), (first.etag, 12345))  # the first, if it is kept too
    complete(store, upload, [again])
    assert store.get("run/disk") == bodies()[2]


def test_list_parts_tells_what_has_arrived(store: ObjectStore) -> None:
    upload = begin(store)
    assert store.list_parts(upload) == {}
    parts = send_all(store, upload)
    assert store.list_parts(upload) == {part.number: (part.etag, part.length) for part in parts}
    store.abort_upload(upload)


def test_complete_again_gives_the_object_that_is_there(store: ObjectStore) -> None:
    upload = begin(store)
    parts = send_all(store, upload)
    first, second = complete(store, upload, parts), complete(store, upload, parts)
    assert (first.key, first.size, first.etag) == (second.key, second.size, second.etag)
    assert store.list_uploads("") == ()


def test_completing_twice_by_two_uploads_makes_one_object_and_leaves_no_upload(store: ObjectStore) -> None:
    first = begin(store)
    complete(store, first, send_all(store, first))
    second = begin(store)
    info = complete(store, second, send_all(store, second))
    assert info.size == 10 * MIB + 12345
    assert store.list_uploads("") == ()


def test_another_object_in_the_way_is_not_touched(store: ObjectStore) -> None:
    put(store, "run/disk", b"somebody else's")
    if not store.capabilities().conditional_complete:
        pytest.skip("this store completes onto a taken key")
    upload = begin(store)
    part = send(store, upload, bytearray(b"ours, and other"), 1)
    with pytest.raises(IntegrityError):
        complete(store, upload, [part])
    assert store.get("run/disk") == b"somebody else's"


def test_an_upload_that_is_gone_is_missing(place: Place) -> None:
    store, upload = place.store, begin(place.store)
    part = send(store, upload, bodies()[2], 1)
    store.abort_upload(upload)
    with pytest.raises(MissingError):
        store.list_parts(upload)
    with pytest.raises(MissingError if place.misses_uploads else RemoteError):
        send(store, upload, bodies()[2], 2)
    with pytest.raises(MissingError if place.misses_uploads else RemoteError):
        complete(store, upload, [part])


def test_abort_can_be_repeated_and_leaves_nothing(store: ObjectStore) -> None:
    upload = begin(store)
    send(store, upload, bodies()[2], 1)
    store.abort_upload(upload)
    store.abort_upload(upload)
    assert store.list_uploads("") == ()
    assert list(store.list("")) == []


def test_begin_twice_leaves_one_open_upload(store: ObjectStore) -> None:
    first, second = begin(store), begin(store)
    assert first == second
    assert store.list_uploads("run/") == (first,)
    store.abort_upload(first)


def test_an_open_upload_tells_when_it_was_begun(place: Place) -> None:
    begin(place.store)
    [upload] = place.store.list_uploads("run/")
    assert upload.begun_at is not None
    if place.misses_uploads:  # moto says a day in 2010 of each
        assert abs(datetime.now(UTC) - upload.begun_at) < timedelta(minutes=5)


def test_begin_does_not_take_an_upload_whose_key_only_begins_alike(store: ObjectStore) -> None:
    longer = begin(store, "run/disk-flat.vmdk")
    shorter = begin(store, "run/disk")
    assert longer.upload_id != shorter.upload_id
    assert set(store.list_uploads("run/disk")) == {shorter, longer}
    assert store.list_uploads("other") == ()
    store.abort_upload(longer)
    store.abort_upload(shorter)


def test_wrong_bytes_are_refused_where_the_store_checks(place: Place) -> None:
    store = place.store
    assert store.capabilities().checks_crc == place.checks_crc
    if not place.checks_crc:
        return
    with pytest.raises(IntegrityError):
        store.put("run/a", b"other bytes", crc64=1, metadata=WHO)
    upload = begin(store)
    with pytest.raises(IntegrityError):
        store.put_part(upload, 1, bytearray(b"other bytes"), crc64=1)
    part = send(store, upload, bytearray(b"bytes"), 1)
    with pytest.raises(IntegrityError):
        store.complete_upload(upload, [part], size=5, crc64=part.crc64 ^ 1, metadata=WHO)
    store.abort_upload(upload)
    assert list(store.list("")) == []


def test_asking_for_capabilities_leaves_nothing_behind(store: ObjectStore) -> None:
    assert store.capabilities() == store.capabilities()
    assert list(store.list("")) == []
    assert store.list_uploads("") == ()


def test_a_flipped_byte_is_found_by_asking_the_store_anew(place: Place) -> None:
    store, upload = place.store, begin(place.store)
    info = complete(store, upload, send_all(store, upload))
    content = b"".join(bodies())
    file = stored(info, content)
    verify(store, file, lambda: None)
    flipped = bytearray(content)
    flipped[6 * MIB] ^= 1
    place.overwrite("run/disk", bytes(flipped))
    with pytest.raises(IntegrityError, match="run/disk"):
        verify(store, file, lambda: None)


def test_a_cut_or_removed_object_is_found_by_asking_the_store_anew(place: Place) -> None:
    file = stored(put(place.store, "run/a", b"123456789"), b"123456789")
    verify(place.store, file, lambda: None)
    place.overwrite("run/a", b"12345678")
    with pytest.raises(IntegrityError, match=r"8 bytes.*9 bytes"):
        verify(place.store, file, lambda: None)
    place.store.delete("run/a")
    with pytest.raises(MissingError):
        verify(place.store, file, lambda: None)


def test_a_transfer_that_died_goes_on_with_the_parts_that_the_store_has(place: Place) -> None:
    share, journal = MemoryShare({"vm01/disk": b"".join(bodies())}), MemoryJournal()
    file = SourceFile(path="vm01/disk", name="disk", key="run/disk", size=10 * MIB + 12345)

    def attempt() -> Sent:
        settings = TransferSettings(threads=1, part_bytes=5 * MIB, metadata=WHO)
        return transfer.send(
            [file],
            share=share,
            targets=[place.store],
            journal=journal,
            settings=settings,
            check=lambda: None,
            on_progress=lambda _: None,
        )

    def die_after_two_parts(call: str) -> None:
        if call == "journal.record done" and len(journal.recorded["cloud", "run/disk"]) == 2:
            raise Crash

    journal.watch = die_after_two_parts
    with pytest.raises(Crash):
        attempt()
    journal.watch = unwatched
    share.reads.clear()
    sent = attempt()
    assert sent.moved.sent == 12345
    verify(place.store, sent.stored["cloud"][0], lambda: None)
    assert place.store.get("run/disk") == b"".join(bodies())
    assert place.store.list_uploads("") == ()


def stored(info: ObjectInfo, content: bytes) -> StoredFile:
    return StoredFile(
        path=f"/tintri/{info.key}", name=info.key, key=info.key, size=info.size, crc64=crc64(content), etag=info.etag
    )
