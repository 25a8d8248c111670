"""What a schedule has started, as it is planned and run: its moment, an outage at that time, and who hears of it."""

from datetime import timedelta
from pathlib import Path

from bot.errors import TransientError
from bot.model import Json, ScheduleRequest, State, Transaction
from bot.timekeeper import Timekeeper
from tests.workflow.house import ALICE, OPS, House

HOUR = timedelta(hours=1)


def fired(folder: Path, phrase: str = "every day at 13:00") -> tuple[House, Transaction]:
    """A house at one o'clock, and what its schedule has started."""
    house = House(folder)
    request = ScheduleRequest(workflow="protect", recurrence=phrase, vms=("vm01",), targets=("s3",))
    schedule = house.service.schedules.add(request, ALICE, request_key="k", place=OPS)
    house.clock.sleep(HOUR.total_seconds())
    Timekeeper(house.db, house.clock, house.service.schedules.accounts).look()
    with house.db.read() as unit:
        (made,) = unit.transactions.asked_under(f"schedule:{schedule.id}:")
    return house, made


def notice(house: House, made: Transaction) -> tuple[str, Json]:
    """For whom, and what."""
    with house.db.read() as unit:
        message = unit.outbox.get(f"{made.id}:notice")
    assert message is not None
    return message.only_for, message.view


def out(call: str) -> None:
    if call.startswith("vmstore."):
        raise TransientError("The VMstore does not answer.", system="vmstore")


def test_it_begins_at_its_moment_and_not_before(tmp_path: Path) -> None:
    house, made = fired(tmp_path, "every day at 13:00 within 2h")
    assert made.not_before is not None
    house.dispatch()
    assert house.read(made.id).state is State.PLANNING
    house.clock.sleep((made.not_before - house.clock.now()).total_seconds())
    house.dispatch()
    house.engine.run_all()
    assert house.read(made.id).state is State.SUCCEEDED
    assert house.left() == []


def test_a_system_that_is_out_at_its_time_is_waited_for(tmp_path: Path) -> None:
    house, made = fired(tmp_path)
    house.watch(out)
    for _ in range(3):
        house.dispatch()
        house.clock.sleep(600)
    assert house.read(made.id).state is State.PLANNING
    house.watch(lambda _call: None)
    house.dispatch()
    house.engine.run_all()
    assert house.read(made.id).state is State.SUCCEEDED


def test_one_that_is_out_for_an_hour_is_told_to_everybody(tmp_path: Path) -> None:
    house, made = fired(tmp_path)
    house.watch(out)
    house.clock.sleep(3700)
    house.dispatch()
    assert house.read(made.id).state is State.REFUSED
    only_for, view = notice(house, made)
    assert only_for == ""
    assert view["text"].startswith(f"Schedule {made.schedule}: protect vm01 to s3 has not begun. ")
