"""The lock that an SLA promises: every object is made with it, it is shown, and what is locked is not deleted."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot import immutable, story
from bot.errors import PermanentError
from bot.janitor import Janitor
from bot.model import ApprovalState, LockMode, ObjectLock, Sla, Slas, State
from tests.memory import Crash
from tests.workflow.house import ALICE, OPS, House

MONTH = timedelta(days=30)
GOLD = Slas(listed=(Sla(name="gold", vms=("vm0*",), lock=MONTH),))


def locked_house(folder: Path, slas: Slas = GOLD, targets: tuple[str, ...] = ("s3",)) -> House:
    house = House(folder, targets)
    house.slas = slas
    return house


def is_about(until: datetime | None) -> bool:
    return until is not None and abs(until - datetime.now(UTC) - MONTH) < timedelta(hours=1)


def test_each_object_of_a_vm_whose_sla_locks_is_locked_and_the_point_and_the_receipt_say_so(tmp_path: Path) -> None:
    house = locked_house(tmp_path)
    done = house.protect()
    store = house.targets["s3"]
    assert done.state is State.SUCCEEDED
    assert {key for key in store.objects if not key.startswith(".cloudy/")} == set(store.locked)
    assert all(is_about(until) for until in store.locked.values())
    with house.db.read() as unit:
        point, steps = unit.points.get(done.id, "s3"), unit.steps.of(done.id)
    assert point is not None
    assert is_about(point.locked_until)
    assert point.locked_until is not None
    facts = dict(map(tuple, story.receipt(done, steps)["facts"]))
    assert facts["Locked until"] == f"s3: {point.locked_until:%Y-%m-%d %H:%M} UTC"
    assert ["Locked", "GOVERNANCE, 30 days"] in story.root(done, steps)["facts"]


def test_a_point_whose_manifest_was_written_by_a_process_that_died_is_known_as_locked_too(tmp_path: Path) -> None:
    house = locked_house(tmp_path)
    transaction = house.ask()
    house.dispatch()
    key = f"{transaction.id}/manifest.json"

    def die(call: str) -> None:
        if key in house.targets["s3"].objects and call.startswith("s3.put"):
            raise Crash(call)

    house.watch(die)
    with pytest.raises(Crash):
        house.engine.run_all()
    house.watch(lambda _call: None)
    house.engine.run_all()
    assert house.read(transaction.id).state is State.SUCCEEDED
    with house.db.read() as unit:
        point = unit.points.get(transaction.id, "s3")
    assert point is not None
    assert point.locked_until == house.targets["s3"].locked[key]


def test_what_a_failed_run_left_locked_is_told_with_its_date_and_goes_when_that_is_over(tmp_path: Path) -> None:
    house = locked_house(tmp_path)

    def refuse(call: str) -> None:
        if call.startswith("s3.head"):
            raise PermanentError("no word", system="s3")

    house.watch(refuse)
    done = house.protect()
    house.watch(lambda _call: None)
    store = house.targets["s3"]
    janitor = Janitor(house.db, house.systems, house.clock, installation="test0001")
    janitor.clear_ledger()
    assert done.state is State.FAILED
    (left,) = house.read(done.id).left_behind
    assert f"is locked until {max(store.locked.values()):%Y-%m-%d %H:%M} UTC" in left
    assert [key for key in store.objects if key.startswith(done.id)]
    store.locked.clear()  # its time is over
    janitor.clear_ledger()
    assert house.left() == []
    assert house.read(done.id).left_behind == ()


def test_without_a_lock_in_the_sla_nothing_is_locked_and_nothing_new_stands_in_the_plan(tmp_path: Path) -> None:
    house = locked_house(tmp_path, Slas(listed=(Sla(name="gold", vms=("db*",), lock=MONTH),)))
    done = house.protect()
    assert house.targets["s3"].locked == {}
    assert immutable.KEY not in done.plan
    assert immutable.said(done.plan) == ""


def test_compliance_is_never_taken_without_being_named(tmp_path: Path) -> None:
    assert immutable.said(locked_house(tmp_path).protect().plan).startswith("GOVERNANCE")
    assert ObjectLock(lasts=MONTH).mode is LockMode.GOVERNANCE


def test_a_target_that_cannot_lock_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    house = locked_house(tmp_path)
    house.targets["s3"].can_lock = False
    done = house.protect()
    assert done.state is State.REFUSED
    assert "its recovery points are locked (GOVERNANCE, 30 days)" in (done.failure.what if done.failure else "")
    assert house.left() == []


def test_what_is_locked_is_not_deleted_and_the_answer_has_its_date(tmp_path: Path) -> None:
    house = locked_house(tmp_path)
    point = house.protect()
    refused = house.service.delete("last", ALICE, request_key="d", place=OPS)
    house.dispatch()
    told = house.read(refused.id)
    until = max(house.targets["s3"].locked.values())
    assert told.state is State.REFUSED
    assert f"is locked until {until:%Y-%m-%d %H:%M} UTC" in (told.failure.what if told.failure else "")
    assert told.failure is not None
    assert told.failure.kind == "LockedError"
    with house.db.read() as unit:
        assert unit.points.get(point.id, "s3") is not None
        approval = unit.approvals.newest(refused.id)
    assert approval is None or approval.state is not ApprovalState.PENDING


def test_the_next_one_after_a_locked_one_is_made_and_locked_too(tmp_path: Path) -> None:
    house = locked_house(tmp_path)
    house.protect()
    done = house.protect(key="r2")
    assert done.state is State.SUCCEEDED
    assert all(is_about(house.targets["s3"].locked.get(key)) for key in house.targets["s3"].objects if done.id in key)
