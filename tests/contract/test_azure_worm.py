"""Locks on Azure, before a container that keeps them: Azurite takes the headers and forgets them, a false green."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from bot import digests, manifest
from bot.checksum import crc64
from bot.errors import DeniedError, LockedError
from bot.model import ObjectLock, ObjectVersion, Upload
from bot.ports import ObjectStore
from integrations.objectstores import OPENERS
from tests.contract import test_safety as safety
from tests.contract.azure_worm import Worm
from tests.contract.s3_liar import Liar
from tests.contract.test_safety import FIRST, NEW, OLD, PART, SECOND, World, key_of

pytestmark = pytest.mark.slow

LOCK: dict[str, object] = {"lock": "LOCKED", "lock_for": timedelta(days=3)}


@pytest.fixture(scope="module")
def running() -> Iterator[Liar]:
    with safety.azure() as server:
        yield server


@pytest.fixture
def worm(running: Liar) -> Iterator[Worm]:
    worm = Worm()
    running.lies = [worm]
    yield worm
    running.lies = []


@pytest.fixture
def world(running: Liar, worm: Worm, request: pytest.FixtureRequest) -> World:
    prefix = "".join(letter for letter in request.node.name if letter.isalpha())
    store = open_store(running, prefix, **LOCK)
    return World(running, store, "", prefix)


def open_store(liar: Liar, prefix: str, **options: object) -> ObjectStore:
    return OPENERS["azure"]("cloud", liar.peer.url(prefix), {**liar.options, **options})


def test_every_object_of_a_recovery_point_is_locked_and_nothing_else(world: World, worm: Worm) -> None:
    world.protect(FIRST, OLD)
    places = [key_of(FIRST), digests.key(FIRST, 0), manifest.key(FIRST)]
    assert len(worm.kept) == len(places)
    for key in places:
        info = world.store.head(key)
        assert info.locked_until is not None
        assert abs(info.locked_until - datetime.now(UTC) - timedelta(days=3)) < timedelta(minutes=5)
    assert {each.mode for each in worm.kept.values()} == {"locked"}
    assert world.store.lock_rule() == "LOCKED, 3 days"


def test_what_is_locked_is_not_removed_and_the_refusal_says_why(world: World, worm: Worm) -> None:
    world.protect(FIRST, OLD)
    for version in list(world.store.list_versions(FIRST)):
        with pytest.raises(DeniedError, match="immutability policy keeps it"):
            world.store.erase(version)
    with pytest.raises(DeniedError):
        world.store.put(key_of(FIRST), b"other", crc64=crc64(b"other"), metadata={})
    assert crc64(world.store.get(key_of(FIRST))) == crc64(OLD)
    assert [each.key for each in world.store.locks(list(world.store.list_versions(FIRST)))] == sorted(
        [key_of(FIRST), digests.key(FIRST, 0), manifest.key(FIRST)]
    )


def test_a_lock_that_is_asked_for_is_made_with_each_blob_and_a_refusal_has_its_date(running: Liar, worm: Worm) -> None:
    plain = open_store(running, "asked")
    locking = plain.locking(ObjectLock(lasts=timedelta(days=3)))
    locking.put("run/a", b"a", crc64=crc64(b"a"), metadata={})
    plain.put("run/b", b"b", crc64=crc64(b"b"), metadata={})
    assert {each.mode for each in worm.kept.values()} == {"unlocked"}  # nobody asked for what nobody can end
    assert locking.lock_rule() == "UNLOCKED, 3 days"
    locked, free = plain.list_versions("run/")
    plain.erase(free)
    with pytest.raises(LockedError, match="It is locked until") as told:
        plain.erase(locked)
    assert told.value.until == plain.head("run/a").locked_until is not None
    assert [each.key for each in plain.list("run/")] == ["run/a"]


def test_what_is_held_is_not_removed_either(running: Liar, worm: Worm) -> None:
    store = open_store(running, "held", legal_hold=True)
    store.put("run/a", b"a", crc64=crc64(b"a"), metadata={})
    assert store.head("run/a").is_held
    with pytest.raises(DeniedError, match="legal hold"):
        store.delete("run/a")


def test_a_lock_that_is_over_keeps_nothing(world: World, worm: Worm) -> None:
    world.store.put("run/a", b"a", crc64=crc64(b"a"), metadata={})
    worm.now += timedelta(days=4)
    world.store.erase(ObjectVersion(key="run/a"))
    assert list(world.store.list("run/")) == []


def test_a_locked_base_is_copied_from(world: World, worm: Worm) -> None:
    world.protect(FIRST, OLD)
    sent = world.protect(SECOND, NEW, FIRST)
    assert (sent.lost, sent.moved.sent) == ((), PART)
    assert world.holds(NEW)
    assert worm.refused == []


def test_digests_that_a_lock_keeps_from_before_a_crash_are_used(world: World, worm: Worm) -> None:
    """The process died after it had written them; they cannot be written again, and are as good."""
    plain = World(world.liar, open_store(world.liar, "elsewhere"), "", "elsewhere")
    key = digests.key(SECOND, 0)
    for each in (plain, world):
        each.protect(FIRST, OLD)
    plain.protect(SECOND, NEW, FIRST)
    body = plain.store.get(key)
    world.store.put(key, body, crc64=crc64(body), metadata={})
    [file] = world.protect(SECOND, NEW, FIRST).stored["cloud"]
    assert [path for path in worm.refused if path.endswith(key)]
    assert file.digests == key
    assert world.store.get(key) == body


def test_other_digests_that_a_lock_keeps_are_not_named(world: World, worm: Worm) -> None:
    key = digests.key(SECOND, 0)
    world.store.put(key, b"of another try", crc64=crc64(b"of another try"), metadata={})
    [file] = world.protect(SECOND, NEW).stored["cloud"]
    assert [path for path in worm.refused if path.endswith(key)]
    assert file.digests == ""
    assert world.holds(NEW)


def test_an_upload_that_is_given_up_makes_no_object_that_a_lock_would_keep(world: World, worm: Worm) -> None:
    upload: Upload = world.store.begin_upload("run/disk", metadata={})
    world.store.put_part(upload, 1, bytearray(b"bytes"), crc64=crc64(b"bytes"))
    world.store.abort_upload(upload)
    assert worm.kept == {}
    assert list(world.store.list("run/")) == []
    assert world.store.list_uploads("") == ()


def test_the_probe_of_a_locking_target_leaves_nothing(world: World, worm: Worm) -> None:
    assert world.store.capabilities().copies_parts
    assert (worm.kept, worm.refused) == ({}, [])
    assert list(world.store.list("")) == []
