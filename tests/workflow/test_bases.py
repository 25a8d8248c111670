"""What is read of a base, whoever has written it: no more than what Cloudy itself would have written."""

import logging
import os
import zlib
from datetime import UTC, datetime

import pytest

from bot import digests, manifest
from bot.bases import Bases
from bot.checksum import crc64, to_hex
from bot.digests import Digests
from bot.grains import LARGEST, grain_of, most_grains
from bot.model import Actor, Disk, SourceFile, StoredFile
from tests.memory import MemoryStore

POINT, NAME, MIB = "20261123T142233Z-7f3k9q", "vm01/vm01-flat.vmdk", 1 << 20
KEY, DIGESTS = f"{POINT}/tintri/{NAME}", digests.key(POINT, 0)
DISK = os.urandom(MIB) * 2
NOW = datetime(2026, 11, 23, tzinfo=UTC)
FILE = SourceFile(path=NAME, name=NAME, key=KEY, size=len(DISK))


def store(kept: bytes) -> MemoryStore:
    """It has a recovery point with these for its digests."""
    store = MemoryStore("s3")
    value = crc64(DISK)
    file = StoredFile(path=NAME, name=NAME, key=KEY, size=len(DISK), crc64=value, etag="e", digests=DIGESTS)
    written = manifest.Manifest(
        transaction_id=POINT, created_at=NOW, taken_at=NOW, installation="i",
        requester=Actor(id="U1", name="alice", source="slack"), consistency="crash",
        vm=manifest.ProtectedVm(
            uuid="u", name="vm01", vmstore="vmstore", hypervisor="VMWARE", disks=(Disk(uuid="d", name="d", path=NAME),)
        ),
        snapshot_uuid="s", target=store.url, files=(file,), skipped=(), cloudy="1",
    )  # fmt: skip
    store.put(KEY, DISK, crc64=value, metadata={})
    for key, body in ((DIGESTS, kept), (manifest.key(POINT), manifest.encode(written))):
        store.put(key, body, crc64=crc64(body), metadata={})
    return store


def made() -> bytes:
    grains = [grain_of(memoryview(bytearray(DISK[at : at + MIB]))) for at in range(0, len(DISK), MIB)]
    return digests.encode(Digests(key=KEY, size=len(DISK), grain=MIB, body=digests.packed(grains)))


def forged(size: int, grain: int, body: bytes) -> bytes:
    """As somebody would write them who may write into the bucket."""
    head = f'{{"format": 1, "key": "{KEY}", "size": {size}, "grain": {grain}, "crc64": "{to_hex(crc64(body))}"}}\n'
    return head.encode() + zlib.compress(body)


def compared(store: MemoryStore) -> bool:
    return bool(Bases({"s3": (POINT,)}).compare(store, FILE, ()).grain)


def test_right_digests_are_used() -> None:
    assert compared(store(made()))


@pytest.mark.parametrize(("size", "grain"), [(len(DISK), 1), (1 << 40, 1), (1 << 50, MIB)])
def test_a_grain_that_nobody_would_take_is_refused_before_anything_is_inflated(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, size: int, grain: int
) -> None:
    monkeypatch.setattr(digests, "_inflated", lambda _deflated, _length: pytest.fail("inflated"))
    with caplog.at_level(logging.WARNING, logger="bot.bases"):
        assert not compared(store(forged(size, grain, bytes(100))))
    assert "too many" in str([vars(record).get("error") for record in caplog.records])


def test_a_grain_that_would_want_more_memory_than_a_file_may_have_is_not_compared_by(
    caplog: pytest.LogCaptureFixture,
) -> None:
    body = digests.packed([grain_of(memoryview(bytearray(DISK)))])
    with caplog.at_level(logging.WARNING, logger="bot.bases"):
        assert not compared(store(forged(len(DISK), 2 * LARGEST, body)))
    assert "too much memory" in str([vars(record).get("error") for record in caplog.records])


def test_of_a_digest_object_of_any_length_no_more_is_read_than_there_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    longer = store(made())
    asked: dict[str, int | None] = {}
    get = longer.get

    def watched(key: str, offset: int = 0, length: int | None = None) -> bytes:
        asked[key] = length
        return get(key, offset, length)

    monkeypatch.setattr(longer, "get", watched)
    assert compared(longer)
    length = asked[DIGESTS]
    assert length is not None
    assert most_grains(len(DISK)) * 24 < length < 32 * MIB


@pytest.mark.parametrize("count", [0, 1, 5000])
def test_what_does_not_deflate_is_no_longer_than_is_read(count: int) -> None:
    kept = Digests(key=KEY, size=count, grain=1, body=os.urandom(24 * count))
    assert len(digests.encode(kept)) <= digests.longest(count)
