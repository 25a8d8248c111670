"""Removing a recovery point from a target: the manifest first, every version, and what a lock keeps is told."""

from datetime import UTC, datetime

import pytest

from bot import manifest
from bot.checksum import crc64
from bot.errors import LockedError, PermanentError
from bot.removal import check_free, clear, withdraw
from tests.memory import MemoryStore

POINT = "20261124T101010Z-7f3k9q"
DISK = f"{POINT}/tintri/{POINT}/vm01/vm01-flat.vmdk"
UNTIL = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore("s3")
    for key in (DISK, manifest.key(POINT), f"{POINT}0/not-its-own"):
        store.put(key, b"12345", crc64=crc64(b"12345"), metadata={})
    return store


def test_it_goes_with_its_manifest_first_and_nothing_beside_it_goes(store: MemoryStore) -> None:
    assert (check_free(store, POINT).objects, check_free(store, POINT).size) == (2, 10)
    withdraw(store, POINT)
    assert sorted(store.objects) == sorted([DISK, f"{POINT}0/not-its-own"])
    assert clear(store, POINT) == ()
    assert list(store.objects) == [f"{POINT}0/not-its-own"]


def test_doing_it_again_is_safe(store: MemoryStore) -> None:
    for _ in range(2):
        withdraw(store, POINT)
        assert clear(store, POINT) == ()
    assert check_free(store, POINT).objects == 0


def test_what_is_locked_is_told_with_the_latest_date_and_nothing_is_removed(store: MemoryStore) -> None:
    store.locked = {DISK: UNTIL, manifest.key(POINT): UNTIL.replace(month=2)}
    with pytest.raises(LockedError, match=r"is locked until 2027-02-01 00:00 UTC, and 1 more with it") as told:
        check_free(store, POINT)
    assert told.value.until == UNTIL.replace(month=2)
    with pytest.raises(LockedError):
        withdraw(store, POINT)
    assert len(store.objects) == 3


def test_objects_are_not_removed_while_the_manifest_stands(store: MemoryStore) -> None:
    with pytest.raises(PermanentError, match="it is a recovery point"):
        clear(store, POINT)
    assert len(store.objects) == 3


def test_what_got_a_lock_meanwhile_is_left_and_told_and_the_rest_goes(store: MemoryStore) -> None:
    withdraw(store, POINT)
    beside = f"{POINT}/blocks/0"
    store.put(beside, b"1", crc64=crc64(b"1"), metadata={})
    store.locked = {DISK: UNTIL}
    (left,) = clear(store, POINT)
    assert (left.version.key, left.until) == (DISK, UNTIL)
    assert beside not in store.objects
