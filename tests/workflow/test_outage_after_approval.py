"""A target or VMstore that is out right after the approval: it stays approved, and is tried until that is over."""

from pathlib import Path

import pytest

from bot.errors import BusyError, PermanentError, TransientError
from bot.model import ApprovalState, Message, State, Transaction
from bot.planner import Planned, Planner
from bot.policy import Need, Operation, Policy, Rule
from tests.workflow.house import ALICE, House
from tests.workflow.test_approvals import BOB, GRANTS, HOUR, approval, asked, audit, click, finish, policy_with, view

WHY = "s3 did not answer"


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path, policy=policy_with())


def out(call: str) -> None:
    if call.startswith(("s3.", "vmstore.")):
        raise TransientError(WHY, system="s3", operation="list")


def approved_in_an_outage(house: House, transaction: Transaction) -> Transaction:
    house.watch(out)
    click(house, transaction, BOB)
    house.dispatch()
    return house.read(transaction.id)


def replies(house: House, transaction: Transaction) -> list[Message]:
    with house.db.read() as unit:
        found = [unit.outbox.get(key) for key in unit.outbox.keys_under(f"{transaction.id}:milestone:outage")]
    return [message for message in found if message]


def test_it_stays_approved_says_so_once_and_goes_on_when_the_outage_is_over(house: House) -> None:
    transaction = approved_in_an_outage(house, asked(house))
    assert transaction.state is State.PLANNING
    assert approval(house, transaction).state is ApprovalState.APPROVED
    for _ in range(5):
        house.clock.sleep(60)
        house.dispatch()
    (told,) = replies(house, transaction)
    assert WHY in told.view["text"]
    assert "It stays approved, and is tried again until" in told.view["text"]
    assert told.version == 1
    house.watch(lambda _call: None)
    house.clock.sleep(60)
    finish(house)
    done = house.read(transaction.id)
    assert done.state is State.SUCCEEDED, done.failure
    assert len(audit(house, "executed")) == 1


def test_one_that_outlasts_the_approval_is_ended_with_words(house: House) -> None:
    transaction = approved_in_an_outage(house, asked(house))
    house.clock.sleep(HOUR)
    house.dispatch()
    ended = house.read(transaction.id)
    assert ended.state is State.REFUSED
    assert approval(house, transaction).state is ApprovalState.EXPIRED
    told = view(house, f"{transaction.id}:receipt")
    assert "Approved by bob, and not started until" in told["headline"]
    assert WHY in told["headline"]
    assert "ask again: /cloudy delete" in told["next"]
    assert house.targets["s3"].objects
    assert [row.body.get("state") for row in audit(house, "approval")] == ["pending", "expired"]


def test_it_is_tried_every_few_seconds_and_not_without_a_pause(house: House) -> None:
    transaction = asked(house)
    calls: list[str] = []

    def counted(call: str) -> None:
        if call == "s3.list":
            calls.append(call)
        out(call)

    house.watch(counted)
    click(house, transaction, BOB)
    dispatcher = house._dispatcher()
    for _ in range(20):  # the clock moves by milliseconds
        dispatcher.tick()
    once = len(calls)
    house.clock.sleep(60)
    dispatcher.tick()
    assert once == 3  # one plan with its own patience
    assert len(calls) == 6


def test_a_stop_ends_it_at_once(house: House) -> None:
    transaction = approved_in_an_outage(house, asked(house))
    house.service.stop(transaction.id, ALICE, request_key="s")
    house.dispatch()
    assert house.read(transaction.id).state is State.STOPPED
    assert approval(house, transaction).state is ApprovalState.CANCELLED


def test_a_vmstore_that_is_out_is_waited_for_likewise(tmp_path: Path) -> None:
    rule = Rule(name="rule 1", operation=Operation.PROTECT, need=Need.APPROVAL)
    house = House(tmp_path, policy=Policy(grants=GRANTS, rules=(rule,)))
    transaction = house.ask()
    house.dispatch()
    assert approved_in_an_outage(house, transaction).state is State.PLANNING
    house.watch(lambda _call: None)
    house.clock.sleep(60)
    finish(house)
    assert house.read(transaction.id).state is State.SUCCEEDED


def test_our_own_database_that_is_busy_is_waited_for_likewise(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    transaction = asked(house)
    click(house, transaction, BOB)

    def busy(_planner: Planner, _transaction: Transaction) -> Planned:
        raise BusyError

    with monkeypatch.context() as patch:
        patch.setattr(Planner, "plan", busy)
        house.dispatch()
    assert approval(house, transaction).state is ApprovalState.APPROVED
    house.clock.sleep(60)
    finish(house)
    assert house.read(transaction.id).state is State.SUCCEEDED


def test_what_is_no_outage_ends_it_at_once(house: House) -> None:
    transaction = asked(house)

    def refused(call: str) -> None:
        if call.startswith("s3."):
            raise PermanentError("no such bucket", system="s3", operation="list")

    house.watch(refused)
    click(house, transaction, BOB)
    house.dispatch()
    assert house.read(transaction.id).state is State.REFUSED
    assert "no such bucket" in view(house, f"{transaction.id}:receipt")["headline"]


def test_before_any_approval_an_outage_is_told_at_once(house: House) -> None:
    house.protect()
    house.watch(out)
    transaction = asked(house)
    assert transaction.state is State.REFUSED
    assert WHY in view(house, f"{transaction.id}:notice")["text"]
