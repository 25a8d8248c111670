"""Removing for good: every version that a store keeps, on real stores with versioning, without it, and with locks."""

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.checksum import crc64
from bot.errors import CloudyError, DeniedError
from bot.model import ObjectVersion
from bot.ports import ObjectStore
from integrations.objectstores import OPENERS
from integrations.objectstores.s3.wire import Bucket
from tests import peers
from tests.memory import MemoryStore
from tests.peers import S3Peer

STARTS: tuple[Callable[[], Any], ...] = (peers.moto, peers.weed)
_numbers = itertools.count(1)


@pytest.fixture(scope="module", params=STARTS, ids=lambda start: start.__name__)
def peer(request: pytest.FixtureRequest) -> Iterator[S3Peer]:
    with request.param() as started:
        yield started


def bucket_in(peer: S3Peer, *, versioned: bool = False, locks: bool = False) -> tuple[ObjectStore, str]:
    name = f"versions-{next(_numbers)}"
    options = {"ObjectLockEnabledForBucket": True} if locks else {}
    peer.client.create_bucket(Bucket=name, **options)
    if versioned:
        peer.client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return OPENERS["s3"]("cloud", f"s3://{name}/vms", peer.options), name


def put(store: ObjectStore, key: str, body: bytes) -> None:
    store.put(key, body, crc64=crc64(body), metadata={})


def erase_all(store: ObjectStore, prefix: str) -> int:
    found = list(store.list_versions(prefix))
    for version in found:
        store.erase(version)
        store.erase(version)  # gone already is fine
    return len(found)


def test_every_version_and_marker_goes_and_nothing_beside_it(peer: S3Peer) -> None:
    store, bucket = bucket_in(peer, versioned=True)
    put(store, "run/a", b"first")
    put(store, "run/a", b"second")
    put(store, "run/b", b"hidden")
    store.delete("run/b")
    put(store, "run2/a", b"another's")
    assert erase_all(store, "run/") == 4
    left = peer.client.list_object_versions(Bucket=bucket)
    assert [each["Key"] for each in left.get("Versions", ())] == ["vms/run2/a"]
    assert left.get("DeleteMarkers", []) == []


def test_a_bucket_without_versions_gives_its_objects(peer: S3Peer) -> None:
    store, _ = bucket_in(peer)
    put(store, "run/a", b"12345")
    assert [(each.key, each.size) for each in store.list_versions("run/")] == [("run/a", 5)]
    assert erase_all(store, "run/") == 1
    assert list(store.list("")) == []


def test_the_store_in_memory_keeps_the_same_promise() -> None:
    store = MemoryStore("cloud")
    put(store, "run/a", b"12345")
    assert erase_all(store, "run/") == 1
    assert store.objects == {}


def test_a_lock_is_told_and_keeps_the_object() -> None:
    with peers.moto() as peer:
        store, bucket = bucket_in(peer, locks=True)
        put(store, "run/a", b"locked")
        until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
        retention = {"Mode": "COMPLIANCE", "RetainUntilDate": until}
        peer.client.put_object_retention(Bucket=bucket, Key="vms/run/a", Retention=retention)
        assert store.head("run/a").locked_until == until
        (version,) = store.list_versions("run/")
        with pytest.raises(DeniedError):
            store.erase(version)
        assert [each.key for each in store.list("run/")] == ["run/a"]


def test_a_legal_hold_is_told() -> None:
    with peers.moto() as peer:
        store, bucket = bucket_in(peer, locks=True)
        put(store, "run/a", b"held")
        assert not store.head("run/a").is_held
        peer.client.put_object_legal_hold(Bucket=bucket, Key="vms/run/a", LegalHold={"Status": "ON"})
        assert store.head("run/a").is_held


def locked_in(store: ObjectStore, prefix: str) -> list[ObjectVersion]:
    return list(store.locks(list(store.list_versions(prefix))))


def test_locks_of_older_versions_and_of_those_behind_a_marker_are_told_for_each() -> None:
    with peers.moto() as peer:
        store, bucket = bucket_in(peer, locks=True)
        put(store, "run/a", b"older")
        put(store, "run/b", b"hidden")
        put(store, "run/c", b"free")
        until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
        retention = {"Mode": "GOVERNANCE", "RetainUntilDate": until}
        peer.client.put_object_retention(Bucket=bucket, Key="vms/run/a", Retention=retention)
        peer.client.put_object_legal_hold(Bucket=bucket, Key="vms/run/b", LegalHold={"Status": "ON"})
        put(store, "run/a", b"newest")
        store.delete("run/b")
        assert [(each.key, each.locked_until, each.is_held) for each in locked_in(store, "run/")] == [
            ("run/a", until, False),
            ("run/b", None, True),
        ]


def test_a_lock_whose_time_is_over_is_none() -> None:
    with peers.moto() as peer:
        store, bucket = bucket_in(peer, locks=True)
        put(store, "run/a", b"was locked")
        until = datetime.now(UTC).replace(microsecond=0) - timedelta(days=3)
        retention = {"Mode": "COMPLIANCE", "RetainUntilDate": until}
        peer.client.put_object_retention(Bucket=bucket, Key="vms/run/a", Retention=retention)
        assert locked_in(store, "run/") == []
        assert store.head("run/a").locked_until is None


def test_where_nothing_can_be_locked_no_version_is_asked_for(peer: S3Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    store, _ = bucket_in(peer, versioned=True)
    put(store, "run/a", b"free")
    monkeypatch.setattr(Bucket, "head", lambda *_told, **_more: pytest.fail("each version was asked for"))
    assert locked_in(store, "run/") == []


def test_a_bucket_that_is_not_there_is_told(peer: S3Peer) -> None:
    store = OPENERS["s3"]("cloud", "s3://nobody-made-it/vms", peer.options)
    with pytest.raises(CloudyError, match="NoSuchBucket"):
        list(store.list_versions("run/"))


def test_the_store_copies_an_object_of_its_own(peer: S3Peer) -> None:
    store, _ = bucket_in(peer)
    put(store, "run/a", b"12345")
    assert store.copy("run/a", "run/b").size == 5
    assert store.get("run/b") == b"12345"


def test_the_rule_of_a_bucket_that_locks_is_told() -> None:
    with peers.moto() as peer:
        store, bucket = bucket_in(peer, locks=True)
        assert store.lock_rule() == ""
        rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 30}}
        peer.client.put_object_lock_configuration(
            Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
        )
        assert store.lock_rule() == "GOVERNANCE, 30 days"


def test_a_bucket_without_locks_has_no_rule(peer: S3Peer) -> None:
    assert bucket_in(peer)[0].lock_rule() == ""
