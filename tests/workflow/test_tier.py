"""A round of tier: what has grown old moves whole, through deaths, holds, locks, restores and targets that fail."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot import fitness, manifest, retained, rounds
from bot.checksum import crc64
from bot.errors import ChangedError, PermanentError
from bot.model import (
    CLOUDY,
    Actor,
    Hold,
    Json,
    ObjectInfo,
    PreviewRequest,
    Price,
    RecoveryPoint,
    ResourceKind,
    Retained,
    Retention,
    Sla,
    Slas,
    State,
    StoredFile,
    Tier,
    Tiering,
    Transaction,
)
from bot.previewing import summary
from bot.prices import Prices
from bot.tiering import SMALLEST
from tests.memory import Crash, CrashAt
from tests.workflow.house import ALICE, OPS, House

CLASSES = {"s3": {Tier.COLD: "GLACIER_IR", Tier.ARCHIVE: "GLACIER"}}
BOTH = Tiering(cold_after=timedelta(days=30), archive_after=timedelta(days=180))
FILES = {"vm01.vmx": b"small", "vm01-flat.vmdk": b"x" * SMALLEST, "vm01_1-flat.vmdk": b"y" * (SMALLEST + 1)}
BIG = [name for name, content in FILES.items() if len(content) >= SMALLEST]


def put_point(house: House, day: float, *, vm: str = "u1", target: str = "s3") -> RecoveryPoint:
    """A recovery point of so many days ago: two disks, a small file, digests, and a manifest that can be read."""
    at = house.clock.now() - timedelta(days=day)
    name, store = f"{at:%Y%m%dT%H%M%SZ}-{int(day):06}", house.targets[target]
    files = []
    for file, content in FILES.items():
        key = f"{name}/vm01/{file}"
        made = store.put(key, content, crc64=crc64(content), metadata={"a": "b"})
        store.put(f"{name}/digests/{file}", b"z" * SMALLEST, crc64=crc64(b"z" * SMALLEST), metadata={})
        files.append(
            StoredFile(
                path=f"/tintri/vm01/{file}",
                name=file,
                key=key,
                size=len(content),
                crc64=crc64(content),
                etag=made.etag,
                digests=f"{name}/digests/{file}",
            )
        )
    body = manifest.encode(_manifest(name, at, tuple(files)))
    store.put(manifest.key(name), body, crc64=crc64(body), metadata={})
    point = RecoveryPoint(
        transaction_id=name,
        target=target,
        vm_uuid=vm,
        vm_name=vm.replace("u", "vm0"),
        manifest_key=manifest.key(name),
        taken_at=at,
        consistency="crash",
        size=sum(map(len, FILES.values())),
    )
    with house.db.unit() as unit:
        unit.points.put(point)
        for each in files:
            unit.files.put(name, target, each)
    return point


def _manifest(name: str, at: datetime, files: tuple[StoredFile, ...]) -> manifest.Manifest:
    return manifest.Manifest(
        transaction_id=name,
        created_at=at,
        taken_at=at,
        installation="test0001",
        requester=Actor(id="U", name="alice", source="cli"),
        consistency="crash",
        vm=manifest.ProtectedVm(uuid="u1", name="vm01", vmstore="vmstore", hypervisor="VMWARE", disks=()),
        snapshot_uuid="s",
        target="memory://s3",
        files=files,
        skipped=(),
        cloudy="0.0",
    )


def house_of(
    folder: Path, *days: float, tiering: Tiering = BOTH, retention: Retention | None = None
) -> tuple[House, list[RecoveryPoint]]:
    """One VM with recovery points of these ages; the first is the newest."""
    house = House(folder)
    house.slas = Slas(listed=(Sla(name="gold", vms=("vm01",), tiering=tiering, retention=retention or Retention()),))
    house.service.questions.slas = house.slas
    house.service.retaining.classes = CLASSES
    points = [put_point(house, day) for day in days]
    with house.db.unit() as unit:
        unit.retentions.retain({"u1": Retained(sla="gold", retention=retention or Retention())})
    return house, points


def begin(house: House, key: str = "e") -> Transaction:
    with house.db.unit() as unit:
        now = house.clock.now()
        rules = retained.tier_rules(unit, house.slas, CLASSES, now)
        begun = rounds.begin_moves(unit, rules, ("s3",), CLOUDY, now, key=lambda target: f"{key}:{target}", place=OPS)
    house.dispatch()
    return house.read(begun[0].id)


def tiers(house: House) -> list[Tier | None]:
    """By the catalogue, newest first."""
    with house.db.read() as unit:
        return [point.tier for point in unit.points.of_vm("u1")]


def classes(house: House, point: RecoveryPoint) -> set[str]:
    """Of the disks; what is small, and what is read all the time, never moves."""
    store = house.targets["s3"]
    others = [key for key in store.objects if key.startswith(point.transaction_id) and Path(key).name not in BIG]
    others += [f"{point.transaction_id}/digests/{name}" for name in FILES]
    assert {store.head(key).storage_class for key in others} == {""}
    return {store.head(f"{point.transaction_id}/vm01/{name}").storage_class for name in BIG}


def receipt(house: House, transaction: Transaction) -> Json:
    with house.db.read() as unit:
        message = unit.outbox.get(f"{transaction.id}:receipt")
    assert message is not None
    return message.view


def told(house: House, transaction: Transaction) -> dict[str, str]:
    return dict(receipt(house, transaction)["facts"])


def audited(house: House, transaction: Transaction) -> list[Json]:
    with house.db.read() as unit:
        rows = unit.audit.list(transaction_id=transaction.id, limit=1000)
    return [dict(row.body) for row in rows if row.action == "tier"]


def open_promises(house: House) -> tuple[object, ...]:
    with house.db.read() as unit:
        return unit.ledger.open()


def test_what_has_grown_old_moves_oldest_first_to_the_tier_of_its_age_and_the_newest_never(tmp_path: Path) -> None:
    house, points = house_of(tmp_path, 29, 40, 200, 300)
    before = dict(house.targets["s3"].objects)
    done = begin(house)
    assert done.request["points"] == [points[3].transaction_id, points[2].transaction_id, points[1].transaction_id]
    house.engine.run_all()
    done = house.read(done.id)
    assert done.state is State.SUCCEEDED
    assert tiers(house) == [None, Tier.COLD, Tier.ARCHIVE, Tier.ARCHIVE]
    assert [classes(house, point) for point in points] == [{""}, {"GLACIER_IR"}, {"GLACIER"}, {"GLACIER"}]
    assert house.targets["s3"].objects == before
    assert [row["point"] for row in audited(house, done)] == done.request["points"]
    assert [(row["tier"], row["class"]) for row in audited(house, done)] == [
        ("archive", "GLACIER"), ("archive", "GLACIER"), ("cold", "GLACIER_IR"),
    ]  # fmt: skip
    assert receipt(house, done)["headline"] == (
        "1 recovery point to cold (256 KiB), 2 recovery points to archive (512 KiB) in s3"
    )
    assert told(house, done)["Moved"].startswith("1 recovery point to cold")
    assert house.left() == []


def test_it_says_what_it_saves_a_month_where_the_price_of_the_class_is_known(tmp_path: Path) -> None:
    house, points = house_of(tmp_path, 1, 40)
    with house.db.unit() as unit:
        unit.points.put(replace(points[1], size=1 << 40))
    prices = Prices({"s3": Price(storage=0.023, cold=0.004, archive=0.0036)})
    house.prices = prices
    done = begin(house)
    assert done.plan["saves"] == "about 19.46 USD a month"
    house.engine.run_all()
    assert told(house, done)["Saves"] == "about 19.46 USD a month"


@pytest.mark.slow
def test_a_death_at_any_call_ends_with_the_points_moved_and_nothing_left(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    house, _points = house_of(tmp_path / "first", 1, 40)
    begin(house)
    watch = CrashAt(10**9)
    house.watch(watch)
    house.engine.run_all()
    assert len(watch.told) >= 10
    for nth in range(len(watch.told)):
        here = tmp_path / str(nth)
        here.mkdir()
        house, points = house_of(here, 1, 40)
        before = dict(house.targets["s3"].objects)
        done = begin(house)
        house.watch(CrashAt(nth))
        with pytest.raises(Crash) as death:
            house.engine.run_all()
        house.watch(lambda _call: None)
        where = f"died at call {nth}, {death.value}"
        assert house.targets["s3"].objects == before, where
        house.engine.run_all()
        assert house.read(done.id).state is State.SUCCEEDED, where
        assert [classes(house, point) for point in points] == [{""}, {"GLACIER_IR"}], where
        assert tiers(house) == [None, Tier.COLD], where
        assert len(audited(house, done)) == 1, where
        assert house.read(done.id).plan["moved"] == {"cold": [1, 262150]}, where
        assert (house.left(), open_promises(house)) == ([], ()), where
        house.db.close()


def test_one_that_became_the_newest_or_a_base_is_locked_or_used_by_its_turn_is_passed_over_and_told(
    tmp_path: Path,
) -> None:
    house, points = house_of(tmp_path, 1, 40, 50, 60, 70)
    done = begin(house)
    assert len(done.request["points"]) == 4
    lock = datetime(2027, 1, 1, tzinfo=UTC)
    house.targets["s3"].locked = {f"{points[2].transaction_id}/vm01/vm01-flat.vmdk": lock}
    running = house.ask()
    house.dispatch()
    with house.db.unit() as unit:
        unit.points.forget(points[0].transaction_id, "s3")
        plan = house.read(running.id).plan | {"bases": {"s3": points[3].transaction_id}}
        unit.transactions.update(running.id, plan=plan)
        unit.holds.put(Hold(id="a", reason="audit", by="dave", at=house.clock.now(), point=points[4].transaction_id))
    house.engine.run_all()
    assert house.read(done.id).state is State.SUCCEEDED
    assert tiers(house)[-4:] == [None, None, None, Tier.COLD]
    over = told(house, done)["Passed over"]
    assert f"{points[1].transaction_id}: the newest good one" in over
    assert f"{points[3].transaction_id}: in use" in over
    assert "locked until 2027-01-01" in over
    with house.db.read() as unit:
        known = unit.points.get(points[2].transaction_id, "s3")
    assert known is not None
    assert known.locked_until == lock
    assert open_promises(house) == ()


def while_moving(house: House, do: Callable[[ObjectInfo], None]) -> None:
    """Do that while the first object is on its way."""
    store = house.targets["s3"]
    retier, done = store.retier, list[str]()

    def moving(info: ObjectInfo, storage_class: str, *, check: Callable[[], None] = lambda: None) -> ObjectInfo:
        if not done:
            done.append(info.key)
            do(info)
        return retier(info, storage_class, check=check)

    store.retier = moving  # type: ignore[method-assign]


def test_while_an_object_is_on_its_way_nobody_else_begins_with_its_recovery_point(tmp_path: Path) -> None:
    house, points = house_of(tmp_path, 1, 40, 200)
    seen: dict[str, object] = {}

    def look(info: ObjectInfo) -> None:
        point = info.key.split("/")[0]
        asked = {
            "verify": house.service.verify(point, ALICE, request_key="v"),
            "delete": house.service.delete(point, ALICE, request_key="d", reason="old"),
        }
        house.dispatch()
        seen.update({name: house.read(each.id).failure for name, each in asked.items()})
        with house.db.read() as unit:
            seen["flaws"] = fitness.flaws(unit, unit.points.of_vm("u1"))
            seen["used"] = retained.facts(unit, house.clock.now()).used

    while_moving(house, look)
    done = begin(house)
    house.engine.run_all()
    point = points[2].transaction_id
    words = f"{point} is being moved to another tier in s3 by {done.id}"
    assert seen["flaws"] == {(point, "s3"): words}
    assert (point, "s3") in seen["used"]  # type: ignore[operator]
    for name in ("verify", "delete"):
        assert words in str(seen[name]), name
    assert tiers(house) == [None, Tier.COLD, Tier.ARCHIVE]
    with house.db.read() as unit:
        assert fitness.flaws(unit, unit.points.of_vm("u1")) == {}


def test_a_restore_that_comes_between_two_objects_keeps_the_rest_where_it_is(tmp_path: Path) -> None:
    """What it reads must not be replaced under it, nor go into an archive."""
    house, points = house_of(tmp_path, 1, 200)
    store = house.targets["s3"]
    retier = store.retier

    def moving(info: ObjectInfo, storage_class: str, *, check: Callable[[], None] = lambda: None) -> ObjectInfo:
        moved = retier(info, storage_class, check=check)
        with house.db.unit() as unit:  # as soon as nothing is on its way any more
            unit.ledger.release(done.id, ResourceKind.UPLOAD, "s3", info.key)
        house.service.verify(points[1].transaction_id, ALICE, request_key="v")
        return moved

    store.retier = moving  # type: ignore[method-assign]
    done = begin(house)
    house.engine.run_all()
    assert [key for key, _ in store.moved] == [f"{points[1].transaction_id}/vm01/{BIG[0]}"]
    assert tiers(house) == [None, None]
    assert told(house, done)["Passed over"] == f"{points[1].transaction_id}: in use"


def test_what_was_left_half_moved_goes_on_with_the_next_round(tmp_path: Path) -> None:
    house, points = house_of(tmp_path, 1, 200)
    store = house.targets["s3"]
    retier = store.retier

    def failing(info: ObjectInfo, storage_class: str, *, check: Callable[[], None] = lambda: None) -> ObjectInfo:
        if store.moved:
            raise ChangedError(f"{info.key} is another object")
        return retier(info, storage_class, check=check)

    store.retier = failing  # type: ignore[method-assign]
    first = begin(house)
    house.engine.run_all()
    assert house.read(first.id).state is State.PARTIAL
    assert receipt(house, first)["headline"] == "Done in part: nothing moved in s3"
    assert classes(house, points[1]) == {"GLACIER", ""}
    store.retier = retier  # type: ignore[method-assign]
    second = begin(house, "e2")
    house.engine.run_all()
    assert house.read(second.id).state is State.SUCCEEDED
    assert len(store.moved) == 2
    assert tiers(house) == [None, Tier.ARCHIVE]


def test_where_versions_are_kept_the_next_round_removes_the_older_one_that_a_round_left(tmp_path: Path) -> None:
    """The new object lay there, the old one could not be removed, and the round gave up: both would be paid for."""
    house, points = house_of(tmp_path, 1, 40)
    store = house.targets["s3"]
    head, retier = store.head, store.retier
    older: set[str] = set()

    def moving(info: ObjectInfo, storage_class: str, *, check: Callable[[], None] = lambda: None) -> ObjectInfo:
        moved = retier(info, storage_class, check=check)
        if len(store.moved) == 1 and not older:
            older.add(info.key)
            raise PermanentError("the older version could not be removed", system="s3", operation="remove")
        older.discard(info.key)
        return moved

    store.head = lambda key: replace(head(key), version_id="v")  # type: ignore[method-assign]
    store.retier = moving  # type: ignore[method-assign]
    first = begin(house)
    house.engine.run_all()
    assert (house.read(first.id).state, tiers(house)) == (State.PARTIAL, [None, None])
    assert older == {f"{points[1].transaction_id}/vm01/{BIG[0]}"}
    second = begin(house, "e2")
    house.engine.run_all()
    assert (house.read(second.id).state, tiers(house)) == (State.SUCCEEDED, [None, Tier.COLD])
    assert older == set()
    assert open_promises(house) == ()


def test_what_was_brought_back_for_some_days_stays_in_its_archive(tmp_path: Path) -> None:
    house, points = house_of(tmp_path, 1, 40)
    store = house.targets["s3"]
    store.classes[f"{points[1].transaction_id}/vm01/{BIG[0]}"] = "GLACIER"  # and it can be read just now
    done = begin(house)
    house.engine.run_all()
    assert house.read(done.id).state is State.SUCCEEDED
    assert tiers(house) == [None, Tier.ARCHIVE]
    assert classes(house, points[1]) == {"GLACIER", "GLACIER_IR"}


def test_what_the_bucket_itself_locks_anew_is_told_with_its_date(tmp_path: Path) -> None:
    house, points = house_of(tmp_path, 1, 40)
    store, until = house.targets["s3"], house.clock.now() + timedelta(days=30)
    retier = store.retier

    def locking(info: ObjectInfo, storage_class: str, *, check: Callable[[], None] = lambda: None) -> ObjectInfo:
        return replace(retier(info, storage_class, check=check), locked_until=until)

    store.retier = locking  # type: ignore[method-assign]
    begin(house)
    house.engine.run_all()
    with house.db.read() as unit:
        known = unit.points.get(points[1].transaction_id, "s3")
    assert known is not None
    assert (known.tier, known.locked_until) == (Tier.COLD, until)


def test_a_target_that_moves_nothing_ends_the_round_after_three_and_keeps_all_whole(tmp_path: Path) -> None:
    house, _points = house_of(tmp_path, 1, *range(40, 46))
    asked: list[str] = []

    def refusing(info: ObjectInfo, storage_class: str, *, check: Callable[[], None] = lambda: None) -> ObjectInfo:
        asked.append(info.key)
        raise PermanentError("s3 proves no copy")

    house.targets["s3"].retier = refusing  # type: ignore[method-assign]
    done = begin(house)
    house.engine.run_all()
    done = house.read(done.id)
    assert done.state is State.FAILED
    assert done.failure is not None
    assert "3 in a row could not be moved in s3, so the round ends" in done.failure.what
    assert "s3 proves no copy" in done.failure.what
    assert len(asked) == 3
    assert set(tiers(house)) == {None}
    assert (house.left(), open_promises(house)) == ([], ())


def test_recovery_points_that_are_not_whole_keep_no_others_from_their_turn(tmp_path: Path) -> None:
    house, points = house_of(tmp_path, 1, *range(40, 46))
    for point in points[3:]:
        del house.targets["s3"].objects[f"{point.transaction_id}/vm01/vm01-flat.vmdk"]
    done = begin(house)
    house.engine.run_all()
    done = house.read(done.id)
    assert done.state is State.PARTIAL
    assert tiers(house) == [None, Tier.COLD, Tier.COLD, None, None, None, None]
    assert done.failure is not None
    assert "could not be moved, and 3 more" in done.failure.what
    later = begin(house, "e2")
    house.engine.run_all()
    assert house.read(later.id).state is State.PARTIAL


def test_what_somebody_archived_by_another_way_stays_and_is_told_as_archived(tmp_path: Path) -> None:
    house, points = house_of(tmp_path, 1, 40, 50)
    house.targets["s3"].archived.add(f"{points[1].transaction_id}/vm01/vm01-flat.vmdk")
    done = begin(house)
    house.engine.run_all()
    assert house.read(done.id).state is State.SUCCEEDED
    assert tiers(house) == [None, Tier.ARCHIVE, Tier.COLD]
    assert done.request["points"] == [points[2].transaction_id, points[1].transaction_id]
    assert house.read(done.id).plan["moved"] == {"cold": [1, 262150], "archive": [1, 262150]}


def test_a_second_round_waits_for_the_first_and_nothing_to_move_makes_none(tmp_path: Path) -> None:
    house, _points = house_of(tmp_path, 1, 40)
    first, second = begin(house), begin(house, "e2")
    assert second.state is State.REFUSED
    assert second.failure is not None
    assert f"{first.id} moves recovery points in s3 just now" in second.failure.what
    house.engine.run_all()
    with pytest.raises(IndexError):
        begin(house, "e3")
    with house.db.read() as unit:
        assert unit.outbox.get(f"{second.id}:notice") is None


def test_a_round_is_bounded_and_what_it_could_not_move_comes_last_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.tiering_planning.MOST", 2)
    house, points = house_of(tmp_path, 1, 40, 50, 60, 70)
    names = [point.transaction_id for point in points]
    for name in names[3:]:
        del house.targets["s3"].objects[f"{name}/vm01/vm01-flat.vmdk"]
    first = begin(house)
    assert (first.request["points"], first.plan["later"]) == ([names[4], names[3]], 2)
    house.engine.run_all()
    second = begin(house, "e2")
    assert second.request["points"] == [names[2], names[1]]


def test_a_stop_ends_it_between_two_objects_and_both_are_whole(tmp_path: Path) -> None:
    house, _points = house_of(tmp_path, 1, 40, 50)
    before = dict(house.targets["s3"].objects)

    def stop(_info: ObjectInfo) -> None:
        house.service.stop(done.id, replace(ALICE, id="cli", source="cli"), request_key="s")
        house.clock.sleep(5)

    while_moving(house, stop)
    done = begin(house)
    house.engine.run_all()
    assert house.read(done.id).state is State.STOPPED
    assert house.targets["s3"].objects == before
    assert (house.left(), open_promises(house)) == ([], ())
    assert receipt(house, done)["headline"].endswith("nothing moved in s3")


def test_what_retention_removes_goes_and_is_not_moved_before(tmp_path: Path) -> None:
    house, points = house_of(tmp_path, 1, 40, 200, retention=Retention(last=2))
    with house.db.unit() as unit:
        begun = house.service.retaining.begin_rounds(unit, house.clock.now(), key=lambda what: f"daily:{what}")
    assert [each.workflow for each in begun] == ["expire", "tier"]
    house.dispatch()
    assert house.read(begun[1].id).request["points"] == [points[1].transaction_id]
    house.engine.run_all()
    assert tiers(house) == [None, Tier.COLD]


def test_the_same_time_begins_the_same_rounds_once(tmp_path: Path) -> None:
    house, _points = house_of(tmp_path, 1, 40)
    begun = []
    for _ in range(2):
        with house.db.unit() as unit:
            rounds_of = house.service.retaining.begin_rounds(unit, house.clock.now(), key=lambda what: f"daily:{what}")
        begun.append([each.id for each in rounds_of])
        house.dispatch()
    assert begun[0] == begun[1]
    assert len(begun[0]) == 1


def test_asked_for_by_hand_it_begins_where_something_is_to_move(tmp_path: Path) -> None:
    house, _points = house_of(tmp_path, 1, 40)
    (asked,) = house.service.retaining.tier(ALICE, request_key="r", place=OPS)
    house.dispatch()
    house.engine.run_all()
    assert house.read(asked.id).state is State.SUCCEEDED
    assert tiers(house) == [None, Tier.COLD]
    assert house.service.retaining.tier(ALICE, request_key="r2", place=OPS) == ()


def test_without_ages_in_any_sla_no_round_begins_and_nothing_is_looked_up(tmp_path: Path) -> None:
    house, _points = house_of(tmp_path, 1, 40, tiering=Tiering())
    with house.db.unit() as unit:
        assert retained.tier_rules(unit, house.slas, CLASSES, house.clock.now()) is None
        assert house.service.retaining.begin_rounds(unit, house.clock.now(), key=str) == ()


def test_a_clock_that_is_ahead_moves_nothing(tmp_path: Path) -> None:
    house, _points = house_of(tmp_path, 1, 40)
    done = begin(house)
    house.targets["s3"].now = lambda: house.clock.now() - timedelta(days=30)
    house.engine.run_all()
    assert house.read(done.id).state is State.FAILED
    assert house.targets["s3"].moved == []


def test_a_preview_counts_what_would_move_and_what_that_saves(tmp_path: Path) -> None:
    house, points = house_of(tmp_path, 1, 40, 50, 200)
    with house.db.unit() as unit:
        unit.points.put(replace(points[1], size=1 << 40))
    house.service.retaining.prices = Prices({"s3": Price(storage=0.023, cold=0.004, archive=0.0036)})
    preview = house.service.retaining.preview
    line = [*summary(preview(PreviewRequest()))][-1]
    assert line == "Moves: 2 recovery points to cold, 1 recovery point to archive; saves about 19.46 USD a month"
    shorter = [*summary(preview(PreviewRequest(rules=Retention(last=2))))][-1]
    assert shorter == "Moves: 1 recovery point to cold; saves about 19.46 USD a month"
    only = [*summary(preview(PreviewRequest(rules=Retention(last=1))))][-1]
    assert only == "Moves: nothing now"
