"""Which recovery point a restore is of, who may, and a catalogue that is made again from the bucket alone."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.errors import (
    AmbiguousName,
    ArchivedError,
    DeniedError,
    NotAllowed,
    NotFound,
    RemoteError,
    RequesterError,
    TransientError,
)
from bot.model import Actor, Failure, RecoveryPoint, RestoreRequest, State, Transaction, Vm
from bot.policy import Operation, Policy, Role, Rule
from bot.rebuilding import rebuild
from bot.rights import about_transaction
from tests.workflow.house import ALICE, OPS, VM01, House

KEPT = {path.removeprefix("vm01/"): content for path, content in VM01.items() if not path.endswith(".vswp")}


def points_on(house: House, *days: int, vm: str = "vm01", uuid: str = "FS-VIM-vm01") -> list[RecoveryPoint]:
    """Recovery points that the catalogue knows of, one for each of these days of November."""
    made = [
        RecoveryPoint(
            transaction_id=f"202611{day:02d}T120000Z-{vm[-1]}{uuid[-1]}abcd".lower().replace("o", "0"),
            target="s3",
            vm_uuid=uuid,
            vm_name=vm,
            manifest_key="",
            taken_at=datetime(2026, 11, day, 12, tzinfo=UTC),
            consistency="crash",
            size=1,
            vmstore="vmstore",
        )
        for day in days
    ]
    with house.db.unit() as unit:
        for point in made:
            unit.points.put(point)
    return made


def ask(house: House, what: str, key: str = "r", actor: Actor = ALICE, **more: str) -> Transaction:
    request = RestoreRequest(what=what, **more)  # type: ignore[arg-type]
    return house.service.restores.restore(request, actor, request_key=key, place=OPS)


def chosen(house: House, what: str, **more: str) -> str:
    return str(ask(house, what, key=f"{what}{more}", **more).request["point"])  # type: ignore[arg-type]


def test_of_a_vm_it_is_the_newest_before_the_time(tmp_path: Path) -> None:
    house = House(tmp_path)
    old, middle, new = points_on(house, 1, 10, 20)
    assert chosen(house, "vm01") == new.transaction_id
    assert chosen(house, "FS-VIM-vm01") == new.transaction_id
    assert chosen(house, "vm01", at="2026-11-10") == middle.transaction_id
    assert chosen(house, "vm01", at="2026-11-10 11:59") == old.transaction_id
    assert chosen(house, "vm01", at="10d") == middle.transaction_id
    assert chosen(house, middle.transaction_id[:13]) == middle.transaction_id
    with pytest.raises(RequesterError, match="oldest is of 2026-11-01"):
        chosen(house, "vm01", at="2026-10-01")
    with pytest.raises(RequesterError, match="is no time"):
        chosen(house, "vm01", at="yesterday")


def test_a_time_is_all_of_the_minute_or_day_that_was_said_and_nothing_of_the_next(tmp_path: Path) -> None:
    house = House(tmp_path)
    (early, late) = points_on(house, 1, 2)
    with house.db.unit() as unit:
        unit.points.put(replace(early, taken_at=datetime(2026, 11, 1, 14, 30, 59, 999999, tzinfo=UTC)))
        unit.points.put(replace(late, taken_at=datetime(2026, 11, 2, tzinfo=UTC)))
    for at in ("2026-11-01 14:30", "2026-11-01T14:30", "2026-11-01 14", "2026-11-01 14:30:59", "2026-11-01"):
        assert chosen(house, "vm01", at=at) == early.transaction_id, at
    for at in ("2026-11-01 14:29", "2026-11-01 14:30:58", "2026-11-01 14:30:59.9", "2026-11-01 16:30+02:01"):
        with pytest.raises(RequesterError, match="oldest is of"):
            chosen(house, "vm01", at=at)
    for at in ("2026-11-02 00:00", "23d"):
        assert chosen(house, "vm01", at=at) == late.transaction_id, at
    assert chosen(house, "vm01", at="2026-11-01 16:30+02:00") == early.transaction_id


def test_a_name_that_another_vm_has_got_since_is_ambiguous_whatever_time_is_said(tmp_path: Path) -> None:
    house = House(tmp_path)
    points_on(house, 1)
    points_on(house, 20, uuid="FS-VIM-other")
    with pytest.raises(AmbiguousName, match="FS-VIM-other"):
        chosen(house, "vm01", at="2026-11-10")


def test_over_the_original_is_judged_by_the_name_that_the_vm_has_now_too(tmp_path: Path) -> None:
    rule = Rule(name="rule 1 of policy.rules", operation=Operation.RESTORE_OVER, vm="prod*", role=Role.ADMIN)
    house = House(tmp_path, policy=Policy(grants={ALICE.id: Role.OPERATOR}, rules=(rule,)))
    (point,) = points_on(house, 1)
    with house.db.unit() as unit:
        unit.inventory.refresh("vmstore", [Vm(uuid=point.vm_uuid, name="prod01", vmstore="vmstore")])
    order = RestoreRequest(what="vm01", is_over_original=True, confirmed="prod01")
    with pytest.raises(NotAllowed, match="rule 1 of policy"):
        house.service.restores.restore(order, ALICE, request_key="now")
    by_then = house.service.restores.restore(replace(order, confirmed="vm01"), ALICE, request_key="then")
    assert about_transaction(by_then).names == ("vm01",)  # the plan refuses it, unless it is called so


def damaged(house: House, point: RecoveryPoint) -> None:
    """As its last verification found."""
    run = Transaction(
        id=f"20261124T0000{point.transaction_id[6:8]}Z-abcdef",
        workflow="verify",
        vm=point.vm_name,
        targets=("s3",),
        actor=ALICE,
        state=State.FAILED,
        created_at=house.clock.now(),
        request_key=point.transaction_id,
        place=OPS,
        plan={"request": {"point": point.transaction_id}},
        failure=Failure(what="damaged", step="Verify", kind="IntegrityError", next=""),
    )
    with house.db.unit() as unit:
        unit.transactions.insert(run)


def test_what_was_found_damaged_under_a_former_name_is_passed_over_too(tmp_path: Path) -> None:
    house = House(tmp_path)
    good, bad, newest = points_on(house, 1, 10, 20)
    renamed = replace(newest, vm_name="vm01-renamed")
    with house.db.unit() as unit:
        unit.points.put(renamed)
    damaged(house, bad)
    damaged(house, renamed)
    assert chosen(house, "FS-VIM-vm01") == good.transaction_id


def test_newer_is_what_was_taken_later_whatever_its_id(tmp_path: Path) -> None:
    house = House(tmp_path)
    first, second = points_on(house, 1, 2)
    with house.db.unit() as unit:  # its id is the smaller one
        unit.points.put(replace(first, taken_at=datetime(2026, 11, 3, tzinfo=UTC)))
    damaged(house, first)
    asked = ask(house, "vm01")
    assert asked.request["point"] == second.transaction_id
    assert [first.transaction_id in why for why in asked.plan["passed"]] == [True]


def test_a_target_that_is_not_configured_any_more_keeps_nobody_from_the_other_that_has_it(tmp_path: Path) -> None:
    house = House(tmp_path, ("s3", "azure"))
    point = house.protect(targets=("azure", "s3"))
    assert point.state is State.SUCCEEDED
    del house.systems._targets["azure"]
    transaction = ask(house, "vm01")
    house.dispatch()
    house.engine.run_all()
    done = house.read(transaction.id)
    assert done.state is State.SUCCEEDED
    assert any(warning.startswith("azure is not taken") for warning in done.plan["warnings"])


def test_two_vms_that_had_the_name_are_told_apart_by_uuid(tmp_path: Path) -> None:
    house = House(tmp_path)
    (first,), (second,) = points_on(house, 1), points_on(house, 2, uuid="FS-VIM-other")
    with pytest.raises(AmbiguousName, match="FS-VIM-other") as error:
        chosen(house, "vm01")
    assert len(error.value.candidates) == 2
    assert chosen(house, "FS-VIM-vm01") == first.transaction_id
    assert chosen(house, "FS-VIM-other") == second.transaction_id


def test_one_that_its_last_verification_found_damaged_is_passed_over_aloud(tmp_path: Path) -> None:
    house = House(tmp_path)
    good = house.protect()
    house.clock.sleep(60)
    bad = house.protect(key="r2")
    with house.db.unit() as unit:
        for point in (good, bad):
            known = unit.points.get(point.id, "s3")
            assert known is not None
            unit.points.put(replace(known, taken_at=point.created_at))
    key = next(key for key in house.targets["s3"].objects if key.startswith(bad.id) and key.endswith("-flat.vmdk"))
    content = house.targets["s3"].objects[key]
    house.targets["s3"].objects[key] = b"x" + content[1:]
    house.service.verify(bad.id, ALICE, request_key="v", place=OPS)
    house.dispatch()
    house.engine.run_all()
    transaction = ask(house, "vm01")
    assert transaction.request["point"] == good.id
    house.dispatch()
    assert any("damaged" in warning for warning in house.read(transaction.id).plan["warnings"])


def test_what_is_not_known_is_told_with_what_there_is(tmp_path: Path) -> None:
    house = House(tmp_path)
    points_on(house, 1)
    with pytest.raises(NotFound) as error:
        chosen(house, "vm0")
    assert error.value.suggestions == ("vm01",) or "vm01" in error.value.message
    for more in ({"vmstore": "nowhere"}, {"target": "nowhere"}):
        with pytest.raises(NotFound, match="nowhere"):
            chosen(house, "vm01", **more)
    with pytest.raises(NotFound):
        chosen(house, "x")
    with house.db.read() as unit:
        assert [row.action for row in unit.audit.list(limit=100)].count("refused") == 4


def test_last_is_the_recovery_point_of_the_newest_transaction(tmp_path: Path) -> None:
    house = House(tmp_path)
    point = house.protect()
    assert chosen(house, "last") == point.id


def test_an_operator_may_and_a_viewer_may_not_and_a_rule_of_the_vmstore_counts(tmp_path: Path) -> None:
    viewer = Actor(id="U_EVE", name="eve", source="slack")
    rule = Rule(name="rule 1", operation=Operation.RESTORE, vmstore="vmstore", role=Role.APPROVER)
    house = House(tmp_path, policy=Policy(grants={ALICE.id: Role.OPERATOR}))
    points_on(house, 1)
    ask(house, "vm01", key="1")
    with pytest.raises(NotAllowed):
        ask(house, "vm01", key="2", actor=viewer)
    house.restart_with(Policy(grants={ALICE.id: Role.OPERATOR}, rules=(rule,)))
    with pytest.raises(NotAllowed):
        ask(house, "vm01", key="3")


def test_a_rule_of_the_vmstore_that_the_vm_was_on_counts_wherever_it_goes(tmp_path: Path) -> None:
    rule = Rule(name="rule 1", operation=Operation.RESTORE, vmstore="vault", role=Role.APPROVER)
    house = House(tmp_path, policy=Policy(grants={ALICE.id: Role.OPERATOR}, rules=(rule,)))
    (point,) = points_on(house, 1)
    with house.db.unit() as unit:
        unit.points.put(replace(point, vmstore="vault"))
    with pytest.raises(NotAllowed, match="rule 1"):
        ask(house, "vm01", vmstore="vmstore")


def test_what_the_manifest_says_of_the_vmstore_counts_where_the_catalogue_does_not_know(tmp_path: Path) -> None:
    rule = Rule(name="rule 1", operation=Operation.RESTORE, vmstore="vault", role=Role.APPROVER)
    house = House(tmp_path, policy=Policy(grants={ALICE.id: Role.OPERATOR}, rules=(rule,)))
    point = house.protect()
    document = json.loads(house.targets["s3"].objects[f"{point.id}/manifest.json"])
    document["vm"]["vmstore"] = "vault"
    house.targets["s3"].overwrite(f"{point.id}/manifest.json", json.dumps(document).encode())
    transaction = ask(house, "vm01", vmstore="vmstore")
    house.dispatch()
    refused = house.read(transaction.id)
    assert refused.state is State.REFUSED
    assert refused.failure is not None
    assert "rule 1" in refused.failure.what


def test_a_recovery_point_that_is_being_restored_is_not_deleted(tmp_path: Path) -> None:
    house = House(tmp_path, policy=Policy(grants={ALICE.id: Role.ADMIN}))
    point = house.protect()
    ask(house, "vm01")
    house.dispatch()
    gone = house.service.delete(point.id, ALICE, request_key="d", place=OPS)
    house.dispatch()
    assert house.read(gone.id).state is State.REFUSED


def test_a_machine_that_never_saw_the_backup_restores_from_the_bucket_alone(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    old = House(tmp_path / "old")
    point = old.protect()
    new = House(tmp_path / "new")
    store = new.targets["s3"]
    store.objects, store.etags, store.metadata = (
        dict(old.targets["s3"].objects),
        dict(old.targets["s3"].etags),
        dict(old.targets["s3"].metadata),
    )
    for path in VM01:
        del new.share.files[path]
    new.share.files["other/other.vmx"] = b""
    with pytest.raises(NotFound):
        ask(new, "vm01", key="1")
    found = rebuild(new.db, store)
    assert [each.transaction_id for each in found.added] == [point.id]
    assert [each.installation for each in found.foreign("mine")] == ["test0001"]
    again = rebuild(new.db, store)
    assert (len(again.added), len(again.known)) == (0, 1)
    transaction = ask(new, "vm01", key="2")
    new.dispatch()
    new.engine.run_all()
    assert new.read(transaction.id).state is State.SUCCEEDED
    inside = "vm01-restored/"
    got = {path.removeprefix(inside): body for path, body in new.share.files.items() if path.startswith(inside)}
    assert got == KEPT


def test_manifests_that_cannot_be_read_are_told_and_the_others_taken(tmp_path: Path) -> None:
    house = House(tmp_path)
    points = [house.protect(key="1")]
    house.clock.sleep(60)
    points.append(house.protect(key="2"))
    store = house.targets["s3"]
    later, damaged, strange = (f"2026120{n}T000000Z-abcdef" for n in (1, 2, 3))
    whole = json.loads(store.objects[f"{points[0].id}/manifest.json"])
    store.overwrite(f"{later}/manifest.json", json.dumps(whole | {"format": 9}).encode())
    store.overwrite(f"{damaged}/manifest.json", b"{")
    store.overwrite(f"{strange}/manifest.json", json.dumps(whole).encode())
    store.overwrite("20261204T000000Z-abcdef/tintri/x", b"no manifest")
    with house.db.unit() as unit:
        unit.points.forget(points[0].id, "s3")
        gone = unit.points.get(points[1].id, "s3")
        assert gone is not None
        unit.points.put(replace(gone, transaction_id="20261101T000000Z-gone00"))
    found = rebuild(house.db, store)
    assert [each.transaction_id for each in found.added] == [points[0].id]
    assert [each.transaction_id for each in found.known] == [points[1].id]
    assert [point for point, _ in found.unread] == [later, damaged, strange]
    assert "format 9" in dict(found.unread)[later]
    assert found.lost == ("20261101T000000Z-gone00",)


@pytest.mark.parametrize("refusal", [DeniedError("AccessDenied"), ArchivedError("in an archive")])
def test_one_manifest_that_may_not_be_read_does_not_keep_the_others_from_the_catalogue(
    tmp_path: Path, refusal: RemoteError
) -> None:
    house = House(tmp_path)
    points = [house.protect(key="1")]
    house.clock.sleep(60)
    points.append(house.protect(key="2"))
    gets: list[str] = []

    def refuse(call: str) -> None:
        if call == "s3.get":
            gets.append(call)
            if len(gets) == 1:
                raise refusal

    house.watch(refuse)
    found = rebuild(house.db, house.targets["s3"])
    assert [each.transaction_id for each in found.known] == [points[1].id]
    assert found.unread == ((points[0].id, refusal.message),)
    assert found.lost == ()


def test_a_target_that_does_not_answer_or_list_ends_the_rebuild(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.protect(key="1")
    for at, error in (("s3.get", TransientError("down")), ("s3.list", DeniedError("AccessDenied"))):

        def refuse(call: str, at: str = at, error: RemoteError = error) -> None:
            if call == at:
                raise error

        house.watch(refuse)
        with pytest.raises(type(error)):
            rebuild(house.db, house.targets["s3"])
