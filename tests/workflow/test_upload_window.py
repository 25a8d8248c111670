"""A target has hours in which it may be sent to: outside of them a protection waits, and nothing is lost."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot.model import Json, State, StepState, Transaction
from bot.policy import Need, Operation, Policy, Rule
from tests.memory import Crash, CrashAt
from tests.workflow.house import ALICE, DISK, PART, House
from tests.workflow.test_approvals import BOB, GRANTS, click

HOUR = timedelta(hours=1)


class Window:
    """Hours of the targets, as the test says."""

    def __init__(self, house: House, *, opens_in: timedelta = timedelta()) -> None:
        self._house = house
        self.opens_at = house.clock.now() + opens_in
        house.systems.opens = lambda at: max(at, self.opens_at)

    def shut(self, span: timedelta = HOUR) -> None:
        self.opens_at = self._house.clock.now() + span

    def pass_by(self) -> None:
        left = (self.opens_at - self._house.clock.now()).total_seconds()
        self._house.clock.sleep(max(0.0, left) + 1)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def run(house: House) -> None:
    for _ in range(3):
        house.dispatch()
        house.engine.run_all()


def rests(house: House, tx_id: str) -> list[Json]:
    with house.db.read() as unit:
        found = [unit.outbox.get(key) for key in unit.outbox.keys_under(f"{tx_id}:milestone:rest")]
    return [message.view for message in found if message]


def root(house: House, tx_id: str) -> Json:
    with house.db.read() as unit:
        message = unit.outbox.get(f"{tx_id}:root")
    assert message is not None
    return message.view


def shut_after(house: House, window: Window, parts: int) -> list[str]:
    """The hours are over once so many parts have come; gives all calls."""
    calls: list[str] = []

    def look(call: str) -> None:
        calls.append(call)
        if call == "s3.put_part done" and calls.count(call) == parts:
            window.shut()

    house.watch(look)
    return calls


def parts_sent(house: House, transaction: Transaction) -> list[int]:
    return [number for key, number in house.targets["s3"].sent if key.endswith("flat.vmdk")]


def test_outside_of_the_hours_it_waits_with_nothing_made_and_says_until_when(house: House) -> None:
    window = Window(house, opens_in=HOUR)
    asked = house.ask()
    run(house)
    waiting = house.read(asked.id)
    until = f"{window.opens_at:%H:%M UTC on %d %b}"
    assert waiting.state is State.QUEUED
    assert waiting.rests_until == window.opens_at
    assert house.array.snapshots == {}
    (told,) = rests(house, asked.id)
    assert told["text"].startswith(f"Waiting until {until}: the upload window of s3. Nothing was made on the VMstore")
    assert root(house, asked.id)["line"] == f"Waiting until {until}"
    assert ["Mind", f"its targets may be sent to from {until} on: it begins then"] in root(house, asked.id)["facts"]
    window.pass_by()
    run(house)
    assert house.read(asked.id).state is State.SUCCEEDED
    assert len(rests(house, asked.id)) == 1
    assert house.left() == []


def test_a_wait_outlives_every_process(house: House) -> None:
    window = Window(house, opens_in=HOUR)
    asked = house.ask()
    house.dispatch()
    house.engine.run_all()  # a process that finds nothing to do, and dies
    window.pass_by()
    run(house)
    assert house.read(asked.id).state is State.SUCCEEDED


def test_a_stop_ends_the_wait(house: House) -> None:
    Window(house, opens_in=HOUR)
    asked = house.ask()
    run(house)
    house.service.stop("last", ALICE, request_key="stop")
    house.dispatch()
    assert house.read(asked.id).state is State.STOPPED
    assert house.left() == []


def test_hours_that_end_meanwhile_pause_it_between_parts_and_it_goes_on_with_what_is_missing(house: House) -> None:
    window = Window(house)
    shut_after(house, window, parts=4)
    asked = house.protect()
    assert asked.state is State.QUEUED
    assert len(parts_sent(house, asked)) == 4
    assert house.array.snapshots
    assert house.share.exists(asked.id)
    assert house.array.open_sessions == 0
    assert house.share.open_readers == 0
    house.dispatch()
    (told,) = rests(house, asked.id)
    assert "Snapshot, clone and what was sent are kept, and it goes on with what is missing." in told["text"]
    with house.db.read() as unit:
        upload = next(step for step in unit.steps.of(asked.id) if step.id == "upload")
    assert (upload.state, upload.ended_at, upload.failure) == (StepState.PENDING, None, None)
    calls: list[str] = []
    house.watch(calls.append)
    window.pass_by()
    run(house)
    done = house.read(asked.id)
    assert done.state is State.SUCCEEDED, done.failure
    assert sorted(parts_sent(house, asked)) == list(range(1, len(DISK) // PART + 1))
    assert not [call for call in calls if call.endswith(("create_snapshot", "clone_files"))]
    assert house.targets["s3"].objects[f"{asked.id}/tintri/{asked.id}/vm01/vm01-flat.vmdk"] == DISK
    size = sum(each.size for each in _files(house, asked))
    assert done.bytes.sent == size
    house.watch(lambda _call: None)
    assert house.left() == []


def _files(house: House, transaction: Transaction):  # type: ignore[no-untyped-def]
    with house.db.read() as unit:
        return unit.files.of(transaction.id, "s3")


def test_it_may_be_paused_more_than_once(house: House) -> None:
    window = Window(house)
    asked = house.ask()
    for _ in range(3):
        shut_after(house, window, parts=2)
        run(house)
        assert house.read(asked.id).state is State.QUEUED
        window.pass_by()
    house.watch(lambda _call: None)
    run(house)
    assert house.read(asked.id).state is State.SUCCEEDED
    assert len(rests(house, asked.id)) == 3
    assert sorted(parts_sent(house, asked)) == list(range(1, len(DISK) // PART + 1))


def test_a_stop_while_it_is_paused_removes_all_at_once(house: House) -> None:
    shut_after(house, Window(house), parts=4)
    asked = house.protect()
    house.dispatch()
    house.service.stop("last", ALICE, request_key="stop")
    run(house)
    assert house.read(asked.id).state is State.STOPPED
    house.watch(lambda _call: None)
    assert house.left() == []


@pytest.mark.long
@pytest.mark.slow
def test_a_death_anywhere_around_the_pause_changes_nothing(tmp_path: Path) -> None:
    nth = 0
    while True:
        nth += 1
        folder = tmp_path / str(nth)
        folder.mkdir()
        house = House(folder)
        window, death = Window(house), CrashAt(nth)

        def look(call: str, window: Window = window, death: CrashAt = death) -> None:
            if call == "s3.put_part done" and sum(told == call for told in death.told) == 4:
                window.shut()
            death(call)

        house.watch(look)
        asked = house.ask()
        try:
            run(house)
        except Crash:
            house.watch(lambda _call: None)
            run(house)
            window.pass_by()
            run(house)
            done = house.read(asked.id)
            assert done.state is State.SUCCEEDED, (nth, done.failure)
            assert house.left() == [], nth
            continue
        break
    assert nth > 30


def test_hours_that_never_come_together_are_told_at_once(house: House) -> None:
    house.systems.opens = lambda _at: None
    asked = house.ask()
    house.dispatch()
    refused = house.read(asked.id)
    assert refused.state is State.REFUSED
    assert refused.failure is not None
    assert "no time in common" in refused.failure.what


def test_hours_that_are_changed_to_never_end_what_was_begun_with_words(house: House) -> None:
    window = Window(house)
    shut_after(house, window, parts=2)
    asked = house.protect()
    house.systems.opens = lambda _at: None
    house.watch(lambda _call: None)
    run(house)
    failed = house.read(asked.id)
    assert failed.state is State.FAILED
    assert failed.failure is not None
    assert "no time in common" in failed.failure.what
    assert house.left() == []


def test_an_approval_is_used_up_when_the_wait_begins(tmp_path: Path) -> None:
    rule = Rule(name="rule 1", operation=Operation.PROTECT, need=Need.APPROVAL, good_for=timedelta(minutes=10))
    house = House(tmp_path, policy=Policy(grants=GRANTS, rules=(rule,)))
    window = Window(house, opens_in=5 * HOUR)
    asked = house.ask()
    house.dispatch()
    click(house, asked, BOB)
    run(house)
    assert house.read(asked.id).state is State.QUEUED
    window.pass_by()
    run(house)
    assert house.read(asked.id).state is State.SUCCEEDED


def test_what_sends_nothing_any_more_waits_for_no_hours(house: House) -> None:
    """A verify of the finished point runs at once."""
    done = house.protect()
    Window(house, opens_in=HOUR)
    verified = house.service.verify(done.id, ALICE, request_key="verify")
    run(house)
    assert house.read(verified.id).state is State.SUCCEEDED


def test_the_time_that_is_told_is_the_next_opening(house: House) -> None:
    moments: list[datetime] = []

    def opens(at: datetime) -> datetime:
        moments.append(at)
        return at.replace(hour=20, minute=0, second=0, microsecond=0)

    house.systems.opens = opens
    asked = house.ask()
    run(house)
    assert "Waiting until 20:00 UTC on 25 Nov" in rests(house, asked.id)[0]["text"]
