"""What a schedule has started and what still waits for its moment, when the schedule is paused, deleted, suspended."""

from datetime import timedelta
from pathlib import Path

import pytest

from bot.model import CLOUDY, Failure, Schedule, State, Transaction
from bot.policy import Policy, Role
from handlers.origin import Origin
from handlers.scheduleorders import carry_out
from handlers.scheduling import Act, Scheduling
from tests.workflow.schedule_world import ALICE, BOB, DAVE, DAY, HOUR, NOON, ScheduleWorld

GRANTS = {"U_ALICE": Role.OPERATOR, "U_BOB": Role.OPERATOR, "U_DAVE": Role.ADMIN}
ONE = NOON + HOUR
MINUTE = timedelta(minutes=1)


def at_one(folder: Path, vms: int = 4) -> tuple[ScheduleWorld, Schedule]:
    """One o'clock: of these VMs one runs and one is planned; the others have moments, ten minutes apart."""
    world = ScheduleWorld(folder, policy=Policy(grants=GRANTS))
    world.see(*(f"web{number:02}" for number in range(1, vms + 1)))
    schedule = world.add("every day at 13:00 within 2h", "web*")
    world.look(HOUR)
    with world.db.unit() as unit:
        for number, each in enumerate(world.started(schedule)):
            moment = ONE + (number - 1) * 10 * MINUTE if number > 1 else None
            unit.transactions.update(each.id, not_before=moment)
        unit.transactions.update(world.started(schedule)[0].id, state=State.RUNNING)
    return world, schedule


def states(world: ScheduleWorld, schedule: Schedule) -> list[State]:
    return [each.state for each in world.started(schedule)]


def withdrawn(world: ScheduleWorld, schedule: Schedule) -> list[Transaction]:
    return [each for each in world.started(schedule) if each.state is State.STOPPED]


@pytest.mark.parametrize(("act", "done"), [(Act.PAUSE, "paused"), (Act.DELETE, "deleted")])
def test_what_had_not_begun_is_withdrawn_and_what_has_begun_goes_on(tmp_path: Path, act: Act, done: str) -> None:
    world, schedule = at_one(tmp_path)
    answer = carry_out(world.service, Scheduling(act=act, id=schedule.id), Origin(actor=DAVE, channel="C_OPS", key="k"))
    assert "2 that had not begun are withdrawn." in " ".join(answer.said)
    assert "What has begun goes on" in " ".join(answer.said)
    assert states(world, schedule) == [State.RUNNING, State.PLANNING, State.STOPPED, State.STOPPED]
    for each in withdrawn(world, schedule):
        assert (each.stop_asked_by, each.ended_at) == ("dave", world.clock.now())
        assert each.failure == Failure(
            what=f"Withdrawn before it began: dave has {done} schedule {schedule.id}.", step="Plan"
        )
    assert world.told()[-1].endswith(f"dave has {done} it. 2 that had not begun are withdrawn: web03, web04")
    world.clock.at += DAY
    assert world.waiting() == ("web01", "web02")


def test_it_is_audited_in_the_name_of_who_paused_it(tmp_path: Path) -> None:
    world, schedule = at_one(tmp_path)
    world.service.schedules.pause(schedule.id, DAVE, request_key="p", why="patching")
    with world.db.read() as unit:
        rows = [unit.audit.list(transaction_id=each.id)[-1] for each in withdrawn(world, schedule)]
    assert [(row.action, row.actor_name, row.body["schedule"]) for row in rows] == [("stop", "dave", schedule.id)] * 2
    assert [body.get("withdrawn") for body in world.audited("schedule") if body["event"] == "paused"] == [2]


def test_a_pause_that_ends_leaves_those_whose_moment_is_behind_its_end(tmp_path: Path) -> None:
    world, schedule = at_one(tmp_path)
    world.service.schedules.pause(schedule.id, ALICE, request_key="p", until=ONE + 15 * MINUTE)
    assert states(world, schedule)[1:] == [State.PLANNING, State.STOPPED, State.PLANNING]
    world.look(20 * MINUTE)
    assert "web04" in world.waiting()


def test_the_same_request_delivered_again_says_the_same(tmp_path: Path) -> None:
    world, schedule = at_one(tmp_path)
    order, origin = Scheduling(act=Act.PAUSE, id=schedule.id), Origin(actor=DAVE, channel="C_OPS", key="k")
    assert carry_out(world.service, order, origin).said == carry_out(world.service, order, origin).said
    assert len(world.told()) == 1


def test_where_nothing_waits_nothing_is_said_of_it(tmp_path: Path) -> None:
    world, schedule = at_one(tmp_path, vms=2)
    answer = carry_out(
        world.service, Scheduling(act=Act.PAUSE, id=schedule.id), Origin(actor=DAVE, channel="C_OPS", key="k")
    )
    assert "withdrawn" not in " ".join(answer.said)
    assert world.told() == []


def test_another_schedules_and_a_persons_own_transactions_are_left_alone(tmp_path: Path) -> None:
    world, schedule = at_one(tmp_path)
    other = world.add("every day at 14:00 within 2h", "web*", by=BOB)
    world.look(HOUR)
    moments = [each.not_before for each in world.started(other)]
    world.service.schedules.delete(schedule.id, ALICE, request_key="d")
    assert [each.not_before for each in world.started(other)] == moments
    assert set(states(world, other)) == {State.PLANNING}


def test_one_whose_owner_lost_the_right_takes_back_what_waits(tmp_path: Path) -> None:
    world, schedule = at_one(tmp_path)
    with world.db.unit() as unit:
        for each in world.started(schedule)[2:]:
            unit.transactions.update(each.id, not_before=ONE + 2 * DAY)
    world.under(Policy(grants=GRANTS | {"U_ALICE": Role.VIEWER}))
    world.look(DAY)
    assert {each.stop_asked_by for each in withdrawn(world, schedule)} == {CLOUDY.name}
    assert len(withdrawn(world, schedule)) == 2
    assert any(
        text.endswith("cloudy has suspended it. 2 that had not begun are withdrawn: web03, web04")
        for text in world.told()
    )


def test_many_are_withdrawn_in_one_message_and_the_one_that_follows_them_counts_them(tmp_path: Path) -> None:
    world, schedule = at_one(tmp_path, vms=40)
    world.service.schedules.pause(schedule.id, DAVE, request_key="p")
    world.look(MINUTE)
    text = next(text for text in world.told() if "withdrawn" in text)
    assert "38 that had not begun are withdrawn: web03, " in text
    assert text.endswith(" and 23 more")
    assert any(
        "has started 40: 38 stopped, 1 planning, 1 running" in text
        or "has started 40: 38 stopped, 1 running, 1 planning" in text
        for text in world.told()
    )
