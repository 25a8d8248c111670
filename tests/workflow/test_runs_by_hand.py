"""Runs of a schedule that somebody asks for: noted at once, begun by the next look, once, whatever dies in between."""

from datetime import timedelta
from pathlib import Path

import pytest

from bot.model import Actor, FireState, Schedule, ScheduleState, State
from bot.policy import Policy, Role
from handlers.origin import Origin
from handlers.scheduleorders import carry_out
from handlers.scheduling import Act, Scheduling
from tests.workflow.schedule_world import ALICE, DAVE, HOUR, ScheduleWorld
from tests.workflow.test_schedule_sequences import dying_at

MINUTE = timedelta(minutes=1)
DAILY = "every day at 02:00"
MANY = 60
GRANTS = {"U_ALICE": Role.OPERATOR, "U_DAVE": Role.ADMIN}


@pytest.fixture
def world(tmp_path: Path) -> ScheduleWorld:
    world = ScheduleWorld(tmp_path)
    world.see("vm01", *(f"web{number:04}" for number in range(MANY)))
    return world


def ran(world: ScheduleWorld, schedule: Schedule) -> list[tuple[FireState, int]]:
    return [(fire.state, fire.started) for fire in world.fires(schedule).values()]


def test_what_is_asked_for_is_noted_and_the_next_look_starts_all_of_it(world: ScheduleWorld) -> None:
    schedule = world.add(DAILY, "web*")
    fire = world.service.schedules.run_now(schedule.id, ALICE, request_key="click")
    assert (fire.state, fire.started, fire.by) == (FireState.ASKED, 0, "alice")
    assert world.started(schedule) == ()
    world.look()
    assert ran(world, schedule) == [(FireState.BY_HAND, MANY)]
    assert len(world.started(schedule)) == MANY
    events = [(body["event"], body.get("started")) for body in world.audited()]
    assert events == [("by hand", MANY)]


def test_two_clicks_are_one_run_before_it_begins_and_after_it_has_ended(world: ScheduleWorld) -> None:
    schedule = world.add(DAILY, "web*")
    run, drawn = world.service.schedules.run_now, schedule.created_at
    first = run(schedule.id, ALICE, request_key="click", since=drawn)
    assert run(schedule.id, DAVE, request_key="another's", since=drawn) == first
    world.look()
    world.end_all()
    again = run(schedule.id, ALICE, request_key="click again", since=drawn)
    assert (again.at, again.state) == (first.at, FireState.BY_HAND)
    world.look()
    assert ran(world, schedule) == [(FireState.BY_HAND, MANY)]


def test_whoever_sees_that_it_ran_and_asks_once_more_gets_one_run_more(world: ScheduleWorld) -> None:
    schedule = world.add(DAILY)
    for number in range(2):
        seen = world.service.schedules.get(schedule.id).last
        world.service.schedules.run_now(
            schedule.id, ALICE, request_key=f"click{number}", since=seen.at if seen else schedule.created_at
        )
        world.look(MINUTE)
        world.end_all()
    assert ran(world, schedule) == [(FireState.BY_HAND, 1)] * 2


@pytest.mark.parametrize("death", ["database.unit:before", "database.commit:before", "database.commit:after"])
def test_a_death_at_any_moment_loses_no_run_and_doubles_none(
    world: ScheduleWorld, monkeypatch: pytest.MonkeyPatch, death: str
) -> None:
    schedule = world.add(DAILY, "web*")
    world.service.schedules.run_now(schedule.id, ALICE, request_key="click")
    with dying_at(monkeypatch, death):
        world.look()
    world.under(None)
    world.look(MINUTE)
    world.look(MINUTE)
    assert ran(world, schedule) == [(FireState.BY_HAND, MANY)]
    assert len(world.started(schedule)) == MANY


def test_a_pause_holds_no_run_by_hand_and_a_deleted_schedule_starts_none(world: ScheduleWorld) -> None:
    paused, deleted = world.add(DAILY), world.add(DAILY)
    for schedule in (paused, deleted):
        world.service.schedules.run_now(schedule.id, ALICE, request_key=world.key())
    world.service.schedules.pause(paused.id, ALICE, request_key=world.key())
    world.service.schedules.delete(deleted.id, ALICE, request_key=world.key())
    world.look()
    assert ran(world, paused) == [(FireState.BY_HAND, 1)]
    (fire,) = world.fires(deleted).values()
    assert (fire.state, fire.started, fire.why) == (FireState.BY_HAND, 0, "the schedule was deleted before it began")
    assert any("has started nothing: the schedule was deleted before it began" in text for text in world.told())


def test_a_run_whose_schedule_s_owner_has_lost_the_right_meanwhile_suspends_it(tmp_path: Path) -> None:
    world = ScheduleWorld(tmp_path, policy=Policy(grants=GRANTS))
    world.see("vm01")
    schedule = world.add(DAILY)
    world.service.schedules.run_now(schedule.id, ALICE, request_key="click")
    world.under(Policy(grants=GRANTS | {"U_ALICE": Role.VIEWER}))
    world.look()
    assert ran(world, schedule) == [(FireState.BY_HAND, 0)]
    assert world.now(schedule).state is ScheduleState.SUSPENDED


def test_one_that_cannot_be_begun_keeps_no_other_from_it(world: ScheduleWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, well = world.add(DAILY), world.add(DAILY)
    for schedule in (broken, well):
        world.service.schedules.run_now(schedule.id, ALICE, request_key=world.key())
        world.clock.at += MINUTE
    accounts = world.service.schedules.accounts
    begin = accounts.begin

    def fails(unit: object, fire: object, now: object) -> object:
        if fire.schedule == broken.id:  # type: ignore[attr-defined]
            raise ValueError("a mistake")
        return begin(unit, fire, now)  # type: ignore[arg-type]

    monkeypatch.setattr(accounts, "begin", fails)
    world.look()
    assert ran(world, well) == [(FireState.BY_HAND, 1)]
    assert ran(world, broken) == [(FireState.ASKED, 0)]
    assert any("starts nothing now: Cloudy makes a mistake over it" in text for text in world.told())
    monkeypatch.undo()
    world.look(MINUTE)
    assert ran(world, broken) == [(FireState.BY_HAND, 1)]


def test_its_times_go_on_and_what_runs_is_passed_over(world: ScheduleWorld) -> None:
    schedule = world.add("every day at 13:00")
    world.clock.at += HOUR
    world.service.schedules.run_now(schedule.id, ALICE, request_key="click")
    world.look()
    (timed, by_hand) = sorted(world.fires(schedule).values(), key=lambda fire: fire.state is FireState.BY_HAND)
    assert (timed.state, timed.started) == (FireState.STARTED, 1)
    assert (by_hand.started, by_hand.state) == (0, FireState.BY_HAND)
    assert "which this schedule started before, is still running" in by_hand.passed[0]


def test_a_person_in_the_chat_is_answered_before_it_begins_and_one_at_the_terminal_after(world: ScheduleWorld) -> None:
    schedule = world.add(DAILY)
    order = Scheduling(act=Act.RUN, id=schedule.id)
    asked = carry_out(world.service, order, Origin(actor=ALICE, channel="C_OPS", key="click"))
    assert asked.title == f"Schedule {schedule.id} runs now"
    assert "Asked for by alice" in asked.said[0]
    assert world.started(schedule) == ()
    terminal = Actor(id="root", name="root", source="cli")
    done = carry_out(world.service, order, Origin(actor=terminal, channel="", key="typed"))
    assert done.title == f"Schedule {schedule.id} runs now: 1 started"
    (made,) = world.started(schedule)
    assert made.state is State.PLANNING
    world.look()
    assert ran(world, schedule) == [(FireState.BY_HAND, 1)]
