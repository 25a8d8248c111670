"""A copy of the database is put back, and nothing else of the machine is left: docs/operating.md, "Put a copy back"."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bot.model import State
from bot.rebuilding import rebuild
from bot.store import Database
from tests.memory import Crash, CrashAt
from tests.workflow.house import VM01, House, MemoryEngine
from tests.workflow.test_crashes import crash_points


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("every", [30, pytest.param(1, marks=pytest.mark.long)])
def test_what_was_protected_since_the_copy_was_made_stays_whole(tmp_path: Path, every: int) -> None:
    for nth in crash_points(tmp_path)[::every]:
        folder = tmp_path / str(nth)
        folder.mkdir()
        copy_end_and_put_back(folder, nth)


def copy_end_and_put_back(folder: Path, nth: int) -> None:
    house = House(folder)
    transaction = house.ask()
    house.dispatch()
    house.watch(CrashAt(nth))
    with pytest.raises(Crash) as moment:
        house.engine.run_all()
    house.watch(lambda _call: None)
    copy = copied(folder / "cloudy.db")
    house.engine.run_all()
    assert house.read(transaction.id).state is State.SUCCEEDED

    put_back(house, copy)
    house.dispatch()
    house.engine.run_all()
    where = f"copied at call {nth}, {moment.value}"
    assert house.read(transaction.id).state in (State.SUCCEEDED, State.FAILED), where
    store = house.targets["s3"]
    assert f"{transaction.id}/manifest.json" in store.objects, where
    for path, content in VM01.items():
        if not path.endswith(".vswp"):
            assert [body for name, body in store.objects.items() if name.endswith("/" + path)] == [content], where
    assert [left for left in house.left() if not left.startswith("ledger ")] == [], where
    rebuild(house.db, store)
    with house.db.read() as unit:
        assert [point.transaction_id for point in unit.points.all()] == [transaction.id], where
        assert unit.audit.verify().broken_at is None, where
    house.db.close()


def copied(database: Path) -> Path:
    """As the page says, while Cloudy has it open."""
    copy = database.with_name("copy.db")
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("VACUUM INTO ?", (str(copy),))
    return copy


def put_back(house: House, copy: Path) -> None:
    """The database is the copy, and the engine knows nothing."""
    house.db.close()
    for file in copy.parent.glob("cloudy.db*"):
        file.unlink()
    house.db = Database.open(copy.rename(copy.with_name("cloudy.db")), audit_key=b"k" * 32, clock=house.clock)
    house.engine = MemoryEngine(house)
