"""What a round of expire cannot remove keeps nothing else from its turn; what is gone is in no table."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bot.errors import PermanentError, TransientError
from bot.keeper import DatabaseKeeper
from bot.model import Hold, ObjectVersion, Retained, Retention, Slas, State
from tests.memory import MemoryStore
from tests.workflow.house import ALICE, OPS, House
from tests.workflow.test_delete import approved, house_with_a_point
from tests.workflow.test_expire import begin, house_of, receipt, there


def refusing(store: MemoryStore, points: set[str], error: type[PermanentError | TransientError]) -> None:
    """From now on the store removes nothing of these."""
    erase = store.erase

    def erased(version: ObjectVersion) -> None:
        if version.key.split("/")[0] in points:
            raise error("the store says no", system="s3", operation="remove")
        erase(version)

    store.erase = erased  # type: ignore[method-assign]


def test_three_that_always_fail_end_one_round_and_are_last_in_all_that_follow(tmp_path: Path) -> None:
    house, points = house_of(tmp_path, old=6)
    oldest = [point.transaction_id for point in points[:6]]
    refusing(house.targets["s3"], set(oldest[:3]), PermanentError)
    first = begin(house)
    assert first.request["points"] == oldest
    house.engine.run_all()
    assert house.read(first.id).state is State.FAILED
    assert set(oldest) < there(house)
    told = receipt(house, first)["why"]
    assert f"so the round ends: {', '.join(oldest[:3])}. The next one takes them last. the store says no" in told
    second = begin(house, "e2")
    assert second.request["points"] == oldest[3:] + oldest[:3]
    house.engine.run_all()
    assert there(house) & set(oldest) == set(oldest[:3])
    assert "3 recovery points removed from s3" in receipt(house, second)["headline"]
    assert house.left() == []


def test_one_whose_removal_the_target_never_answers_is_last_too(tmp_path: Path) -> None:
    house, points = house_of(tmp_path, old=3)
    oldest = [point.transaction_id for point in points[:3]]
    refusing(house.targets["s3"], {oldest[0]}, TransientError)
    house.engine.run_all()
    begin(house)
    house.engine.run_all()
    second = begin(house, "e2")
    assert second.request["points"] == [*oldest[1:], oldest[0]]
    house.engine.run_all()
    assert there(house) & set(oldest) == {oldest[0]}


def test_two_that_fail_are_told_beside_what_was_removed_and_are_last_in_the_next_round(tmp_path: Path) -> None:
    house, points = house_of(tmp_path, old=4)
    oldest = [point.transaction_id for point in points[:4]]
    refusing(house.targets["s3"], set(oldest[:2]), PermanentError)
    first = begin(house)
    house.engine.run_all()
    assert house.read(first.id).state is State.PARTIAL
    told = dict(receipt(house, first)["facts"])["Not removed"]
    assert told.startswith(f"{oldest[0]}: the store says no; {oldest[1]}: the store says no; the next round takes")
    with house.db.unit() as unit:
        unit.retentions.retain({"u1": Retained(sla="default", retention=Retention(last=1))})
    second = begin(house, "e2")
    assert second.request["points"] == [points[4].transaction_id, *oldest[:2]]


def test_without_a_channel_it_is_logged_that_rounds_are_told_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    house = House(tmp_path)
    house.service.retaining.adopt()
    assert "no slack.admin_channel" in caplog.text
    caplog.clear()
    house.service.retaining.place = OPS
    house.service.retaining.adopt()
    assert caplog.text == ""


def test_one_that_goes_after_all_is_not_told_as_stuck(tmp_path: Path) -> None:
    house, points = house_of(tmp_path)
    done = begin(house)
    keeper, name = DatabaseKeeper(house.db, house.clock, Slas()), points[0].transaction_id
    keeper.stuck(name, done.id, "the store says no")
    assert house.read(done.id).plan["stuck"] == {name: "the store says no"}
    house.engine.run_all()
    assert house.read(done.id).plan["stuck"] == {}
    assert "Not removed" not in dict(receipt(house, done)["facts"])


# --- rows ---


def rows(house: House, point: str, target: str) -> dict[str, int]:
    """By table what is kept of a recovery point's objects."""
    with closing(sqlite3.connect(house.db.path)) as raw:
        count = {
            table: raw.execute(
                f"SELECT count(*) FROM {table} WHERE transaction_id = ? AND target = ?",
                (point, target),
            ).fetchone()[0]
            for table in ("recovery_points", "files", "parts", "sampled_objects")
        }
        samples = (
            "SELECT count(*) FROM samples s WHERE NOT EXISTS (SELECT 1 FROM sampled_objects o WHERE o.id = s.object)"
        )
        return count | {"samples of nothing": raw.execute(samples).fetchone()[0]}


def none_of(house: House, point: str, target: str) -> bool:
    return not any(rows(house, point, target).values())


def test_nothing_of_an_expired_point_stays_in_tables_and_what_is_in_another_target_does(tmp_path: Path) -> None:
    house = House(tmp_path, ("s3", "azure"))
    old = house.protect(targets=("s3", "azure"))
    house.clock.sleep(60)
    new = house.protect(targets=("s3", "azure"), key="r2")
    with house.db.unit() as unit:
        unit.retentions.retain({old.vm_uuid: Retained(sla="default", retention=Retention(last=1))})
    before = rows(house, old.id, "azure")
    assert rows(house, old.id, "s3")["files"] > 1
    begin(house)
    house.engine.run_all()
    assert none_of(house, old.id, "s3")
    assert rows(house, old.id, "azure") == before
    assert rows(house, new.id, "s3")["files"] > 1


def test_nothing_of_a_deleted_point_stays_in_tables(tmp_path: Path) -> None:
    house, point = house_with_a_point(tmp_path)
    assert rows(house, point.id, "s3")["files"] > 1
    approved(house)
    house.engine.run_all()
    assert none_of(house, point.id, "s3")


# --- holds ---


def test_holds_whose_ids_would_be_the_same_get_different_ones_and_each_request_keeps_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, points = house_of(tmp_path)
    monkeypatch.setattr("bot.retaining.short_id", lambda number: f"hold{number % 3}")
    asked = [("vm01", "h1"), (points[0].transaction_id, "h2"), (points[1].transaction_id, "h3")]

    def hold(what: str, key: str) -> Hold:
        return house.service.retaining.hold(what, f"because of {key}", ALICE, request_key=key)

    held = [hold(what, key) for what, key in asked]
    assert len({each.id for each in held}) == 3
    assert [each.reason for each in held] == ["because of h1", "because of h2", "because of h3"]
    assert [hold(what, key) for what, key in asked] == held
    with house.db.read() as unit:
        kept = [row for row in unit.audit.list(limit=1000) if row.action == "hold"]
    assert len(kept) == 3
