"""Retention in force: what keeps more at once, what could ever keep less by approval; holds; previews; rounds."""

from datetime import timedelta
from pathlib import Path

import pytest

from bot import petitions, story
from bot.errors import AmbiguousName, NotAllowed, NotFound, RequesterError, UsageError
from bot.model import (
    Actor,
    ApprovalState,
    Choice,
    InForce,
    Place,
    Preview,
    PreviewRequest,
    Price,
    Reason,
    Retention,
    Sla,
    Slas,
    State,
    Transaction,
)
from bot.policy import Policy, Role
from bot.prices import Prices
from bot.purposes import purpose_of
from tests.workflow.house import ALICE, OPS, House
from tests.workflow.test_expire import put_point

BOB = Actor(id="U_BOB", name="bob", source="slack")
CAROL = Actor(id="U_CAROL", name="carol", source="slack")
POLICY = Policy(grants={ALICE.id: Role.OPERATOR, BOB.id: Role.APPROVER, CAROL.id: Role.VIEWER})
WEEK, TWO = Retention(daily=7), Retention(last=2)


def slas(gold: Retention = TWO, last: Retention | None = None, vms: tuple[str, ...] = ("vm01",)) -> Slas:
    return Slas(
        listed=(Sla(name="gold", vms=vms, retention=gold),),
        last=Sla(name="default", retention=last or Retention()),
    )


def house_of(folder: Path, told: Slas, *, points: int = 5) -> House:
    house = House(folder, policy=POLICY)
    use(house, told)
    for day in range(points, 0, -1):
        put_point(house, day)
    return house


def use(house: House, told: Slas) -> None:
    """As a start with another configuration does."""
    house.slas = told
    house.service.questions.slas = told
    house.service.retaining.place = Place(channel=OPS.channel)


def adopt(house: House) -> tuple[Transaction, ...]:
    asked = house.service.retaining.adopt()
    house.dispatch()
    return tuple(house.read(each.id) for each in asked)


def judged_by(house: House, vm: str = "u1") -> Retention | None:
    with house.db.read() as unit:
        found = unit.retentions.of_vm(vm)
    return found.retention if found else None


def approve(house: House, transaction: Transaction, key: str = "c") -> None:
    with house.db.read() as unit:
        approval = unit.approvals.newest(transaction.id)
    assert approval is not None
    house.service.decide(approval.token, Choice.APPROVE, BOB, request_key=key)
    house.dispatch()
    house.dispatch()
    house.engine.run_all()


def change(house: House, rules: Retention, key: str = "s", sla: str = "gold") -> Transaction | InForce:
    found = house.service.retaining.set(sla, rules, ALICE, request_key=key, place=OPS)
    house.dispatch()
    return house.read(found.id) if isinstance(found, Transaction) else found


def test_rules_for_what_is_protected_already_wait_for_an_approval_and_then_hold(tmp_path: Path) -> None:
    house = house_of(tmp_path, slas())
    (asked,) = adopt(house)
    assert asked.state is State.AWAITING_APPROVAL
    assert judged_by(house) is None
    with house.db.read() as unit:
        approval = unit.approvals.newest(asked.id)
    assert approval is not None
    assert approval.operation == "shorten-retention"
    assert approval.decided["old"] == ["keep everything"]
    assert approval.decided["new"] == "keep 2 last"
    assert approval.decided["effect"] == "removes 3 recovery points of 1 VM (3 in s3; 300 B); 2 stay"
    approve(house, asked)
    assert house.read(asked.id).state is State.SUCCEEDED
    assert judged_by(house) == TWO


def test_what_removes_nothing_yet_says_neither_a_digest_nor_that_a_round_removes_it(tmp_path: Path) -> None:
    house = house_of(tmp_path, slas(Retention(last=9)), points=1)
    (asked,) = adopt(house)
    with house.db.read() as unit:
        approval = unit.approvals.newest(asked.id)
    assert approval is not None
    told = dict((name, value) for name, value in petitions.facts(approval))
    assert told["Effect"] == "removes nothing now; 1 recovery point stays"
    assert not {"Digest of what goes", "Bytes removed"} & told.keys()
    assert story.title(asked) == "Keep 9 last for gold"
    assert dict(purpose_of(asked).facts(asked, ()))["Effect"] == told["Effect"]


def test_who_asks_for_a_change_that_waits_already_is_told_which_one_it_is(tmp_path: Path) -> None:
    house = house_of(tmp_path, slas(Retention(last=9)), points=5)
    adopt(house)
    first = change(house, Retention(last=3), key="one")
    second = change(house, Retention(last=3), key="two")
    assert isinstance(first, Transaction)
    assert isinstance(second, Transaction)
    assert second.failure is not None
    assert second.failure.what == f"{first.id} does the same, and has not ended: follow it there."


def test_a_new_installation_has_its_rules_at_once_and_so_has_a_vm_that_comes_later(tmp_path: Path) -> None:
    house = house_of(tmp_path, slas(), points=0)
    assert adopt(house) == ()
    house.clock.sleep(2 * 86_400)
    put_point(house, 1)
    assert adopt(house) == ()
    assert judged_by(house) == TWO


def test_what_keeps_more_is_in_force_at_once_with_a_row_in_the_audit(tmp_path: Path) -> None:
    house = house_of(tmp_path, slas(), points=0)
    adopt(house)
    put_point(house, 0)
    adopt(house)
    found = change(house, Retention(last=9))
    assert isinstance(found, InForce)
    assert (found.retention, found.by) == (Retention(last=9), "alice")
    assert judged_by(house) == Retention(last=9)
    with house.db.read() as unit:
        rows = [row for row in unit.audit.list(limit=100) if row.action == "retention"]
    assert rows[-1].body["old"] == "keep 2 last"
    assert rows[-1].body["new"] == "keep 9 last"


def adopted(folder: Path, gold: Retention) -> House:
    """Rules in force, and five recovery points that were made under them."""
    house = house_of(folder, slas(gold), points=0)
    adopt(house)
    house.clock.sleep(6 * 86_400)
    for day in range(5, 0, -1):
        put_point(house, day)
    adopt(house)
    assert judged_by(house) == gold
    return house


@pytest.mark.parametrize("rules", [Retention(last=9), Retention(daily=7, zone="Asia/Tokyo"), Retention(weekly=50)])
def test_what_could_ever_keep_less_waits_though_its_numbers_look_larger(tmp_path: Path, rules: Retention) -> None:
    house = adopted(tmp_path, WEEK)
    asked = change(house, rules)
    assert isinstance(asked, Transaction)
    assert asked.state is State.AWAITING_APPROVAL
    assert judged_by(house) == WEEK
    with house.db.read() as unit:
        assert unit.retentions.in_force()["gold"].retention == WEEK


def test_an_approval_stays_good_while_points_come_and_go_and_is_void_where_more_would_go(tmp_path: Path) -> None:
    house = adopted(tmp_path, WEEK)
    asked = change(house, TWO)
    assert isinstance(asked, Transaction)
    with house.db.unit() as unit:
        unit.points.forget(unit.points.of_vm("u1")[-1].transaction_id, "s3")
    put_point(house, 0, number=7)
    approve(house, asked)
    assert judged_by(house) == TWO
    house.clock.sleep(60)
    wider = change(house, WEEK, "s2")
    assert isinstance(wider, Transaction)  # 7 daily do not cover 2 last
    narrower = change(house, Retention(last=1), "s3")
    assert isinstance(narrower, Transaction)
    with house.db.read() as unit:
        before = unit.approvals.newest(narrower.id)
    assert before is not None
    for day in (11, 12):  # a rebuilt catalogue brings what was not known
        put_point(house, day)
    house.service.decide(before.token, Choice.APPROVE, BOB, request_key="c3")
    house.dispatch()
    with house.db.read() as unit:
        after = unit.approvals.newest(narrower.id)
    assert after is not None
    assert (after.number, after.state) in ((1, ApprovalState.EXECUTED), (2, ApprovalState.PENDING))


def test_a_vetoed_change_leaves_all_as_it_was_and_the_file_is_not_asked_about_again(tmp_path: Path) -> None:
    house = adopted(tmp_path, WEEK)
    use(house, slas(TWO))
    (asked,) = adopt(house)
    assert asked.state is State.AWAITING_APPROVAL
    with house.db.read() as unit:
        approval = unit.approvals.newest(asked.id)
    assert approval is not None
    house.service.decide(approval.token, Choice.VETO, BOB, request_key="v")
    house.dispatch()
    assert judged_by(house) == WEEK
    assert adopt(house) == ()


def test_the_last_change_wins_whether_it_came_from_the_chat_or_the_file(tmp_path: Path) -> None:
    house = adopted(tmp_path, TWO)
    assert isinstance(change(house, Retention(last=5)), InForce)
    assert adopt(house) == ()  # the file says what it said before
    assert judged_by(house) == Retention(last=5)
    use(house, slas(Retention(last=6)))
    assert adopt(house) == ()
    assert judged_by(house) == Retention(last=6)


def test_a_change_of_the_file_that_was_taken_back_before_its_approval_does_nothing(tmp_path: Path) -> None:
    house = adopted(tmp_path, WEEK)
    use(house, slas(TWO))
    (asked,) = adopt(house)
    use(house, slas(WEEK))
    assert adopt(house) == ()
    approve(house, asked)
    ended = house.read(asked.id)
    assert ended.state is State.REFUSED
    assert ended.failure is not None
    assert "cloudy.toml says something else of gold by now" in ended.failure.what
    assert judged_by(house) == WEEK
    with house.db.read() as unit:
        assert unit.retentions.in_force()["gold"].retention == WEEK


def test_a_change_that_waited_while_a_later_one_came_into_force_does_nothing(tmp_path: Path) -> None:
    house = adopted(tmp_path, WEEK)
    asked = change(house, TWO)
    assert isinstance(asked, Transaction)
    house.clock.sleep(60)
    assert isinstance(change(house, Retention(daily=9), "later"), InForce)
    approve(house, asked)
    ended = house.read(asked.id)
    assert ended.state is State.REFUSED
    assert ended.failure is not None
    assert "keep 9 daily came into force for gold after this was asked for" in ended.failure.what
    assert judged_by(house) == Retention(daily=9)


def test_an_approval_covers_no_vm_that_another_sla_kept_when_it_was_asked_for(tmp_path: Path) -> None:
    """The rules of both are alike, so that it would fit; but nobody was told of that VM."""
    house = house_of(tmp_path, slas(WEEK, last=WEEK), points=0)
    adopt(house)
    house.clock.sleep(6 * 86_400)
    for day in (5, 4, 3):
        put_point(house, day)
    put_point(house, 2, vm="u2")
    adopt(house)
    asked = change(house, TWO)
    assert isinstance(asked, Transaction)
    use(house, slas(WEEK, last=WEEK, vms=("vm01", "vm02")))
    approve(house, asked)
    assert house.read(asked.id).state is State.SUCCEEDED
    assert (judged_by(house, "u1"), judged_by(house, "u2")) == (TWO, WEEK)
    (again,) = adopt(house)
    assert again.note == "1 VM has the SLA gold by now, and was kept by more before"


def test_a_vm_that_has_another_sla_by_now_is_kept_as_before_until_that_is_approved(tmp_path: Path) -> None:
    house = house_of(tmp_path, slas(WEEK, last=TWO), points=0)
    adopt(house)
    house.clock.sleep(6 * 86_400)
    for day in range(5, 0, -1):
        put_point(house, day)
    adopt(house)
    use(house, slas(WEEK, last=TWO, vms=("other",)))
    (asked,) = adopt(house)
    assert asked.note == "1 VM has the SLA default by now, and was kept by more before"
    assert judged_by(house) == WEEK
    assert [each.id for each in adopt(house)] == [asked.id]
    table = house.service.retaining.table()
    assert (table.lines[1].vms, table.lines[1].behind, table.lines[1].waits) == (0, 1, asked.id)
    approve(house, asked)
    assert judged_by(house) == TWO
    assert adopt(house) == ()


def test_who_may_not_shorten_is_refused_and_an_unknown_sla_is_named(tmp_path: Path) -> None:
    house = house_of(tmp_path, slas())
    retaining = house.service.retaining
    with pytest.raises(NotAllowed):
        retaining.set("gold", TWO, CAROL, request_key="x")
    with pytest.raises(NotFound, match="gold, default"):
        retaining.set("silver", TWO, ALICE, request_key="y")
    with pytest.raises(UsageError, match="which SLA"):
        retaining.set("", TWO, ALICE, request_key="z")


def test_a_hold_keeps_until_it_is_released_by_approval(tmp_path: Path) -> None:
    house = adopted(tmp_path, TWO)
    retaining = house.service.retaining
    held = retaining.hold("vm01", "audit of 2026", ALICE, request_key="h")
    assert retaining.hold("vm01", "audit of 2026", ALICE, request_key="h") == held
    found = retaining.preview(PreviewRequest())
    assert (len(found.goes), len(found.stays)) == (0, 5)
    assert {keep.reason for verdict in found.stays for keep in verdict.keeps} >= {Reason.HOLD}
    asked = retaining.release("vm01", ALICE, request_key="r", place=OPS)
    house.dispatch()
    with house.db.read() as unit:
        approval = unit.approvals.newest(asked.id)
    assert approval is not None
    assert "removes 3 recovery points" in approval.decided["effect"]
    approve(house, asked)
    assert house.read(asked.id).state is State.SUCCEEDED
    assert retaining.table().holds == ()
    assert len(retaining.preview(PreviewRequest()).goes) == 3
    with house.db.read() as unit:
        assert [row.body["event"] for row in unit.audit.list(limit=200) if row.action == "hold"] == [
            "held",
            "released",
        ]


def test_a_hold_wants_a_reason_and_a_thing_that_there_is(tmp_path: Path) -> None:
    house = house_of(tmp_path, slas())
    retaining = house.service.retaining
    with pytest.raises(UsageError, match="why"):
        retaining.hold("vm01", "", ALICE, request_key="a")
    with pytest.raises(UsageError, match="over"):
        retaining.hold("vm01", "x", ALICE, request_key="b", until=house.clock.now() - timedelta(days=1))
    with pytest.raises(NotFound, match="no VM called"):
        retaining.hold("vm99", "x", ALICE, request_key="c")
    with pytest.raises(NotFound, match="Nothing holds"):
        retaining.release("vm01", ALICE, request_key="d")
    with pytest.raises(NotAllowed):
        retaining.hold("vm01", "x", CAROL, request_key="e")
    with house.db.read() as unit:
        newest = unit.points.of_vm("u1")[0].transaction_id
    first = retaining.hold(newest, "x", ALICE, request_key="f")
    retaining.hold(newest, "y", ALICE, request_key="g")
    assert (first.vm_uuid, first.point) == ("", newest)
    with pytest.raises(AmbiguousName, match="held 2 times"):
        retaining.release(newest, ALICE, request_key="h")


def test_a_preview_tells_exactly_what_a_round_removes_and_what_it_saves(tmp_path: Path) -> None:
    house = adopted(tmp_path, TWO)
    retaining = house.service.retaining
    retaining.prices = Prices({"s3": Price(storage=1e9, currency="USD")})
    found = retaining.preview(PreviewRequest(subject="gold"))
    assert (found.sla, found.saves, found.is_shorter) == ("gold", "about 279 USD a month", False)
    goes = [verdict.point.transaction_id for verdict in found.goes]
    begun = house.service.retaining.expire(ALICE, request_key="e", place=OPS)
    house.dispatch()
    assert house.read(begun[0].id).request["points"] == goes
    assert found.by_vm[0].vm == "vm01"
    assert (found.by_vm[0].points, found.by_vm[0].less) == (5, "about 279 USD a month")


def test_a_preview_of_other_rules_tells_what_goes_by_them_alone_and_what_they_spare(tmp_path: Path) -> None:
    house = adopted(tmp_path, TWO)

    def look(rules: Retention, subject: str = "vm0*") -> Preview:
        return house.service.retaining.preview(PreviewRequest(rules=rules, subject=subject))

    one, four = look(Retention(last=1)), look(Retention(last=4))
    assert (len(one.goes), one.due, one.spared, one.is_shorter) == (4, 3, 0, True)
    assert (len(four.goes), four.due, four.spared, four.is_shorter) == (1, 1, 2, False)
    with pytest.raises(NotFound):
        look(TWO, "nothing*")
    with pytest.raises(RequesterError, match="too many"):
        house.service.retaining.preview(PreviewRequest(), most=4)


def test_rounds_of_the_daily_schedule_begin_once_for_one_time(tmp_path: Path) -> None:
    house = adopted(tmp_path, TWO)
    with house.db.unit() as unit:
        now = house.clock.now()
        first = house.service.retaining.begin_rounds(unit, now, key=lambda target: f"schedule:expire:x:{target}")
        again = house.service.retaining.begin_rounds(unit, now, key=lambda target: f"schedule:expire:x:{target}")
    assert [each.id for each in first] == [each.id for each in again]
    house.dispatch()
    house.engine.run_all()
    assert house.read(first[0].id).state is State.SUCCEEDED
    with house.db.read() as unit:
        assert len(unit.points.of_vm("u1")) == 2
