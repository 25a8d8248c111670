"""What the core does when its own databases cannot be used, or do not fit together."""

import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.dispatcher import FORGET_EVERY, KEPT_BY_THE_ENGINE, Dispatcher
from bot.engine import Engine, Standing
from bot.errors import DatabaseError, OperatorError
from bot.insist import insist
from bot.lock import WorkerLock
from bot.model import Json, State
from bot.workflow import StepSpec
from tests.workflow.house import House


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


class Nothing:
    """A runner whose transactions are over at once."""

    def run(self, _transaction_id: str, _spec: StepSpec, _inputs: Json) -> Json:
        return {"outcome": "ok", "outputs": {}}

    def hold(self, _transaction_id: str, _run: str, _step_id: str) -> Json:
        return {"held": False}

    def pause(self, _transaction_id: str, _run: str) -> Json:
        return {"state": "queued"}

    def end(self, _transaction_id: str, _verdict: str) -> Json:
        return {"state": "succeeded"}


class Failing(Nothing):
    """A runner whose uploads fail in the first run, and which tells what it ran."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def run(self, _transaction_id: str, spec: StepSpec, _inputs: Json) -> Json:
        self.ran.append(spec.id)
        is_first = self.ran.count("upload") == 1
        return {"outcome": "failed" if spec.id == "upload" and is_first else "ok", "outputs": {}}

    def hold(self, _transaction_id: str, _run: str, _step_id: str) -> Json:
        return {"held": True}


def test_what_must_be_kept_is_tried_until_the_disk_has_room_again(house: House) -> None:
    tries: list[int] = []

    def work() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise DatabaseError("database or disk is full")
        return "kept"

    assert insist(work, house.clock) == "kept"


def test_a_running_row_whose_run_is_over_for_the_engine_ends_told(house: House) -> None:
    transaction = house.ask()
    house.dispatch()
    house.engine.standing = lambda _id, _run="": Standing.OVER  # type: ignore[method-assign,assignment]
    house.dispatch()
    ended = house.read(transaction.id)
    assert ended.state is State.FAILED
    assert ended.failure is not None
    assert "different times" in ended.failure.what


def test_what_ended_meanwhile_stays_as_it_ended(house: House) -> None:
    done = house.protect()
    house.engine.standing = lambda _id, _run="": Standing.OVER  # type: ignore[method-assign,assignment]
    dispatcher = Dispatcher(house.db, None, house.engine, house.clock)  # type: ignore[arg-type]
    dispatcher._hand_over(done)  # as one does that looked before the end
    assert house.read(done.id).state is State.SUCCEEDED


def test_a_run_that_the_database_does_not_know_does_nothing_and_fails_nothing(house: House) -> None:
    house.ask()
    house.dispatch()
    [argument] = house.engine._arguments.values()
    house.engine._arguments = {"20260101T000000Z-gone00": argument | {"id": "20260101T000000Z-gone00"}}
    house.engine.run_all()
    assert house.array.snapshots == {}


def test_once_a_day_the_engine_is_asked_to_forget_what_ended_a_week_ago(house: House) -> None:
    asked: list[datetime] = []
    house.engine.forget = lambda before: asked.append(before) or 0  # type: ignore[method-assign,assignment,func-returns-value]
    dispatcher = Dispatcher(house.db, None, house.engine, house.clock)  # type: ignore[arg-type]
    for _ in range(3):
        assert dispatcher._looked()
    house.clock.sleep(FORGET_EVERY.total_seconds())
    assert dispatcher._looked()
    assert len(asked) == 2
    assert house.clock.now() - asked[1] >= KEPT_BY_THE_ENGINE


def test_the_engine_knows_what_is_over_and_forgets_it(tmp_path: Path, house: House) -> None:
    house.ask()
    house.dispatch()
    [argument] = house.engine._arguments.values()
    engine = Engine(tmp_path / "engine.db", Nothing(), parallel={"vmstore": 1})
    engine.launch()
    try:
        engine.enqueue("one", "vmstore", argument["workflow"], argument["request"])
        waited = threading.Event()
        while engine.standing("one") is Standing.KEPT:
            waited.wait(0.05)
        assert engine.standing("one") is Standing.OVER
        assert engine.forget(datetime.now(UTC) - timedelta(days=1)) == 0
        assert engine.forget(datetime.now(UTC) + timedelta(days=1)) == 1
        assert engine.standing("one") is Standing.UNKNOWN
    finally:
        engine.close()


def test_a_further_run_of_a_transaction_goes_on_where_the_first_was_held(tmp_path: Path, house: House) -> None:
    house.ask()
    house.dispatch()
    [argument] = house.engine._arguments.values()
    runner = Failing()
    engine = Engine(tmp_path / "engine.db", runner, parallel={"vmstore": 1})
    engine.launch()

    def over(run: str) -> None:
        waited = threading.Event()
        while engine.standing("one", run) is Standing.KEPT:
            waited.wait(0.05)
        assert engine.standing("one", run) is Standing.OVER

    try:
        engine.enqueue("one", "vmstore", argument["workflow"], argument["request"])
        over("")
        assert runner.ran[-1] == "upload"
        runner.ran[:-1] = []
        known: Json = {name: {} for name in ("check", "connect", "find", "snapshot", "clone", "open")}
        resume: Json = {"run": "retry1", "known": known, "verdict": "ok"}
        for _ in range(2):  # handed over twice, run once
            engine.enqueue("one", "vmstore", argument["workflow"], argument["request"], resume)
        over("retry1")
        assert runner.ran[1:] == ["upload", "verify", "cleanup", "disconnect"]
        cleanup: Json = {"run": "cleanup", "known": known, "verdict": "failed"}
        engine.enqueue("one", "vmstore", argument["workflow"], argument["request"], cleanup)
        over("cleanup")
        assert runner.ran[5:] == ["cleanup", "disconnect"]
    finally:
        engine.close()


def test_the_engine_waits_while_its_file_cannot_be_written(tmp_path: Path, house: House) -> None:
    house.ask()
    house.dispatch()
    [argument] = house.engine._arguments.values()
    engine = Engine(tmp_path / "engine.db", Nothing(), parallel={"vmstore": 1})
    engine.launch()
    refused = threading.Event()
    freed = threading.Event()

    def as_on_a_full_disk(connection: object, *_about: object) -> None:
        if not freed.is_set():
            refused.set()
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorname = "SQLITE_FULL"
            raise error

    try:
        sa.event.listen(engine._database, "do_execute", as_on_a_full_disk)
        handing = threading.Thread(
            target=engine.enqueue, args=("one", "vmstore", argument["workflow"], argument["request"]), daemon=True
        )
        handing.start()
        assert refused.wait(60)
        assert handing.is_alive()
        freed.set()
        handing.join(60)
        assert engine.standing("one") is not Standing.UNKNOWN
    finally:
        freed.set()
        engine.close()


def test_a_damaged_file_of_the_engine_is_told_with_its_cure(tmp_path: Path) -> None:
    (tmp_path / "engine.db").write_bytes(b"no database " * 1000)
    with pytest.raises(DatabaseError, match="away, then start Cloudy again"):
        Engine(tmp_path / "engine.db", Nothing(), parallel={}).launch()


def test_a_lock_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OperatorError, match="must be writable"):
        WorkerLock(tmp_path / "file" / "cloudy.db.lock").acquire()
