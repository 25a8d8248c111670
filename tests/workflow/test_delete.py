"""Deleting a recovery point: whole or not at all, through deaths, locks and targets that fail."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.errors import PermanentError, RequesterError
from bot.model import Actor, Choice, ObjectInfo, State, Transaction
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


@pytest.mark.slow
def test_a_death_at_any_call_ends_with_the_point_gone_and_nothing_left(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    house, point = house_with_a_point(tmp_path / "first")
    approved(house)
    watch = CrashAt(10**9)
    house.watch(watch)
    house.engine.run_all()
    assert len(watch.told) > 10
    for nth in range(len(watch.told)):
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


def test_a_locked_one_is_refused_with_its_date_before_anybody_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, point = house_with_a_point(tmp_path)
    lock(house, monkeypatch)
    transaction = house.service.delete("last", ALICE, request_key="d", place=OPS)
    house.dispatch()
    assert house.read(transaction.id).state is State.REFUSED
    assert "locked until 2027-01-01 00:00 UTC" in notice(house, transaction)
    assert exists(house, point.id)


def test_one_that_was_locked_after_the_approval_is_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house, point = house_with_a_point(tmp_path)
    transaction = approved(house)
    before = dict(house.targets["s3"].objects)
    lock(house, monkeypatch)
    house.engine.run_all()
    done = house.read(transaction.id)
    assert done.state is State.FAILED
    assert "locked until 2027-01-01" in (done.failure.what if done.failure else "")
    assert house.targets["s3"].objects == before
    assert exists(house, point.id)
    assert house.left() == []


def lock(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    store, until = house.targets["s3"], datetime(2027, 1, 1, tzinfo=UTC)
    head = store.head

    def locked(key: str) -> ObjectInfo:
        return replace(head(key), locked_until=until)

    monkeypatch.setattr(store, "head", locked)


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
