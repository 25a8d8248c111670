"""What an admin fears: Stop, death, outage and a busy database at the worst moment; the end is told as it is."""

import contextlib
import threading
import tomllib
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.dispatcher import Dispatcher
from bot.errors import BusyError, OperatorError, PermanentError, TransientError
from bot.guard import Guard
from bot.model import Actor, Json, ProtectRequest, State, StepState, Transaction
from bot.planner import Planner
from bot.store import Unit
from bot.workflow import load, thaw
from tests.memory import Crash
from tests.workflow.house import ALICE, OPS, VM01, House

BOB = Actor(id="U_BOB", name="bob", source="slack")


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def add_vm02(house: House) -> None:
    house.share.files |= {
        path.replace("vm01", "vm02"): content.replace(b"vm01", b"vm02") for path, content in VM01.items()
    }


def dispatcher_of(house: House, submit: Callable[..., None] | None = None) -> Dispatcher:
    """Plans in this thread, or as `submit` does."""
    planner = Planner(house.db, house.systems, house.workflow, house.clock.sleep)
    made = Dispatcher(house.db, planner, house.engine, house.clock)  # type: ignore[arg-type]
    made._pool.submit = submit or (lambda work, *args: work(*args))  # type: ignore[method-assign,assignment]
    return made


def receipt(house: House, transaction_id: str) -> Json:
    with house.db.read() as unit:
        message = unit.outbox.get(f"{transaction_id}:receipt")
    assert message is not None
    return message.view


def outcomes(house: House, transaction_id: str) -> list[Json]:
    with house.db.read() as unit:
        rows = unit.audit.list(transaction_id=transaction_id)
    return [row.body for row in rows if row.action == "outcome"]


def without(*ids: str) -> Callable[[str], Json]:
    document = tomllib.loads(load("protect"))
    document["step"] = [step for step in document["step"] if step["id"] not in ids]
    return lambda _name: thaw(document).freeze()


def die_at(house: House, call: str) -> None:
    def die(told: str) -> None:
        if told == call:
            raise Crash(call)

    house.watch(die)
    with pytest.raises(Crash):
        house.engine.run_all()
    house.watch(lambda _call: None)


# The dispatcher.


def test_one_transaction_that_cannot_be_moved_does_not_keep_the_others(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_vm02(house)
    first, second = house.ask(key="r1"), house.ask(vm="vm02", key="r2")
    enqueue = house.engine.enqueue

    def refuse(transaction_id: str, *rest: Any) -> None:
        if transaction_id == first.id:
            raise RuntimeError("the engine's database is full")
        enqueue(transaction_id, *rest)

    monkeypatch.setattr(house.engine, "enqueue", refuse)
    house.dispatch()
    house.engine.run_all()
    assert house.read(second.id).state is State.SUCCEEDED


def test_a_look_that_fails_is_not_the_dispatchers_last(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.dispatcher.AFTER_FAULT_S", 0.01)
    stop, looks = threading.Event(), list[str]()
    dispatcher = dispatcher_of(house)

    def look() -> None:
        looks.append("look")
        if len(looks) == 1:
            raise OperatorError("The database cannot be used: disk full")
        stop.set()

    monkeypatch.setattr(dispatcher, "tick", look)
    dispatcher.run(stop)
    assert len(looks) == 2


def test_a_plan_that_could_not_be_kept_is_made_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    transaction = house.ask()
    dispatcher = dispatcher_of(house)
    settle, tries = dispatcher._settle, list[str]()

    def fail_once(*args: Any) -> None:
        tries.append("settle")
        if len(tries) == 1:
            raise OperatorError("The database cannot be used: disk full")
        settle(*args)

    monkeypatch.setattr(dispatcher, "_settle", fail_once)
    dispatcher.tick()
    dispatcher.tick()
    assert house.read(transaction.id).state is State.QUEUED


def test_stop_while_a_vmstore_hangs_in_planning_is_heard_at_once(house: House) -> None:
    transaction = house.ask()
    late: list[Callable[[], None]] = []
    dispatcher = dispatcher_of(house, lambda work, *args: late.append(lambda: work(*args)))
    dispatcher.tick()
    house.service.stop(transaction.id, BOB, request_key="stop")
    dispatcher.tick()
    assert house.read(transaction.id).state is State.STOPPED
    late[0]()
    dispatcher.tick()
    assert house.read(transaction.id).state is State.STOPPED
    with house.db.read() as unit:
        assert unit.outbox.get(f"{transaction.id}:root") is None


def test_stop_while_it_waits_for_a_place_on_its_vmstore_ends_it_at_once_and_it_never_runs(house: House) -> None:
    transaction = house.ask()
    house.dispatch()
    house.service.stop(transaction.id, BOB, request_key="stop")
    house.dispatch()
    assert house.read(transaction.id).state is State.STOPPED
    told: list[str] = []
    house.watch(told.append)
    house.engine.run_all()
    assert told == []
    assert house.read(transaction.id).state is State.STOPPED
    assert [body["state"] for body in outcomes(house, transaction.id)] == ["stopped"]
    with house.db.read() as unit:
        assert {step.state for step in unit.steps.of(transaction.id)} == {StepState.SKIPPED}


def fill_the_queue(house: House, like: Transaction, count: int) -> None:
    with house.db.unit() as unit:
        for i in range(count):
            other = replace(
                like, id=f"20261125T120000Z-{i:06d}", request_key=f"q{i}", vm=f"other{i}", vm_uuid=f"other{i}",
                state=State.QUEUED,
            )  # fmt: skip
            unit.transactions.insert(other)


def test_a_running_vm_is_joined_however_long_the_queue_is(house: House) -> None:
    first = house.ask(key="r1")
    house.dispatch()
    fill_the_queue(house, house.read(first.id), 60)
    second = house.ask(key="r2")
    dispatcher_of(house).tick()
    assert house.read(second.id).plan.get("joined") == first.id


def test_who_asks_again_after_stop_gets_a_run_of_their_own(house: House) -> None:
    first = house.ask(key="r1")
    house.dispatch()
    die_at(house, "vmstore.clone_files")
    house.service.stop(first.id, BOB, request_key="stop")
    second = house.ask(key="r2")
    house.dispatch()
    house.engine.run_all()
    house.dispatch()
    house.engine.run_all()
    assert house.read(first.id).state is State.STOPPED
    assert house.read(second.id).state is State.SUCCEEDED


def test_a_vm_consistent_protection_does_not_join_a_crash_consistent_one(house: House) -> None:
    house.ask(key="r1")
    house.dispatch()
    request = ProtectRequest(vms=("vm01",), targets=("s3",), consistency="vm")
    [second] = house.service.protect(request, ALICE, request_key="r2", place=OPS)
    house.dispatch()
    assert house.read(second.id).state is State.QUEUED


def test_a_run_that_the_engine_gave_up_after_the_manifest_is_told_as_protected(house: House) -> None:
    transaction = house.ask()
    house.dispatch()
    die_at(house, "vmstore.delete_snapshot")
    house.engine.given_up.add(transaction.id)
    house.dispatch()
    ended = house.read(transaction.id)
    assert ended.state is State.SUCCEEDED
    assert any("snapshot" in line for line in ended.left_behind)
    assert [body["state"] for body in outcomes(house, transaction.id)] == ["succeeded"]
    with house.db.read() as unit:
        assert StepState.RUNNING not in {step.state for step in unit.steps.of(transaction.id)}


# How it ends.


def test_what_no_step_removed_is_told_from_the_ledger(house: House) -> None:
    house.workflow = without("cleanup")
    done = house.protect()
    assert done.state is State.SUCCEEDED
    assert {line.split()[0] for line in done.left_behind} == {"snapshot", "clone"}
    assert receipt(house, done.id)["left_behind"] == list(done.left_behind)


def test_a_target_that_left_the_configuration_does_not_keep_the_rest_from_being_removed(house: House) -> None:
    transaction = house.ask()
    house.dispatch()
    die_at(house, "s3.put_part done")
    store = house.systems._targets.pop("s3")
    house.engine.run_all()
    done = house.read(transaction.id)
    assert done.state is State.FAILED
    assert house.array.snapshots == {}
    assert not house.share.exists(transaction.id)
    assert store.uploads
    assert any("upload" in line for line in done.left_behind)
    assert any("objects" in line for line in done.left_behind)


def test_a_manifest_whose_answer_was_lost_while_stop_came_is_a_recovery_point(house: House) -> None:
    transaction = house.ask()
    house.dispatch()
    lost: list[str] = []

    def lose(call: str) -> None:
        if f"{transaction.id}/manifest.json" not in house.targets["s3"].objects or len(lost) > 1:
            return
        if call == "s3.put done":
            house.clock.sleep(1.0)
            house.service.stop(transaction.id, BOB, request_key="stop")
        if call in ("s3.put done", "s3.head"):
            lost.append(call)
            raise TransientError("the connection broke", system="s3")

    house.watch(lose)
    house.engine.run_all()
    assert len(lost) == 2
    assert house.read(transaction.id).state is State.SUCCEEDED
    assert house.left() == []
    with house.db.read() as unit:
        point = unit.points.get(transaction.id, "s3")
        assert point is not None
        assert point.vm_name == "vm01"
        assert unit.files.of(transaction.id, "s3")


def test_stop_between_two_manifests_is_told_as_what_it_is(tmp_path: Path) -> None:
    house = House(tmp_path, targets=("s3", "other"))
    transaction = house.ask(targets=("s3", "other"))
    house.dispatch()

    def stop(call: str) -> None:
        if call == "s3.put done" and f"{transaction.id}/manifest.json" in house.targets["s3"].objects:
            house.service.stop(transaction.id, BOB, request_key="stop")
            house.clock.sleep(1.0)

    house.watch(stop)
    house.engine.run_all()
    done = house.read(transaction.id)
    assert done.state is State.PARTIAL
    assert done.failure is not None
    assert "other: Stopped" in done.failure.what
    assert done.failure.step == "Verify"


def test_a_partial_run_tells_the_target_that_was_lost_and_not_what_failed_after_it(tmp_path: Path) -> None:
    house = House(tmp_path, targets=("s3", "other"), can_clean=False)

    def fail(call: str) -> None:
        if call.endswith("put_part"):
            raise PermanentError("the bucket is gone", system="other")

    house.targets["other"].watch = fail
    done = house.protect(targets=("s3", "other"))
    assert done.state is State.PARTIAL
    assert done.failure is not None
    assert "other: the bucket is gone" in done.failure.what
    assert done.failure.next.endswith("/protect vm01 to other")


def test_a_session_that_no_step_closed_is_closed_at_the_end(house: House) -> None:
    house.workflow = without("disconnect")
    assert house.protect().state is State.SUCCEEDED
    assert house.array.open_sessions == 0


@pytest.mark.parametrize("call", ["vmstore.create_snapshot", "vmstore.clone_files"])
def test_what_was_stopped_while_the_process_was_dead_is_not_asked_for_again(house: House, call: str) -> None:
    transaction = house.ask()
    house.dispatch()
    die_at(house, call)
    house.service.stop(transaction.id, BOB, request_key="stop")
    told: list[str] = []
    house.watch(told.append)
    house.engine.run_all()
    assert call not in told
    assert house.read(transaction.id).state is State.STOPPED
    assert house.left() == []


def test_files_that_were_removed_again_are_not_shown(house: House) -> None:
    def fail(call: str) -> None:
        if call == "s3.put" and len(house.targets["s3"].objects) > 2:
            raise PermanentError("no room", system="s3")

    house.watch(fail)
    done = house.protect()
    assert done.state is State.FAILED
    assert house.left() == []
    assert house.service.show(done.id)[2] == ()


def test_no_row_of_the_part_ledger_outlives_an_upload_that_was_given_up(house: House) -> None:
    def fail(call: str) -> None:
        if call == "s3.complete_upload":
            raise PermanentError("no room", system="s3")

    house.watch(fail)
    done = house.protect()
    assert done.state is State.FAILED
    with house.db.read() as unit:
        flat = f"{done.id}/tintri/{done.id}/vm01/vm01-flat.vmdk"
        assert unit.parts.of(done.id, "s3", flat) == {}


def test_after_a_restart_the_upload_tells_the_bytes_of_all_attempts(house: House) -> None:
    transaction = house.ask()
    house.dispatch()
    seen: list[str] = []

    def die(call: str) -> None:
        house.clock.sleep(2.0)
        if call == "s3.put_part":
            seen.append(call)
            if len(seen) == 6:
                raise Crash(call)

    house.watch(die)
    with pytest.raises(Crash):
        house.engine.run_all()
    before = house.read(transaction.id).bytes.sent
    house.engine.run_all()
    done = house.read(transaction.id)
    with house.db.read() as unit:
        upload = next(step for step in unit.steps.of(transaction.id) if step.id == "upload")
    assert before > 0
    assert upload.outputs["moved"]["sent"] == done.bytes.sent > before


def test_a_clone_task_that_the_vmstore_forgot_is_asked_for_anew(house: House) -> None:
    transaction = house.ask()
    house.dispatch()
    die_at(house, "vmstore.task")
    house.array.clones.clear()
    house.engine.run_all()
    assert house.read(transaction.id).state is State.SUCCEEDED
    assert any(f"/{transaction.id}.2/" in key for key in house.targets["s3"].objects)
    assert house.left() == []


# Cloudy's own database and clock.


def test_a_database_that_is_busy_now_and_then_changes_no_outcome(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    transaction = house.ask()
    house.dispatch()
    unit, read, refused = house.db.unit, house.db.read, set[str]()

    @contextlib.contextmanager
    def sometimes(caller: str, real: Any) -> Iterator[Unit]:
        if caller not in refused:
            refused.add(caller)
            raise BusyError
        with real() as work:
            yield work

    def place() -> str:
        """Each is refused once: a count, which threads share, might refuse one of them for ever."""
        return "".join(traceback.format_stack())

    with monkeypatch.context() as patch:
        patch.setattr(house.db, "unit", lambda: sometimes(place(), unit))
        patch.setattr(house.db, "read", lambda: sometimes(place(), read))
        house.engine.run_all()
    assert len(refused) > 20
    done = house.read(transaction.id)
    assert done.state is State.SUCCEEDED
    assert done.left_behind == ()
    assert house.left() == []


def test_stop_is_heard_after_the_clock_was_set_back(house: House) -> None:
    transaction = house.ask()
    guard = Guard(house.db, house.clock, transaction.id, threading.Event(), heeds_stop=True)
    guard.check()
    house.clock._now -= timedelta(hours=1)
    house.service.stop(transaction.id, BOB, request_key="stop")
    with pytest.raises(Exception, match="Stopped"):
        guard.check()


def test_a_pause_is_as_long_as_asked_though_the_clock_is_set_back(house: House) -> None:
    transaction = house.ask()
    guard = Guard(house.db, house.clock, transaction.id, threading.Event(), heeds_stop=True)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        assert sum(slept) < 10
        if len(slept) == 1:
            house.clock._now -= timedelta(hours=1)

    house.clock.sleep = sleep  # type: ignore[method-assign]
    guard.pause(2.0)
    assert sum(slept) == pytest.approx(2.0)


def test_one_target_named_twice_is_one_target(house: House) -> None:
    assert house.protect(targets=("s3", "s3")).targets == ("s3",)
