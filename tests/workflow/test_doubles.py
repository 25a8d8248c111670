"""The same thing delivered again is done once: by the real service over the real store, also after a restart."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import pytest

from bot.model import Actor, Place, ProtectRequest, State
from bot.service import Service
from bot.store import Database
from tests.workflow.house import ALICE, OPS, FakeClock

BOB = Actor(id="U_BOB", name="bob", source="slack")
ASKED = ProtectRequest(vms=("vm01", "vm02"), targets=("s3",))


class Process:
    """A bot's service over the database in a folder; a second one is what a restart gives."""

    def __init__(self, folder: Path, clock: FakeClock) -> None:
        Database.migrate(folder / "cloudy.db")
        self.db = Database.open(folder / "cloudy.db", audit_key=b"k" * 32, clock=clock)
        self.service = Service(self.db, clock, vmstores=("vmstore",), targets=("s3",))

    def actions(self) -> list[str]:
        with self.db.read() as unit:
            return [row.action for row in unit.audit.list()]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def house(tmp_path: Path, clock: FakeClock) -> Process:
    return Process(tmp_path, clock)


def restarted(tmp_path: Path, clock: FakeClock, house: Process) -> Process:
    house.db.close()
    return Process(tmp_path, clock)


def test_a_protect_that_comes_again_gives_the_transactions_it_gave_before(
    tmp_path: Path, clock: FakeClock, house: Process
) -> None:
    first = house.service.protect(ASKED, ALICE, request_key="k1", place=OPS)
    house = restarted(tmp_path, clock, house)
    again = house.service.protect(ASKED, ALICE, request_key="k1", place=OPS)
    assert [tx.id for tx in again] == [tx.id for tx in first]
    assert house.actions() == ["command", "command"]


def test_the_same_protect_in_many_threads_at_once_is_one(house: Process) -> None:
    at_once = Barrier(8)

    def ask(_: int) -> tuple[str, ...]:
        at_once.wait()
        return tuple(tx.id for tx in house.service.protect(ASKED, ALICE, request_key="k1", place=OPS))

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(ask, range(8)))
    assert len(answers) == 1
    assert len(house.service.runs()) == 2


def test_a_stop_of_the_last_one_that_comes_again_stops_no_newer_one(
    tmp_path: Path, clock: FakeClock, house: Process
) -> None:
    (old,) = house.service.protect(ProtectRequest(vms=("vm01",), targets=("s3",)), ALICE, request_key="k1")
    assert house.service.stop("last", BOB, request_key="k2").id == old.id
    (new,) = house.service.protect(ProtectRequest(vms=("vm02",), targets=("s3",)), ALICE, request_key="k3")
    house = restarted(tmp_path, clock, house)
    assert house.service.stop("last", BOB, request_key="k2").id == old.id
    assert house.service.show(new.id)[0].stop_asked_by == ""
    assert house.actions().count("stop") == 1


def test_a_stop_that_comes_again_after_the_end_is_answered_as_before(house: Process) -> None:
    (tx,) = house.service.protect(ProtectRequest(vms=("vm01",), targets=("s3",)), ALICE, request_key="k1")
    house.service.stop(tx.id, BOB, request_key="k2")
    with house.db.unit() as unit:
        unit.transactions.update(tx.id, state=State.STOPPED)
    assert house.service.stop(tx.id, BOB, request_key="k2").state is State.STOPPED
    assert house.service.stop_thread("C", "1.2", BOB, request_key="k2").id == tx.id


def test_a_refused_command_that_comes_again_is_kept_once(house: Process) -> None:
    for _ in range(2):
        house.service.audit_refused(ALICE, "/cloudy dance", "There is no dance here.", request_key="k1")
    assert house.actions() == ["refused"]


def test_a_delivery_is_new_once_also_after_a_restart_and_in_many_threads(
    tmp_path: Path, clock: FakeClock, house: Process
) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(house.service.is_new, ["event:E1"] * 8)) == [False] * 7 + [True]
    house = restarted(tmp_path, clock, house)
    assert not house.service.is_new("event:E1")
    assert house.service.is_new("event:E2")


def test_deliveries_are_forgotten_after_days(house: Process, clock: FakeClock) -> None:
    assert house.service.is_new("event:E1")
    clock.sleep(timedelta(days=3).total_seconds())
    assert house.service.is_new("event:E2")
    assert house.service.is_new("event:E1")


def test_the_same_words_typed_twice_are_two_requests(house: Process) -> None:
    place = Place(channel="C1")
    one, other = (
        house.service.protect(ProtectRequest(vms=("vm01",), targets=("s3",)), ALICE, request_key=key, place=place)
        for key in ("k1", "k2")
    )
    assert one[0].id != other[0].id
