"""Estimates from planning to the receipt: kept with the transaction, bound by nobody, told beside the fact."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from bot import estimated, planner
from bot.cli.common import summary
from bot.model import ApprovalState, Price, State
from bot.planner import Planner
from bot.policy import Need, Operation, Policy, Rule
from bot.prices import Prices
from bot.worker import shipped_workflow
from handlers import answers
from tests.workflow.house import VM01, House
from tests.workflow.test_approvals import BOB, GRANTS, approval, click, finish, view

SIZE = sum(len(body) for name, body in VM01.items() if not name.endswith(".vswp"))


def receipt(house: House, transaction_id: str) -> dict[str, str]:
    return dict(view(house, f"{transaction_id}:receipt")["facts"])


def test_a_second_protection_is_estimated_by_the_first_and_its_receipt_tells_both(tmp_path: Path) -> None:
    house = House(tmp_path)
    first = house.protect(key="a")
    kept = estimated.of(first)
    assert kept is not None
    assert kept.rests_on == "nothing known"  # this VMstore tells no sizes
    assert "Estimated" not in receipt(house, first.id)
    house.protect(key="b")
    third = house.protect(key="c")
    foreseen = estimated.of(third)
    assert foreseen is not None
    assert foreseen.rests_on == "1 run before"  # the second; the first was sent in full
    assert foreseen.read is not None
    assert foreseen.read.likely == SIZE
    assert foreseen.sent is not None
    assert foreseen.sent.likely == third.bytes.sent
    assert receipt(house, third.id)["Estimated"].endswith("and so it was")
    told = summary(third)
    assert list(told).index("estimate") == list(told).index("bytes") + 1
    assert told["estimate"]["sent"]["likely"] == told["bytes"]["sent"]
    assert told["estimate"]["fact"]["requests"] > 0


@pytest.mark.parametrize(
    "plan",
    [
        '{"requests": {"s3": {"writes": null}}}',
        '{"bases": null, "requests": null}',
        '{"provisioned_bytes": "much"}',
        "[]",
    ],
)
def test_history_that_nobody_can_read_refuses_no_protection(tmp_path: Path, plan: str) -> None:
    house = House(tmp_path)
    first = house.protect(key="a")
    with closing(sqlite3.connect(tmp_path / "cloudy.db")) as database, database:
        database.execute("update transactions set plan = ? where id = ?", (plan, first.id))
    with house.db.read() as unit:
        assert len(unit.past.of_vm(first.vm_uuid)) == (1 if "bases" in plan else 0)


def test_an_estimate_that_cannot_be_made_refuses_no_protection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(planner, "foresee", fail)
    made = House(tmp_path).protect(key="a")
    assert made.state is State.SUCCEEDED
    assert "no estimate of" in caplog.text


def test_details_tell_what_was_estimated_also_after_the_end(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.protect(key="a")
    house.protect(key="b")
    third = house.protect(key="c")
    facts = dict(answers.show(*house.service.show(third.id)).facts)
    assert facts["Estimate"].endswith("rests on: 1 run before")
    assert facts["Price"] == "unknown for s3: no prices are configured"


def test_requests_are_counted_once_for_each_target(tmp_path: Path) -> None:
    house = House(tmp_path, targets=("s3", "azure"))
    done = house.protect(targets=("s3", "azure"))
    counted = estimated.requests_of(done)
    assert counted["s3"] == counted["azure"]
    asked = [0]
    house.targets["s3"].watch = lambda _call: asked.__setitem__(0, asked[0] + 1)
    again = estimated.requests_of(house.protect(targets=("s3", "azure"), key="again"))
    assert again["s3"].total <= asked[0]  # and a few that are free, or look for what was left
    assert again["s3"].total >= asked[0] // 2


def test_the_thread_begins_with_the_estimate(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.protect(key="a")
    house.protect(key="b")
    third = house.ask(key="c")
    house.dispatch()
    assert "sent" in dict(view(house, f"{third.id}:root")["facts"])["Estimate"]


def test_the_card_tells_the_estimate_and_an_estimate_that_moves_voids_no_approval(tmp_path: Path) -> None:
    rule = Rule(name="rule 1", operation=Operation.PROTECT, vm="vm01", need=Need.APPROVAL)
    house = House(tmp_path)
    house.protect(key="a")
    house.restart_with(Policy(grants=GRANTS, rules=(rule,)))
    asked = house.ask(key="b")
    house.dispatch()
    facts = dict(view(house, f"{asked.id}:root")["facts"])
    assert facts["Estimate"].startswith("about")
    assert facts["Price"] == "unknown for s3: no prices are configured"
    waiting = approval(house, asked)
    with house.db.unit() as unit:  # as if a hundred times as much had been estimated, at another price
        moved = {**waiting.estimates, "expected": "about 9 TiB sent", "price": "about 400 USD a month", "time": "9 h"}
        unit.approvals.put(replace(waiting, estimates=moved))
    click(house, asked, BOB)
    finish(house)
    assert house.read(asked.id).state is State.SUCCEEDED
    assert approval(house, asked).state is ApprovalState.EXECUTED


def test_an_approval_that_waits_from_before_there_were_estimates_stays_good(tmp_path: Path) -> None:
    rule = Rule(name="rule 1", operation=Operation.PROTECT, vm="vm01", need=Need.APPROVAL)
    house = House(tmp_path, policy=Policy(grants=GRANTS, rules=(rule,)))
    asked = house.ask()
    house.dispatch()
    waiting = approval(house, asked)
    with house.db.unit() as unit:
        older = {name: it for name, it in waiting.estimates.items() if name not in ("expected", "time", "price")}
        unit.approvals.put(replace(waiting, estimates=older))
        plan = {name: it for name, it in house.read(asked.id).plan.items() if name != "estimate"}
        unit.transactions.update(asked.id, plan=plan)
    click(house, asked, BOB)
    finish(house)
    assert house.read(asked.id).state is State.SUCCEEDED


def test_a_configured_price_is_told_before_and_after(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.protect(key="a")
    price = Price(storage=1e6, write=2.0, read=1.0, currency="EUR")
    planner = Planner(house.db, house.systems, shipped_workflow, house.clock.sleep, Prices({"s3": price}))
    planned = planner.plan(house.ask(key="b"))
    assert "EUR more a month" in planned.estimates["price"]
    assert "with those that are there" in planned.estimates["price"]
    assert planned.facts["estimate"]["month"][0]["likely"] == SIZE / (1 << 30) * 1e6
