"""Questions that wait for an answer: whoever was asked is reminded, on a rhythm of its own, until it is answered."""

from datetime import timedelta
from pathlib import Path

import pytest

from bot.errors import DatabaseError
from bot.model import Actor
from bot.reminders import Reminders
from bot.store import Database
from tests.workflow.schedule_world import ALICE, BOB, HOUR, ScheduleWorld

ASKED = "twin was the name of 2 VMs. Which one?"
ABOUT = ("uuid-one", "uuid-two")


@pytest.fixture
def world(tmp_path: Path) -> ScheduleWorld:
    return ScheduleWorld(tmp_path)


def told(world: ScheduleWorld, after: timedelta = timedelta()) -> list[tuple[str, str]]:
    """All that was said, when so much time has passed; by a process that has just begun."""
    world.clock.at += after
    Reminders(world.db, world.clock).tend_questions()
    with world.db.read() as unit:
        found = [unit.outbox.get(key) for key in unit.outbox.keys_under("question:")]
    return [(each.channel, str(each.view["text"])) for each in found if each]


def ask(world: ScheduleWorld, key: str = "k", person: Actor = ALICE) -> None:
    world.service.open_questions.asked(key, person, ABOUT, ASKED)


def test_whoever_was_asked_is_reminded_after_an_hour_four_and_a_day_and_then_no_more(world: ScheduleWorld) -> None:
    ask(world)
    counts = [len(told(world, after)) for after in (HOUR / 2, HOUR / 2, HOUR, 2 * HOUR, 20 * HOUR, 100 * HOUR)]
    assert counts == [0, 1, 1, 2, 3, 3]
    said = told(world)
    assert {channel for channel, _ in said} == {"U_ALICE"}
    assert said[0][1] == f"{ASKED}\nAsked 1 h ago, and not answered yet."
    assert said[-1][1].endswith("Nothing is done, and you are not reminded again.")
    with world.db.read() as unit:
        assert unit.questions.of("U_ALICE") == ()


def test_what_is_answered_is_reminded_of_no_more_and_another_s_question_stays(world: ScheduleWorld) -> None:
    ask(world)
    ask(world, "another", BOB)
    world.service.open_questions.answered(ALICE, "uuid-three")
    world.service.open_questions.answered(ALICE, "uuid-two")
    world.service.open_questions.answered(ALICE, "uuid-two")
    assert [channel for channel, _ in told(world, HOUR)] == ["U_BOB"]


def test_a_request_that_is_delivered_again_asks_nothing_anew(world: ScheduleWorld) -> None:
    ask(world)
    world.clock.at += HOUR / 2
    ask(world)
    assert len(told(world, HOUR / 2)) == 1


def test_after_days_of_downtime_one_reminder_is_enough(world: ScheduleWorld) -> None:
    ask(world)
    assert len(told(world, 100 * HOUR)) == 1
    assert len(told(world, HOUR)) == 1


def test_one_process_looks_once_a_minute_also_when_its_clock_is_set_back(world: ScheduleWorld) -> None:
    reminders = Reminders(world.db, world.clock)
    reminders.tend_questions()
    ask(world)
    world.clock.at += HOUR
    reminders.tend_questions()
    world.clock.at -= HOUR
    reminders.tend_questions()
    assert len(told(world)) == 1


def test_a_database_that_is_out_ends_nothing(world: ScheduleWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(world)
    world.clock.at += HOUR

    def out(*_: object, **__: object) -> None:
        raise DatabaseError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(Database, "read", out)
        Reminders(world.db, world.clock).tend_questions()
    assert len(told(world)) == 1
