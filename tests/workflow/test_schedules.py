"""Schedules by a clock that is set by hand: what fires, what is caught up with, who may, and what is told."""

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.errors import AmbiguousName, BusyError, NotAllowed, NotFound, RequesterError, UsageError
from bot.model import (
    Actor,
    CatchUp,
    FireState,
    ProtectRequest,
    RecoveryPoint,
    ScheduleRequest,
    ScheduleState,
    State,
)
from bot.moments import NamedBlackout, ScheduleRules
from bot.ownschedules import DRILLS
from bot.policy import Freeze, Operation, Policy, Role, Rule
from bot.recurrence import Blackout
from bot.schedule_settings import BlackoutSettings, SchedulesSettings, rules_of
from bot.timekeeper import Timekeeper
from tests.workflow.schedule_world import ALICE, BOB, DAVE, DAY, HOUR, NOON, ScheduleWorld

STARTED, CAUGHT_UP, MISSED = FireState.STARTED, FireState.CAUGHT_UP, FireState.MISSED
SKIPPED, NOTHING, BY_HAND = FireState.SKIPPED, FireState.NOTHING, FireState.BY_HAND
GRANTS = {"U_ALICE": Role.OPERATOR, "U_BOB": Role.OPERATOR, "U_DAVE": Role.ADMIN}
HOURLY = "every hour"


@pytest.fixture
def world(tmp_path: Path) -> ScheduleWorld:
    world = ScheduleWorld(tmp_path)
    world.see("vm01", "web1", "web2")
    return world


def at(hour: int, day: int = 25) -> datetime:
    return datetime(2026, 11, day, hour, tzinfo=UTC)


def test_a_schedule_starts_its_vm_at_each_of_its_times_and_at_no_other(world: ScheduleWorld) -> None:
    schedule = world.add(HOURLY)
    for _ in range(9):
        world.look(20 * timedelta(minutes=1))
        world.end_all()
    assert list(world.fires(schedule)) == [at(13), at(14), at(15)]
    assert world.states(schedule) == [STARTED] * 3
    made = world.started(schedule)
    assert [each.request_key for each in made] == [
        f"schedule:{schedule.id}:20261125T{hour}0000Z:vmstore-vm01" for hour in (13, 14, 15)
    ]
    assert {(each.actor, each.place.channel, each.schedule) for each in made} == {(ALICE, "C_OPS", schedule.id)}
    assert world.told() == []
    assert [body["event"] for body in world.audited()] == ["started"] * 3


def test_looking_again_starts_nothing_again(world: ScheduleWorld) -> None:
    schedule = world.add(HOURLY)
    world.look(HOUR)
    for _ in range(3):
        world.end_all()
        world.keeper.look()
    assert len(world.started(schedule)) == 1


@pytest.mark.parametrize(
    ("catch_up", "states", "told"),
    [
        (CatchUp.LATEST, [MISSED, MISSED, CAUGHT_UP], "caught up with the latest, of 2026-11-25 15:00 UTC"),
        (CatchUp.NONE, [MISSED] * 3, "from 2026-11-25 13:00 UTC to 2026-11-25 15:00 UTC: nothing is caught up with"),
    ],
)
def test_what_was_missed_is_caught_up_with_by_policy_told_and_audited(
    world: ScheduleWorld, catch_up: CatchUp, states: list[FireState], told: str
) -> None:
    schedule = world.add(HOURLY, catch_up=catch_up)
    world.look(3 * HOUR + 30 * timedelta(minutes=1))
    assert world.states(schedule) == states
    (text,) = world.told()
    assert "3 fires were missed while Cloudy was down" in text
    assert told in text
    (missed,) = [body for body in world.audited() if body["event"] == "missed"]
    assert missed["fires"] == states.count(MISSED)


def test_all_of_them_are_caught_up_with_one_after_another(world: ScheduleWorld) -> None:
    schedule = world.add(HOURLY, catch_up=CatchUp.ALL)
    world.look(3 * HOUR + 30 * timedelta(minutes=1))
    assert world.states(schedule) == [CAUGHT_UP]
    assert "the others follow one by one" in world.told()[0]
    world.look()
    assert world.states(schedule) == [CAUGHT_UP]
    for _ in range(2):
        world.end_all()
        world.look()
    assert world.states(schedule) == [CAUGHT_UP] * 3
    assert len(world.started(schedule)) == 3
    assert world.now(schedule).looked_until == at(15)


def test_the_default_of_the_configuration_counts_where_a_schedule_says_nothing(world: ScheduleWorld) -> None:
    settings = SchedulesSettings(catch_up="all", grace=timedelta(hours=2))
    world.rule(rules_of(settings, {}, ""))
    schedule = world.add(HOURLY)
    world.look(3 * HOUR + 30 * timedelta(minutes=1))
    assert world.states(schedule) == [MISSED, CAUGHT_UP]


def test_after_days_of_downtime_every_time_is_accounted_for_page_by_page(world: ScheduleWorld) -> None:
    schedule = world.add("every 5 minutes")
    world.look(10 * DAY + timedelta(minutes=1))
    states = world.states(schedule)
    assert (len(states), states.count(MISSED), states[-1]) == (2880, 2879, STARTED)


def test_a_clock_that_jumps_forward_is_told_as_such(world: ScheduleWorld) -> None:
    world.add(HOURLY)
    world.look()
    world.look(5 * HOUR + 30 * timedelta(minutes=1))
    assert "5 fires were missed while the clock was set forward: caught up with the latest" in world.told()[0]


def test_a_clock_that_was_a_year_ahead_and_is_set_back_loses_and_doubles_nothing(world: ScheduleWorld) -> None:
    schedule = world.add("every day at 13:00 within 2h", catch_up=CatchUp.LATEST)
    world.look(365 * DAY + timedelta(minutes=90))
    ahead = [each.request_key for each in world.started(schedule)]
    assert len(ahead) == 1
    world.clock.at = NOON
    world.look()
    assert list(world.fires(schedule)) == [datetime(2027, 11, 25, 13, tzinfo=UTC)]  # it was started, so it stays
    assert world.started(schedule)[0].not_before is None
    world.end_all()
    world.look(HOUR)
    assert world.fires(schedule)[at(13)].state is STARTED
    world.look(-timedelta(minutes=30))
    world.look(timedelta(minutes=31))
    assert len(world.started(schedule)) == 2
    assert [body["event"] for body in world.audited("schedule")].count("clock set back") >= 1


def test_a_vm_that_is_still_running_is_passed_over_and_told_never_piled_up(world: ScheduleWorld) -> None:
    schedule = world.add(HOURLY, "web*")
    world.look(HOUR)
    with world.db.unit() as unit:
        first = unit.transactions.active()[0]
        unit.transactions.update(first.id, state=State.SUCCEEDED)
    world.look(HOUR)
    fire = world.fires(schedule)[at(14)]
    assert (fire.state, fire.started, len(fire.passed)) == (STARTED, 1, 1)
    assert "which this schedule started before, is still running" in fire.passed[0]
    assert "passed over:\n• web2:" in world.told()[0]
    world.look(HOUR)
    assert world.fires(schedule)[at(15)].state is NOTHING


def test_groups_and_patterns_are_looked_up_at_each_fire(world: ScheduleWorld) -> None:
    world.rule(ScheduleRules(groups={"prod": ("web*", "db*")}))
    schedule = world.add(HOURLY, "@prod")
    world.look(HOUR)
    assert {each.vm for each in world.started(schedule)} == {"web1", "web2"}
    world.end_all()
    world.see("vm01", "web2", "db1")
    world.look(HOUR)
    assert [each.vm for each in world.started(schedule)[2:]] == ["db1", "web2"]


def test_a_vm_that_has_vanished_is_told_and_the_others_start(world: ScheduleWorld) -> None:
    schedule = world.add(HOURLY, "web1", "vm01")
    world.see("vm01")
    world.look(HOUR)
    fire = world.fires(schedule)[at(13)]
    assert (fire.state, fire.started) == (STARTED, 1)
    assert fire.passed == ("web1: not seen on vmstore since 2026-11-25 12:00 UTC",)
    assert "web1: not seen on vmstore" in world.told()[0]


def test_an_empty_group_and_one_that_is_gone_are_told(world: ScheduleWorld) -> None:
    world.rule(ScheduleRules(groups={"prod": ("db*",)}))
    schedule = world.add(HOURLY, "@prod")
    world.look(HOUR)
    assert world.fires(schedule)[at(13)].state is NOTHING
    assert "@prod: it fits no VM now" in world.told()[0]
    world.rule(ScheduleRules())
    world.look(HOUR)
    assert "There is no group @prod in cloudy.toml" in world.told()[1]


def test_vms_of_one_name_are_told_apart(world: ScheduleWorld) -> None:
    world.see("vm01", "odd/name", vmstore="vmstore2")
    schedule = world.add(HOURLY, "vm01", "odd*")
    world.look(HOUR)
    assert {each.vm for each in world.started(schedule)} == {"vmstore/vm01", "vmstore2/vm01", "vmstore2/odd/name"}


def test_within_a_window_each_vm_waits_for_its_moment_and_can_be_stopped_meanwhile(world: ScheduleWorld) -> None:
    world.see(*(f"web{number}" for number in range(50)))
    schedule = world.add("every day at 13:00 within 2h", "web*")
    world.look(HOUR)
    moments = [each.not_before for each in world.started(schedule)]
    assert all(moment and at(13) < moment < at(15) for moment in moments)
    assert len(set(moments)) > 40
    assert world.waiting() == ()
    world.clock.at = at(14)
    assert 5 < len(world.waiting()) < 45
    last = max(world.started(schedule), key=lambda each: str(each.not_before))
    world.service.stop(last.id, ALICE, request_key="stop")
    assert last.vm in world.waiting()
    world.clock.at = at(15)
    assert len(world.waiting()) == 50


def test_a_fire_of_many_vms_has_one_message_that_follows_them(world: ScheduleWorld) -> None:
    world.see(*(f"web{number:02}" for number in range(21)))
    schedule = world.add("every day at 13:00", "web*")
    world.look(HOUR)
    made = world.started(schedule)
    assert {each.place.channel for each in made} == {""}
    (text,) = world.told()
    assert text.endswith("The fire of 2026-11-25 13:00 UTC has started 21: 21 planning")
    with world.db.unit() as unit:
        for each in made[:20]:
            unit.transactions.update(each.id, state=State.SUCCEEDED)
        unit.transactions.update(made[20].id, state=State.FAILED)
    world.look(timedelta(minutes=1))
    (text,) = world.told()
    assert f"has started 21: 20 succeeded, 1 failed\n• web20: failed, {made[20].id}" in text


def test_a_blackout_delays_or_skips_a_start_and_holds_no_run_by_hand(world: ScheduleWorld) -> None:
    lunch = BlackoutSettings.model_validate({"name": "lunch", "from": "12:30", "until": "14:30", "days": "mon-fri"})
    settings = SchedulesSettings(blackouts=(lunch,))
    world.rule(rules_of(settings, {}, ""))
    schedule = world.add("every day at 13:00")
    world.look(HOUR)
    assert world.started(schedule)[0].not_before == at(14) + timedelta(minutes=30)
    world.end_all()
    skips = NamedBlackout(name="lunch", blackout=Blackout(lunch.span, False), zone="UTC")
    world.rule(ScheduleRules(blackouts=(skips,)))
    world.look(DAY)
    fire = world.fires(schedule)[at(13, 26)]
    assert (fire.state, fire.passed) == (NOTHING, ("vm01: the blackout “lunch” is on",))
    fire = world.service.schedules.run_now(schedule.id, ALICE, request_key="now")
    assert world.service.schedules.begin(fire).started == 1


def test_one_that_waits_for_a_blackouts_end_is_not_told_as_running(world: ScheduleWorld) -> None:
    lunch = BlackoutSettings.model_validate({"name": "lunch", "from": "12:30", "until": "14:30", "days": "mon-fri"})
    world.rule(rules_of(SchedulesSettings(blackouts=(lunch,)), {}, ""))
    schedule = world.add(HOURLY)
    world.look(HOUR)
    world.look(HOUR)
    assert (
        f"which this schedule started before, waits until {at(14):%Y-%m-%d} 14:30 UTC"
        in (world.fires(schedule)[at(14)].passed[0])
    )


def test_a_pause_skips_its_times_and_ends_by_itself(world: ScheduleWorld) -> None:
    schedule = world.add(HOURLY)
    world.service.schedules.pause(
        schedule.id, ALICE, request_key="p", until=at(15) - timedelta(minutes=10), why="patching"
    )
    line = world.service.schedules.get(schedule.id)
    assert line.next[0] == at(15)
    world.look(HOUR)
    world.look(3 * HOUR)
    assert world.states(schedule) == [SKIPPED, SKIPPED, MISSED, STARTED]
    assert world.fires(schedule)[at(13)].why == "paused: by alice: patching"
    assert world.now(schedule).state is ScheduleState.ON


def test_a_pause_without_an_end_lasts_until_somebody_resumes_it(world: ScheduleWorld) -> None:
    schedule = world.add(HOURLY)
    world.service.schedules.pause(schedule.id, ALICE, request_key="p")
    assert world.service.schedules.get(schedule.id).next == ()
    world.look(HOUR)
    world.clock.at += HOUR
    world.service.schedules.resume(schedule.id, ALICE, request_key="r")  # what came until then is skipped first
    world.look(HOUR)
    assert world.states(schedule) == [SKIPPED, SKIPPED, STARTED]


def test_the_next_time_can_be_skipped_and_that_taken_back(world: ScheduleWorld) -> None:
    schedule = world.add(HOURLY)
    skip = world.service.schedules.skip_next
    assert skip(schedule.id, ALICE, request_key="s").at == at(13)
    assert skip(schedule.id, ALICE, request_key="s").at == at(13)
    assert skip(schedule.id, ALICE, request_key="t").at == at(14)
    line = world.service.schedules.get(schedule.id)
    assert (line.next[0], line.skips) == (at(15), (at(13), at(14)))
    world.look(HOUR)
    world.service.schedules.unskip(schedule.id, ALICE, request_key="u")
    world.look(HOUR)
    assert world.states(schedule) == [SKIPPED, STARTED]


def test_a_run_now_is_one_run_for_one_request_and_leaves_the_times_alone(world: ScheduleWorld) -> None:
    schedule = world.add("every day at 13:00 within 2h")
    asked = [world.service.schedules.run_now(schedule.id, DAVE, request_key="now") for _ in range(2)]
    assert asked[0] == asked[1]
    run, again = (world.service.schedules.begin(fire) for fire in asked)
    assert run == again
    assert (run.state, run.started, run.by) == (BY_HAND, 1, "dave")
    (made,) = world.service.schedules.started(run)
    assert (made.not_before, made.actor) == (None, ALICE)
    world.end_all()
    world.look(HOUR)
    assert [each.state for each in world.fires(schedule).values()] == [BY_HAND, STARTED]


def test_a_schedule_whose_owner_lost_the_right_is_suspended_and_says_so(tmp_path: Path) -> None:
    world = ScheduleWorld(tmp_path, policy=Policy(grants=GRANTS))
    world.see("vm01")
    schedule = world.add(HOURLY)
    world.under(Policy(grants=GRANTS | {"U_ALICE": Role.VIEWER}))
    world.look(HOUR)
    suspended = world.now(schedule)
    assert (suspended.state, world.states(schedule)) == (ScheduleState.SUSPENDED, [NOTHING])
    assert "alice may not have it any more. “protect” takes the role operator" in suspended.why
    assert any("is suspended and starts nothing any more" in text for text in world.told())
    assert any("is suspended" in text for text in world.told("U_ALICE"))
    world.look(HOUR)
    assert world.states(schedule) == [NOTHING, SKIPPED]
    with pytest.raises(RequesterError, match="still may not have it"):
        world.service.schedules.resume(schedule.id, DAVE, request_key="r")
    world.under(Policy(grants=GRANTS))
    world.service.schedules.resume(schedule.id, ALICE, request_key="r2")
    world.look(HOUR)
    assert world.states(schedule) == [NOTHING, SKIPPED, STARTED]


def test_a_freeze_suspends_nothing_and_a_rule_about_one_vm_passes_over_that_one(tmp_path: Path) -> None:
    world = ScheduleWorld(tmp_path, policy=Policy(grants=GRANTS))
    world.see("vm01", "web1")
    schedule = world.add(HOURLY, "*")
    freeze = Freeze(name="end", begins=NOON, ends=at(14), operations=frozenset({Operation.PROTECT}))
    rule = Rule(name="rule 1", operation=Operation.PROTECT, vm="web*", role=Role.ADMIN)
    world.under(Policy(grants=GRANTS, freezes=(freeze,), rules=(rule,)))
    world.look(HOUR)
    assert (world.now(schedule).state, world.states(schedule)) == (ScheduleState.ON, [NOTHING])
    world.look(HOUR)
    fire = world.fires(schedule)[at(14)]
    assert (fire.state, fire.started) == (STARTED, 1)
    assert "web1: “protect” takes the role admin" in fire.passed[0]


def test_one_may_change_ones_own_and_an_admin_everybodys(tmp_path: Path) -> None:
    world = ScheduleWorld(tmp_path, policy=Policy(grants=GRANTS | {"U_ALICE": Role.OPERATOR}, default_role=Role.VIEWER))
    world.see("vm01")
    schedule = world.add(HOURLY)
    with pytest.raises(NotAllowed):
        world.service.schedules.pause(schedule.id, BOB, request_key="b")
    assert world.service.schedules.pause(schedule.id, DAVE, request_key="d").state is ScheduleState.PAUSED
    with pytest.raises(NotAllowed):
        world.add(HOURLY, by=Actor(id="U_NOBODY", name="nobody", source="slack"))
    deleted = world.service.schedules.delete(schedule.id, ALICE, request_key="x")
    assert deleted.state is ScheduleState.DELETED
    assert world.service.schedules.delete(schedule.id, ALICE, request_key="x") == deleted
    assert world.service.schedules.list() == ()
    world.look(5 * HOUR)
    assert world.started(schedule) == ()


def test_an_edit_counts_from_the_next_time_and_what_came_before_it_is_accounted_for(world: ScheduleWorld) -> None:
    schedule = world.add(HOURLY)
    world.clock.at = at(14) + timedelta(minutes=1)
    request = ScheduleRequest(workflow="protect", recurrence="every day at 20:00", vms=("web*",), targets=("azure",))
    edited = world.service.schedules.edit(schedule.id, request, ALICE, request_key="e")
    assert edited.asked.recurrence == "every day at 20:00 UTC"
    assert world.states(schedule) == [MISSED, STARTED]
    world.clock.at = at(20)
    world.end_all()
    world.look()
    assert {(each.vm, each.targets) for each in world.started(schedule)[1:]} == {
        ("web1", ("azure",)),
        ("web2", ("azure",)),
    }


def test_the_same_request_makes_one_schedule(world: ScheduleWorld) -> None:
    request = ScheduleRequest(workflow="protect", recurrence=HOURLY, vms=("vm01",), targets=("s3",))
    made = [world.service.schedules.add(request, ALICE, request_key="k") for _ in range(2)]
    assert made[0] == made[1]
    assert len(world.service.schedules.list()) == 1


@pytest.mark.parametrize(
    ("asked", "error", "told"),
    [
        ({"workflow": "protekt"}, UsageError, "Did you mean protect?"),
        ({"recurrence": "whenever"}, UsageError, "whenever"),
        ({"targets": ("moon",)}, NotFound, "There is no target called moon"),
        ({"vms": ("vm02",)}, NotFound, "vm02: no VMstore has such a VM. Did you mean vm01?"),
        ({"vms": ("@nobody",)}, NotFound, "There is no group @nobody"),
        ({"vms": ()}, UsageError, "needs VMs"),
        ({"options": {"consistency": "perfect"}}, RequesterError, "consistency"),
    ],
)
def test_what_cannot_be_carried_out_is_refused_when_it_is_made(
    world: ScheduleWorld, asked: dict[str, object], error: type[Exception], told: str
) -> None:
    whole: dict[str, object] = {"workflow": "protect", "recurrence": HOURLY, "vms": ("vm01",), "targets": ("s3",)}
    with pytest.raises(error, match=told.replace("?", r"\?")):
        world.service.schedules.add(ScheduleRequest(**(whole | asked)), ALICE, request_key="k")  # type: ignore[arg-type]


def test_a_schedule_is_meant_by_a_part_of_its_id(world: ScheduleWorld) -> None:
    schedule = world.add(HOURLY)
    get = world.service.schedules.get
    assert get(schedule.id[:4].upper()).schedule == schedule
    with pytest.raises(UsageError):
        get("x")
    with pytest.raises(NotFound):
        get("nowhere")
    made = [world.add(HOURLY) for _ in range(3)]
    with pytest.raises((AmbiguousName, NotFound, UsageError)):
        get("".join(sorted({each.id[0] for each in made})) + "???")


def test_cloudys_own_are_made_once_paused_by_an_admin_and_never_deleted(tmp_path: Path) -> None:
    world = ScheduleWorld(tmp_path, policy=Policy(grants=GRANTS))
    for _ in range(2):
        world.own(DRILLS)
        world.keeper.look()
    (line,) = world.service.schedules.list()
    assert (line.schedule.id, line.schedule.is_own, line.schedule.state) == ("drills", True, ScheduleState.PAUSED)
    with pytest.raises(NotAllowed):
        world.service.schedules.resume("drills", ALICE, request_key="a")
    world.service.schedules.resume("drills", DAVE, request_key="d")
    with pytest.raises(RequesterError, match="cannot be deleted"):
        world.service.schedules.delete("drills", DAVE, request_key="x")
    world.look(DAY)
    (fire,) = world.fires(line.schedule).values()
    assert (fire.state, fire.why) == (NOTHING, "nothing of it could be started")
    assert "Nobody's turn has come" in fire.passed[0]


def test_verify_takes_the_newest_recovery_point_of_each_vm(world: ScheduleWorld) -> None:
    schedule = world.add(HOURLY, "vm01", "web1", workflow="verify", options={"deep": True})
    asked = ProtectRequest(vms=("vm01",), targets=("s3",))
    made = world.service.protect(asked, ALICE, request_key="p")[0]
    world.end_all()
    with world.db.unit() as unit:
        unit.points.put(
            RecoveryPoint(
                transaction_id=made.id,
                target="s3",
                vm_uuid="vmstore-vm01",
                vm_name="vm01",
                manifest_key="manifest.json",
                taken_at=NOON,
                consistency="crash",
                size=1,
            )
        )
    world.look(HOUR)
    fire = world.fires(schedule)[at(13)]
    assert (fire.started, fire.passed) == (1, ("web1: it has no recovery point",))
    (verify,) = world.started(schedule)
    assert (verify.workflow, verify.request) == ("verify", {"point": made.id, "is_deep": True})


def test_a_locked_database_at_fire_time_is_caught_up_with_at_the_next_look(world: ScheduleWorld) -> None:
    schedule = world.add(HOURLY)
    world.db._busy_timeout_s = 0.05
    with sqlite3.connect(world.db.path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(BusyError):
            world.look(HOUR)
        other.execute("ROLLBACK")
    world.keeper._failed = True  # as its thread notes it
    world.look(2 * HOUR + 30 * timedelta(minutes=1))
    assert world.states(schedule) == [MISSED, MISSED, CAUGHT_UP]
    assert "3 fires were missed while its database could not be used" in world.told()[0]


def test_two_processes_on_one_database_double_nothing(world: ScheduleWorld) -> None:
    schedule = world.add(HOURLY)
    other = Timekeeper(world.db, world.clock, world.service.schedules.accounts)
    with world.db.read() as unit:
        seen = unit.schedules.list()[0]
    world.look(HOUR)
    world.end_all()
    other._looked_at(seen, world.clock.now(), "x")  # it read the schedule before the first one wrote
    other.look()
    assert (len(world.started(schedule)), world.states(schedule)) == (1, [STARTED])


def test_one_that_cannot_be_accounted_for_does_not_hold_up_the_others(world: ScheduleWorld) -> None:
    broken, sound = world.add(HOURLY), world.add(HOURLY, "web1")
    with world.db.unit() as unit:
        unit.schedules.put(replace(broken, asked=replace(broken.asked, recurrence="by the moon")))
    world.look(HOUR)
    assert world.states(sound) == [STARTED]
    assert world.now(broken).state is ScheduleState.SUSPENDED
    assert "does not understand when it is to fire" in world.now(broken).why


def test_no_vmstore_was_ever_listed_so_a_whole_name_stands_for_itself(tmp_path: Path) -> None:
    world = ScheduleWorld(tmp_path)
    schedule = world.add(HOURLY, "vmstore/vm09")
    world.look(HOUR)
    assert [each.vm for each in world.started(schedule)] == ["vmstore/vm09"]
