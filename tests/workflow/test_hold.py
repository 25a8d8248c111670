"""A failed upload is held: Retry goes on from it, and what is not retried in time is removed."""

from datetime import timedelta
from pathlib import Path

import pytest

from bot.dispatcher import Dispatcher
from bot.engine import Standing
from bot.errors import IntegrityError, PermanentError, RequesterError
from bot.janitor import Janitor
from bot.model import Actor, Json, Place, State, StepState, Transaction
from handlers import history
from tests.memory import Crash
from tests.workflow.house import ALICE, DISK, OPS, PART, House

BOB = Actor(id="U_BOB", name="bob", source="slack")
HOUR = timedelta(hours=1)
MOST = 5  # parts that arrive before the target refuses


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = House(tmp_path)
    house.hold = HOUR
    return house


class Locked:
    """The target takes some parts, then refuses every further one, until it is opened."""

    def __init__(self, house: House, *, call: str = "put_part", after: int = MOST) -> None:
        self._left = after
        self._call = call
        self.calls: list[str] = []
        house.watch(self)

    def __call__(self, call: str) -> None:
        self.calls.append(call)
        if call.endswith(self._call):
            self._left -= 1
            if self._left < 0:
                raise PermanentError("AccessDenied: the bucket is locked", system="s3", code="AccessDenied")

    def open(self) -> None:
        self._left = 10**9


def run(house: House) -> None:
    """Dispatch and run until nothing moves."""
    for _ in range(3):
        house.dispatch()
        house.engine.run_all()


def retry(house: House, text: str = "last", key: str = "retry") -> Transaction:
    asked = house.service.again.retry(text, BOB, request_key=key, place=OPS)
    run(house)
    return house.read(asked.id)


def told(house: House, tx_id: str, name: str = "receipt") -> Json:
    with house.db.read() as unit:
        message = unit.outbox.get(f"{tx_id}:{name}")
    assert message is not None
    return message.view


def parts_sent(house: House, tx_id: str) -> list[int]:
    key = f"{tx_id}/tintri/{tx_id}/vm01/vm01-flat.vmdk"
    return sorted(number for sent, number in house.targets["s3"].sent if sent == key)


def test_a_failed_upload_is_held_and_the_thread_says_until_when_and_what_can_be_done(house: House) -> None:
    Locked(house)
    held = house.protect()
    assert held.state is State.HELD
    assert held.held_until is not None
    receipt, root = told(house, held.id), told(house, held.id, "root")
    until = f"{held.held_until:%H:%M} UTC"
    assert receipt["headline"] == "vm01 is not protected: Upload failed"
    assert "AccessDenied" in receipt["why"]
    assert until in receipt["held"]
    assert receipt["next"].endswith("press Retry: it goes on with Upload")
    assert receipt["buttons"] == ["retry", "cleanup", "audit"]
    assert root["line"].startswith(f"Held until {until}")
    assert root["buttons"] == ["details", "retry", "cleanup"]
    assert house.array.snapshots
    assert house.share.exists(held.id)
    assert house.array.open_sessions == 0


def test_retry_goes_on_with_the_same_transaction_and_sends_only_what_is_missing(house: House) -> None:
    bucket = Locked(house)
    held = house.protect()
    assert parts_sent(house, held.id) == list(range(1, MOST + 1))
    bucket.open()
    bucket.calls.clear()
    done = retry(house)
    assert done.id == held.id
    assert done.state is State.SUCCEEDED
    assert parts_sent(house, held.id) == list(range(1, len(DISK) // PART + 1))
    made = [call for call in bucket.calls if call.endswith(("create_snapshot", "clone_files"))]
    assert made == []
    house.watch(lambda _call: None)
    assert house.left() == []
    assert told(house, done.id)["headline"] == "vm01 is protected in s3"
    assert done.bytes.sent >= len(DISK)
    with house.db.read() as unit:
        attempts = {step.id: step.attempt for step in unit.steps.of(done.id)}
    assert (attempts["snapshot"], attempts["clone"], attempts["upload"]) == (1, 1, 2)


def test_while_it_goes_on_no_end_is_told_and_percent_does_not_go_back(house: House) -> None:
    bucket = Locked(house)
    held = house.protect()
    house.service.again.retry("last", BOB, request_key="retry", place=OPS)
    bucket.open()
    telling = told(house, held.id)
    assert telling["kind"] == "milestone"
    assert telling["text"].startswith("Retry, asked by bob: it goes on with Upload.")
    with house.db.read() as unit:
        before = next(step for step in unit.steps.of(held.id) if step.id == "upload")
    run(house)
    with house.db.read() as unit:
        after = next(step for step in unit.steps.of(held.id) if step.id == "upload")
    assert before.done <= after.done == after.total


def test_when_the_hold_is_over_all_is_removed_and_the_receipt_says_so(house: House) -> None:
    Locked(house)
    held = house.protect()
    house.clock.sleep(HOUR.total_seconds() + 1)
    run(house)
    ended = house.read(held.id)
    receipt = told(house, held.id)
    assert ended.state is State.FAILED
    assert ended.left_behind == ()
    house.watch(lambda _call: None)
    assert house.left() == []
    assert receipt["headline"] == "vm01 is not protected: Upload failed"
    assert any("clone" in line for line in receipt["undone"])
    assert receipt["buttons"] == ["retry", "audit"]
    assert "held" not in receipt


def test_before_the_hold_is_over_nothing_is_removed_also_not_by_the_janitor_or_as_an_orphan(house: House) -> None:
    Locked(house)
    held = house.protect()
    house.clock.sleep(HOUR.total_seconds() - 60)
    run(house)
    janitor = Janitor(house.db, house.systems, house.clock, installation="test0001")
    assert janitor.clear_ledger() == ()
    assert not [judged for judged in janitor.look(older_than=timedelta()).judged if judged.orphan.transaction_id]
    assert house.read(held.id).state is State.HELD
    assert house.share.exists(held.id)


def test_a_stop_cleans_up_at_once(house: House) -> None:
    Locked(house)
    held = house.protect()
    house.service.stop("last", BOB, request_key="stop")
    assert told(house, held.id)["held"] == "What was kept is being removed."
    run(house)
    assert house.read(held.id).state is State.FAILED
    house.watch(lambda _call: None)
    assert house.left() == []
    with pytest.raises(RequesterError):
        house.service.stop("last", BOB, request_key="stop again")


def test_a_kill_while_it_is_held_changes_nothing(house: House) -> None:
    bucket = Locked(house)
    held = house.protect()
    house.engine.run_all()  # the next process finds the first run over
    house.dispatch()
    assert house.read(held.id).state is State.HELD
    bucket.open()
    assert retry(house).state is State.SUCCEEDED


@pytest.mark.parametrize("call", ["put_part", "head", "remove_tree", "delete_snapshot"])
def test_a_kill_in_the_retry_goes_on_with_the_retry(house: House, call: str) -> None:
    bucket = Locked(house)
    held = house.protect()
    bucket.open()
    house.service.again.retry("last", BOB, request_key="retry", place=OPS)
    house.dispatch()
    died: list[str] = []

    def die(told_call: str) -> None:
        if told_call.endswith(call) and not died:
            died.append(told_call)
            raise Crash(told_call)

    house.watch(die)
    if call == "remove_tree":  # not watched by the share: nothing to die at
        house.engine.run_all()
    else:
        with pytest.raises(Crash):
            house.engine.run_all()
        house.engine.run_all()
    assert house.read(held.id).state is State.SUCCEEDED
    house.watch(lambda _call: None)
    assert house.left() == []


def test_a_kill_between_the_hold_and_its_note_in_the_engine_holds_once(house: House) -> None:
    bucket = Locked(house)
    held = house.protect()
    house.engine._kept[held.id].pop("hold")  # the process died before the engine kept the answer
    house.engine._over.discard(held.id)
    house.service.again.retry("last", BOB, request_key="retry", place=OPS)  # asked for before the next start
    bucket.open()
    house.engine.run_all()
    run(house)
    assert house.read(held.id).state is State.SUCCEEDED
    with house.db.read() as unit:
        rows = [row.body["event"] for row in unit.audit.list(transaction_id=held.id) if row.action == "hold"]
    assert rows == ["held", "retry"]


def test_a_retry_that_fails_is_held_again_and_a_second_retry_can_succeed(house: House) -> None:
    bucket = Locked(house)
    held = house.protect()
    house.clock.sleep(1800)
    again = retry(house)
    assert again.state is State.HELD
    assert again.held_until is not None
    assert held.held_until is not None
    assert again.held_until > held.held_until
    bucket.open()
    assert retry(house, key="second").state is State.SUCCEEDED


def test_the_same_retry_of_the_last_twice_is_one_request_also_where_it_begins_anew(house: House) -> None:
    house.hold = timedelta()
    bucket = Locked(house)
    failed = house.protect()
    assert failed.state is State.FAILED
    bucket.open()
    anew = house.service.again.retry("last", BOB, request_key="same", place=OPS)
    assert house.service.again.retry("last", BOB, request_key="same", place=OPS).id == anew.id != failed.id
    with house.db.read() as unit:
        assert [row for row in unit.audit.list(limit=1000) if row.action == "refused"] == []


def test_the_same_click_twice_is_one_retry_and_one_while_it_runs_is_refused(house: House) -> None:
    Locked(house)
    held = house.protect()
    first = house.service.again.retry("last", BOB, request_key="same", place=OPS)
    assert house.service.again.retry("last", BOB, request_key="same", place=OPS).run == first.run == "retry1"
    with pytest.raises(RequesterError) as error:
        house.service.again.retry("last", ALICE, request_key="other", place=OPS)
    assert error.value.message.startswith(f"{held.id} is under way")


def test_a_retry_after_everything_was_removed_begins_anew_and_says_so(house: House) -> None:
    bucket = Locked(house)
    held = house.protect()
    house.clock.sleep(HOUR.total_seconds() + 1)
    run(house)
    bucket.open()
    anew = retry(house)
    assert anew.id != held.id
    assert anew.state is State.SUCCEEDED
    assert any("begins anew" in line for line in history.retried(anew).lines)


def test_one_that_begins_anew_from_where_nothing_can_be_told_is_told_where_the_old_one_was(house: House) -> None:
    house.hold = timedelta()
    Locked(house)
    failed = house.protect()
    anew = house.service.again.retry("last", BOB, request_key="home", place=Place())
    assert (anew.id != failed.id, anew.place) == (True, failed.place)


def test_a_retry_once_the_clean_up_has_begun_is_refused(house: House) -> None:
    Locked(house)
    house.protect()
    house.service.stop("last", BOB, request_key="stop")
    with pytest.raises(RequesterError) as error:
        house.service.again.retry("last", BOB, request_key="retry", place=OPS)
    assert "being removed" in error.value.message


def test_a_stop_in_the_retry_leaves_nothing(house: House) -> None:
    bucket = Locked(house)
    held = house.protect()
    bucket.open()
    house.service.again.retry("last", BOB, request_key="retry", place=OPS)
    house.service.stop("last", BOB, request_key="stop")
    run(house)
    assert house.read(held.id).state is State.STOPPED
    house.watch(lambda _call: None)
    assert house.left() == []


def test_a_verify_that_failed_is_retried_without_sending_anything(house: House) -> None:
    bucket = Locked(house, call="head", after=0)
    held = house.protect()
    assert told(house, held.id)["headline"] == "vm01 is not protected: Verify failed"
    sent = list(house.targets["s3"].sent)
    bucket.open()
    assert retry(house).state is State.SUCCEEDED
    assert house.targets["s3"].sent[: len(sent)] == sent
    assert [key for key, _ in house.targets["s3"].sent[len(sent) :]] == [f"{held.id}/manifest.json"]


def test_while_it_is_held_the_vm_can_be_protected_by_another_run(house: House) -> None:
    bucket = Locked(house)
    held = house.protect()
    bucket.open()
    other = house.protect(key="other")
    assert other.id != held.id
    assert other.state is State.SUCCEEDED
    assert house.read(held.id).state is State.HELD
    assert retry(house, held.id).state is State.SUCCEEDED


@pytest.mark.parametrize("call", ["create_snapshot", "clone_files"])
def test_a_step_that_does_not_hold_is_cleaned_up_at_once(house: House, call: str) -> None:
    Locked(house, call=call, after=0)
    assert house.protect().state is State.FAILED
    house.watch(lambda _call: None)
    assert house.left() == []


def test_what_is_damaged_is_not_held(house: House) -> None:
    def damage(call: str) -> None:
        if call.endswith("put_part"):
            raise IntegrityError("the clone is not what it was")

    house.watch(damage)
    assert house.protect().state is State.FAILED


def test_without_a_thread_or_with_a_hold_of_0_nothing_is_held(house: House) -> None:
    Locked(house)
    house.hold = timedelta()
    assert house.protect().state is State.FAILED
    house.hold = HOUR
    asked = house.ask(key="cli")
    with house.db.unit() as unit:
        unit.transactions.update(asked.id, place=Place())
    run(house)
    assert house.read(asked.id).state is State.FAILED


def test_why_of_what_is_held_tells_the_cause_and_that_retry_goes_on(house: House) -> None:
    Locked(house)
    house.protect()
    card = history.why(*house.service.show("last")[:2])
    assert "AccessDenied" in card.lines[0]
    assert any("are kept until" in line for line in card.closing)
    assert any("press Retry" in line for line in card.closing)
    assert "Nothing is left behind." not in card.closing


def test_a_run_that_was_frozen_before_there_was_a_hold_is_cleaned_up_as_before(house: House) -> None:
    Locked(house)
    asked = house.ask()
    house.dispatch()
    frozen = house.engine._arguments[asked.id]["workflow"]
    for step in frozen["step"]:
        del step["hold"]
    house.engine.run_all()
    assert house.read(asked.id).state is State.FAILED
    with house.db.read() as unit:
        assert all(step.state is not StepState.PENDING for step in unit.steps.of(asked.id))


def test_one_that_is_held_while_the_dispatcher_looks_stays_held(house: House) -> None:
    Locked(house)
    asked = house.ask()
    house.dispatch()
    running = house.read(asked.id)
    house.engine.run_all()
    house.engine.standing = lambda _id, _run="": Standing.OVER  # type: ignore[method-assign,assignment]
    dispatcher = Dispatcher(house.db, None, house.engine, house.clock)  # type: ignore[arg-type]
    dispatcher._hand_over(running)  # as one does that looked before the run was over
    assert house.read(asked.id).state is State.HELD


def test_who_asked_is_reminded_once_before_what_is_kept_is_removed(house: House) -> None:
    Locked(house)
    asked = house.protect()
    run(house)
    house.clock.sleep(30 * 60)
    house.dispatch()
    with house.db.read() as unit:
        assert unit.outbox.keys_under(f"{asked.id}:reminder:") == ()
    house.clock.sleep(16 * 60)
    for _ in range(3):
        house.dispatch()
    with house.db.read() as unit:
        (key,) = unit.outbox.keys_under(f"{asked.id}:reminder:")
        message = unit.outbox.get(key)
    assert message is not None
    assert message.channel == ALICE.id
    assert "Still held for 1" in message.view["text"]
    assert "Retry goes on with Upload" in message.view["text"]
