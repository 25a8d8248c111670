"""A recovery point that has moved to a tier, in a bucket with versions: restored whole, and no older version stays."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot import rounds
from bot.model import CLOUDY, RecoveryPoint, Sla, Slas, State, Tier, Tiering, Transaction
from bot.retained import tier_rules
from tests import peers
from tests.contract.test_expire_locked import DISK, FLAT, LOCKING, LockedHouse, protected
from tests.peers import S3Peer
from tests.workflow.house import OPS
from tests.workflow.test_expire import receipt
from tests.workflow.test_restore import files_in, restored

SOON = timedelta(microseconds=1)
COLD, ARCHIVE = Tiering(cold_after=SOON), Tiering(archive_after=SOON)


def at_once(tiering: Tiering) -> Slas:
    return Slas(listed=(Sla(name="gold", vms=("vm0*",), tiering=tiering),))


@pytest.fixture(scope="module")
def peer() -> Iterator[S3Peer]:
    with peers.weed() as started:
        yield started


@pytest.fixture
def house(peer: S3Peer, tmp_path: Path) -> LockedHouse:
    house = LockedHouse(tmp_path, peer)
    house.share.files[FLAT] = DISK
    return house


def tier(house: LockedHouse, tiering: Tiering = COLD) -> Transaction:
    """One round, to its end."""
    house.slas = at_once(tiering)
    with house.db.unit() as unit:
        classes = {"s3": {each: house.store.class_of(each) for each in Tier}}
        now = house.clock.now()
        rules = tier_rules(unit, house.slas, classes, now)
        (begun,) = rounds.begin_moves(unit, rules, ("s3",), CLOUDY, now, key=lambda _: f"{now}", place=OPS)
    house.dispatch()
    return house.end(begun)


def points(house: LockedHouse) -> dict[str, RecoveryPoint]:
    with house.db.read() as unit:
        return {point.transaction_id: point for point in unit.points.of_target("s3")}


def test_what_has_moved_is_restored_byte_for_byte_and_the_next_run_copies_from_the_newest(house: LockedHouse) -> None:
    old = protected(house, "r1")
    house.share.files[FLAT] = DISK[:-4] + b"next"
    newest = protected(house, "r2")
    before = house.live(old.id)
    done = tier(house)
    assert done.state is State.SUCCEEDED, done.failure
    assert receipt(house, done)["headline"].startswith("1 recovery point to cold")
    assert {each.tier for each in points(house).values()} == {None, Tier.COLD}
    assert points(house)[old.id].tier is Tier.COLD
    flat, small = (f"{old.id}/tintri/{old.id}/vm01/{name}" for name in ("vm01-flat.vmdk", "vm01.vmx"))
    assert [house.store.head(key).storage_class for key in (flat, small)] == ["GLACIER_IR", ""]
    assert house.live(old.id) == before
    assert [key for key, _version in house.versions(old.id)] == sorted(before)  # of each one version
    assert house.store.list_uploads("") == ()
    assert house.open() == []

    back = restored(house, old.id, name="back")
    assert back.state is State.SUCCEEDED, back.failure
    assert files_in(house, "back")["vm01-flat.vmdk"] == DISK
    house.share.files[FLAT] = DISK[:-4] + b"last"
    last = protected(house, "r3")
    assert last.plan["bases"] == {"s3": newest.id}
    assert last.bytes.copied >= 5 << 20


def test_what_is_locked_is_passed_over_with_its_date_and_stays_whole(house: LockedHouse) -> None:
    locked = protected(house, "r1", LOCKING)
    protected(house, "r2")
    with house.db.unit() as unit:  # a database that was lost knows of no lock
        known = unit.points.get(locked.id, "s3")
        assert known is not None
        unit.points.put(replace(known, locked_until=None))
    before = house.read_all(locked.id)
    done = tier(house)
    assert done.state is State.SUCCEEDED
    assert f"{locked.id}/tintri/" in dict(receipt(house, done)["facts"])["Passed over"]
    assert points(house)[locked.id].locked_until is not None
    assert house.read_all(locked.id) == before


def test_what_is_archived_where_nothing_is_an_archive_is_restored_at_once(house: LockedHouse) -> None:
    """SeaweedFS takes the word for the class, keeps the bytes where they are, and knows no way to bring them back."""
    old = protected(house, "r1")
    protected(house, "r2")
    assert tier(house, ARCHIVE).state is State.SUCCEEDED
    assert points(house)[old.id].tier is Tier.ARCHIVE
    assert house.store.head(f"{old.id}/tintri/{old.id}/vm01/vm01-flat.vmdk").storage_class == "GLACIER"
    back = restored(house, old.id, name="back")
    assert back.state is State.SUCCEEDED, back.failure
    assert files_in(house, "back")["vm01-flat.vmdk"] == DISK
