"""The database's version: models equal migrations, an old file is copied first, a newer one is refused in words."""

import logging
import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from bot.errors import BusyError, OperatorError
from bot.store import Database, schema
from bot.store.rows import Table

HEAD = schema._Scripts(schema.MIGRATIONS).head or ""
SECOND = '''"""A second version."""

from alembic import op
import sqlalchemy as sa

revision = "9999"
down_revision = "HEAD"


def upgrade() -> None:
    op.add_column("settings", sa.Column("note", sa.String(), nullable=True))
    if FAILS:
        op.execute("SELECT * FROM nowhere")
'''


@pytest.fixture(scope="module", autouse=True)
def quick_databases() -> None:
    """Here they are made and written as in production."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "cloudy.db"


def next_release(tmp_path: Path, *, fails: bool = False) -> Path:
    folder = tmp_path / "100% next"
    shutil.copytree(schema.MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "9999_second.py").write_text(SECOND.replace("FAILS", str(fails)).replace("HEAD", HEAD))
    return folder


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as raw:
        return raw.execute(query).fetchall()


def test_models_and_migrations_are_the_same(path: Path) -> None:
    Database.migrate(path)

    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Table.metadata) == []
    engine.dispose()


def test_indexes_are_as_the_models_say_also_where_alembic_does_not_look(path: Path) -> None:
    Database.migrate(path)

    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        Table.metadata.create_all(connection)
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name"
        assert rows(path, query) == [tuple(row) for row in connection.exec_driver_sql(query)]
    engine.dispose()


def test_migrating_again_changes_nothing_and_copies_nothing(path: Path) -> None:
    Database.migrate(path)
    Database.migrate(path)

    assert [each.name for each in path.parent.iterdir() if "before" in each.name] == []


def test_a_file_with_data_is_copied_before_it_changes(path: Path, tmp_path: Path) -> None:
    Database.migrate(path)
    db = Database.open(path, audit_key=None)
    with db.unit() as u:
        u.settings.put("installation", "x")

        # Not closed: the newest rows stand in the log beside the file.
    with db.unit() as u:
        u.settings.put("second", "y")
    schema.upgrade(path, next_release(tmp_path))
    db.close()

    copy = path.with_name("cloudy.db.before-9999")
    assert rows(copy, "SELECT name FROM settings ORDER BY name") == [("installation",), ("second",)]
    assert rows(copy, "SELECT version_num FROM alembic_version") == [(HEAD,)]
    assert rows(path, "SELECT name, note FROM settings ORDER BY name") == [("installation", None), ("second", None)]
    assert rows(path, "SELECT version_num FROM alembic_version") == [("9999",)]


def test_a_migration_that_fails_leaves_the_file_as_it_was(path: Path, tmp_path: Path) -> None:
    Database.migrate(path)

    with pytest.raises(Exception, match="no such table: nowhere"):
        schema.upgrade(path, next_release(tmp_path, fails=True))

    assert rows(path, "SELECT version_num FROM alembic_version") == [(HEAD,)]
    assert rows(path, "SELECT count(*) FROM pragma_table_info('settings')") == [(2,)]


def test_readiness_is_told_in_words(path: Path, tmp_path: Path) -> None:
    db = Database.open(path, audit_key=None)
    assert "no database" in (db.ready() or "")
    assert not path.parent.exists()

    Database.migrate(path)
    assert db.ready() is None
    assert "is older than this Cloudy" in (schema.obstacle(path, next_release(tmp_path)) or "")

    schema.upgrade(path, tmp_path / "100% next")
    assert "written by a newer Cloudy" in (db.ready() or "")


def test_a_newer_file_is_refused_and_left_alone(path: Path, tmp_path: Path) -> None:
    Database.migrate(path)
    schema.upgrade(path, next_release(tmp_path))

    with pytest.raises(OperatorError, match=r"written by a newer Cloudy .*9999"):
        Database.migrate(path)
    assert rows(path, "SELECT version_num FROM alembic_version") == [("9999",)]


def test_a_database_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("CREATE TABLE theirs (x)")

    with pytest.raises(OperatorError, match="not a database of Cloudy"):
        Database.migrate(path)
    assert "not a database of Cloudy" in (Database.open(path, audit_key=None).ready() or "")
    assert rows(path, "SELECT name FROM sqlite_master") == [("theirs",)]


def test_an_empty_file_becomes_a_database(tmp_path: Path) -> None:
    path = tmp_path / "empty.db"
    path.touch()

    Database.migrate(path)

    assert Database.open(path, audit_key=None).ready() is None


def test_migrating_says_nothing_and_leaves_logging_alone(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    handlers = list(logging.getLogger().handlers)
    with caplog.at_level(logging.INFO):
        Database.migrate(path)

    assert [record for record in caplog.records if record.thread == threading.get_ident()] == []
    assert logging.getLogger().handlers == handlers


def test_only_busy_errors_are_called_busy(path: Path) -> None:
    Database.migrate(path)
    db = Database.open(path, audit_key=None)
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("DROP TABLE settings")

    with pytest.raises(Exception, match="no such table") as caught, db.unit() as u:
        u.settings.get("x")
    assert not isinstance(caught.value, BusyError)
    db.close()
