"""Rows of several threads share one commit: each is durable when its caller goes on, and what fails is its own."""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from bot import crossings
from bot.errors import BusyError
from bot.model import PartDone, Resource, ResourceKind, StoredFile
from bot.store import Database, change
from tests.e2e.waiting import until
from tests.memory import Crash
from tests.workflow.stored import ID, NOON, asked, kept, opened

KEY = "x/disk"


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with opened(tmp_path) as db:
        kept(db, asked())
        yield db


def part(number: int, etag: str = "e") -> PartDone:
    return PartDone(number=number, offset=number << 24, length=1 << 24, etag=etag, crc64=2**64 - number)


def file(name: str, etag: str = "e") -> StoredFile:
    return StoredFile(path=f"/tintri/{name}", name=name, key=f"x/{name}", size=3, crc64=2**64 - 1, etag=etag)


def numbers(db: Database) -> set[int]:
    """As another process sees it, which is what survives this one."""
    with closing(sqlite3.connect(db.path)) as other:
        return {number for (number,) in other.execute("SELECT number FROM parts")}


def at_each_commit(monkeypatch: pytest.MonkeyPatch, then: Callable[[int], None]) -> None:
    """Call it before each, with how many it is."""
    told: list[str] = []

    def cross(point: str) -> None:
        if point == "database.commit:before":
            told.append(point)
            then(len(told))

    monkeypatch.setattr(crossings, "cross", cross)


def test_what_is_kept_reads_as_if_it_were_put_in_a_unit(db: Database) -> None:
    db.keep([change.part(ID, "s3", KEY, part(1)), change.file(ID, "s3", file("a"))])
    db.keep([change.part(ID, "s3", KEY, part(1, "new")), change.file(ID, "s3", file("a", "new"))])
    with db.read() as unit:
        assert unit.parts.of(ID, "s3", KEY) == {1: part(1, "new")}
        assert unit.files.of(ID, "s3") == (file("a", "new"),)


def test_a_promise_is_released_once_and_one_that_there_is_not_is_nothing(db: Database) -> None:
    upload = (ID, ResourceKind.UPLOAD, "s3", KEY)
    with db.unit() as unit:
        unit.ledger.register(Resource(transaction_id=ID, kind=ResourceKind.UPLOAD, system="s3", name=KEY))
    db.keep([change.released(*upload, NOON)])
    db.keep([change.released(*upload, NOON), change.released(ID, ResourceKind.UPLOAD, "s3", "other", NOON)])
    with db.read() as unit:
        assert unit.ledger.get(*upload) is None
        assert unit.ledger.open(ID) == ()


def test_a_time_stands_there_as_if_a_unit_had_written_it(db: Database) -> None:
    kinds = (ResourceKind.CLONE, ResourceKind.SNAPSHOT)
    with db.unit() as unit:
        for kind in kinds:
            unit.ledger.register(Resource(transaction_id=ID, kind=kind, system="vmstore", name=ID))
        unit.ledger.release(ID, ResourceKind.CLONE, "vmstore", ID)
    with closing(sqlite3.connect(db.path)) as other:
        (by_unit,) = other.execute("SELECT released_at FROM resources WHERE kind = 'clone'").fetchone()
        db.keep([change.released(ID, ResourceKind.SNAPSHOT, "vmstore", ID, datetime.fromisoformat(by_unit))])
        (by_change,) = other.execute("SELECT released_at FROM resources WHERE kind = 'snapshot'").fetchone()
    assert by_change == by_unit


def held(db: Database, works: Sequence[Callable[[], None]]) -> list[BaseException | None]:
    """Have them done by threads that all wait for their turn at the same time; gives what each raised."""
    ends: list[BaseException | None] = [None] * len(works)

    def run(at: int) -> None:
        try:
            works[at]()
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            ends[at] = error

    threads = [threading.Thread(target=run, args=(at,)) for at in range(len(works))]
    with db.unit():
        for thread in threads:
            thread.start()
        until(lambda: len(db._batch._waiting) == len(works), "all of them wait")
    for thread in threads:
        thread.join()
    return ends


def keeping(db: Database, number: int, transaction: str = ID) -> Callable[[], None]:
    def keep() -> None:
        db.keep([change.part(transaction, "s3", KEY, part(number))])
        assert number in numbers(db)

    return keep


def test_those_who_come_at_the_same_time_share_one_commit(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    at_each_commit(monkeypatch, told.append)
    ends = held(db, [keeping(db, number) for number in range(1, 9)])
    assert ends == [None] * 8
    assert numbers(db) == set(range(1, 9))
    assert told == [1, 2]  # of the one that kept them waiting, and theirs


def test_one_that_cannot_be_kept_is_told_alone_and_the_others_are_kept(db: Database) -> None:
    ends = held(db, [keeping(db, 1), keeping(db, 2, "no such transaction"), keeping(db, 3), keeping(db, 4)])
    assert [type(end) for end in ends] == [type(None), type(ends[1]), type(None), type(None)]
    assert "FOREIGN KEY" in str(ends[1])
    assert numbers(db) == {1, 3, 4}


def test_nothing_of_one_that_fails_is_kept(db: Database) -> None:
    both = [change.part(ID, "s3", KEY, part(1)), change.part("no such transaction", "s3", KEY, part(2))]
    with pytest.raises(Exception, match="FOREIGN KEY"):
        db.keep(both)
    assert numbers(db) == set()


def test_whoever_dies_while_it_keeps_for_all_takes_nobody_along(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(commit: int) -> None:
        if commit == 2:  # after that of the one that kept them waiting
            raise Crash("commit")

    at_each_commit(monkeypatch, die)
    ends = held(db, [keeping(db, number) for number in (1, 2, 3)])
    assert sorted(type(end).__name__ for end in ends) == ["Crash", "NoneType", "NoneType"]
    assert len(numbers(db)) == 2


def test_a_busy_database_is_told_to_everybody_who_waits(tmp_path: Path, db: Database) -> None:
    impatient = Database.open(db.path, audit_key=None, busy_timeout_s=0.05)
    with closing(sqlite3.connect(db.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(BusyError):
            impatient.keep([change.part(ID, "s3", KEY, part(1))])
        assert impatient._batch._waiting == []
        other.execute("ROLLBACK")
    impatient.keep([change.part(ID, "s3", KEY, part(1))])
    assert numbers(db) == {1}
    impatient.close()
