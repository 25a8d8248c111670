"""The version of the database file: telling it, and bringing it up to date with Alembic."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.pool import NullPool

from bot.errors import OperatorError

MIGRATIONS = Path(__file__).with_name("migrations")


def upgrade(path: Path, migrations: Path = MIGRATIONS) -> None:
    """Make the file or bring it to the last version, all or nothing; a file with data is copied first.

    The copy is `<name>.before-<version>`. OperatorError: newer than this Cloudy, or not a database of Cloudy's.
    """
    logging.getLogger("alembic").setLevel(logging.WARNING)
    scripts = _Scripts(migrations)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and _revision(path) == scripts.head:
        return
    with _exclusive(path) as connection:
        revision = _revision(path)  # asked again: another process may have done it while this one waited
        if revision == scripts.head:
            return
        if revision is not None and revision not in scripts.known:
            raise OperatorError(_newer(path, revision))
        if _has_tables(path):
            if revision is None:
                raise OperatorError(f"{path} is not a database of Cloudy's: name another file in the configuration.")
            _copy(path, path.with_name(f"{path.name}.before-{scripts.head}"))
        scripts.upgrade(connection)


def obstacle(path: Path, migrations: Path = MIGRATIONS) -> str | None:
    """Tell why the file cannot be used without a migration or at all; None: it can. Changes nothing."""
    if not path.exists():
        return f"There is no database {path} yet: start Cloudy once (cloudy serve), or look at the configuration."
    scripts = _Scripts(migrations)
    revision = _revision(path)
    if revision == scripts.head:
        return None
    if revision is None and _has_tables(path):
        return f"{path} is not a database of Cloudy's: name another file in the configuration."
    if revision is None or revision in scripts.known:
        return f"{path} is older than this Cloudy: start it once (cloudy serve), it brings the file up to date."
    return _newer(path, revision)


class _Scripts:
    """The migrations in one folder."""

    def __init__(self, folder: Path) -> None:
        self._config = Config()
        self._config.set_main_option("script_location", str(folder).replace("%", "%%"))
        scripts = ScriptDirectory.from_config(self._config)
        self.head = scripts.get_current_head()
        self.known = {script.revision for script in scripts.walk_revisions()}

    def upgrade(self, connection: Connection) -> None:
        self._config.attributes["connection"] = connection
        command.upgrade(self._config, "head")


def _newer(path: Path, revision: str) -> str:
    return (
        f"{path} was written by a newer Cloudy (its version {revision} is unknown here): install that release again,"
        " or put the copy that it made before back in its place."
    )


@contextmanager
def _exclusive(path: Path) -> Iterator[Connection]:
    """The only writer. Foreign keys are off, as rebuilding a table needs it, and are checked before the end."""

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(path, isolation_level=None, timeout=30.0)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    with engine.begin() as connection:
        yield connection
        if connection.exec_driver_sql("PRAGMA foreign_key_check").first():
            raise OperatorError(f"{path} holds rows that belong to nothing; it was left as it was.")


@contextmanager
def _looking(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=30.0)) as connection:
        connection.execute("PRAGMA query_only=ON")
        yield connection


def _revision(path: Path) -> str | None:
    with _looking(path) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
            return None
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(found[0]) if found else None


def _has_tables(path: Path) -> bool:
    with _looking(path) as connection:
        return connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table'").fetchone() is not None


def _copy(path: Path, copy: Path) -> None:
    """Copy a file in use, whole: through SQLite, since the newest rows may stand in its log."""
    draft = copy.with_name(f".{copy.name}.draft")
    draft.unlink(missing_ok=True)
    draft.touch(path.stat().st_mode & 0o777)
    with _looking(path) as source, closing(sqlite3.connect(draft)) as destination:
        source.backup(destination)
    draft.replace(copy)
