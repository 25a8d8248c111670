"""The process dies before or after each call that goes outside; the next one ends the run the same way each time."""

from pathlib import Path

import pytest

from bot.model import State
from tests.memory import Crash, CrashAt
from tests.workflow.house import ALICE, VM01, House


def calls_of_a_good_run(folder: Path) -> list[str]:
    house = House(folder)
    watch = CrashAt(10**9)
    house.watch(watch)
    house.ask()
    house.dispatch()
    planned = len(watch.told)
    house.engine.run_all()
    return watch.told[planned:]


def crash_points(folder: Path) -> list[int]:
    return list(range(len(calls_of_a_good_run(folder))))


@pytest.mark.slow
@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.long)])
def test_a_death_at_any_call_ends_in_one_whole_recovery_point_and_nothing_left(tmp_path: Path, every: int) -> None:
    points = crash_points(tmp_path)
    assert len(points) > 40
    for nth in points[::every]:
        folder = tmp_path / str(nth)
        folder.mkdir()
        die_and_go_on(folder, nth)


def die_and_go_on(folder: Path, nth: int) -> None:
    house = House(folder)
    transaction = house.ask()
    house.dispatch()
    house.watch(CrashAt(nth))
    with pytest.raises(Crash) as death:
        house.engine.run_all()
    house.watch(lambda _call: None)
    house.engine.run_all()
    where = f"died at call {nth}, {death.value}"
    assert house.read(transaction.id).state is State.SUCCEEDED, where
    assert house.left() == [], where
    objects = house.targets["s3"].objects
    key = f"{transaction.id}/manifest.json"
    assert key in objects, where
    for path, content in VM01.items():
        if not path.endswith(".vswp"):
            found = [body for name, body in objects.items() if name.endswith("/" + path)]
            assert found == [content], where
    size = sum(len(content) for path, content in VM01.items() if not path.endswith(".vswp"))
    assert house.read(transaction.id).bytes.sent >= size, where
    with house.db.read() as unit:
        assert unit.audit.verify().broken_at is None, where
        ends = [row for row in unit.audit.list(transaction_id=transaction.id) if row.action == "outcome"]
    assert len(ends) == 1, where
    house.db.close()


def test_a_stop_asked_for_while_the_process_is_dead_is_heard_by_the_next(tmp_path: Path) -> None:
    house = House(tmp_path)
    transaction = house.ask()
    house.dispatch()
    house.watch(CrashAt(20))
    with pytest.raises(Crash):
        house.engine.run_all()
    house.watch(lambda _call: None)
    house.service.stop(transaction.id, ALICE, request_key="stop")
    house.engine.run_all()
    assert house.read(transaction.id).state is State.STOPPED
    assert house.left() == []
