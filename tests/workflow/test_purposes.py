"""A workflow that protects nothing: planned from the catalogue, judged by its steps, told in its own words."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from bot.engine import AT_TARGETS, queue_name
from bot.errors import RequesterError
from bot.model import Json, State, Transaction
from bot.purposes import PURPOSES
from tests.workflow.house import ALICE, OPS, House
from tests.workflow.stored import asked

LOOK = {"id": "look", "title": "Look", "action": "cleanup.release", "inputs": {"vmstore": "vmstore"}, "always": False}
FAIL = {"id": "fail", "title": "Fail", "action": "vmstore.check", "inputs": {"vmstore": "nowhere"}, "always": False}


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def inspect(house: House, point: str, steps: Sequence[Json] = (LOOK,), *, number: int = 0) -> Transaction:
    """Ask for a run of a workflow without a VMstore, and plan it."""
    shipped = house.workflow
    frozen = {"format": 1, "name": "inspect", "title": "Inspect {point}", "step": list(steps)}
    house.workflow = lambda name: frozen if name == "inspect" else shipped(name)
    transaction = asked(
        f"20261123T12000{number}Z-7f3k9q",
        workflow="inspect",
        vm="vm01",
        targets=("s3",),
        state=State.PLANNING,
        plan={"request": {"point": point}},
        actor=ALICE,
        place=OPS,
    )
    with house.db.unit() as unit:
        unit.transactions.insert(transaction)
    house.dispatch()
    return house.read(transaction.id)


def test_it_is_planned_by_its_recovery_point_and_succeeds_by_what_its_steps_came_to(house: House) -> None:
    point = house.protect().id
    assert inspect(house, point).state is State.RUNNING
    house.engine.run_all()
    done = house.read("20261123T120000Z-7f3k9q")
    assert done.state is State.SUCCEEDED
    assert done.request == {"point": point}
    assert "protected_in" not in done.plan
    with house.db.read() as unit:
        receipt = unit.outbox.get(f"{done.id}:receipt")
        root = unit.outbox.get(f"{done.id}:root")
    assert receipt is not None
    assert receipt.view["headline"] == "Done: inspect vm01 in s3"
    assert root is not None
    assert root.view["title"] == f"Inspect {point}"


def test_a_step_that_fails_fails_it_though_the_recovery_point_stands(house: House) -> None:
    inspected = inspect(house, house.protect().id, (FAIL,))
    house.engine.run_all()
    assert house.read(inspected.id).state is State.FAILED


def test_a_recovery_point_that_is_not_there_is_refused_privately(house: House) -> None:
    refused = inspect(house, "20261123T110000Z-000000")
    assert refused.state is State.REFUSED
    assert refused.failure is not None
    assert "There is no recovery point 20261123T110000Z-000000 in s3" in refused.failure.what


def test_it_keeps_no_protection_of_the_vm_waiting_and_the_same_again_joins(house: House) -> None:
    point = house.protect().id
    first = inspect(house, point)
    protection = house.ask(key="again")
    house.dispatch()
    assert house.read(protection.id).state is State.RUNNING
    second = inspect(house, point, number=1)
    assert second.state is State.REFUSED
    assert second.plan["joined"] == first.id


def test_one_that_has_ended_is_not_called_protected_when_it_is_stopped_too_late(house: House) -> None:
    inspected = inspect(house, house.protect().id)
    house.engine.run_all()
    with pytest.raises(RequesterError) as error:
        house.service.stop(inspected.id, ALICE, request_key="stop")
    assert error.value.message == f"{inspected.id} has ended already: succeeded."


def test_runs_without_a_vmstore_have_a_queue_of_their_own() -> None:
    assert queue_name("") == AT_TARGETS
    assert queue_name("targets") != AT_TARGETS


@pytest.mark.parametrize("name", sorted(PURPOSES))
def test_every_purpose_has_words_for_every_end(name: str) -> None:
    ends = {state for state in State if state.is_final} - {State.REFUSED}
    assert ends <= set(PURPOSES[name].endings)
    for state in ends:
        assert PURPOSES[name].endings[state](asked(workflow=name, state=state))
