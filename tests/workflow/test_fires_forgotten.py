"""Rows of fires go after 400 days; the last of each schedule stays, and nothing that has gone comes again."""

from datetime import timedelta
from pathlib import Path

import pytest

from bot.model import FireState, Schedule
from tests.workflow.schedule_world import DAY, HOUR, NOON, ScheduleWorld


@pytest.fixture
def world(tmp_path: Path) -> ScheduleWorld:
    world = ScheduleWorld(tmp_path)
    world.see("vm01")
    return world


def old(world: ScheduleWorld, recurrence: str = "every day at 13:00") -> Schedule:
    """A schedule that has fired thrice."""
    schedule = world.add(recurrence)
    for _ in range(3):
        world.look(DAY)
        world.end_all()
    return schedule


def test_what_is_older_than_400_days_goes_and_the_last_of_each_schedule_stays(world: ScheduleWorld) -> None:
    schedule = old(world)
    last = max(world.fires(schedule))
    world.service.schedules.delete(schedule.id, schedule.owner, request_key="d")
    world.clock.at += 410 * DAY
    world.keeper.look()
    world.keeper.look()
    assert list(world.fires(schedule)) == [last]


def test_the_last_that_started_anything_stays_as_well(world: ScheduleWorld) -> None:
    schedule = old(world)
    started = max(world.fires(schedule))
    world.service.schedules.pause(schedule.id, schedule.owner, request_key="p")
    for _ in range(3):
        world.look(DAY)
    skipped = max(world.fires(schedule))
    world.service.schedules.delete(schedule.id, schedule.owner, request_key="d")
    world.look(410 * DAY)
    world.look()
    assert list(world.fires(schedule)) == [started, skipped]


def test_it_is_done_once_a_day_and_younger_ones_stay(world: ScheduleWorld) -> None:
    schedule = old(world)
    world.look(390 * DAY)
    world.look()
    assert len(world.fires(schedule)) == 393
    world.end_all()
    world.look(10 * DAY)
    assert min(world.fires(schedule)) < world.clock.at - 400 * DAY
    world.under(None)
    world.look()
    assert min(world.fires(schedule)) < world.clock.at - 400 * DAY
    world.look(timedelta(minutes=1))
    assert min(world.fires(schedule)) >= world.clock.at - 400 * DAY


def test_a_clock_that_is_a_decade_ahead_forgets_nothing_that_a_clock_set_back_needs(world: ScheduleWorld) -> None:
    schedule = old(world, "every day at 13:00")
    before = dict(world.fires(schedule))
    world.service.schedules.skip_next(schedule.id, schedule.owner, request_key="s")
    skipped = max(world.fires(schedule))
    now = world.clock.at
    world.keeper.look()
    world.look(3650 * DAY)
    world.clock.at = now
    world.look()
    assert before.items() <= world.fires(schedule).items()
    world.end_all()
    world.look(DAY)
    assert world.fires(schedule)[skipped].state is FireState.SKIPPED


def test_what_was_forgotten_does_not_fire_again_when_the_clock_is_set_back(world: ScheduleWorld) -> None:
    schedule = world.add("every day at 13:00")
    world.look(HOUR)
    world.end_all()
    world.clock.at = NOON + 500 * DAY
    for _ in range(3):
        world.look()
        world.end_all()
    assert NOON + HOUR not in world.fires(schedule)
    before = {each.request_key for each in world.started(schedule)}
    world.clock.at = NOON + 450 * DAY
    world.look()
    for _ in range(3):
        world.look(DAY)
        world.end_all()
    began = {each.request_key for each in world.started(schedule)} - before
    assert len(began) == 3
    assert min(began) > f"schedule:{schedule.id}:{NOON + 450 * DAY:%Y%m%dT%H%M%SZ}"
