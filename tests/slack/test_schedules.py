"""`/schedule` and `/schedules`, their buttons and form: a real Bolt app over Socket Mode, without a worker."""

import re
from datetime import UTC, datetime
from typing import Any

from bot.model import Schedule, ScheduleLine, ScheduleState
from integrations.simulators.slack.blocks import view_problems
from tests.slack.local import rows, until
from tests.slack.recoverable import World, typed

Json = dict[str, Any]
DAILY = "/schedule protect vm01 to s3 every day at 02:00 Europe/Berlin"


def made(world: World) -> list[ScheduleLine]:
    return list(world.service.schedules.list())


def only(world: World) -> Schedule:
    (line,) = made(world)
    return line.schedule


def replaced(world: World) -> list[Json]:
    """What a click has put into the place of the list."""
    return [row["args"] for row in rows(world.slack, "response_url") if row["args"].get("replace_original")]


def labels(said: str) -> list[str]:
    """The buttons of what is seen."""
    return re.findall(r"\[([A-Z][a-z ]+)\]", said)


def clicked(world: World, label: str, user: str = "alice") -> str:
    """Click it, and what then stands in the place of the list."""
    before = len(replaced(world))
    ack = world.slack.click(user, label)
    assert ack.ok, ack
    until(lambda: len(replaced(world)) > before, f"the list after {label}")
    return str(replaced(world)[-1]["text"])


# --- typed ---


def test_a_schedule_is_made_by_a_phrase_and_told_as_it_stands(world: World) -> None:
    said = typed(world, DAILY)
    schedule = only(world)
    assert f"Scheduled as {schedule.id}" in said
    assert "It means 1 VM now: vm01" in said
    assert schedule.asked.recurrence == "every day at 02:00 Europe/Berlin"
    assert (schedule.asked.vms, schedule.asked.targets) == (("vm01",), ("s3",))
    assert schedule.owner.id == world.slack.user_id("alice")
    assert schedule.place.channel == world.slack.channel_id("ops")
    assert labels(said) == ["Pause", "Run now", "Skip next", "Edit", "Delete"]


def test_any_workflow_is_scheduled(world: World) -> None:
    for text, workflow, recurrence, options in (
        ("/schedule protect vm* to s3 and azure every 4 hours", "protect", "every 4 hours UTC", {}),
        ("/cloudy schedule protect vm01 to s3 hourly keep for 30d", "protect", "every hour UTC", {"keep_for": "P30D"}),
        ("/schedule verify vm01 weekly on sunday deep", "verify", "every sunday at 00:00 UTC", {"deep": True}),
        ("/schedule drill next daily at 03:00", "drill", "every day at 03:00 UTC", {}),
        (
            "/schedule drill vm01 to vmstore2 yearly",
            "drill",
            "on the 1st of january at 00:00 UTC",
            {"vmstore": "vmstore2"},
        ),
    ):
        assert "Scheduled as" in typed(world, text)
        asked = made(world)[-1].schedule.asked
        assert (asked.workflow, asked.recurrence, asked.options) == (workflow, recurrence, options)


def test_what_cannot_be_is_answered_in_words_to_the_one_who_asked(world: World) -> None:
    for text, answer in (
        ("/schedule protect vm01 to s3 evry day at 02:00", "The nearest that I understand: every day at 02:00"),
        ("/schedule protect vm01 to s3", "It does not say when"),
        ("/schedule protect vm01 every day", "the word “to” is missing"),
        ("/schedule protect vm01 to nowhere daily", "There is no target called nowhere"),
        ("/schedule protect @web to s3 daily", "web"),
        ("/schedule protect vm09 to s3 daily", "Did you mean vm01?"),
        ("/schedule backup vm01 to s3 daily", "Nothing called “backup” can be scheduled"),
        ("/schedule protect vm01 to s3 on the 30th of february", "There is no 30 February"),
        ("/schedule pause zzzz", "There is no schedule “zzzz”"),
        ("/schedule pause", "Say which schedule to pause"),
        ("/schedules nobody", "none"),
    ):
        assert answer in typed(world, text), text
    assert made(world) == []


def test_all_that_the_buttons_do_can_be_typed(world: World) -> None:
    typed(world, DAILY)
    which = only(world).id
    assert "is paused" in typed(world, f"/schedule pause {which} until 2099-01-01 06:00 because a move")
    assert only(world).until == datetime(2099, 1, 1, 6, tzinfo=UTC)
    assert "by alice: a move" in only(world).why
    assert "goes on" in typed(world, f"/schedule resume {which}")
    assert "skips 20" in typed(world, f"/schedule skip {which}")
    assert "Skipped" in typed(world, f"/schedules {which}")
    assert "skips nothing" in typed(world, f"/schedule unskip {which}")
    assert "runs now\nAsked for by alice" in typed(world, f"/schedule run {which}")
    assert "asked for" in typed(world, f"/schedule show {which}")
    assert "is changed" in typed(world, f"/schedule edit {which} protect vm01 to s3 and azure every 4 hours")
    assert only(world).asked.targets == ("s3", "azure")
    assert "is deleted" in typed(world, f"/cloudy schedule delete {which}")
    assert made(world) == []


def test_a_mention_asks_for_the_list_too(world: World) -> None:
    typed(world, DAILY)
    assert world.slack.mention("alice", "@cloudy schedules").ok
    until(lambda: world.said("protect vm01 to s3"), "the answer in the channel")


# --- the list and its buttons ---


def test_pause_resume_skip_and_run_draw_the_list_anew_in_its_place(world: World) -> None:
    typed(world, DAILY)
    said = typed(world, "/schedules")
    assert "protect vm01 to s3" in said
    assert labels(said) == ["Pause", "Run now", "Skip next", "Edit", "Delete"]
    assert "is paused" in clicked(world, "Pause")
    assert only(world).state is ScheduleState.PAUSED
    assert "Paused: by alice" in replaced(world)[-1]["text"]
    assert "goes on" in clicked(world, "Resume")
    assert only(world).state is ScheduleState.ON
    assert "skips <!date^" in clicked(world, "Skip next")
    assert made(world)[0].skips
    assert "runs now\nAsked for by alice" in clicked(world, "Run now")
    (fire, _skipped) = sorted(world.service.schedules.fires(only(world).id), key=lambda fire: fire.at)
    assert world.service.schedules.begin(fire).started == 1
    (run,) = world.service.runs(10)
    assert (run.workflow, run.vm, run.targets) == ("protect", "vm01", ("s3",))
    assert "is deleted" in clicked(world, "Delete")
    assert made(world) == []


def test_who_may_not_change_one_sees_no_buttons_and_is_refused(strict: World) -> None:
    typed(strict, DAILY)
    which = only(strict).id
    assert labels(typed(strict, "/schedules", "carol")) == []
    assert "takes the role" in typed(strict, f"/schedule pause {which}", "carol")
    assert "takes the role operator" in typed(strict, DAILY, "carol")
    assert only(strict).state is ScheduleState.ON


def test_many_schedules_come_in_pages_within_slacks_limits(world: World) -> None:
    for number in range(20):
        typed(world, f"/schedule protect vm01 to s3 every day at {number:02}:30")
    said = typed(world, "/schedules")
    assert "Schedules: 1 to 8 of 20" in said
    assert "Schedules: 9 to 16 of 20" in clicked(world, "Next")
    assert "Schedules: 1 to 8 of 20" in clicked(world, "Previous")
    assert len(replaced(world)[-1]["blocks"]) <= 50
    assert "Schedules with “04:30”: 1" in typed(world, "/schedules 04:30")


# --- the form ---


def opened(world: World, text: str = "/schedule") -> None:
    assert world.slack.command("alice", "ops", text).ok
    world.shows("Time zone")


def test_schedule_alone_opens_a_form_that_shows_the_next_times_while_one_types(world: World) -> None:
    opened(world)
    world.shows("Its next times are shown here")
    assert world.slack.fill("alice", "When", "weekdays at 22:30 Europe/Berlin").ok
    world.shows("in Europe/Berlin")
    assert (world.slack.modal("alice") or "").count("22:30 in Europe/Berlin") == 5
    assert world.slack.fill("alice", "When", "weekdays at 25:30").ok
    world.shows("The nearest that I understand")
    for row in rows(world.slack, "call"):
        if row["method"] in ("views.open", "views.update"):
            assert view_problems(row["args"]["view"]) == []


def test_what_was_filled_in_becomes_a_schedule(world: World) -> None:
    opened(world)
    assert world.slack.fill("alice", "VMs", "vm01, vm*").ok
    assert world.slack.fill("alice", "Targets", "s3, azure").ok
    assert world.slack.fill("alice", "When", "on the last friday at 23:00 within 2h").ok
    assert world.slack.fill("alice", "Time zone, where it names none", "America/New_York").ok
    assert world.slack.fill("alice", "Also", "keep for 12w").ok
    assert world.slack.submit("alice").ok
    asked = only(world).asked
    assert (asked.vms, asked.targets, asked.options) == (("vm01", "vm*"), ("s3", "azure"), {"keep_for": "P84D"})
    assert asked.recurrence == "on the last friday of the month at 23:00 America/New_York within 2h"
    until(lambda: world.said("Scheduled as"), "the private answer")
    assert world.said("[Skip next]")


def test_what_is_wrong_is_said_beside_the_field(world: World) -> None:
    opened(world)
    assert world.slack.fill("alice", "VMs", "vm01").ok
    assert world.slack.fill("alice", "Targets", "s3").ok
    assert world.slack.fill("alice", "When", "every dya").ok
    assert "The nearest that I understand" in (world.slack.submit("alice").text or "")
    assert world.slack.fill("alice", "When", "every day").ok
    assert world.slack.fill("alice", "Also", "keep for ever and ever").ok
    assert (world.slack.submit("alice").text or "") != ""
    assert made(world) == []


def test_edit_opens_the_form_with_what_the_schedule_is(world: World) -> None:
    typed(world, '/schedule protect vm01 to s3 every day at 02:00 keep for 30d note "nightly" catch up all grace 6h')
    typed(world, "/schedules")
    assert world.slack.click("alice", "Edit").ok
    world.shows("every day at 02:00 UTC")
    before = only(world).asked
    assert world.slack.submit("alice").ok
    until(lambda: world.said("is changed"), "the private answer")
    assert only(world).asked == before
    typed(world, "/schedules")
    assert world.slack.click("alice", "Edit").ok
    world.shows("every day at 02:00 UTC")
    assert world.slack.fill("alice", "When", "every 4 hours").ok
    assert world.slack.submit("alice").ok
    until(lambda: only(world).asked.recurrence == "every 4 hours UTC", "the change")
    assert only(world).asked.options == before.options
