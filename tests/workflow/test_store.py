"""The database file: a busy one is told in time, and a reader sees one state."""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.errors import BusyError, OperatorError
from bot.store import Database
from tests.workflow.stored import asked, kept, opened


@pytest.fixture(scope="module", autouse=True)
def quick_databases() -> None:
    """Here they are made and written as in production."""


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with opened(tmp_path) as db:
        yield db


def test_a_locked_file_is_told_within_the_wait_and_nothing_was_started(db: Database) -> None:
    other = sqlite3.connect(db.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(BusyError, match="nothing was started"), db.unit(wait_s=0.05) as u:
        u.transactions.insert(asked())
    with db.read() as u:
        assert u.transactions.list() == ()
    other.execute("ROLLBACK")
    other.close()
    kept(db, asked())


def test_a_writer_of_the_same_process_is_waited_for_and_then_told(db: Database) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with db.unit():
            begun.set()
            go_on.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert begun.wait(60)
    with pytest.raises(BusyError), db.unit(wait_s=0.05):
        pass
    go_on.set()
    kept(db, asked())
    thread.join()


def test_a_reader_sees_one_state_while_somebody_writes(db: Database) -> None:
    kept(db, asked())
    with db.read() as before:
        assert len(before.transactions.list()) == 1
        kept(db, asked("20261123T120001Z-bbbbbb"))
        assert len(before.transactions.list()) == 1
    with db.read() as after:
        assert len(after.transactions.list()) == 2


def test_writing_while_reading_is_refused(db: Database) -> None:
    with pytest.raises(OperatorError, match="readonly"), db.read() as u:
        u.settings.put("a", "b")


def test_the_file_is_opened_as_it_must_be(db: Database) -> None:
    with db.unit() as u:
        connection = u.settings._session.connection()
        facts = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert 4000 < facts.pop("busy_timeout") <= 5000
    assert facts == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_a_file_that_is_not_there_is_told_and_not_made(tmp_path: Path) -> None:
    db = Database.open(tmp_path / "nothing.db", audit_key=None)

    with pytest.raises(OperatorError, match="cannot be opened"), db.read():
        pass
    with pytest.raises(OperatorError, match="cannot be opened"), db.unit():
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("no database at all, only some words in a row, long enough for a header " * 20)

    with pytest.raises(OperatorError, match="not a database"):
        Database.migrate(tmp_path / "x.db")
    with pytest.raises(OperatorError, match="not a database"):
        Database.open(tmp_path / "x.db", audit_key=None).ready()
