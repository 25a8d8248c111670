"""The audit's chain is whole, and every kind of tampering is found."""

import sqlite3
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC
from pathlib import Path

import pytest

from bot.errors import ConfigError
from bot.model import Actor, AuditEvent, AuditVerdict
from bot.store import Database, decode_audit_key, load_audit_key

KEY = b"k" * 32
ALICE = Actor(id="U1", name="alice", source="slack")
TRIGGERS = ("audit_never_changed", "audit_never_removed", "audit_only_added")


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    path = tmp_path / "cloudy.db"
    Database.migrate(path)
    db = Database.open(path, audit_key=KEY)
    yield db
    db.close()


def event(key: str, transaction_id: str = "t") -> AuditEvent:
    return AuditEvent(
        key=key, action="step", actor=ALICE, transaction_id=transaction_id, body={"n": key, "ü": (1, 0.1)}
    )


def append(db: Database, *keys: str) -> None:
    for key in keys:
        with db.unit() as u:
            u.audit.append(event(key))


def verdict(db: Database) -> AuditVerdict:
    with db.read() as u:
        return u.audit.verify()


def tamper(db: Database, *statements: str, triggers: bool = False) -> None:
    with closing(sqlite3.connect(db.path)) as raw, raw:
        for name in () if triggers else TRIGGERS:
            raw.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            raw.execute(statement)


def test_rows_are_numbered_from_one_and_linked(db: Database) -> None:
    append(db, "a", "b", "c")

    with db.read() as u:
        rows = u.audit.list()
        assert [(row.seq, row.key) for row in rows] == [(1, "a"), (2, "b"), (3, "c")]
        assert [row.prev for row in rows] == ["", rows[0].hash, rows[1].hash]
        assert (rows[0].body, rows[0].actor_name, rows[0].at.tzinfo) == ({"n": "a", "ü": [1, 0.1]}, "alice", UTC)
        assert u.audit.head() == (3, rows[2].hash)
    assert verdict(db) == AuditVerdict(rows=3, broken_at=None, why="Every row is as it was written.")


def test_an_empty_audit_is_whole(db: Database) -> None:
    assert verdict(db).broken_at is None
    with db.read() as u:
        assert u.audit.head() == (0, "")


def test_the_same_event_is_kept_once(db: Database) -> None:
    append(db, "a", "b", "a")

    assert verdict(db).rows == 2


def test_the_last_rows_of_one_transaction_are_listed_oldest_first(db: Database) -> None:
    with db.unit() as u:
        for n in range(6):
            u.audit.append(event(str(n), "even" if n % 2 == 0 else "odd"))
        assert [row.key for row in u.audit.list(transaction_id="even", limit=2)] == ["2", "4"]


def test_the_chain_is_whole_under_eight_threads(db: Database) -> None:
    def write(thread: int) -> None:
        append(db, *(f"{thread}:{n}" for n in range(15)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))

    assert verdict(db) == AuditVerdict(rows=120, broken_at=None, why="Every row is as it was written.")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET action = 'x' WHERE seq = 2",
        "UPDATE OR REPLACE audit SET seq = 1 WHERE seq = 2",
        "DELETE FROM audit WHERE seq = 3",
        "INSERT OR REPLACE INTO audit SELECT 2, at, 'new', action, actor_id, actor_name, source, transaction_id, body,"
        " prev, hash FROM audit WHERE seq = 2",
        "INSERT OR REPLACE INTO audit SELECT 4, at, key, action, actor_id, actor_name, source, transaction_id, body,"
        " prev, hash FROM audit WHERE seq = 2",
        "INSERT INTO audit SELECT 9, at, 'new', action, actor_id, actor_name, source, transaction_id, body,"
        " prev, hash FROM audit WHERE seq = 2",
    ],
)
def test_triggers_refuse_everything_but_a_new_row_at_the_end(db: Database, statement: str) -> None:
    append(db, "a", "b", "c")

    with pytest.raises(sqlite3.IntegrityError, match="audit rows are"):
        tamper(db, statement, triggers=True)
    assert verdict(db) == AuditVerdict(rows=3, broken_at=None, why="Every row is as it was written.")


@pytest.mark.parametrize(
    "column", ["at", "key", "action", "actor_id", "actor_name", "source", "transaction_id", "body", "hash"]
)
def test_a_change_of_any_column_is_found_where_it_is(db: Database, column: str) -> None:
    append(db, "a", "b", "c")
    new = {"at": "2020-01-01 00:00:00.000000", "body": '{"n": "x"}'}.get(column, "x")

    tamper(db, f"UPDATE audit SET {column} = '{new}' WHERE seq = 2")

    found = verdict(db)
    assert (found.broken_at, found.judged) == (2, True)
    assert "Row 2 was changed" in found.why


@pytest.mark.parametrize(
    ("statements", "broken_at", "why"),
    [
        (["DELETE FROM audit WHERE seq = 2"], 2, "Row 2 is missing"),
        (["DELETE FROM audit WHERE seq = 1"], 1, "Row 1 is missing"),
        (["UPDATE audit SET prev = 'x' WHERE seq = 3"], 3, "Row 3 does not follow"),
        (["UPDATE audit SET hash = '' WHERE seq = 3"], 3, "Row 3 was written without"),
        (
            [
                "UPDATE audit SET seq = 9 WHERE seq = 2",
                "UPDATE audit SET seq = 2 WHERE seq = 3",
                "UPDATE audit SET seq = 3 WHERE seq = 9",
            ],
            2,
            "Row 2 does not follow",
        ),
        (
            ["DELETE FROM audit WHERE seq = 2", "UPDATE audit SET seq = seq - 1 WHERE seq > 2"],
            2,
            "Row 2 does not follow",
        ),
    ],
)
def test_a_removed_moved_or_cut_row_is_found(db: Database, statements: list[str], broken_at: int, why: str) -> None:
    append(db, "a", "b", "c", "d")

    tamper(db, *statements)

    found = verdict(db)
    assert found.broken_at == broken_at
    assert why in found.why


def test_without_the_key_rows_are_written_but_nothing_is_judged(db: Database) -> None:
    keyless = Database.open(db.path, audit_key=None)
    append(keyless, "a", "b")

    with keyless.read() as u:
        assert [row.hash for row in u.audit.list()] == ["", ""]
    found = verdict(keyless)
    assert (found.rows, found.broken_at, found.judged) == (2, None, False)
    assert "CLOUDY_AUDIT_KEY" in found.why
    assert verdict(db).broken_at == 1
    keyless.close()


def test_with_another_key_nothing_is_judged(db: Database) -> None:
    append(db, "a")
    other = Database.open(db.path, audit_key=b"o" * 32)

    found = verdict(other)
    assert (found.rows, found.broken_at, found.judged) == (1, None, False)
    assert "first audit.key" in found.why
    other.close()


def test_another_key_is_found_out_even_if_its_mark_was_removed(db: Database) -> None:
    append(db, "a")
    tamper(db, "DELETE FROM settings")
    other = Database.open(db.path, audit_key=b"o" * 32)

    assert verdict(other).broken_at == 1
    other.close()


def test_the_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "audit.key"
    assert load_audit_key(path, create=False) is None

    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: load_audit_key(path, create=True), range(8)))

    (key,) = keys
    assert key is not None
    assert len(key) == 32
    assert load_audit_key(path, create=False) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["audit.key"]


@pytest.mark.parametrize("text", ["", "zz", "ab" * 31, "schlüssel"])
def test_a_key_that_is_none_is_told_without_being_shown(tmp_path: Path, text: str) -> None:
    path = tmp_path / "audit.key"
    path.write_text(text)

    with pytest.raises(ConfigError, match="64 hex digits") as caught:
        load_audit_key(path, create=True)
    assert str(path) in caught.value.problems[0]
    assert not text or text not in caught.value.problems[0]


def test_a_key_from_the_environment_is_decoded() -> None:
    assert decode_audit_key("ab" * 32) == b"\xab" * 32
