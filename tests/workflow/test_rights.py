"""Rights are judged when something is asked for, when its VM is known, and again when it really starts."""

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest

from bot.dispatcher import Dispatcher
from bot.engine import Engine
from bot.errors import NotAllowed
from bot.model import Actor, AuditRow, Place, ProtectRequest, State, Transaction
from bot.planner import Planner
from bot.policy import Freeze, Operation, Policy, Role, Rule
from bot.service import Service
from tests.workflow.house import House

ALICE, BOB, CAROL, DAVE = (
    Actor(id=id_, name=name, source="slack")
    for id_, name in (("U1AA", "alice"), ("U2AA", "bob"), ("U3AA", "carol"), ("U4AA", "dave"))
)
ROOT = Actor(id="root", name="root", source="cli")
HOUSE = Policy(grants={"U1AA": Role.OPERATOR, "U2AA": Role.APPROVER, "U4AA": Role.ADMIN, "S9AA": Role.OPERATOR})
VM01 = ProtectRequest(vms=("vm01",), targets=("s3",))


@dataclass
class Told:
    """A house under a policy that can be changed, as a new configuration would change it."""

    house: House

    def service(self, policy: Policy) -> Service:
        house = self.house
        return Service(house.db, house.clock, vmstores=("vmstore",), targets=("s3",), policy=policy)

    def dispatcher(self, policy: Policy) -> Dispatcher:
        house = self.house
        planner = Planner(house.db, house.systems, house.workflow, house.clock.sleep)
        return Dispatcher(house.db, planner, cast(Engine, house.engine), house.clock, policy)

    def asked(self, policy: Policy = HOUSE, actor: Actor = ALICE, key: str = "k") -> Transaction:
        place = Place(channel="C1")
        return self.service(policy).protect(VM01, actor, request_key=key, place=place)[0]

    def planned(self, transaction: Transaction, policy: Policy = HOUSE) -> Transaction:
        dispatcher = self.dispatcher(policy)
        dispatcher._plan(transaction)
        return self.now(transaction)

    def started(self, transaction: Transaction, policy: Policy) -> Transaction:
        self.dispatcher(policy)._start(self.now(transaction))
        return self.now(transaction)

    def now(self, transaction: Transaction) -> Transaction:
        with self.house.db.read() as unit:
            return unit.transactions.get(transaction.id)

    def audit(self, action: str) -> list[AuditRow]:
        with self.house.db.read() as unit:
            return [row for row in unit.audit.list() if row.action == action]

    def view(self, key: str) -> dict[str, object]:
        with self.house.db.read() as unit:
            message = unit.outbox.get(key)
            return message.view if message else {}


@pytest.fixture
def told(tmp_path: Path) -> Told:
    return Told(House(tmp_path))


def frozen(told: Told, *override: str) -> Policy:
    now = told.house.clock.now()
    window = Freeze(
        name="year end",
        begins=now - timedelta(hours=1),
        ends=now + timedelta(hours=1),
        operations=frozenset({Operation.PROTECT}),
        override=override,
    )
    return replace(HOUSE, freezes=(window,))


def test_a_viewer_is_refused_with_reason_and_who_may_and_nothing_is_recorded_but_the_refusal(told: Told) -> None:
    with pytest.raises(NotAllowed, match="takes the role operator") as caught:
        told.asked(actor=CAROL)

    assert caught.value.who == ("U1AA", "U2AA", "U4AA", "S9AA")
    assert told.service(HOUSE).runs() == ()
    (row,) = told.audit("refused")
    assert (row.actor_name, row.body["text"]) == ("carol", "protect vm01 to s3")
    assert "carol is viewer" in row.body["why"]


def test_one_vm_that_is_not_allowed_refuses_the_whole_request(told: Told) -> None:
    rule = Rule(name="policy.rules, entry 1", operation=Operation.PROTECT, vm="prod-*", role=Role.ADMIN)
    both = ProtectRequest(vms=("vm01", "prod-1"), targets=("s3",))

    with pytest.raises(NotAllowed, match="entry 1"):
        told.service(replace(HOUSE, rules=(rule,))).protect(both, ALICE, request_key="k")
    assert told.service(HOUSE).runs() == ()


def test_a_member_of_a_group_may_what_the_group_may(told: Told) -> None:
    with told.house.db.unit() as unit:
        unit.members.keep("S9AA", ["U3AA"])
        unit.members.keep("S404", ["U3AA"])

    assert told.asked(actor=CAROL).actor == CAROL


def test_a_channel_of_which_protect_is_no_command_refuses_it(told: Told) -> None:
    with pytest.raises(NotAllowed, match="cannot be used in this channel") as caught:
        told.asked(replace(HOUSE, channels={"C1": frozenset({"status"})}))
    assert caught.value.who == ()


def test_one_stops_ones_own_and_only_an_admin_anothers(told: Told) -> None:
    transaction = told.asked()
    service = told.service(HOUSE)

    with pytest.raises(NotAllowed, match="stop-other"):
        service.stop(transaction.id, BOB, request_key="s1")
    (row,) = told.audit("refused")
    assert (row.actor_name, row.transaction_id) == ("bob", transaction.id)
    assert service.stop(transaction.id, DAVE, request_key="s2").stop_asked_by == "dave"
    other = told.asked(key="k2")
    assert service.stop(other.id, ALICE, request_key="s3").stop_asked_by == "alice"
    third = told.asked(key="k3")
    assert service.stop(third.id, ROOT, request_key="s4").stop_asked_by == "root"


def test_while_nobody_has_a_role_everyone_stops_everything(told: Told) -> None:
    transaction = told.asked(Policy())

    assert told.service(Policy()).stop(transaction.id, BOB, request_key="s").stop_asked_by == "bob"


def test_who_lost_the_right_before_planning_gets_a_private_word_and_no_thread(told: Told) -> None:
    transaction = told.planned(told.asked(), replace(HOUSE, grants={"U4AA": Role.ADMIN}))

    assert transaction.state is State.REFUSED
    assert "alice is viewer" in str(told.view(f"{transaction.id}:notice"))
    assert told.view(f"{transaction.id}:root") == {}


def test_a_rule_on_the_vmstore_counts_once_the_vmstore_is_known(told: Told) -> None:
    rule = Rule(name="policy.rules, entry 1", operation=Operation.PROTECT, vmstore="vmstore", role=Role.ADMIN)
    strict = replace(HOUSE, rules=(rule,))

    transaction = told.planned(told.asked(strict), strict)

    assert transaction.state is State.REFUSED
    assert transaction.failure is not None
    assert "entry 1" in transaction.failure.what


def test_who_lost_the_right_while_it_waited_gets_it_refused_when_it_would_start(told: Told) -> None:
    transaction = told.planned(told.asked())
    assert transaction.state is State.QUEUED

    ended = told.started(transaction, replace(HOUSE, grants={"U4AA": Role.ADMIN}))

    assert ended.state is State.REFUSED
    assert ended.failure is not None
    assert ended.failure.what.startswith("“protect” takes the role operator")
    assert ended.failure.next.startswith("Ask whoever may")
    assert told.view(f"{transaction.id}:root")["state"] == "refused"
    assert "alice is viewer" in str(told.view(f"{transaction.id}:receipt"))
    (row,) = told.audit("outcome")
    assert row.body["state"] == "refused"
    assert told.house.engine.standing(transaction.id).name == "UNKNOWN"


def test_who_kept_the_right_gets_it_started(told: Told) -> None:
    assert told.started(told.planned(told.asked()), HOUSE).state is State.RUNNING


def test_a_freeze_that_came_while_it_waited_holds_the_start(told: Told) -> None:
    ended = told.started(told.planned(told.asked()), frozen(told))

    assert ended.state is State.REFUSED
    assert ended.failure is not None
    assert "The freeze “year end”" in ended.failure.what


def test_passing_a_freeze_is_audited_by_name_when_asked_and_when_started(told: Told) -> None:
    policy = frozen(told, "approver")
    with pytest.raises(NotAllowed) as caught:
        told.asked(policy)
    assert caught.value.who == ("U2AA", "U4AA")

    transaction = told.asked(policy, BOB, "k2")
    told.started(told.planned(transaction, policy), policy)

    rows = told.audit("override")
    assert [(row.actor_name, row.body) for row in rows] == [
        ("bob", {"freeze": "year end", "operation": "protect", "vm": "vm01"})
    ] * 2
    assert {row.transaction_id for row in rows} == {"", transaction.id}
