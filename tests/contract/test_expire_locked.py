"""Expire and delete of the product itself, in a bucket with versions whose server enforces locks: SeaweedFS."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot import fitness, rounds
from bot.clock import SystemClock
from bot.limits import Limits
from bot.model import CLOUDY, Choice, Retained, Retention, Sla, Slas, State, Transaction
from bot.ports import ObjectStore
from bot.rebuilding import rebuild
from bot.runner import Runner
from bot.store import Database
from bot.transfer import TransferSettings
from integrations.objectstores import OPENERS
from tests import peers
from tests.memory import Crash, unwatched
from tests.peers import S3Peer
from tests.workflow.house import ALICE, OPS, House
from tests.workflow.test_delete import BOB, POLICY, notice
from tests.workflow.test_expire import receipt
from tests.workflow.test_restore import restored

MIB = 1 << 20
UUID = "FS-VIM-vm01"
FLAT = "vm01/vm01-flat.vmdk"
DISK = bytes(range(256)) * 28 * 1024  # 7 MiB
MONTH = timedelta(days=30)
LOCKING = Slas(listed=(Sla(name="gold", vms=("vm0*",), lock=MONTH),))
_numbers = itertools.count(1)


class Watched:
    """A store whose calls are told before and after they are made, also where it locks."""

    def __init__(self, store: ObjectStore, house: "LockedHouse") -> None:
        self._store = store
        self._house = house

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._store, name)
        if not callable(value):
            return value

        def call(*args: Any, **kwargs: Any) -> Any:
            told = f"{name} {getattr(args[0], 'key', '')}" if args else name
            self._house.tell(told)
            result = value(*args, **kwargs)
            self._house.tell(f"{told} done")
            return Watched(result, self._house) if name == "locking" else result

        return call


class LockedHouse(House):
    """A house whose target is a bucket on the server."""

    def __init__(self, folder: Path, peer: S3Peer) -> None:
        super().__init__(folder, policy=POLICY)
        self.tell: Callable[[str], None] = unwatched
        self.clock = SystemClock()  # type: ignore[assignment]  # that of the locks
        self.restart_with(POLICY)
        self.bucket, self.client = f"expire-{next(_numbers)}", peer.client
        self.client.create_bucket(Bucket=self.bucket, ObjectLockEnabledForBucket=True)
        self.store = OPENERS["s3"]("s3", f"s3://{self.bucket}/vms", peer.options)
        self.systems._targets["s3"] = Watched(self.store, self)  # type: ignore[assignment]

    def process(self) -> Runner:
        def settings(_vmstore: str, _targets: Sequence[str]) -> TransferSettings:
            return TransferSettings(threads=1, part_bytes=5 * MIB)

        limits = Limits(transfer_settings=settings, slas=self.slas)
        return Runner(self.db, self.systems, self.clock, limits, installation="test0001", version="0")

    def versions(self, point: str) -> list[tuple[str, str]]:
        """Every version and marker that the bucket has of it: key and id."""
        told = self.client.list_object_versions(Bucket=self.bucket, Prefix=f"vms/{point}/")
        every = (*told.get("Versions", ()), *told.get("DeleteMarkers", ()))
        return sorted((each["Key"].removeprefix("vms/"), each["VersionId"]) for each in every)

    def read_all(self, point: str) -> dict[tuple[str, str], bytes]:
        """Each version, by key and id; it fails where one is not to be read."""
        return {
            (key, version): self.client.get_object(Bucket=self.bucket, Key=f"vms/{key}", VersionId=version)[
                "Body"
            ].read()
            for key, version in self.versions(point)
        }

    def clutter(self, point: str) -> None:
        """Somebody hid its manifest and one more object, and brought them back: older versions and markers stay."""
        for key in (f"vms/{key}" for key in self.live(point) if key.endswith((".json", ".vmx"))):
            body = self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
            self.client.delete_object(Bucket=self.bucket, Key=key)
            self.client.put_object(Bucket=self.bucket, Key=key, Body=body)

    def live(self, point: str) -> set[str]:
        """Keys of it that are not hidden."""
        return {each.key for each in self.store.list(f"{point}/")}

    def keep(self, last: int) -> None:
        with self.db.unit() as unit:
            unit.retentions.retain({UUID: Retained(sla="gold", retention=Retention(last=last))})

    def expire(self, key: str) -> Transaction:
        """Begin a round."""
        with self.db.unit() as unit:
            (begun,) = rounds.begin(unit, ("s3",), CLOUDY, self.clock.now(), key=lambda _: key, place=OPS)
        self.dispatch()
        return self.read(begun.id)

    def delete(self, point: str, key: str) -> Transaction:
        """Ask for it, and approve it where anybody is asked."""
        asked = self.service.delete(point, ALICE, request_key=key, place=OPS)
        self.dispatch()
        with self.db.read() as unit:
            approval = unit.approvals.newest(asked.id)
        if approval is not None:
            self.service.decide(approval.token, Choice.APPROVE, BOB, request_key=f"{key}:c")
            self.dispatch()
            self.dispatch()
        return self.read(asked.id)

    def end(self, begun: Transaction) -> Transaction:
        self.engine.run_all()
        return self.read(begun.id)

    def known(self) -> set[str]:
        with self.db.read() as unit:
            return {point.transaction_id for point in unit.points.of_target("s3")}

    def open(self) -> list[str]:
        with self.db.read() as unit:
            return [each.name for each in unit.ledger.open()]


@pytest.fixture(scope="module")
def peer() -> Iterator[S3Peer]:
    with peers.weed() as started:
        yield started


@pytest.fixture
def house(peer: S3Peer, tmp_path: Path) -> LockedHouse:
    return LockedHouse(tmp_path, peer)


def protected(house: LockedHouse, key: str, slas: Slas = Slas()) -> Transaction:  # noqa: B008 - frozen
    house.slas = slas
    house.array.taken_at = house.clock.now()
    done = house.protect(key=key)
    assert done.state is State.SUCCEEDED, done.failure
    return done


def locked_until(house: LockedHouse, point: str) -> datetime:
    with house.db.read() as unit:
        known = unit.points.get(point, "s3")
    assert known is not None
    assert known.locked_until is not None
    return known.locked_until


def test_what_is_locked_stays_whole_with_its_date_and_the_rest_goes_with_every_version(house: LockedHouse) -> None:
    house.share.files[FLAT] = DISK
    locked = protected(house, "r1", LOCKING)
    before, until = house.read_all(locked.id), locked_until(house, locked.id)
    house.share.files[FLAT] = DISK[:-4] + b"next"
    copied = protected(house, "r2")
    assert copied.plan["bases"] == {"s3": locked.id}
    assert copied.bytes.copied >= 5 * MIB  # from the locked one
    newest = protected(house, "r3")
    house.clutter(copied.id)
    house.keep(last=1)
    told: list[str] = []
    house.tell = told.append

    done = house.end(house.expire("e1"))
    assert done.state is State.SUCCEEDED
    erased = [call.removeprefix("erase ") for call in told if call.startswith("erase") and not call.endswith("done")]
    assert {key.split("/")[0] for key in erased} == {copied.id}
    assert [key.endswith("/manifest.json") for key in erased] == sorted(
        (key.endswith("/manifest.json") for key in erased), reverse=True
    )
    assert house.versions(copied.id) == []
    assert "locked 1" in dict(receipt(house, done)["facts"])["Stays"]
    assert house.known() == {locked.id, newest.id}

    with house.db.unit() as unit:  # a database that was lost knows of no lock
        unit.points.forget(locked.id, "s3")
    assert [point.transaction_id for point in rebuild(house.db, house.store).added] == [locked.id]
    done = house.end(house.expire("e2"))
    passed = dict(receipt(house, done)["facts"])["Passed over"]
    assert f"{locked.id}: A version of {locked.id}/" in passed
    assert f"is locked until {until:%Y-%m-%d %H:%M} UTC, and {len(before) - 1} more with it" in passed
    told_by_store = house.store.locks(list(house.store.list_versions(locked.id)))
    assert locked_until(house, locked.id) == max(each.locked_until for each in told_by_store if each.locked_until)

    refused = house.delete(locked.id, "d1")
    assert refused.state is State.REFUSED
    assert f"is locked until {until:%Y-%m-%d %H:%M} UTC" in notice(house, refused)
    deleted = house.end(house.delete(newest.id, "d2"))
    assert deleted.state is State.SUCCEEDED, deleted.failure
    assert house.versions(newest.id) == []
    assert house.known() == {locked.id}
    assert house.open() == []
    assert house.read_all(locked.id) == before

    done = restored(house, locked.id)
    assert done.state is State.SUCCEEDED, done.failure
    assert house.share.files["vm01-restored/vm01-flat.vmdk"] == DISK
    assert house.read_all(locked.id) == before


class DiesAt:
    """Lets the process die at the nth call of that name; a dead process calls nothing any more."""

    def __init__(self, call: str, nth: int = 1) -> None:
        self.is_dead = False
        self._call = call
        self._left = nth

    def __call__(self, call: str) -> None:
        self._left -= call == self._call
        self.is_dead |= self._left == 0
        if self.is_dead:
            raise Crash(call)


def die(house: LockedHouse, call: str, nth: int = 1) -> None:
    house.tell = DiesAt(call, nth)
    with pytest.raises(Crash):
        house.engine.run_all()
    house.tell = unwatched


def offers_no_half(house: LockedHouse, folder: Path, whole: Mapping[str, set[str]]) -> None:
    """Neither the catalogue offers to restore one that lacks something, nor one that is made anew from the bucket."""
    with house.db.read() as unit:
        points = unit.points.of_target("s3")
        flawed = fitness.flaws(unit, points)
    offered = {point.transaction_id for point in points if (point.transaction_id, "s3") not in flawed}
    folder.mkdir()
    Database.migrate(folder / "cloudy.db")
    with closing(Database.open(folder / "cloudy.db", audit_key=b"k" * 32, clock=house.clock)) as lost:
        offered |= {point.transaction_id for point in rebuild(lost, house.store).added}
    rebuild(house.db, house.store)
    for point in offered:
        assert house.live(point) == whole[point], point


def test_a_round_that_dies_again_and_again_offers_no_half_and_comes_to_its_end(
    house: LockedHouse, tmp_path: Path
) -> None:
    house.keep(last=1)
    points = [protected(house, f"r{number}").id for number in range(6)]
    for point in points:
        house.clutter(point)
    whole = {point: house.live(point) for point in points}
    begun = house.expire("e")
    assert begun.request["points"] == points[:5]
    manifests = [f"erase {point}/manifest.json" for point in points]
    disks = [f"erase {point}/tintri/{point}/vm01/vm01-flat.vmdk" for point in points]
    deaths = [
        (manifests[0], 1),  # promised, and nothing is removed
        (f"{manifests[1]} done", 1),  # an older version is gone
        (f"{manifests[2]} done", 3),  # all of them are
        (f"{disks[3]} done", 1),
    ]
    for number, (call, nth) in enumerate(deaths):
        die(house, call, nth)
        offers_no_half(house, tmp_path / str(number), whole)
    done = house.end(begun)
    assert done.state is State.SUCCEEDED
    assert receipt(house, done)["headline"].startswith("5 recovery points removed from s3")
    assert [house.versions(point) for point in points[:5]] == [[]] * 5
    assert house.known() == {points[5]}
    assert house.live(points[5]) == whole[points[5]]
    assert house.open() == []
