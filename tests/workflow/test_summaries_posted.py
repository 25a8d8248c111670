"""Summaries that schedules post: composed while others may write, and what was done is said by all of one channel."""

from datetime import timedelta
from pathlib import Path

import pytest

from bot import digest
from bot.model import Bytes, ConcernKind, Digest, Message, Place, RecoveryPoint, Span, State
from bot.ownschedules import SUMMARY_OWNERS
from bot.store import Unit
from bot.summaries import Summaries
from handlers import pictures
from tests.workflow import stored
from tests.workflow.schedule_world import ALICE, DAVE, DAY, ScheduleWorld

EARLIER, LATER, ELSEWHERE = (
    Place(channel="C_OPS", thread="1.1"),
    Place(channel="C_OPS", thread="2.2"),
    Place(channel="C_OTHER", thread="3.3"),
)


@pytest.fixture
def world(tmp_path: Path) -> ScheduleWorld:
    world = ScheduleWorld(tmp_path)
    world.see("vm01", "vm02")
    return world


def summaries(world: ScheduleWorld) -> list[Message]:
    with world.db.read() as unit:
        keys = [key for key in unit.outbox.keys_under("schedule:") if key.endswith(":summary")]
        return [each for each in map(unit.outbox.get, keys) if each]


def owned(world: ScheduleWorld) -> None:
    """vm01 is alice's, since she asked for a protection of it; which has failed."""
    made = stored.asked(
        "t", actor=ALICE, vm_uuid="vmstore-vm01", state=State.FAILED, created_at=world.clock.at, ended_at=world.clock.at
    )
    with world.db.unit() as unit:
        unit.transactions.insert(made)


def test_it_is_composed_before_its_fire_takes_the_database_for_itself(
    world: ScheduleWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    owned(world)
    world.add("every day at 13:00", workflow="summary", vms=(), options={"for": "owners", "period": "week"}, by=DAVE)
    world.look(timedelta(hours=1))
    compose, composed = Summaries.within, []

    def within(self: Summaries, unit: Unit, span: Span, owner: str = "") -> Digest:
        with world.db.unit(wait_s=0.1) as another:  # BusyError, if somebody writes
            another.settings.put("written meanwhile", owner)
        composed.append(owner)
        return compose(self, unit, span, owner)

    monkeypatch.setattr(Summaries, "within", within)
    before = len(summaries(world))
    world.look(DAY)
    assert "U_ALICE" in composed
    assert len(summaries(world)) > before


def test_what_is_composed_ahead_is_of_that_look_and_of_that_schedule(world: ScheduleWorld) -> None:
    world.add("every day at 13:00", workflow="summary", vms=())
    for _ in range(2):
        world.look(DAY)
    told = [found for each in summaries(world) if (found := digest.of_view(each.view))]
    assert [each.until for each in told] == [world.clock.at - DAY, world.clock.at]


def test_cloudys_own_personal_summaries_are_composed_so_too(world: ScheduleWorld) -> None:
    world.own(SUMMARY_OWNERS)
    world.look()
    world.service.schedules.resume("summary-owners", DAVE, request_key="r")
    owned(world)
    world.look(timedelta(hours=20))
    assert [each.channel for each in summaries(world)] == ["U_ALICE"]


def posted(world: ScheduleWorld, *places: Place) -> None:
    """The same summary, as it stands in several places."""
    view = digest.view(world.service.summaries.digest(Span.DAY))
    with world.db.unit() as unit:
        for number, place in enumerate(places):
            key = f"schedule:abc123:{number}:summary"
            unit.outbox.put(Message(key=key, channel=place.channel, view=view))
            unit.outbox.sent(key, 1, place.thread)


def answers(world: ScheduleWorld, place: Place, vm: str) -> list[str]:
    with world.db.read() as unit:
        message = unit.outbox.by_ts(place.channel, place.thread)
    found = digest.of_view(message.view) if message else None
    assert found
    name = f"{ConcernKind.RPO}:vmstore-{vm}"
    return [line.answer for chapter in found.chapters for line in chapter.lines if line.concern == name]


def test_what_was_done_about_a_line_is_said_by_each_summary_of_that_channel(world: ScheduleWorld) -> None:
    posted(world, EARLIER, LATER, ELSEWHERE)
    name = f"{ConcernKind.RPO}:vmstore-vm01"
    world.service.concerns.answered(EARLIER, name, "protect asked for by alice (1)")
    assert answers(world, EARLIER, "vm01") == answers(world, LATER, "vm01") == ["protect asked for by alice (1)"]
    assert answers(world, LATER, "vm02") == [""]
    assert answers(world, ELSEWHERE, "vm01") == [""]
    world.service.concerns.answered(LATER, name, "protect asked for by bob (2)")
    assert answers(world, EARLIER, "vm01") == ["protect asked for by alice (1)"]
    assert answers(world, LATER, "vm01") == ["protect asked for by bob (2)"]


def test_what_is_no_summary_of_ours_takes_no_answer(world: ScheduleWorld) -> None:
    posted(world, EARLIER)
    world.service.concerns.answered(Place(channel="C_OPS", thread="9.9"), f"{ConcernKind.RPO}:vmstore-vm01", "done")
    assert answers(world, EARLIER, "vm01") == [""]


def test_the_picture_shows_what_is_stored_once_two_of_its_days_are_known(world: ScheduleWorld) -> None:
    days = [world.clock.at - number * DAY for number in (2, 1, 0)]
    moved = Bytes(read=10 << 30, sent=1 << 30)
    with world.db.unit() as unit:
        for number, day in enumerate(days):
            made = stored.asked(f"t{number}", state=State.SUCCEEDED, ended_at=day, bytes=moved)
            unit.transactions.insert(made)
        unit.measures.put("stored:s3", days[0].date(), 20 << 30)
    assert pictures.moved(world.service.questions).line == ()
    with world.db.unit() as unit:
        for target, size in (("s3", 30 << 30), ("azure", 12 << 30)):
            unit.points.put(
                RecoveryPoint(
                    transaction_id="t0", target=target, vm_uuid="vmstore-vm01", vm_name="vm01", manifest_key="m",
                    taken_at=days[0], consistency="crash", size=size,
                )
            )  # fmt: skip
    chart = pictures.moved(world.service.questions)
    assert (len(chart.names), chart.line) == (3, (20.0, None, 42.0))
    assert chart.alt.endswith("A curve shows what lies in all targets: 42 GiB at last.")
