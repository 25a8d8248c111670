"""What an administrator's year brings: schedules that are changed while times wait, clocks of nowhere, odd VMs."""

import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.accounting import Accounted
from bot.errors import RequesterError
from bot.hours import parse as span
from bot.model import CatchUp, FireState, Schedule, ScheduleRequest, Vm
from bot.moments import NamedBlackout, ScheduleRules
from bot.recurrence import Blackout
from bot.service import Service
from bot.store import Unit
from bot.timekeeper import Timekeeper
from tests.workflow.schedule_world import ALICE, DAY, HOUR, NOON, ScheduleWorld

DAILY = "every day at 02:00 UTC"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def world(tmp_path: Path) -> ScheduleWorld:
    made = ScheduleWorld(tmp_path)
    made.see("vm01", "vm02")
    return made


def request(recurrence: str = DAILY, *targets: str) -> ScheduleRequest:
    return ScheduleRequest(workflow="protect", recurrence=recurrence, vms=("vm01",), targets=targets or ("s3",))


@pytest.mark.parametrize("change", ["edit", "delete"])
def test_times_that_wait_to_be_caught_up_with_are_told_as_missed_when_it_is_changed(
    world: ScheduleWorld, change: str
) -> None:
    schedule = world.add(DAILY, catch_up=CatchUp.ALL)
    world.look(3 * DAY)
    if change == "edit":
        world.service.schedules.edit(schedule.id, request("every day at 03:00 UTC"), ALICE, request_key="change")
    else:
        world.service.schedules.delete(schedule.id, ALICE, request_key="change")
    assert world.states(schedule) == [FireState.CAUGHT_UP, FireState.MISSED, FireState.MISSED]
    assert any(f"it was {change.removesuffix('e')}ed before" in text for text in world.told())


def test_times_that_are_caught_up_with_one_by_one_are_counted_once_and_with_the_reason_that_held(
    world: ScheduleWorld,
) -> None:
    world.add(DAILY, catch_up=CatchUp.ALL)
    world.look(3 * DAY)
    for _ in range(2):
        world.end_all()
        world.look(MINUTE)
    first, second, third = world.told()
    assert "3 fires were missed while Cloudy was down: caught up with the one of 2026-11-26 02:00 UTC" in first
    assert second.endswith("\nCaught up with the one of 2026-11-27 02:00 UTC; 1 more follows")
    assert third.endswith("\nCaught up with the one of 2026-11-28 02:00 UTC")


def test_a_vm_that_two_vmstores_show_while_it_moves_is_protected_once_where_it_was_seen_last(
    world: ScheduleWorld,
) -> None:
    world.clock.at += MINUTE
    with world.db.unit() as unit:
        unit.inventory.refresh("vmstore2", [Vm(uuid="vmstore-vm01", name="vm01", vmstore="vmstore2")])
    schedule = world.add(DAILY, "vm01")
    world.look(DAY)
    assert [each.vm for each in world.started(schedule)] == ["vmstore2/vm01"]
    (fire,) = world.fires(schedule).values()
    assert fire.passed == ("vm01: vmstore has it as well, and vmstore2 has shown it last",)


def test_a_clock_that_shows_a_time_before_cloudy_was_made_changes_nothing(world: ScheduleWorld) -> None:
    schedule = world.add(DAILY)
    world.look(DAY)
    world.end_all()
    world.service.schedules.pause(schedule.id, ALICE, request_key="pause", until=NOON + 3 * DAY)
    world.look(2 * DAY)
    before, real = world.fires(schedule), world.clock.at
    world.clock.at = datetime(1970, 1, 1, tzinfo=UTC)
    world.look()
    assert world.now(schedule).looked_until < real
    world.clock.at = real
    world.look()
    assert world.fires(schedule) == before


def test_what_blackouts_never_let_start_is_told_and_not_put_off_for_weeks(world: ScheduleWorld) -> None:
    halves = (
        NamedBlackout(name=hours, blackout=Blackout(span(hours), postpones=True), zone="UTC")
        for hours in ("00:00-12:00", "12:00-00:00")
    )
    world.rule(ScheduleRules(blackouts=tuple(halves)))
    schedule = world.add(DAILY)
    world.look(DAY)
    (fire,) = world.fires(schedule).values()
    assert (fire.state, world.started(schedule)) == (FireState.NOTHING, ())
    assert fire.passed == ("vm01: the blackout “12:00-00:00” is on",)


@pytest.mark.parametrize(
    ("targets", "started"), [(("s3",), []), (("s3", "azure"), [("azure",)]), (("azure",), [("azure",)])]
)
def test_a_target_that_cloudy_toml_has_no_more_is_told_and_the_others_get_theirs(
    world: ScheduleWorld, targets: tuple[str, ...], started: list[tuple[str, ...]]
) -> None:
    schedule = world.add(DAILY, targets=targets)
    world.service = Service(world.db, world.clock, vmstores=("vmstore",), targets=("azure",))
    world.keeper = Timekeeper(world.db, world.clock, world.service.schedules.accounts)
    world.look(DAY)
    assert [each.targets for each in world.started(schedule)] == started
    said = "\n".join(world.told())
    assert ("s3: cloudy.toml has no such target any more" in said) is ("s3" in targets)


def test_the_vms_of_a_window_have_the_same_moment_each_day_so_that_their_age_does_not_wander(
    world: ScheduleWorld,
) -> None:
    schedule = world.add("every day at 02:00 UTC within 2h")
    world.clock.at = datetime(2026, 11, 25, 23, tzinfo=UTC)
    world.look(3 * HOUR)
    world.end_all()
    world.look(DAY)
    first, second = (each.not_before for each in world.started(schedule))
    assert first
    assert second
    assert second - first == DAY


def test_a_window_that_lasts_into_the_next_time_is_refused(world: ScheduleWorld) -> None:
    with pytest.raises(RequesterError, match="start window is longer than the 15m between two of its times"):
        world.add("every 15 minutes within 2h")
    assert world.add("every 2 hours within 2h").asked.recurrence.endswith("within 2h")


def test_an_edit_that_leaves_its_times_leaves_what_is_to_be_skipped(world: ScheduleWorld) -> None:
    schedule = world.add(DAILY)
    skipped = world.service.schedules.skip_next(schedule.id, ALICE, request_key="skip")
    world.service.schedules.edit(schedule.id, request(DAILY, "s3", "azure"), ALICE, request_key="edit")
    assert world.service.schedules.get(schedule.id).skips == (skipped.at,)
    world.service.schedules.edit(schedule.id, request("every day at 03:00 UTC"), ALICE, request_key="edit2")
    assert world.service.schedules.get(schedule.id).skips == ()


def test_a_second_click_on_the_same_skip_skips_no_second_night(world: ScheduleWorld) -> None:
    schedule = world.add(DAILY)
    at = world.service.schedules.get(schedule.id).next[0]
    fires = [
        world.service.schedules.skip_next(schedule.id, ALICE, request_key=key, at=at) for key in ("click1", "click2")
    ]
    assert [fire.at for fire in fires] == [at, at]
    assert world.service.schedules.get(schedule.id).skips == (at,)


def test_a_mistake_of_ours_at_one_schedule_is_told_once_and_keeps_no_other_from_its_time(
    world: ScheduleWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, well = world.add(DAILY), world.add(DAILY, "vm02")
    accounts = world.service.schedules.accounts
    real = accounts.account

    def sometimes(unit: Unit, id: str, now: datetime, why: str) -> Accounted:
        if id == broken.id:
            raise RuntimeError("token=hunter2")
        return real(unit, id, now, why)

    with monkeypatch.context() as patch:
        patch.setattr(accounts, "account", sometimes)
        for _ in range(3):
            world.look(DAY)
        assert len(world.states(well)) == 3
        assert world.states(broken) == []
        stuck = [text for text in world.told() if broken.id in text]
        assert len(stuck) == 1
        assert "starts nothing" in stuck[0]
        assert "hunter2" not in stuck[0]
    world.look(MINUTE)
    assert len(world.states(broken)) == 3  # nothing was lost meanwhile


def test_a_time_that_comes_while_it_looks_is_not_left_until_the_next_minute(
    world: ScheduleWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """APScheduler has its own clock, for which the time of this world has long come."""
    world.clock.at = datetime(2026, 1, 5, 1, tzinfo=UTC)
    schedule = world.add(DAILY)
    due, real = world.clock.at + HOUR, world.keeper.look

    def slow() -> tuple[Schedule, ...]:
        looked = real()
        world.clock.at = due + timedelta(seconds=1)
        return looked

    monkeypatch.setattr(world.keeper, "look", slow)
    monkeypatch.setattr("bot.timekeeper.LOOK_S", 600.0)
    stop = threading.Event()
    keeping = threading.Thread(target=world.keeper.run, args=(stop,))
    keeping.start()
    try:
        deadline = time.monotonic() + 60
        while due not in world.fires(schedule) and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        stop.set()
        world.keeper.wake.set()
        keeping.join()
    assert [*world.fires(schedule)] == [due]
