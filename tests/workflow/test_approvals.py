"""Approvals over the whole house: bound to a plan, decided once, by people who may, ended by the clock."""

import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.checksum import crc64
from bot.cli import runs
from bot.errors import CloudyError, NotAllowed, NotFound, PermanentError, RequesterError
from bot.model import (
    Actor,
    Approval,
    ApprovalState,
    AuditRow,
    Choice,
    Headroom,
    Json,
    ProtectRequest,
    State,
    Transaction,
)
from bot.policy import Need, Operation, Policy, Role, Rule
from handlers import answers
from tests.memory_vmstore import MemoryVMstore
from tests.workflow.house import ALICE, OPS, House

BOB, DAVE, CAROL = (Actor(id=f"U_{name.upper()}", name=name, source="slack") for name in ("bob", "dave", "carol"))
GRANTS = {ALICE.id: Role.APPROVER, BOB.id: Role.APPROVER, DAVE.id: Role.ADMIN, CAROL.id: Role.VIEWER}
HOUR = 3600.0


def policy_with(**rule: object) -> Policy:
    rules = (Rule(name="rule 1", operation=Operation.DELETE, **rule),) if rule else ()  # type: ignore[arg-type]
    return Policy(grants=GRANTS, rules=rules)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path, policy=policy_with())


def asked(house: House, text: str = "last", key: str = "d1", reason: str = "") -> Transaction:
    """A recovery point exists, its deletion was asked for and planned."""
    with house.db.read() as unit:
        is_new = not unit.transactions.list()
    if is_new:
        house.protect()
    transaction = house.service.delete(text, ALICE, request_key=key, place=OPS, reason=reason)
    house.dispatch()
    return house.read(transaction.id)


def approval(house: House, transaction: Transaction) -> Approval:
    with house.db.read() as unit:
        found = unit.approvals.newest(transaction.id)
    assert found is not None
    return found


def click(house: House, transaction: Transaction, actor: Actor, choice: Choice = Choice.APPROVE, key: str = "") -> None:
    token = approval(house, transaction).token
    house.service.decide(token, choice, actor, request_key=key or f"click:{actor.id}:{choice}")


def finish(house: House) -> None:
    house.dispatch()
    house.dispatch()
    house.engine.run_all()


def view(house: House, key: str) -> Json:
    with house.db.read() as unit:
        message = unit.outbox.get(key)
    assert message is not None, key
    return message.view


def audit(house: House, action: str) -> list[AuditRow]:
    with house.db.read() as unit:
        assert unit.audit.verify().broken_at is None
        return [row for row in unit.audit.list(limit=1000) if row.action == action]


def test_a_delete_waits_with_its_plan_on_a_card_and_removes_nothing(house: House) -> None:
    transaction = asked(house, reason="tenant has left")
    before = dict(house.targets["s3"].objects)
    finish(house)
    assert house.read(transaction.id).state is State.AWAITING_APPROVAL
    assert house.targets["s3"].objects == before
    root = view(house, f"{transaction.id}:root")
    facts = dict(root["facts"])
    point = transaction.request["point"]
    assert facts["Recovery point"] == point
    assert facts["Removes all under"].endswith(f"/{point}/")
    assert facts["Objects"] == "5"
    assert facts["Mind"] == "it is the last recovery point of this VM"
    assert facts["Because"] == "tenant has left"
    assert facts["Plan"].startswith(approval(house, transaction).plan_hash[:12])
    assert root["buttons"] == ["approve", "veto", "stop", "details"]
    assert "Waiting for 1 approval" in root["line"]


def test_one_who_may_approves_and_it_is_executed_once(house: House) -> None:
    transaction = asked(house)
    click(house, transaction, BOB)
    finish(house)
    done = house.read(transaction.id)
    assert done.state is State.SUCCEEDED, done.failure
    assert house.targets["s3"].objects == {}
    assert house.left() == []
    assert approval(house, transaction).state is ApprovalState.EXECUTED
    assert len(audit(house, "executed")) == 1
    assert [row.actor_name for row in audit(house, "decision")] == ["bob"]
    with pytest.raises(RequesterError, match="already executed"):
        click(house, transaction, BOB, key="second")
    assert [row.actor_name for row in audit(house, "refused")] == ["bob"]
    with house.db.read() as unit:
        assert unit.points.get(transaction.request["point"], "s3") is None


def test_the_buttons_are_gone_from_every_copy_after_the_decision(house: House) -> None:
    transaction = asked(house)
    copies = [f"{transaction.id}:approval:1:{who.id}" for who in (BOB, DAVE)]
    for key in copies:
        assert view(house, key)["buttons"] == ["approve", "veto"]
    click(house, transaction, BOB)
    for key in copies:
        assert view(house, key)["buttons"] == []
        assert "Approved by bob" in view(house, key)["line"]
    assert "approve" not in view(house, f"{transaction.id}:root")["buttons"]
    with house.db.read() as unit:
        assert unit.outbox.get(f"{transaction.id}:approval:1:{ALICE.id}") is None


@pytest.mark.parametrize(
    ("actor", "told"), [(ALICE, "You cannot approve your own request"), (CAROL, "takes the role approver")]
)
def test_whose_word_does_not_count_is_told_why_and_that_is_audited(house: House, actor: Actor, told: str) -> None:
    transaction = asked(house)
    with pytest.raises(NotAllowed, match=told):
        click(house, transaction, actor)
    (row,) = audit(house, "refused")
    assert (row.actor_name, row.transaction_id) == (actor.name, transaction.id)
    assert approval(house, transaction).state is ApprovalState.PENDING


def test_a_button_that_nobody_made_does_nothing(house: House) -> None:
    asked(house)
    with pytest.raises(NotFound):
        house.service.decide("made-up", Choice.APPROVE, BOB, request_key="k")


def test_a_veto_ends_it_with_words(house: House) -> None:
    transaction = asked(house)
    click(house, transaction, DAVE, Choice.VETO)
    ended = house.read(transaction.id)
    assert ended.state is State.REFUSED
    assert view(house, f"{transaction.id}:receipt")["headline"] == "Vetoed by dave. Nothing was done."
    with pytest.raises(RequesterError, match="vetoed by dave"):
        click(house, transaction, BOB)
    assert house.targets["s3"].objects


def reminders(house: House, transaction: Transaction) -> int:
    with house.db.read() as unit:
        return len(unit.outbox.keys_under(f"{transaction.id}:milestone:reminder:"))


def test_the_clock_reminds_and_then_ends_it_also_after_a_restart(house: House) -> None:
    transaction = asked(house)
    house.clock.sleep(18.1 * HOUR)
    house.dispatch()
    assert "Still waiting" in view(house, f"{transaction.id}:milestone:reminder:1")["text"]
    assert "Still waiting" in view(house, f"{transaction.id}:reminder:1:{BOB.id}")["text"]
    house.clock.sleep(1 * HOUR)
    house.dispatch()
    assert reminders(house, transaction) == 1
    house.clock.sleep(2 * HOUR)
    house.dispatch()
    assert reminders(house, transaction) == 2  # half of what was left has gone
    house.clock.sleep(3 * HOUR)
    with pytest.raises(RequesterError, match="expired"):
        click(house, transaction, BOB)
    house.dispatch()
    assert house.read(transaction.id).state is State.REFUSED
    assert approval(house, transaction).state is ApprovalState.EXPIRED
    assert "Expired: nobody decided" in view(house, f"{transaction.id}:receipt")["headline"]


def test_a_go_ahead_is_good_for_an_hour(house: House) -> None:
    transaction = asked(house)
    click(house, transaction, BOB)
    house.clock.sleep(2 * HOUR)
    finish(house)
    ended = house.read(transaction.id)
    assert ended.state is State.REFUSED
    assert "not started until" in (ended.failure.what if ended.failure else "")
    assert house.targets["s3"].objects
    assert audit(house, "executed") == []


def test_a_plan_that_changed_voids_the_approval_and_asks_anew(house: House) -> None:
    transaction = asked(house)
    first = approval(house, transaction)
    house.clock.sleep(1)
    house.protect(key="r2")  # now it is not the last recovery point any more
    click(house, transaction, BOB)
    finish(house)
    waiting = house.read(transaction.id)
    assert waiting.state is State.AWAITING_APPROVAL
    assert "void" in view(house, f"{transaction.id}:milestone:void:1")["text"]
    assert "last of vm" in view(house, f"{transaction.id}:milestone:void:1")["text"]
    fresh = approval(house, transaction)
    assert (fresh.number, fresh.state) == (2, ApprovalState.PENDING)
    with pytest.raises(RequesterError, match="does not wait"):
        house.service.decide(first.token, Choice.APPROVE, DAVE, request_key="old")
    click(house, transaction, DAVE)
    finish(house)
    assert house.read(transaction.id).state is State.SUCCEEDED
    assert len(audit(house, "executed")) == 1


def test_an_estimate_that_moved_far_voids_it_too(house: House) -> None:
    transaction = asked(house)
    point = transaction.request["point"]
    body = b"x" * 1_000_000
    house.targets["s3"].put(f"{point}/somebody/else.bin", body, crc64=crc64(body), metadata={})
    click(house, transaction, BOB)
    finish(house)
    assert "estimate" in view(house, f"{transaction.id}:milestone:void:1")["text"]


def test_the_requester_withdraws_it_by_stop(house: House) -> None:
    transaction = asked(house)
    house.service.stop(transaction.id, ALICE, request_key="s")
    house.dispatch()
    assert house.read(transaction.id).state is State.STOPPED
    assert approval(house, transaction).state is ApprovalState.CANCELLED
    with pytest.raises(RequesterError, match="alice withdrew it"):
        click(house, transaction, BOB)


def test_a_right_that_was_lost_meanwhile_stops_it(house: House) -> None:
    transaction = asked(house)
    click(house, transaction, BOB)
    house.policy = Policy(grants={**GRANTS, ALICE.id: Role.VIEWER})
    finish(house)
    assert house.read(transaction.id).state is State.REFUSED
    assert house.targets["s3"].objects


def test_a_quorum_of_three_with_twenty_clicks_at_once_executes_once(tmp_path: Path) -> None:
    people = [Actor(id=f"U{n}", name=f"person{n}", source="slack") for n in range(20)]
    grants = {person.id: Role.APPROVER for person in people} | GRANTS
    rules = (Rule(name="rule 1", operation=Operation.DELETE, need=Need.APPROVAL, approvers=3),)
    house = House(tmp_path, policy=Policy(grants=grants, rules=rules))
    transaction = asked(house)
    token, told, together = approval(house, transaction).token, [], threading.Barrier(20)

    def press(person: Actor) -> None:
        together.wait()
        try:
            house.service.decide(token, Choice.APPROVE, person, request_key=f"click:{person.id}")
            told.append("counted")
        except CloudyError as error:
            told.append(error.message)

    threads = [threading.Thread(target=press, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    finish(house)
    assert told.count("counted") == 3
    assert sum("already executed" in each for each in told) == 17
    assert house.read(transaction.id).state is State.SUCCEEDED
    assert len(audit(house, "executed")) == 1
    assert len(audit(house, "decision")) == 3


def test_the_same_click_delivered_twice_is_one(house: House) -> None:
    transaction = asked(house)
    click(house, transaction, BOB, key="same")
    click(house, transaction, BOB, key="same")
    assert len(audit(house, "decision")) == 1
    assert audit(house, "refused") == []


def test_where_nobody_could_approve_it_is_refused_at_once(tmp_path: Path) -> None:
    house = House(tmp_path, policy=Policy(grants={ALICE.id: Role.APPROVER}))
    transaction = asked(house)
    assert transaction.state is State.REFUSED
    assert "nobody who could" in view(house, f"{transaction.id}:notice")["text"]


def test_a_confirmation_is_the_requesters_own(tmp_path: Path) -> None:
    house = House(tmp_path, policy=policy_with(need=Need.CONFIRMATION))
    transaction = asked(house)
    assert view(house, f"{transaction.id}:root")["buttons"] == ["confirm", "stop", "details"]
    with pytest.raises(NotAllowed, match="Only alice"):
        click(house, transaction, BOB)
    click(house, transaction, ALICE)
    finish(house)
    assert house.read(transaction.id).state is State.SUCCEEDED


def test_a_protection_can_be_made_to_wait_too(tmp_path: Path) -> None:
    rule = Rule(name="rule 1", operation=Operation.PROTECT, vm="vm01", need=Need.APPROVAL)
    house = House(tmp_path, policy=Policy(grants=GRANTS, rules=(rule,)))
    request = ProtectRequest(vms=("vm01",), targets=("s3",))
    (transaction,) = house.service.protect(request, ALICE, request_key="r", place=OPS)
    house.dispatch()
    facts = dict(view(house, f"{transaction.id}:root")["facts"])
    assert facts["VM"] == "vm01"
    assert "Bytes to send at most" in facts
    assert not {"Copies what did not change since", "Last time"} & facts.keys()
    click(house, transaction, BOB)
    finish(house)
    assert house.read(transaction.id).state is State.SUCCEEDED
    assert house.left() == []


def test_the_card_of_a_further_protection_tells_its_base_and_what_travelled_last_time(tmp_path: Path) -> None:
    house = House(tmp_path)
    first = house.protect()
    rule = Rule(name="rule 1", operation=Operation.PROTECT, vm="vm01", need=Need.APPROVAL)
    house.restart_with(Policy(grants=GRANTS, rules=(rule,)))
    request = ProtectRequest(vms=("vm01",), targets=("s3",))
    (second,) = house.service.protect(request, ALICE, request_key="again", place=OPS)
    house.dispatch()
    facts = dict(view(house, f"{second.id}:root")["facts"])
    assert facts["Copies what did not change since"] == f"s3: {first.id}"
    assert "read" in facts["Last time"]
    assert "sent" in facts["Last time"]


def test_who_could_say_a_word_sees_it_waiting(house: House) -> None:
    transaction = asked(house)
    assert [each.transaction_id for each, _ in house.service.approvals_waiting(BOB)] == [transaction.id]
    for other in (ALICE, CAROL):
        assert house.service.approvals_waiting(other) == ()
    click(house, transaction, BOB)
    assert house.service.approvals_waiting(BOB) == ()


def test_a_reason_can_be_demanded(tmp_path: Path) -> None:
    house = House(tmp_path, policy=policy_with(need=Need.APPROVAL, reason_required=True))
    house.protect()
    with pytest.raises(RequesterError, match="why"):
        house.service.delete("last", ALICE, request_key="k", place=OPS)


def test_the_approval_outlives_a_process(house: House) -> None:
    transaction = asked(house)
    house.engine = type(house.engine)(house)  # a new one; the rows are all that stays
    assert approval(house, transaction).expires_at - approval(house, transaction).created_at == timedelta(hours=24)
    click(house, transaction, BOB)
    finish(house)
    assert house.read(transaction.id).state is State.SUCCEEDED


def test_a_retry_goes_on_under_the_approval_that_it_was_begun_under(tmp_path: Path) -> None:
    rule = Rule(name="rule 1", operation=Operation.PROTECT, need=Need.APPROVAL)
    house = House(tmp_path, policy=Policy(grants=GRANTS, rules=(rule,)))
    house.hold = timedelta(hours=1)
    request = ProtectRequest(vms=("vm01",), targets=("s3",))
    (transaction,) = house.service.protect(request, ALICE, request_key="r", place=OPS)
    house.dispatch()
    click(house, transaction, BOB)
    house.dispatch()
    house.dispatch()

    def full(call: str) -> None:
        if call == "s3.put_part":
            raise PermanentError("no room", system="s3", operation="send part")

    house.watch(full)
    house.engine.run_all()
    assert house.read(transaction.id).state is State.HELD
    house.watch(lambda _call: None)
    house.service.again.retry(transaction.id, ALICE, request_key="again", place=OPS)
    finish(house)
    assert house.read(transaction.id).state is State.SUCCEEDED
    assert len(audit(house, "executed")) == 1


def test_a_confirmation_is_no_approval_once_the_policy_asks_for_one(tmp_path: Path) -> None:
    house = House(tmp_path, policy=policy_with(need=Need.CONFIRMATION))
    transaction = asked(house)
    house.restart_with(policy_with())
    click(house, transaction, ALICE)
    finish(house)
    assert house.read(transaction.id).state is State.AWAITING_APPROVAL
    assert house.targets["s3"].objects
    assert approval(house, transaction).needed == 1
    click(house, transaction, BOB)
    finish(house)
    assert house.read(transaction.id).state is State.SUCCEEDED


def test_whose_role_is_gone_at_the_start_does_not_count_any_more(house: House) -> None:
    transaction = asked(house)
    click(house, transaction, BOB)
    house.restart_with(Policy(grants={**GRANTS, BOB.id: Role.OPERATOR}))
    finish(house)
    assert house.read(transaction.id).state is State.AWAITING_APPROVAL
    assert house.targets["s3"].objects
    assert "asks for 1 approval" in view(house, f"{transaction.id}:milestone:void:1")["text"]


def test_what_waits_behind_another_run_is_judged_by_the_policy_of_its_start(tmp_path: Path) -> None:
    rule = Rule(name="rule 1", operation=Operation.PROTECT, vm="vm01", need=Need.APPROVAL)
    house = House(tmp_path, ("s3", "other"), policy=Policy(grants=GRANTS, rules=(rule,)))
    ahead, behind = house.ask(key="r1"), house.ask(key="r2", targets=("other",))
    house.dispatch()
    for transaction in (ahead, behind):
        click(house, transaction, BOB, key=f"click:{transaction.id}")
    house.dispatch()
    house.dispatch()
    assert house.read(behind.id).state is State.QUEUED
    house.restart_with(Policy(grants=GRANTS, rules=(replace(rule, approvers=2),)))
    house.engine.run_all()
    finish(house)
    ended = house.read(behind.id)
    assert ended.state is State.REFUSED
    assert "2 approvals" in (ended.failure.what if ended.failure else "")
    assert approval(house, behind).state is ApprovalState.CANCELLED


def test_a_quorum_that_nobody_could_reach_is_refused_at_once(tmp_path: Path) -> None:
    house = House(tmp_path, policy=policy_with(need=Need.APPROVAL, approvers=3))  # bob and dave, and not alice
    transaction = asked(house)
    assert transaction.state is State.REFUSED
    assert "nobody who could" in view(house, f"{transaction.id}:notice")["text"]


def test_a_rule_for_a_vmstore_holds_for_recovery_points_of_vms_that_are_not_there_any_more(tmp_path: Path) -> None:
    house = House(tmp_path, policy=policy_with(vmstore="vmstore", need=Need.APPROVAL, approvers=2))
    transaction = asked(house)
    assert approval(house, transaction).needed == 2


def test_what_is_still_being_protected_is_not_deleted(tmp_path: Path) -> None:
    house = House(tmp_path, ("s3", "other"), policy=policy_with())
    made = house.protect(targets=("s3", "other"))
    with house.db.unit() as unit:
        unit.transactions.update(made.id, state=State.RUNNING)  # as between the manifests of two targets
    transaction = house.service.delete(made.id, ALICE, request_key="d", place=OPS)
    house.dispatch()
    assert house.read(transaction.id).state is State.REFUSED
    assert "under way" in view(house, f"{transaction.id}:notice")["text"]


def test_a_snapshot_that_came_meanwhile_voids_no_approval(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rule = Rule(name="rule 1", operation=Operation.PROTECT, need=Need.APPROVAL)
    house = House(tmp_path, policy=Policy(grants=GRANTS, rules=(rule,)))
    there = [1]

    def headroom(_vmstore: MemoryVMstore, _vm_uuid: str) -> Headroom:
        return Headroom(snapshots=there[0], most_snapshots=128)

    monkeypatch.setattr(MemoryVMstore, "headroom", headroom)
    transaction = house.ask()
    house.dispatch()
    assert dict(view(house, f"{transaction.id}:root")["facts"])["Snapshots there"] == "1"
    there[0] = 2  # the VMstore's own schedule took one
    click(house, transaction, BOB)
    finish(house)
    assert house.read(transaction.id).state is State.SUCCEEDED


def test_a_card_counts_what_it_cannot_show_and_details_and_the_command_line_name_all(tmp_path: Path) -> None:
    names = tuple(f"target-with-quite-a-long-name-{n:02d}" for n in range(9))
    house = House(tmp_path, names, policy=policy_with())
    house.protect(targets=names)
    transaction = asked(house)
    told = dict(view(house, f"{transaction.id}:root")["facts"])["Removes all under"]
    every = approval(house, transaction).decided["removes"]
    assert told.startswith(f"9 in all: {every[0]}, {every[1]}")
    assert told.endswith(" more (Details has all)")
    shown = answers.show(*house.service.show(transaction.id))
    assert dict(shown.lists)["Removes all under"] == tuple(every)
    assert runs.shown(*house.service.show(transaction.id))["removes"] == every
