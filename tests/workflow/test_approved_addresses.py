"""An approval is for the addresses that it names: a target that is elsewhere by now is noticed, at each moment."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bot import approving
from bot.errors import DeniedError
from bot.janitor import Janitor
from bot.model import ObjectVersion, State, Transaction
from bot.policy import Need, Operation, Policy, Rule
from tests.workflow.house import House
from tests.workflow.test_approvals import BOB, GRANTS, approval, asked, audit, click, finish, policy_with, view

PROTECTS = Policy(grants=GRANTS, rules=(Rule(name="rule 1", operation=Operation.PROTECT, need=Need.APPROVAL),))


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path, policy=policy_with())


def asked_to_protect(house: House) -> Transaction:
    transaction = house.ask()
    house.dispatch()
    return house.read(transaction.id)


def move(house: House) -> None:
    """As if cloudy.toml had another endpoint by now."""
    house.targets["s3"].endpoint = "https://elsewhere"


@pytest.mark.parametrize("ask", [asked, asked_to_protect])
def test_the_card_says_where_and_a_target_that_moved_before_the_decision_voids_it(
    tmp_path: Path, ask: Callable[[House], Transaction]
) -> None:
    policy = policy_with() if ask is asked else PROTECTS
    house = House(tmp_path, policy=policy)
    transaction = ask(house)
    assert dict(view(house, f"{transaction.id}:root")["facts"])["Where"] == "s3: memory://s3 at https://s3"
    move(house)
    click(house, transaction, BOB)
    before = dict(house.targets["s3"].objects)
    finish(house)
    assert house.read(transaction.id).state is State.AWAITING_APPROVAL
    assert "has changed: addresses" in view(house, f"{transaction.id}:milestone:void:1")["text"]
    assert approval(house, transaction).decided["addresses"] == {"s3": "memory://s3 at https://elsewhere"}
    assert house.targets["s3"].objects == before


def test_a_target_that_moved_while_it_waited_for_its_turn_voids_it(house: House) -> None:
    transaction = asked(house)
    click(house, transaction, BOB)
    house.look()
    assert house.read(transaction.id).state is State.QUEUED
    move(house)
    finish(house)
    assert house.read(transaction.id).state is State.AWAITING_APPROVAL
    assert audit(house, "executed") == []
    assert house.targets["s3"].objects
    click(house, transaction, BOB, key="again")
    finish(house)
    assert house.read(transaction.id).state is State.SUCCEEDED


def test_a_target_that_moved_after_the_start_is_not_touched(house: House) -> None:
    transaction = asked(house)
    click(house, transaction, BOB)
    house.dispatch()
    house.dispatch()
    assert house.read(transaction.id).state is State.RUNNING
    before = dict(house.targets["s3"].objects)
    move(house)
    house.engine.run_all()
    ended = house.read(transaction.id)
    assert ended.state is State.FAILED
    assert "https://elsewhere by now, and the approval was for memory://s3 at https://s3" in (
        ended.failure.what if ended.failure else ""
    )
    assert house.targets["s3"].objects == before
    assert house.left() == []


def test_without_an_approval_a_run_goes_where_its_target_is(tmp_path: Path) -> None:
    house = House(tmp_path)
    transaction = house.ask()
    house.dispatch()
    move(house)
    house.engine.run_all()
    assert house.read(transaction.id).state is State.SUCCEEDED


def test_one_that_waited_since_before_addresses_were_named_goes_on(house: House) -> None:
    transaction = asked(house)
    known = approval(house, transaction)
    older = {name: value for name, value in known.decided.items() if name != "addresses"}
    with house.db.unit() as unit:
        unit.approvals.put(replace(known, decided=older, plan_hash=approving.plan_hash(older)))
        plan = {name: value for name, value in transaction.plan.items() if name not in ("addresses", "removes")}
        unit.transactions.update(transaction.id, plan=plan)
    click(house, transaction, BOB)
    finish(house)
    assert house.read(transaction.id).state is State.SUCCEEDED
    assert approval(house, transaction).number == 1


def test_what_an_approved_deletion_left_is_not_removed_elsewhere(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    transaction = asked(house)
    click(house, transaction, BOB)
    house.dispatch()
    house.dispatch()
    store = house.targets["s3"]
    erase = store.erase

    def stubborn(version: ObjectVersion) -> None:
        if not version.key.endswith("manifest.json"):
            raise DeniedError("no right", system="s3", operation="remove")
        erase(version)

    with monkeypatch.context() as patch:
        patch.setattr(store, "erase", stubborn)
        house.engine.run_all()
    left = dict(store.objects)
    assert left
    janitor = Janitor(house.db, house.systems, house.clock, installation="test0001")
    move(house)
    janitor.clear_ledger()
    assert store.objects == left
    store.endpoint = "https://s3"
    janitor.clear_ledger()
    assert store.objects == {}
