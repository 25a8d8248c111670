"""A round of expire and the clocks: nothing goes by a time that our clock alone tells."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot.model import ObjectVersion, Retained, Retention, State
from tests.workflow.house import House
from tests.workflow.test_expire import audited, begin, put_point, receipt, there

YEARS = 10 * 365 * 86_400
AGE = timedelta(days=30)


def aged_house(folder: Path, *days: int) -> House:
    """A VM whose recovery points, so many days old, are kept by their age alone."""
    house = House(folder)
    for day in days:
        put_point(house, day)
    with house.db.unit() as unit:
        unit.retentions.retain({"u1": Retained(sla="default", retention=Retention(minimum_age=AGE))})
    return house


def stand(house: House, at: datetime) -> None:
    """The target's own clock shows that from now on."""
    house.targets["s3"].now = lambda: at


def failure(house: House, id: str) -> str:
    found = house.read(id).failure
    assert found is not None
    return found.what


def test_a_clock_that_is_years_ahead_removes_nothing_and_is_told(tmp_path: Path) -> None:
    """By age alone all but the newest would go."""
    house = aged_house(tmp_path, 4, 3, 2, 1)
    before = dict(house.targets["s3"].objects)
    stand(house, house.clock.now())
    house.clock.sleep(YEARS)
    done = begin(house)
    assert len(done.request["points"]) == 3
    house.engine.run_all()
    assert house.read(done.id).state is State.FAILED
    assert house.targets["s3"].objects == before
    assert len(there(house)) == 4
    assert "clock is 3,650 days ahead of the store's" in failure(house, done.id)
    assert "nothing removed from s3" in receipt(house, done)["headline"]
    assert audited(house, done) == []
    with house.db.read() as unit:
        told = [dict(row.body) for row in unit.audit.list(transaction_id=done.id, limit=1000) if row.action == "step"]
        assert unit.ledger.open() == ()
    assert any("3,650 days ahead" in str(body) for body in told)


def test_a_clock_that_jumps_while_a_round_runs_ends_it_with_the_others_whole(tmp_path: Path) -> None:
    house = aged_house(tmp_path, 60, 50, 3, 2, 1)
    stand(house, house.clock.now())
    done = begin(house)
    assert len(done.request["points"]) == 2
    store = house.targets["s3"]
    erase = store.erase

    def erased(version: ObjectVersion) -> None:
        erase(version)
        if version.key.endswith("-flat.vmdk"):
            house.clock.sleep(YEARS)

    store.erase = erased  # type: ignore[method-assign]
    house.engine.run_all()
    assert house.read(done.id).state is State.FAILED
    assert "1 recovery point removed from s3, 100 B freed" in receipt(house, done)["headline"]
    assert len(there(house)) == 4
    assert len(audited(house, done)) == 1
    assert "3,650 days ahead" in failure(house, done.id)
    assert house.left() == []


@pytest.mark.parametrize("ours", [timedelta(minutes=10), timedelta(minutes=-10)])
def test_where_the_clocks_differ_by_minutes_the_earlier_one_counts(tmp_path: Path, ours: timedelta) -> None:
    """Five minutes are missing by the earlier one, and five are over by the later one."""
    house = aged_house(tmp_path, 40, 30, 1)
    house.clock.sleep(300 if ours > timedelta(0) else -300)
    stand(house, house.clock.now() - ours)
    done = begin(house)
    house.engine.run_all()
    assert house.read(done.id).state is State.SUCCEEDED
    assert len(there(house)) == 2
    assert len(audited(house, done)) == 1


def test_a_round_after_the_clock_was_set_right_does_what_was_left(tmp_path: Path) -> None:
    house = aged_house(tmp_path, 60, 2, 1)
    stand(house, house.clock.now())
    house.clock.sleep(YEARS)
    wrong = begin(house)
    house.engine.run_all()
    house.clock.sleep(-YEARS)
    done = begin(house, "e2")
    assert len(done.request["points"]) == 1
    house.engine.run_all()
    assert house.read(wrong.id).state is State.FAILED
    assert house.read(done.id).state is State.SUCCEEDED
    assert len(there(house)) == 2
