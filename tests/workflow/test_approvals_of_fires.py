"""Fires whose transactions need approvals: each reaches those who may decide, however many there are."""

from datetime import timedelta
from pathlib import Path

import pytest

from bot import narrator
from bot.approvals import Approvals, Stand
from bot.model import Actor, Choice, Place, Schedule, ScheduleRequest, State, Transaction
from bot.policy import Need, Operation, Policy, Role, Rule
from bot.rights import Rights
from bot.timekeeper import Timekeeper
from handlers.cards import of_view
from tests.workflow.house import OPS, House
from tests.workflow.schedule_world import ALICE, BOB, HOUR, ScheduleWorld

GRANTS = {"U_ALICE": Role.OPERATOR, "U_BOB": Role.APPROVER, "U_CAROL": Role.APPROVER}
POLICY = Policy(grants=GRANTS, rules=(Rule(name="rule 1", operation=Operation.PROTECT, need=Need.APPROVAL),))
CAROL = Actor(id="U_CAROL", name="carol", source="slack")
MANY = 25


def waiting(folder: Path) -> tuple[ScheduleWorld, Schedule]:
    """All that one fire has started is planned, and waits for a decision."""
    world = ScheduleWorld(folder, policy=POLICY)
    world.see(*(f"web{number:02}" for number in range(MANY)))
    schedule = world.add("every day at 13:00", "web*")
    world.look(HOUR)
    approvals = Approvals(Rights(POLICY, world.clock), world.clock)
    with world.db.unit() as unit:
        for each in world.started(schedule):
            assert approvals.settle(unit, each, {"vm": each.vm}, {}) is Stand.WAIT
            unit.transactions.update(each.id, state=State.AWAITING_APPROVAL)
            narrator.retell(unit, each.id)
    return world, schedule


def card(world: ScheduleWorld | House, transaction: Transaction) -> tuple[str, tuple[str, ...], str]:
    """Where its card stands, with which buttons, for which approval."""
    with world.db.read() as unit:
        root = unit.outbox.get(f"{transaction.id}:root")
    assert root is not None
    drawn = of_view(root.view)
    return root.channel, drawn.more, drawn.token


def test_each_of_many_has_its_card_in_the_channel_and_with_each_approver(tmp_path: Path) -> None:
    world, schedule = waiting(tmp_path)
    for each in world.started(schedule):
        channel, buttons, token = card(world, each)
        assert (channel, buttons) == ("C_OPS", ("approve", "veto"))
        with world.db.read() as unit:
            copies = [unit.outbox.get(key) for key in unit.outbox.keys_under(f"{each.id}:approval:1:")]
            assert unit.approvals.by_token(token) is not None
        assert {copy.channel for copy in copies if copy} == {"U_BOB", "U_CAROL"}


def test_all_of_them_wait_on_the_start_page_of_each_approver_and_come_up_one_after_another(tmp_path: Path) -> None:
    world, schedule = waiting(tmp_path)
    for who in (BOB, CAROL):
        asked = world.service.approvals_waiting(who)
        assert {each.id for _, each in asked} == {each.id for each in world.started(schedule)}
    assert world.service.approvals_waiting(ALICE) == ()
    for left in range(MANY, 0, -1):
        asked = world.service.approvals_waiting(BOB)
        assert len(asked) == left
        world.service.decide(asked[0][0].token, Choice.APPROVE, BOB, request_key=f"click{left}")
    assert {each.state for each in world.started(schedule)} == {State.PLANNING}


def test_the_message_that_follows_them_counts_those_that_wait_for_a_decision(tmp_path: Path) -> None:
    world, _ = waiting(tmp_path)
    world.look(timedelta(minutes=1))
    assert any(f"has started {MANY}: {MANY} awaiting approval" in text for text in world.told())


def test_one_of_a_wide_fire_is_approved_in_the_channel_and_goes_on_in_its_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.startable.MOST_THREADS", 0)
    house = House(tmp_path, policy=POLICY)
    request = ScheduleRequest(workflow="protect", recurrence="every day at 13:00", vms=("vm01",), targets=("s3",))
    schedule = house.service.schedules.add(request, ALICE, request_key="k", place=OPS)
    house.clock.sleep(HOUR.total_seconds())
    Timekeeper(house.db, house.clock, house.service.schedules.accounts).look()
    with house.db.read() as unit:
        (made,) = unit.transactions.asked_under(f"schedule:{schedule.id}:")
    assert made.place == Place()
    house.dispatch()
    channel, _, token = card(house, made)
    assert channel == "C_OPS"
    house.service.decide(token, Choice.APPROVE, BOB, request_key="click")
    house.dispatch()
    house.dispatch()
    house.engine.run_all()
    assert house.read(made.id).state is State.SUCCEEDED
    with house.db.read() as unit:
        receipt = unit.outbox.get(f"{made.id}:receipt")
    assert receipt is not None
    assert receipt.thread_key == f"{made.id}:root"
