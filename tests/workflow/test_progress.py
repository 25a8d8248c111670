"""Progress as the thread shows it: it never goes back, and after a restart no speed is made up."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.errors import TransientError
from bot.model import Json, State, Step
from bot.progress import Progress
from bot.retry import WONDER_S
from bot.store import Database, Unit
from tests.memory import Crash
from tests.workflow.house import ALICE, PART, House

PARTS = 200


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = House(tmp_path)
    house.share.files["vm01/vm01-flat.vmdk"] = bytes(range(256)) * (PART * PARTS // 256)
    return house


class Eye:
    """Lets time pass at each part, and keeps what the plan shows of the upload."""

    def __init__(self, house: House, *, dies_at: int = 0, stops_at: int = 0) -> None:
        self.notes: list[str] = []
        self._house = house
        self._dies_at = dies_at
        self._stops_at = stops_at
        self._parts = 0

    def __call__(self, call: str) -> None:
        if call != "memory.put_part done" and call != "s3.put_part done":
            return
        self._parts += 1
        self._house.clock.sleep(1.5)
        self.look()
        if self._parts == self._dies_at:
            raise Crash(call)
        if self._parts == self._stops_at:
            self._house.service.stop("last", ALICE, request_key="stop")
            self.look()

    def look(self) -> None:
        if note := upload_task(self._house)["note"]:
            self.notes.append(note)


def upload_task(house: House) -> Json:
    with house.db.read() as unit:
        plan = unit.outbox.get(f"{unit.transactions.resolve('last').id}:plan")
    assert plan is not None
    task: Json = next(task for task in plan.view["tasks"] if task["id"] == "upload")
    return task


def done_of(house: House, transaction_id: str) -> int:
    with house.db.read() as unit:
        return next(step.done for step in unit.steps.of(transaction_id) if step.id == "upload")


def percents(notes: list[str]) -> list[int]:
    return [int(note.split(" %")[0]) for note in notes if " %" in note]


def test_the_plan_tells_share_amount_speed_and_time_left(house: House) -> None:
    eye = Eye(house)
    house.watch(eye)
    assert house.protect().state is State.SUCCEEDED
    assert re.fullmatch(r"\d+ % · \d+ KiB of 13 KiB · \d+ B/s · about .* left", eye.notes[PARTS // 2])
    assert percents(eye.notes) == sorted(percents(eye.notes))
    assert percents(eye.notes)[-1] > 90


class Held:
    """A database whose first unit begins only when it is let go."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.has_begun, self.may_go_on = threading.Event(), threading.Event()

    @contextmanager
    def unit(self) -> Iterator[Unit]:
        if not self.has_begun.is_set():
            self.has_begun.set()
            assert self.may_go_on.wait(60)
        with self._db.unit() as unit:
            yield unit


def test_an_older_look_is_never_written_over_a_newer_one(house: House) -> None:
    transaction = house.ask()
    house.dispatch()
    held = Held(house.db)
    progress = Progress(held, house.clock, transaction, Step(id="upload", title="", position=0))  # type: ignore[arg-type]
    house.clock.sleep(2)
    slow = threading.Thread(target=progress.report, args=(40, 100))
    slow.start()
    assert held.has_begun.wait(60)
    house.clock.sleep(2)
    progress.report(60, 100)
    held.may_go_on.set()
    slow.join()
    progress.close()
    assert done_of(house, transaction.id) == 60


def test_after_a_kill_what_was_there_counts_as_done_and_not_as_speed(house: House) -> None:
    before = Eye(house, dies_at=150)
    house.watch(before)
    transaction = house.ask()
    house.dispatch()
    with pytest.raises(Crash):
        house.engine.run_all()
    after = Eye(house)
    house.watch(after)
    house.engine.run_all()
    assert house.read(transaction.id).state is State.SUCCEEDED
    shown = percents(before.notes) + percents(after.notes)
    assert shown == sorted(shown)
    assert min(percents(after.notes)) >= 70
    speeds = [int(found[1]) for note in after.notes if (found := re.search(r"(\d+) B/s", note))]
    assert speeds
    assert max(speeds) <= PART


def test_a_stop_is_shown_on_the_step_that_it_stops(house: House) -> None:
    eye = Eye(house, stops_at=100)
    house.watch(eye)
    assert house.protect().state is State.STOPPED
    assert any(note.endswith("· stopping") for note in eye.notes)
    assert percents(eye.notes) == sorted(percents(eye.notes))


def test_a_target_that_does_not_answer_is_shown_as_waiting_until_it_does(house: House) -> None:
    notes: list[str] = []
    failing = [True] * 9

    def fail(call: str) -> None:
        if call.endswith("put_part") and failing:
            failing.pop()
            notes.append(upload_task(house)["note"])
            raise TransientError("it is away", system="s3")
        if call.endswith("put_part done"):
            house.clock.sleep(1.5)
            notes.append(upload_task(house)["note"])

    house.watch(fail)
    assert house.protect().state is State.SUCCEEDED
    assert WONDER_S < 30
    assert any("waiting" in note for note in notes)
    assert "waiting" not in notes[-1]
