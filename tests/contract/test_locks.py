"""Locks that are made with each object, on a server that enforces them: SeaweedFS, which moto only plays."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot import digests, manifest, removal
from bot.actions import cleanup
from bot.checksum import crc64
from bot.errors import LockedError, PermanentError
from bot.model import CopySource, LockMode, ObjectLock, ObjectVersion, PartDone
from bot.ports import ObjectStore
from integrations.objectstores import OPENERS
from integrations.objectstores.s3.options import read_options
from tests import peers
from tests.peers import S3Peer

MIB = 1 << 20
POINT = "20261124T101010Z-7f3k9q"
DISK = f"{POINT}/tintri/{POINT}/vm01/vm01-flat.vmdk"
BODY = bytes(range(256)) * 24 * 1024  # 6 MiB
MONTH = ObjectLock(lasts=timedelta(days=30))
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def peer() -> Iterator[S3Peer]:
    with peers.weed() as started:
        yield started


class Place:
    """A bucket with versions and locks, and one store on it."""

    def __init__(self, peer: S3Peer, *, locks: bool = True, **options: object) -> None:
        self.bucket, self.client = f"locks-{next(_numbers)}", peer.client
        self.client.create_bucket(Bucket=self.bucket, **({"ObjectLockEnabledForBucket": True} if locks else {}))
        self.store: ObjectStore = OPENERS["s3"]("cloud", f"s3://{self.bucket}/vms", {**peer.options, **options})

    def head(self, key: str) -> Any:
        return self.client.head_object(Bucket=self.bucket, Key=f"vms/{key}")

    def versions(self) -> list[str]:
        told = self.client.list_object_versions(Bucket=self.bucket)
        return [
            each["Key"].removeprefix("vms/") for each in (*told.get("Versions", ()), *told.get("DeleteMarkers", ()))
        ]


@pytest.fixture
def place(peer: S3Peer) -> Place:
    return Place(peer)


def put(store: ObjectStore, key: str, body: bytes = b"12345") -> None:
    store.put(key, body, crc64=crc64(body), metadata={})


def upload(store: ObjectStore, key: str, body: bytes = BODY) -> None:
    opened, value = store.begin_upload(key, metadata={}), crc64(body)
    etag = store.put_part(opened, 1, bytearray(body), crc64=value)
    part = PartDone(number=1, offset=0, length=len(body), etag=etag, crc64=value)
    store.complete_upload(opened, [part], size=len(body), crc64=value, metadata={})


def protect(store: ObjectStore) -> None:
    upload(store, DISK)
    put(store, digests.key(POINT, 0))
    put(store, manifest.key(POINT))


def is_about(until: datetime | None, lasts: timedelta) -> bool:
    return until is not None and abs(until - datetime.now(UTC) - lasts) < timedelta(minutes=5)


def test_every_object_of_a_recovery_point_is_locked_when_it_is_made_and_no_helper_is(place: Place) -> None:
    locking = place.store.locking(MONTH)
    protect(locking)
    put(locking, ".cloudy/zero")
    for key in (DISK, digests.key(POINT, 0), manifest.key(POINT)):
        assert is_about(place.store.head(key).locked_until, MONTH.lasts)
        assert place.head(key)["ObjectLockMode"] == "GOVERNANCE"
    assert place.store.head(".cloudy/zero").locked_until is None
    assert locking.lock_rule() == "GOVERNANCE, 30 days"


def test_what_is_written_beside_it_through_the_same_target_is_not_locked(place: Place) -> None:
    place.store.locking(MONTH)
    put(place.store, "run/a")
    assert place.store.head("run/a").locked_until is None
    assert place.store.lock_rule() == ""


@pytest.mark.parametrize(
    ("own", "lock", "mode", "days"),
    [
        (("GOVERNANCE", 7), MONTH, "GOVERNANCE", 30),
        (("GOVERNANCE", 90), MONTH, "GOVERNANCE", 90),
        (("COMPLIANCE", 7), MONTH, "COMPLIANCE", 30),
        (("GOVERNANCE", 7), ObjectLock(lasts=timedelta(days=3), mode=LockMode.COMPLIANCE), "COMPLIANCE", 7),
    ],
)
def test_a_lock_of_the_target_itself_stays_where_it_is_longer_or_stricter(
    own: tuple[str, int], lock: ObjectLock, mode: str, days: int
) -> None:
    both = read_options("cloud", {"lock": own[0], "lock_for": timedelta(days=own[1])}).locked(lock)
    assert (both.lock, both.lock_for) == (mode, timedelta(days=days))


def test_a_target_that_locks_by_itself_locks_as_long_as_either_says(peer: S3Peer) -> None:
    place = Place(peer, lock="COMPLIANCE", lock_for=timedelta(days=7))
    put(place.store.locking(MONTH), "run/a")
    assert place.head("run/a")["ObjectLockMode"] == "COMPLIANCE"
    assert is_about(place.store.head("run/a").locked_until, MONTH.lasts)


def test_a_bucket_that_cannot_lock_is_told_before_anything_is_written(peer: S3Peer) -> None:
    place = Place(peer, locks=False)
    with pytest.raises(PermanentError, match="the bucket cannot lock"):
        place.store.locking(MONTH).lock_rule()


@pytest.mark.parametrize("mode", list(LockMode))
def test_a_locked_version_is_not_removed_and_the_refusal_has_its_date(place: Place, mode: LockMode) -> None:
    put(place.store.locking(ObjectLock(lasts=timedelta(days=3), mode=mode)), "run/a")
    until = place.store.head("run/a").locked_until
    (version,) = place.store.list_versions("run/")
    assert until is not None
    with pytest.raises(LockedError, match=f"locked until {until:%Y-%m-%d %H:%M} UTC") as told:
        place.store.erase(version)
    assert told.value.until == until
    assert place.store.get("run/a") == b"12345"


def test_a_locked_recovery_point_stays_whole_and_the_refusal_has_the_latest_date(place: Place) -> None:
    protect(place.store.locking(MONTH))
    for remove in (removal.check_free, removal.withdraw):
        with pytest.raises(LockedError) as told:
            remove(place.store, POINT)
        assert is_about(told.value.until, MONTH.lasts)
    assert len(place.versions()) == 3


def test_a_locked_version_that_somebody_hid_is_found_and_told(place: Place) -> None:
    protect(place.store.locking(MONTH))
    place.store.delete(manifest.key(POINT))
    with pytest.raises(LockedError):
        removal.withdraw(place.store, POINT)
    left = removal.clear(place.store, POINT)
    assert {each.version.key for each in left} == {DISK, digests.key(POINT, 0), manifest.key(POINT)}
    assert all(is_about(each.until, MONTH.lasts) for each in left)


def test_a_recovery_point_goes_with_all_its_versions_and_markers_and_can_be_removed_again(place: Place) -> None:
    for _ in range(2):
        protect(place.store)
    place.store.delete(DISK)
    removal.check_free(place.store, POINT)
    removal.withdraw(place.store, POINT)
    assert manifest.key(POINT) not in place.versions()
    assert removal.clear(place.store, POINT) == ()
    assert place.versions() == []
    removal.withdraw(place.store, POINT)
    assert removal.clear(place.store, POINT) == ()


def test_no_older_manifest_comes_to_light_while_its_versions_go(place: Place) -> None:
    """Newest first, one that was hidden or overwritten would be offered for a moment, or for ever by a crash."""
    put(place.store, manifest.key(POINT), b"older")
    put(place.store, manifest.key(POINT), b"newer")
    place.store.delete(manifest.key(POINT))
    seen: list[bool] = []
    for version in removal.oldest_first(list(place.store.list_versions(manifest.key(POINT)))):
        place.store.erase(version)
        seen.append(bool(list(place.store.list(manifest.key(POINT)))))
    assert seen == [False, False, False]


def test_a_locked_object_is_copied_from(place: Place) -> None:
    locking = place.store.locking(MONTH)
    upload(locking, DISK)
    info, value = place.store.head(DISK), crc64(BODY)
    opened = locking.begin_upload("next/disk", metadata={})
    source = CopySource(key=DISK, offset=0, length=len(BODY), etag=info.etag, version_id=info.version_id)
    copied = locking.copy_part(opened, 1, source, crc64=value)
    part = PartDone(number=1, offset=0, length=len(BODY), etag=copied.etag, crc64=value)
    locking.complete_upload(opened, [part], size=len(BODY), crc64=value, metadata={})
    assert copied.crc64 == value
    assert is_about(place.store.head("next/disk").locked_until, MONTH.lasts)


def test_a_probe_of_a_locking_target_leaves_nothing(place: Place) -> None:
    assert not place.store.locking(MONTH).capabilities().locks_all
    assert place.versions() == []


def test_what_a_clean_up_removes_lets_no_older_manifest_come_to_light(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(place.store, manifest.key(POINT))
    place.store.delete(manifest.key(POINT))
    erase, seen = place.store.erase, list[bool]()

    def watched(version: ObjectVersion) -> None:
        erase(version)
        seen.append(bool(list(place.store.list(manifest.key(POINT)))))

    monkeypatch.setattr(place.store, "erase", watched)
    cleanup._erase_all(place.store, list(place.store.list_versions(f"{POINT}/")))
    assert seen == [False, False]
