"""A round of expire: what nothing keeps goes whole, through deaths, holds, locks and targets that fail."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot import fitness, rounds
from bot.checksum import crc64
from bot.errors import PermanentError
from bot.model import (
    CLOUDY,
    Hold,
    Json,
    ObjectVersion,
    RecoveryPoint,
    ResourceKind,
    Retained,
    Retention,
    State,
    Transaction,
)
from bot.rebuilding import rebuild
from tests.memory import Crash, CrashAt
from tests.workflow.house import ALICE, OPS, House

DAY = 86_400
OLD = 4  # recovery points that are kept by nothing


def put_point(house: House, day: int, *, target: str = "s3", vm: str = "u1", number: int = 0) -> RecoveryPoint:
    """A recovery point of so many days ago, with two objects and a manifest that can be read."""
    at = house.clock.now() - timedelta(days=day)
    name = f"{at:%Y%m%dT%H%M%SZ}-{day:03}{number:03}"
    point = RecoveryPoint(
        transaction_id=name,
        target=target,
        vm_uuid=vm,
        vm_name=vm.replace("u", "vm0"),
        manifest_key=f"{name}/manifest.json",
        taken_at=at,
        consistency="crash",
        size=100,
    )
    store = house.targets[target]
    for key in (f"{name}/vm01/vm01.vmx", f"{name}/vm01/vm01-flat.vmdk", f"{name}/manifest.json"):
        store.put(key, b"x" * 50, crc64=crc64(b"x" * 50), metadata={})
    with house.db.unit() as unit:
        unit.points.put(point)
    return point


def house_of(folder: Path, targets: tuple[str, ...] = ("s3",), *, old: int = OLD) -> tuple[House, list[RecoveryPoint]]:
    """Two VMs of which the rules keep the two newest; the older ones of the first are to go."""
    house = House(folder, targets)
    points = [put_point(house, day) for day in range(old + 2, 0, -1)]
    put_point(house, 9, vm="u2")
    with house.db.unit() as unit:
        rules = Retained(sla="default", retention=Retention(last=2))
        unit.retentions.retain({"u1": rules, "u2": rules})
    return house, points


def begin(house: House, key: str = "e", targets: tuple[str, ...] = ("s3",)) -> Transaction:
    with house.db.unit() as unit:
        begun = rounds.begin(unit, targets, CLOUDY, house.clock.now(), key=lambda target: f"{key}:{target}", place=OPS)
    house.dispatch()
    return house.read(begun[0].id)


def there(house: House, target: str = "s3") -> set[str]:
    """Recovery points by the catalogue, which must be those that have a manifest."""
    with house.db.read() as unit:
        known = {point.transaction_id for point in unit.points.of_target(target)}
    objects = house.targets[target].objects
    assert known == {key.split("/")[0] for key in objects if key.endswith("/manifest.json")}
    return known


def audited(house: House, transaction: Transaction) -> list[Json]:
    with house.db.read() as unit:
        rows = unit.audit.list(transaction_id=transaction.id, limit=1000)
    return [dict(row.body) for row in rows if row.action == "expire"]


def receipt(house: House, transaction: Transaction) -> Json:
    with house.db.read() as unit:
        message = unit.outbox.get(f"{transaction.id}:receipt")
    assert message is not None
    return message.view


def test_what_nothing_keeps_goes_oldest_first_each_with_its_manifest_before_its_objects(tmp_path: Path) -> None:
    house, points = house_of(tmp_path)
    erased: list[str] = []
    store = house.targets["s3"]
    erase = store.erase

    def watched(version: ObjectVersion) -> None:
        erased.append(version.key)
        erase(version)

    store.erase = watched  # type: ignore[method-assign]
    done = begin(house)
    house.engine.run_all()
    done = house.read(done.id)
    assert done.state is State.SUCCEEDED
    gone = [point.transaction_id for point in points[:OLD]]
    assert there(house) & set(gone) == set()
    assert len(there(house)) == 3
    assert [key.split("/")[0] for key in erased[::3]] == gone
    assert all(key.endswith("/manifest.json") for key in erased[::3])
    assert len(erased) == 3 * OLD
    assert house.left() == []
    assert [row["point"] for row in audited(house, done)] == gone
    told = receipt(house, done)
    assert told["headline"] == "4 recovery points removed from s3, 400 B freed"
    assert dict(told["facts"])["Stays"] == "3 are kept: last 3, the newest good one 2"


def test_each_recovery_point_that_goes_is_in_the_audit_once_and_the_chain_holds(tmp_path: Path) -> None:
    house, _points = house_of(tmp_path)
    done = begin(house)
    house.engine.run_all()
    rows = audited(house, done)
    assert len(rows) == OLD
    assert {row["vm"] for row in rows} == {"vm01"}
    assert all(row["bytes"] == 100 and row["target"] == "s3" for row in rows)


@pytest.mark.slow
def test_a_death_at_any_call_ends_with_the_points_gone_and_nothing_left(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    house, points = house_of(tmp_path / "first", old=2)
    begin(house)
    watch = CrashAt(10**9)
    house.watch(watch)
    house.engine.run_all()
    assert len(watch.told) > 10
    for nth in range(len(watch.told)):
        here = tmp_path / str(nth)
        here.mkdir()
        house, points = house_of(here, old=2)
        done = begin(house)
        house.watch(CrashAt(nth))
        with pytest.raises(Crash) as death:
            house.engine.run_all()
        house.watch(lambda _call: None)
        where = f"died at call {nth}, {death.value}"
        _offers_no_half(house, where)
        house.engine.run_all()
        assert house.read(done.id).state is State.SUCCEEDED, where
        assert there(house) & {point.transaction_id for point in points[:2]} == set(), where
        assert len(there(house)) == 3, where
        assert len(audited(house, done)) == 2, where
        assert house.left() == [], where
        house.db.close()


def _offers_no_half(house: House, where: str) -> None:
    """What a rebuilt catalogue offers after the death has all of its objects."""
    objects = house.targets["s3"].objects
    for key in objects:
        if key.endswith("/manifest.json"):
            assert len([each for each in objects if each.startswith(key.split("/")[0])]) == 3, where


def test_one_whose_removal_was_begun_by_a_process_that_died_is_not_offered_to_restore(tmp_path: Path) -> None:
    house, points = house_of(tmp_path)
    done = begin(house)
    manifest = points[0].manifest_key

    def die(call: str) -> None:
        if call.startswith("s3.") and manifest not in house.targets["s3"].objects:
            raise Crash(call)

    house.watch(die)
    with pytest.raises(Crash):
        house.engine.run_all()
    with house.db.read() as unit:
        flawed = fitness.flaws(unit, unit.points.of_vm("u1"))
    words = f"{points[0].transaction_id} is being removed by {done.id}"
    assert flawed == {(points[0].transaction_id, "s3"): words}


def test_one_that_is_held_in_use_or_locked_by_its_turn_is_passed_over_and_told(tmp_path: Path) -> None:
    house, points = house_of(tmp_path)
    done = begin(house)
    with house.db.unit() as unit:
        now = house.clock.now()
        unit.holds.put(Hold(id="aaaa", reason="audit", by="dave", at=now, point=points[0].transaction_id))
    lock = datetime(2027, 1, 1, tzinfo=UTC)
    house.targets["s3"].locked = {f"{points[1].transaction_id}/vm01/vm01.vmx": lock}
    house.engine.run_all()
    done = house.read(done.id)
    assert done.state is State.SUCCEEDED
    assert {points[0].transaction_id, points[1].transaction_id} < there(house)
    assert len(there(house)) == 5
    told = dict(receipt(house, done)["facts"])["Passed over"]
    assert f"{points[0].transaction_id}: held by dave: audit" in told
    assert "locked until 2027-01-01" in told
    with house.db.read() as unit:
        known = unit.points.get(points[1].transaction_id, "s3")
    assert known is not None
    assert known.locked_until == lock
    assert house.left() == []


def test_a_base_that_a_protection_copies_from_stays_until_that_is_over(tmp_path: Path) -> None:
    house, points = house_of(tmp_path)
    running = house.ask()
    house.dispatch()
    base = points[0].transaction_id
    with house.db.unit() as unit:
        plan = house.read(running.id).plan | {"bases": {"s3": base}}
        unit.transactions.update(running.id, plan=plan)
    round_one = begin(house)
    assert base not in round_one.request["points"]
    assert len(round_one.request["points"]) == OLD - 1
    with house.db.unit() as unit:
        unit.transactions.update(running.id, state=State.FAILED)
    house.engine._over.add(running.id)
    house.engine.run_all()
    round_two = begin(house, "e2")
    assert round_two.request["points"] == [base]


def test_one_that_is_about_to_go_is_no_base_and_is_not_put_back_by_a_rebuild(tmp_path: Path) -> None:
    house, points = house_of(tmp_path)
    begin(house)
    with house.db.read() as unit:
        assert unit.transactions.going() == {point.transaction_id for point in points[:OLD]} | {""}
    with house.db.unit() as unit:
        unit.points.forget(points[0].transaction_id, "s3")
    found = rebuild(house.db, house.targets["s3"])
    assert points[0].transaction_id not in {each.transaction_id for each in found.added}


def test_nothing_to_go_is_refused_in_silence_and_a_second_round_waits_for_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, _points = house_of(tmp_path)
    first = begin(house)
    second = begin(house, "e2")
    assert first.state is not State.REFUSED
    assert second.state is State.REFUSED
    assert second.failure is not None
    assert f"{first.id} removes recovery points from s3 just now" in second.failure.what
    house.engine.run_all()
    with house.db.unit() as unit:
        assert rounds.begin(unit, ("s3",), CLOUDY, house.clock.now(), key=str, place=OPS) == ()
    monkeypatch.setattr(rounds, "MOST_AT_ONCE", 0)  # many recovery points are judged when it is planned
    third = begin(house, "e3")
    assert third.state is State.REFUSED
    assert third.failure is not None
    assert "Nothing in s3 is to go: 3 are kept" in third.failure.what
    with house.db.read() as unit:
        assert unit.outbox.get(f"{third.id}:notice") is None


def test_what_another_installation_made_in_the_same_place_stays_whatever_our_rules_say(tmp_path: Path) -> None:
    """After a rebuild the catalogue has theirs too; what says nothing is ours only where its transaction is."""
    house, points = house_of(tmp_path)
    with house.db.unit() as unit:
        unit.settings.put("installation", "test0001")
        for point, made in zip(points, ("test0001", "other999", "test0001", "", "other999", "test0001"), strict=True):
            unit.points.put(replace(point, installation=made))
    done = begin(house)
    house.engine.run_all()
    assert [row["point"] for row in audited(house, done)] == [points[0].transaction_id]
    assert {point.transaction_id for point in points[1:]} < there(house)
    assert "another installation's 4" in house.read(done.id).plan["kept"]


def test_nothing_goes_of_a_vm_whose_newest_good_one_is_in_the_catalogue_alone(tmp_path: Path) -> None:
    """Somebody removed its manifest with another tool: by the rules the others would go, and nothing would be left."""
    house, points = house_of(tmp_path)
    del house.targets["s3"].objects[f"{points[-1].transaction_id}/manifest.json"]
    before = dict(house.targets["s3"].objects)
    done = begin(house)
    house.engine.run_all()
    assert house.targets["s3"].objects == before
    told = dict(receipt(house, done)["facts"])["Passed over"]
    assert f"the newest good one that would be left is {points[-1].transaction_id}, and s3 has no manifest" in told
    assert house.read(done.id).state is State.SUCCEEDED
    with house.db.read() as unit:
        assert unit.ledger.open() == ()


def test_a_hold_that_comes_while_the_target_is_looked_at_still_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, points = house_of(tmp_path, old=1)
    done = begin(house)
    store = house.targets["s3"]
    looked = store.locks

    def slow(versions: Sequence[ObjectVersion]) -> Iterator[ObjectVersion]:
        house.service.retaining.hold("vm01", "audit", ALICE, request_key="h")
        return looked(versions)

    monkeypatch.setattr(store, "locks", slow)
    house.engine.run_all()
    assert points[0].transaction_id in there(house)
    assert "held by alice: audit" in dict(receipt(house, done)["facts"])["Passed over"]
    with house.db.read() as unit:
        assert unit.ledger.open() == ()


def test_without_rules_no_round_begins(tmp_path: Path) -> None:
    house, _points = house_of(tmp_path)
    with house.db.unit() as unit:
        everything = Retained(sla="default", retention=Retention())
        unit.retentions.retain({"u1": everything, "u2": everything})
        assert rounds.begin(unit, ("s3",), CLOUDY, house.clock.now(), key=str, place=OPS) == ()


def test_a_round_is_bounded_and_what_was_locked_before_comes_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.retention_planning.MOST", 2)
    house, points = house_of(tmp_path, old=6)
    held = {f"{point.transaction_id}/vm01/vm01.vmx" for point in points[:4]}

    def locks(versions: Sequence[ObjectVersion]) -> Iterator[ObjectVersion]:
        return (replace(each, is_held=True) for each in versions if each.key in held)

    monkeypatch.setattr(house.targets["s3"], "locks", locks)  # by a legal hold, which has no date
    first = begin(house)
    assert first.request["points"] == [point.transaction_id for point in points[:2]]
    assert first.plan["later"] == 4
    house.engine.run_all()
    assert len(there(house)) == 9
    second = begin(house, "e2")
    assert second.request["points"] == [point.transaction_id for point in points[2:4]]
    house.engine.run_all()
    third = begin(house, "e3")
    assert third.request["points"] == [point.transaction_id for point in points[4:6]]


def test_a_stop_between_two_leaves_the_rest_whole_and_says_how_many_went(tmp_path: Path) -> None:
    house, _points = house_of(tmp_path)
    done = begin(house)
    store = house.targets["s3"]
    erase = store.erase

    def stopping(version: ObjectVersion) -> None:
        erase(version)
        if house.read(done.id).stop_asked_by == "":
            house.service.stop(done.id, replace(ALICE, id="cli", source="cli"), request_key="s")
            house.clock.sleep(5)

    store.erase = stopping  # type: ignore[method-assign]
    house.engine.run_all()
    told = receipt(house, done)
    assert house.read(done.id).state is State.STOPPED
    assert "1 recovery point removed from s3, 100 B freed" in told["headline"]
    assert len(there(house)) == 6
    assert house.left() == []


def test_a_target_that_removes_nothing_ends_the_round_after_three_and_keeps_all_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, _points = house_of(tmp_path)
    done = begin(house)
    before = dict(house.targets["s3"].objects)
    tried: list[str] = []

    def denied(version: ObjectVersion) -> None:
        tried.append(version.key)
        raise PermanentError("no right to remove", system="s3", operation="remove")

    monkeypatch.setattr(house.targets["s3"], "erase", denied)
    house.engine.run_all()
    ended = house.read(done.id)
    assert ended.state is State.FAILED
    assert len(tried) == 3
    assert house.targets["s3"].objects == before
    assert "nothing removed from s3" in receipt(house, done)["headline"]
    assert house.left() == []


def test_objects_that_stay_after_their_manifest_are_left_to_the_janitor_and_are_no_recovery_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, points = house_of(tmp_path, old=1)
    done = begin(house)
    store = house.targets["s3"]
    erase = store.erase

    def stuck(version: ObjectVersion) -> None:
        if version.key.endswith("-flat.vmdk"):
            raise PermanentError("the store says no", system="s3", operation="remove")
        erase(version)

    with monkeypatch.context() as patch:
        patch.setattr(store, "erase", stuck)
        house.engine.run_all()
    assert house.read(done.id).state is State.FAILED
    assert points[0].transaction_id not in there(house)
    assert "the store says no" in house.read(done.id).left_behind[0]
    with house.db.read() as unit:
        (left,) = unit.ledger.open()
    assert (left.kind, left.name) == (ResourceKind.OBJECTS, points[0].transaction_id)
