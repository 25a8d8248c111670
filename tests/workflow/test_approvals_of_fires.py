"""Fires whose transactions need approvals: each reaches those who may decide, however many there are."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot import narrator
from bot.approvals import Approvals, Stand
from bot.errors import RequesterError
from bot.model import (
    Actor,
    Approval,
    ApprovalState,
    Choice,
    Message,
    Place,
    Schedule,
    ScheduleRequest,
    Span,
    State,
    Topic,
    Transaction,
)
from bot.policy import Need, Operation, Policy, Role, Rule
from bot.rights import Rights
from bot.timekeeper import Timekeeper
from handlers import blocks, home
from handlers.cards import of_view
from integrations.simulators.slack.blocks import problems_of
from tests.workflow.house import OPS, House
from tests.workflow.schedule_world import ALICE, BOB, HOUR, ScheduleWorld

GRANTS = {"U_ALICE": Role.OPERATOR, "U_BOB": Role.APPROVER, "U_CAROL": Role.APPROVER}
POLICY = Policy(grants=GRANTS, rules=(Rule(name="rule 1", operation=Operation.PROTECT, need=Need.APPROVAL),))
CAROL = Actor(id="U_CAROL", name="carol", source="slack")
MANY = 25


def waiting(folder: Path, first: int | None = None, many: int = MANY) -> tuple[ScheduleWorld, Schedule]:
    """What one fire has started is planned, and waits for a decision; first: so many of it."""
    world = ScheduleWorld(folder, policy=POLICY)
    world.see(*(f"web{number:02}" for number in range(many)))
    schedule = world.add("every day at 13:00", "web*")
    world.look(HOUR)
    plan(world, schedule, range(many if first is None else first))
    return world, schedule


def plan(world: ScheduleWorld, schedule: Schedule, which: range, changed: Collection[str] = ()) -> None:
    """As the dispatcher keeps a plan; changed: VMs that are decided on otherwise by now."""
    approvals = Approvals(Rights(POLICY, world.clock), world.clock)
    with world.db.unit() as unit:
        for number in which:
            each = world.started(schedule)[number]
            decided = {"operation": "protect", "vm": each.vm, "vm_uuid": f"u{number}", "targets": list(each.targets)}
            decided |= {"keep_for": "P9D"} if each.vm in changed else {}
            size = (2 if number == MANY - 1 else 1) << 30 if number else 0
            stand = approvals.settle(unit, each, decided, {"bytes_to_send": size})
            state = State.AWAITING_APPROVAL if stand is Stand.WAIT else State.QUEUED
            unit.transactions.update(each.id, state=state)
            narrator.retell(unit, each.id)


def drawn_all(view: Mapping[str, Any]) -> list[str]:
    """The VMs whose plans are named on a card."""
    return [str(item).partition(":")[0] for _, items in view["lists"] for item in items]


def card(world: ScheduleWorld | House, transaction: Transaction) -> tuple[str, tuple[str, ...], str]:
    """Where its card stands, with which buttons, for which approval."""
    with world.db.read() as unit:
        root = unit.outbox.get(f"{transaction.id}:root")
    assert root is not None
    drawn = of_view(root.view)
    return root.channel, drawn.more, drawn.token


def sheets(world: ScheduleWorld, channel: str = "C_OPS") -> list[Message]:
    """The cards that stand there, and nothing that is said beside them."""
    with world.db.read() as unit:
        found = [unit.outbox.get(key) for key in unit.outbox.keys_under("schedule:") if ":approvals:" in key]
    return [each for each in found if each and each.channel == channel and not each.thread_key]


def beside(world: ScheduleWorld, channel: str = "C_OPS") -> list[str]:
    with world.db.read() as unit:
        found = [unit.outbox.get(key) for key in unit.outbox.keys_under("schedule:") if "~" in key]
    return [str(each.view["text"]) for each in found if each and each.channel == channel]


def of_each(world: ScheduleWorld, schedule: Schedule) -> list[Approval]:
    with world.db.read() as unit:
        found = [unit.approvals.newest(each.id) for each in world.started(schedule)]
    return [each for each in found if each]


def test_what_a_fire_of_many_asks_for_stands_on_one_card_with_each_plan_and_what_they_come_to(tmp_path: Path) -> None:
    world, schedule = waiting(tmp_path)
    for channel in ("C_OPS", "U_BOB", "U_CAROL"):
        (sheet,) = sheets(world, channel)
        assert drawn_all(sheet.view) == [f"web{number:02}" for number in range(MANY)]
        facts = dict(map(tuple, sheet.view["facts"]))
        assert facts["Bytes to send at most"] == "25 GiB"
        assert facts["The largest"] == "web24: 2.0 GiB"
        assert facts["Targets"] == "s3"
        assert f"{MANY} plans of the {MANY} that the fire of 2026-11-25 13:00 UTC has started" in facts["Plans"]
        card = of_view(sheet.view)
        assert card.more == ("approve_all", "veto_all")
        for level in (blocks.PLAN, blocks.SECTIONS):
            drawn = blocks.render(sheet.view, level)
            assert problems_of(list(drawn.blocks)) == []
            assert all(f"web{number:02}" in str(drawn.blocks) for number in range(MANY))
            assert "more than one message" not in str(drawn.blocks)
    assert sheets(world, "U_ALICE") == []
    with world.db.read() as unit:
        assert [key for each in world.started(schedule) for key in unit.outbox.keys_under(each.id)] == []


def test_one_click_is_a_word_on_each_plan_of_the_card_which_the_audit_tells_one_by_one(tmp_path: Path) -> None:
    world, schedule = waiting(tmp_path)
    (sheet,) = sheets(world)
    decided = world.service.decide_all(str(sheet.view["token"]), Choice.APPROVE, BOB, request_key="click")
    assert len(decided) == MANY
    again = world.service.decide_all(str(sheet.view["token"]), Choice.APPROVE, BOB, request_key="click")
    assert {each.id for each in again} == {each.id for each in decided}
    assert {each.state for each in world.started(schedule)} == {State.PLANNING}
    hashes = {each.plan_hash for each in of_each(world, schedule)}
    assert {body["plan_hash"] for body in world.audited("decision")} == hashes
    assert len(list(world.audited("decision"))) == len(hashes) == MANY
    for channel in ("C_OPS", "U_BOB", "U_CAROL"):
        (sheet,) = sheets(world, channel)
        assert (sheet.view["line"], sheet.view["buttons"]) == (f"{MANY} approved", [])
    with pytest.raises(RequesterError, match="approved by bob"):
        world.service.decide_all(str(sheet.view["token"]), Choice.VETO, CAROL, request_key="late")


def test_a_veto_ends_all_of_them(tmp_path: Path) -> None:
    world, schedule = waiting(tmp_path)
    (sheet,) = sheets(world)
    world.service.decide_all(str(sheet.view["token"]), Choice.VETO, CAROL, request_key="click")
    assert {each.state for each in world.started(schedule)} == {State.REFUSED}
    assert sheets(world)[0].view["line"] == f"{MANY} vetoed"


def test_whose_word_does_not_count_is_told_and_nothing_is_decided(tmp_path: Path) -> None:
    world, schedule = waiting(tmp_path)
    (sheet,) = sheets(world)
    for token, words in (
        (str(sheet.view["token"]), "alice|own|yourself|somebody else"),
        ("joint/x/1/1/0", "no approval"),
    ):
        with pytest.raises(RequesterError, match=words):
            world.service.decide_all(token, Choice.APPROVE, ALICE, request_key=words)
    assert {each.state for each in world.started(schedule)} == {State.AWAITING_APPROVAL}


def test_a_button_decides_on_what_its_card_showed_and_on_nothing_that_came_later(tmp_path: Path) -> None:
    world, schedule = waiting(tmp_path, first=21)
    seen = str(sheets(world)[0].view["token"])
    plan(world, schedule, range(21, MANY))
    assert len(world.service.decide_all(seen, Choice.APPROVE, BOB, request_key="click")) == 21
    left = [each for each in of_each(world, schedule) if each.state is ApprovalState.PENDING]
    assert len(left) == MANY - 21
    (sheet,) = sheets(world)
    assert sheet.view["buttons"] == ["approve_all", "veto_all"]
    assert str(sheet.view["line"]).startswith("4 of 25: Waiting for 1 approval")
    forged = seen.rpartition("/")[0] + "/" + "0" * 32
    with pytest.raises(RequesterError, match="not the plans that the card showed"):
        world.service.decide_all(forged, Choice.APPROVE, CAROL, request_key="forged")


def test_what_comes_to_a_card_that_was_decided_is_said_beside_it(tmp_path: Path) -> None:
    world, schedule = waiting(tmp_path, first=21)
    world.service.decide_all(str(sheets(world)[0].view["token"]), Choice.APPROVE, BOB, request_key="click")
    assert beside(world) == []
    plan(world, schedule, range(21, MANY))
    (text,) = beside(world)
    assert text.startswith("More has come: 1 plan waits for a decision")
    assert sheets(world)[0].view["buttons"] == ["approve_all", "veto_all"]


def test_a_fire_of_more_than_fifty_has_a_card_for_each_fifty(tmp_path: Path) -> None:
    world, _ = waiting(tmp_path, many=60)
    assert [len(drawn_all(each.view)) for each in sheets(world)] == [50, 10]
    first, second = (str(each.view["token"]) for each in sheets(world))
    assert len(world.service.decide_all(second, Choice.APPROVE, BOB, request_key="b")) == 10
    assert len(world.service.decide_all(first, Choice.APPROVE, BOB, request_key="a")) == 50


def test_one_whose_plan_has_changed_after_the_word_is_asked_for_again_alone(tmp_path: Path) -> None:
    world, schedule = waiting(tmp_path)
    world.service.decide_all(str(sheets(world)[0].view["token"]), Choice.APPROVE, BOB, request_key="click")
    plan(world, schedule, range(MANY), changed={"web03"})
    states = {each.decided["vm"]: (each.number, each.state) for each in of_each(world, schedule)}
    assert states.pop("web03") == (2, ApprovalState.PENDING)
    assert set(states.values()) == {(1, ApprovalState.APPROVED)}
    (again,) = (each for each in world.started(schedule) if each.vm == "web03")
    channel, buttons, token = card(world, again)
    assert (channel, buttons) == ("C_OPS", ("approve", "veto"))
    with world.db.read() as unit:
        copies = [unit.outbox.get(key) for key in unit.outbox.keys_under(f"{again.id}:approval:2:")]
        void = unit.outbox.get(f"{again.id}:milestone:void:1")
    assert {copy.channel for copy in copies if copy} == {"U_BOB", "U_CAROL"}
    assert void is not None
    assert "is void: what was approved has changed" in void.view["text"]
    assert sheets(world)[0].view["line"] == f"{MANY - 1} approved, 1 cancelled"
    world.service.decide(token, Choice.APPROVE, CAROL, request_key="again")


def test_they_wait_on_one_card_of_the_start_page_of_each_approver(tmp_path: Path) -> None:
    world, _ = waiting(tmp_path)
    for who in (BOB, CAROL):
        (view,) = world.service.cards_waiting(who)
        assert drawn_all(view) == [f"web{number:02}" for number in range(MANY)]
        assert len(blocks.render_card(of_view(view), blocks.SECTIONS).blocks) <= home._CARD
    assert world.service.cards_waiting(ALICE) == ()


def test_they_are_reminded_of_together(tmp_path: Path) -> None:
    world, schedule = waiting(tmp_path)
    world.clock.at += timedelta(hours=18, minutes=1)
    approvals = Approvals(Rights(POLICY, world.clock), world.clock)
    for _ in range(2):
        with world.db.unit() as unit:
            for each in world.started(schedule):
                approvals.tend(unit, each)
    for channel in ("C_OPS", "U_BOB", "U_CAROL"):
        (text,) = beside(world, channel)
        assert text.startswith(f"Still waiting: {MANY} plans wait for a decision, until 2026-11-26 13:00 UTC")


def test_what_nobody_decides_expires_and_the_card_says_so(tmp_path: Path) -> None:
    world, schedule = waiting(tmp_path)
    world.clock.at += timedelta(hours=24, minutes=1)
    approvals = Approvals(Rights(POLICY, world.clock), world.clock)
    with world.db.unit() as unit:
        for each in world.started(schedule):
            approvals.tend(unit, each)
    assert {each.state for each in world.started(schedule)} == {State.REFUSED}
    assert (sheets(world)[0].view["line"], sheets(world)[0].view["buttons"]) == (f"{MANY} expired", [])


def test_a_summary_tells_of_one_request_for_all_of_them(tmp_path: Path) -> None:
    world, schedule = waiting(tmp_path)
    told = world.service.summaries.digest(Span.DAY)
    (chapter,) = (each for each in told.chapters if each.topic is Topic.APPROVAL)
    assert (chapter.total, len(chapter.lines)) == (1, 1)
    assert f"protect web* to s3: {MANY} plans of schedule {schedule.id}" in chapter.lines[0].title


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
