"""`/recovery-points`: where each lies, when it was verified and proven, until when it is locked."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from bot.model import State, Tier
from handlers import lists, restoreviews, tables
from handlers.asked import Inquiry
from handlers.tables import Table
from tests.workflow.house import House
from tests.workflow.test_drill import drilled
from tests.workflow.test_restore import protected_with_host
from tests.workflow.test_verify_deep import verified

LOCK = datetime(2027, 1, 2, tzinfo=UTC)


def points_of(house: House) -> Table:
    return lists.table(house.service.questions, Inquiry(verb="recovery-points", text="vm01"), house.clock.now())


def test_one_that_was_only_made_is_verified_by_that_and_never_proven(tmp_path: Path) -> None:
    house, _host = protected_with_host(tmp_path)
    table = points_of(house)
    assert table.columns == ("Taken", "In", "Transaction", "Size", "Consistency", "Verified", "Proven")
    assert table.rows[0][-2:] == ("when it was made", "never")


def test_what_was_found_since_is_told_with_its_age_and_the_rto(tmp_path: Path) -> None:
    house, host = protected_with_host(tmp_path)
    assert drilled(house).state is State.SUCCEEDED
    house.clock.sleep(3 * 3600)
    assert verified(house, house.service.runs(10)[-1].id, key="deep").state is State.SUCCEEDED
    look, proven = points_of(house).rows[0][-2:]
    assert look == "just now, read back"
    assert proven.startswith("✅ 3 h ago, RTO ")
    host.never_lives = True
    bad = drilled(house, key="2")
    table = points_of(house)
    assert table.rows[0][-1].startswith("⚠️ failed just now; ✅ 3 h ago, RTO ")
    (why,) = table.closing
    assert f"did not come to life in {bad.id}: Prove alive: No sign of life" in why
    (_header, row), total = (
        lists.sheet(house.service.questions, Inquiry(verb="recovery-points", text="vm01"), house.clock.now()).rows,
        1,
    )
    assert total == 1
    assert row[9] == "read back"
    assert float(str(row[11])) > 0


def test_damage_is_told_before_all_that_was_found_later(tmp_path: Path) -> None:
    house, _host = protected_with_host(tmp_path)
    store = house.targets["s3"]
    key = next(key for key in store.objects if key.endswith("flat.vmdk"))
    store.objects[key] = store.objects[key][:-1] + b"?"
    found = verified(house, deep=False)
    table = points_of(house)
    assert table.rows[0][-2] == "❌ damaged, found just now"
    assert f"is damaged, as {found.id} found: " in table.closing[0]
    assert "vm01-flat.vmdk" in table.closing[0]


def test_a_lock_has_a_column_once_there_is_one(tmp_path: Path) -> None:
    house, _host = protected_with_host(tmp_path)
    with house.db.unit() as unit:
        (point,) = unit.points.named("vm01")
        unit.points.put(replace(point, locked_until=LOCK))
    table = points_of(house)
    assert table.columns[-1] == "Locked until"
    assert table.rows[0][-1] == "2027-01-02 00:00 UTC"
    assert verified(house, deep=False).state is State.SUCCEEDED  # which asks the target, where nothing is locked
    assert points_of(house).columns[-1] == "Proven"


def test_a_row_fits_into_a_line_of_a_message(tmp_path: Path) -> None:
    house, _host = protected_with_host(tmp_path)
    assert drilled(house).state is State.SUCCEEDED
    table = points_of(house)
    assert max(map(len, table.rows[0])) <= 40
    text = tables.draw(table).text
    assert max(map(len, text.splitlines())) <= 200


def test_the_tier_of_each_is_told_where_any_lies_in_one(tmp_path: Path) -> None:
    house, _host = protected_with_host(tmp_path)
    with house.db.unit() as unit:
        (point,) = unit.points.of_target("s3")
        unit.points.put(replace(point, tier=Tier.COLD, locked_until=LOCK))
    table = points_of(house)
    assert table.columns[-2:] == ("Tier", "Locked until")
    assert table.rows[0][-2:] == ("cold", "2027-01-02 00:00 UTC")
    _header, row = lists.sheet(
        house.service.questions, Inquiry(verb="recovery-points", text="vm01"), house.clock.now()
    ).rows
    assert row[-1] == "cold"
    (kept,) = house.service.recoverable.points(point.vm_uuid)
    assert restoreviews.standing(kept, house.clock.now()).split(" · ")[-2:] == ["🧊 cold", "s3"]
    with house.db.unit() as unit:  # where another target has it as it was made, nobody waits
        unit.points.put(replace(point, target="other"))
    (kept,) = house.service.recoverable.points(point.vm_uuid)
    assert kept.tier is None
