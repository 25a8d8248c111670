"""Deleting a recovery point: whole or not at all, through deaths, locks and targets that fail."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.errors import DeniedError, PermanentError, RequesterError, TransientError
from bot.janitor import Janitor
from bot.model import Actor, Choice, Json, ObjectVersion, State, Transaction
from bot.policy import Policy, Role
from tests.memory import Crash, CrashAt
from tests.workflow.house import ALICE, OPS, House

BOB = Actor(id="U_BOB", name="bob", source="slack")
POLICY = Policy(grants={ALICE.id: Role.OPERATOR, BOB.id: Role.APPROVER})


def house_with_a_point(folder: Path, targets: tuple[str, ...] = ("s3",)) -> tuple[House, Transaction]:
    house = House(folder, targets, policy=POLICY)
    return house, house.protect(targets=targets)


def approved(house: House, text: str = "last") -> Transaction:
    transaction = house.service.delete(text, ALICE, request_key="d", place=OPS)
    house.dispatch()
    with house.db.read() as unit:
        approval = unit.approvals.newest(transaction.id)
    assert approval is not None
    house.service.decide(approval.token, Choice.APPROVE, BOB, request_key="c")
    house.dispatch()
    house.dispatch()
    return transaction


def exists(house: House, point: str, target: str = "s3") -> bool:
    with house.db.read() as unit:
        known = unit.points.get(point, target) is not None
    there = f"{point}/manifest.json" in house.targets[target].objects
    assert known == there
    return there


def notice(house: House, transaction: Transaction) -> str:
    with house.db.read() as unit:
        message = unit.outbox.get(f"{transaction.id}:notice")
    return str(message.view["text"]) if message else ""


def test_the_manifest_goes_first_then_all_objects_and_nothing_of_another_point(tmp_path: Path) -> None:
    house, kept = house_with_a_point(tmp_path)
    house.clock.sleep(60)
    gone = house.protect(key="r2")
    before = {key for key in house.targets["s3"].objects if key.startswith(kept.id)}
    calls: list[str] = []
    approved(house, gone.id)
    house.targets["s3"].watch = calls.append
    house.engine.run_all()
    assert set(house.targets["s3"].objects) == before
    assert not exists(house, gone.id)
    assert exists(house, kept.id)
    assert house.left() == []


def test_a_request_for_the_last_that_is_delivered_again_after_its_end_is_the_same_request(tmp_path: Path) -> None:
    house, point = house_with_a_point(tmp_path)
    looked = house.service.verify("last", ALICE, request_key="v", place=OPS)
    house.dispatch()
    house.engine.run_all()
    asked = approved(house)
    house.engine.run_all()
    assert not exists(house, point.id)
    assert house.service.delete("last", ALICE, request_key="d", place=OPS).id == asked.id
    assert house.service.verify("last", ALICE, request_key="v", place=OPS).id == looked.id
    with house.db.read() as unit:
        assert [row for row in unit.audit.list(limit=1000) if row.action == "refused"] == []


@pytest.mark.slow
@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.long)])
def test_a_death_at_any_call_ends_with_the_point_gone_and_nothing_left(tmp_path: Path, every: int) -> None:
    (tmp_path / "first").mkdir()
    house, point = house_with_a_point(tmp_path / "first")
    approved(house)
    watch = CrashAt(10**9)
    house.watch(watch)
    house.engine.run_all()
    assert len(watch.told) > 10
    for nth in range(0, len(watch.told), every):
        folder = tmp_path / str(nth)
        folder.mkdir()
        house, point = house_with_a_point(folder)
        transaction = approved(house)
        house.watch(CrashAt(nth))
        with pytest.raises(Crash) as death:
            house.engine.run_all()
        house.watch(lambda _call: None)
        house.engine.run_all()
        where = f"died at call {nth}, {death.value}"
        assert house.read(transaction.id).state is State.SUCCEEDED, where
        assert house.targets["s3"].objects == {}, where
        assert not exists(house, point.id), where
        assert house.left() == [], where
        house.db.close()


def test_a_locked_one_is_refused_with_its_date_before_anybody_is_asked(tmp_path: Path) -> None:
    house, point = house_with_a_point(tmp_path)
    lock(house)
    transaction = house.service.delete("last", ALICE, request_key="d", place=OPS)
    house.dispatch()
    assert house.read(transaction.id).state is State.REFUSED
    assert "locked until 2027-01-01 00:00 UTC, and 1 more with it" in notice(house, transaction)
    with house.db.read() as unit:
        assert unit.approvals.newest(transaction.id) is None
    assert exists(house, point.id)


def test_one_that_was_locked_after_the_approval_is_not_touched(tmp_path: Path) -> None:
    house, point = house_with_a_point(tmp_path)
    transaction = approved(house)
    before = dict(house.targets["s3"].objects)
    lock(house)
    house.engine.run_all()
    done = house.read(transaction.id)
    assert done.state is State.FAILED
    assert "locked until 2027-01-01" in (done.failure.what if done.failure else "")
    assert house.targets["s3"].objects == before
    assert exists(house, point.id)
    assert house.left() == []


def test_a_held_one_is_refused_before_anybody_is_asked_and_not_touched_when_it_is_held_later(tmp_path: Path) -> None:
    house, point = house_with_a_point(tmp_path)
    asked = approved(house)
    house.service.retaining.hold(point.id, "audit", ALICE, request_key="h")
    house.engine.run_all()
    done = house.read(asked.id)
    assert done.state is State.FAILED
    assert "is held by alice: audit. Release that first" in (done.failure.what if done.failure else "")
    assert exists(house, point.id)
    again = house.service.delete(point.id, ALICE, request_key="d2", place=OPS)
    house.dispatch()
    assert house.read(again.id).state is State.REFUSED
    assert "is held by alice: audit" in notice(house, again)
    assert house.left() == []


def lock(house: House) -> None:
    """An older object is locked longer than the newest."""
    keys = sorted(house.targets["s3"].objects)
    house.targets["s3"].locked = {keys[0]: datetime(2027, 1, 1, tzinfo=UTC), keys[1]: datetime(2026, 12, 1, tzinfo=UTC)}


def test_objects_that_stay_are_told_and_the_janitor_knows_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, point = house_with_a_point(tmp_path)
    transaction = approved(house)
    store = house.targets["s3"]
    erase = store.erase

    def stuck(version) -> None:  # type: ignore[no-untyped-def]
        if version.key.endswith("-flat.vmdk"):
            raise PermanentError("the store says no", system="s3", operation="delete")
        erase(version)

    with monkeypatch.context() as patch:
        patch.setattr(store, "erase", stuck)
        house.engine.run_all()
    done = house.read(transaction.id)
    assert done.state is State.FAILED
    assert not exists(house, point.id)
    assert "the store says no" in done.left_behind[0]
    assert f"objects under {point.id}/ in s3" in done.left_behind[0]
    with house.db.read() as unit:
        assert [resource.name for resource in unit.ledger.open()] == [point.id]


def test_a_target_that_fails_does_not_keep_the_other_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house, point = house_with_a_point(tmp_path, ("s3", "other"))
    transaction = approved(house)
    store = house.targets["other"]
    listed = store.list_versions

    def failing(prefix: str):  # type: ignore[no-untyped-def]
        if prefix.endswith("manifest.json"):
            raise PermanentError("no right to remove", system="other", operation="delete")
        return listed(prefix)

    monkeypatch.setattr(store, "list_versions", failing)
    house.engine.run_all()
    assert house.read(transaction.id).state is State.PARTIAL
    assert not exists(house, point.id)
    assert exists(house, point.id, "other")


def test_what_has_no_recovery_point_is_refused_with_words(tmp_path: Path) -> None:
    house, point = house_with_a_point(tmp_path)
    approved(house)
    house.engine.run_all()
    with pytest.raises(RequesterError, match="no recovery point"):
        house.service.delete(point.id, ALICE, request_key="again", place=OPS)


def test_a_second_wish_for_the_same_point_joins_the_first(tmp_path: Path) -> None:
    house, _point = house_with_a_point(tmp_path)
    first = house.service.delete("last", ALICE, request_key="d1", place=OPS)
    house.dispatch()
    second = house.service.delete(first.request["point"], BOB, request_key="d2", place=OPS)
    house.dispatch()
    assert house.read(second.id).state is State.REFUSED
    assert f"already being deleted by {first.id}" in notice(house, second)


def receipt(house: House, transaction: Transaction) -> Json:
    with house.db.read() as unit:
        message = unit.outbox.get(f"{transaction.id}:receipt")
    assert message is not None
    return message.view


def test_one_that_may_not_be_removed_stays_whole_is_told_so_and_nobody_removes_it_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, point = house_with_a_point(tmp_path)
    transaction = approved(house)
    store, before = house.targets["s3"], dict(house.targets["s3"].objects)

    def denied(_version: ObjectVersion) -> None:
        raise DeniedError("no right to remove versions", system="s3", operation="remove")

    with monkeypatch.context() as patch:
        patch.setattr(store, "erase", denied)
        house.engine.run_all()
    told = receipt(house, transaction)
    assert told["headline"].startswith("Remove manifest failed: ")
    assert told["headline"].endswith(f"{point.id} of vm01 is not deleted")
    assert told["left_behind"] == []
    assert house.left() == []  # no promise outlives the approval
    manifest = f"{point.id}/manifest.json"
    del store.objects[manifest]  # somebody hides it for a while
    Janitor(house.db, house.systems, house.clock, installation="test0001").clear_ledger()
    assert store.objects == {key: body for key, body in before.items() if key != manifest}


def test_a_removal_whose_answer_was_lost_is_no_recovery_point_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, point = house_with_a_point(tmp_path)
    transaction = approved(house)
    store = house.targets["s3"]
    erase = store.erase

    def lost(version: ObjectVersion) -> None:
        erase(version)
        if version.key.endswith("manifest.json"):
            raise TransientError("no answer", system="s3", operation="remove")

    def deaf(prefix: str):  # type: ignore[no-untyped-def]
        if prefix.endswith("manifest.json") and prefix not in store.objects:
            raise TransientError("no answer", system="s3", operation="list")
        return listed(prefix)

    listed = store.list_versions
    monkeypatch.setattr(store, "erase", lost)
    monkeypatch.setattr(store, "list_versions", deaf)
    house.engine.run_all()
    assert house.read(transaction.id).state is State.FAILED
    assert store.objects == {}
    assert not exists(house, point.id)
    told = receipt(house, transaction)
    assert "is gone from s3" in told["headline"]
    assert told["undone"] == []


def test_a_stop_between_two_targets_says_where_it_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house, point = house_with_a_point(tmp_path, ("s3", "other"))
    transaction = approved(house)
    store = house.targets["s3"]
    erase = store.erase

    def stopping(version: ObjectVersion) -> None:
        erase(version)
        if house.read(transaction.id).stop_asked_by == "":
            house.service.stop(transaction.id, ALICE, request_key="s")
            house.clock.sleep(5)

    monkeypatch.setattr(store, "erase", stopping)
    house.engine.run_all()
    assert house.read(transaction.id).state is State.STOPPED
    assert not exists(house, point.id)
    assert exists(house, point.id, "other")
    told = receipt(house, transaction)
    assert "is gone from s3, and stays in other" in told["headline"]
    assert told["undone"] == []


def test_a_stop_before_anything_is_removed_says_so(tmp_path: Path) -> None:
    house, point = house_with_a_point(tmp_path)
    transaction = approved(house)
    house.service.stop(transaction.id, ALICE, request_key="s")
    house.engine.run_all()
    assert exists(house, point.id)
    assert "is not deleted" in receipt(house, transaction)["headline"]
