"""The database file: how it is opened, how units of work begin and end, and what its errors mean to a person.

Sources: SQLite's write-ahead log and its PRAGMAs (sqlite.org/wal.html, sqlite.org/pragma.html); SQLAlchemy, SQLite
dialect, "Serializable isolation": the driver's own transaction control is off and BEGIN is ours, because the driver
would begin only at the first write and a unit that read first could then fail to become a writer.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import cast

from sqlalchemy import Connection, Engine, PoolProxiedConnection, create_engine, event, exc
from sqlalchemy.pool import QueuePool
from sqlmodel import Session

from bot import crossings
from bot.clock import SystemClock
from bot.errors import BusyError, CloudyError, DatabaseError, OperatorError
from bot.ports import Clock
from bot.store import schema
from bot.store.batch import Batch
from bot.store.change import Change
from bot.store.unit import Unit

_CLOCK = SystemClock()
# Each connection keeps its own pages: without a bound they grow with the file, up to 2 MB for each of dozens.
_CACHE = "cache_size=-256"  # KiB; the system's cache has the file besides
_WRITING = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", _CACHE)
_READING = ("query_only=ON", _CACHE)
_BEGIN = "BEGIN IMMEDIATE"
_READERS = 32
_KEPT = 8  # of them, when they are idle; so that a process has as many files open as it ever will at rest
_UNKEPT = "Nothing was kept of what was being done."
_CURES = {  # by SQLite's result codes (sqlite.org/rescode.html)
    "SQLITE_FULL": f"{_UNKEPT} Make room on its disk; what is under way then goes on.",
    "SQLITE_IOERR": f"{_UNKEPT} Look at its disk and at the kernel's log; what is under way goes on when it works.",
    "SQLITE_READONLY": f"{_UNKEPT} Make its disk, its folder and itself writable; what is under way then goes on.",
    "SQLITE_CORRUPT": "Stop Cloudy and put a copy in its place; without one see docs/when-the-database-is-lost.md.",
    "SQLITE_NOTADB": "Stop Cloudy and put a copy in its place; without one see docs/when-the-database-is-lost.md.",
}


class Database:
    """Cloudy's own database; may be used from many threads, each with units of its own."""

    def __init__(self, path: Path, *, audit_key: bytes | None, busy_timeout_s: float, clock: Clock) -> None:
        self.path = path
        self._audit_key = audit_key
        self._busy_timeout_s = busy_timeout_s
        self._clock = clock
        self._writing = threading.Lock()
        self._batch = Batch()
        self._writer = _engine(path, begin=_BEGIN, pragmas=_WRITING, kept=1, most=1)
        self._reader = _engine(path, begin="BEGIN", pragmas=_READING, kept=_KEPT, most=_READERS)

    @classmethod
    def open(
        cls, path: Path, *, audit_key: bytes | None, busy_timeout_s: float = 30.0, clock: Clock = _CLOCK
    ) -> "Database":
        """Get ready to use the file; it is neither made nor changed before the first unit."""
        return cls(path, audit_key=audit_key, busy_timeout_s=busy_timeout_s, clock=clock)

    @staticmethod
    def migrate(path: Path) -> None:
        """Make the file, or bring it to this version after copying it; repeating is safe.

        OperatorError: written by a newer Cloudy, or not Cloudy's. BusyError.
        """
        with _in_words(path):
            schema.upgrade(path)

    def ready(self) -> str | None:
        """Tell why the file cannot be used as it is (absent, older, newer); None: it can."""
        with _in_words(self.path):
            return schema.obstacle(self.path)

    def is_well(self) -> bool:
        """Whether it can be read now."""
        try:
            with self.read() as unit:
                unit.settings.get("installation")
        except CloudyError:
            return False
        return True

    def warm(self) -> None:
        """Open now what a long life at rest keeps open. BusyError, DatabaseError; repeating is safe."""
        with _in_words(self.path), ExitStack() as opened:
            for _ in range(_KEPT):
                opened.enter_context(self._reader.connect())

    def close(self) -> None:
        """Let go of the file; repeating is safe."""
        self._writer.dispose()
        self._reader.dispose()

    @contextmanager
    def unit(self, *, wait_s: float | None = None) -> Iterator[Unit]:
        """Read and write as one: kept at the end, undone on an exception.

        Waits for other writers at most wait_s (None: the database's busy_timeout_s), then BusyError. Units do not nest.
        """
        with self._turn(wait_s) as left_s, _in_words(self.path), self._writer.connect() as connection:
            _wait_at_most(connection.connection, left_s())
            with Session(connection, expire_on_commit=False) as session:
                session.connection()  # begins, so that the lock is held before anything is read
                yield Unit(session, self._clock, self._audit_key)
                crossings.cross("database.commit:before")
                session.commit()
                crossings.cross("database.commit:after")

    def keep(self, changes: Sequence[Change]) -> None:
        """Make changes that need nothing read, all or none; durable when it returns. Errors as of `unit`.

        Much cheaper than a unit, and those who call at the same time share one commit.
        """
        with self._batch.joined(changes) as mine, self._turn(None) as left_s:
            self._batch.keep(mine, partial(self._make, left_s))

    def _make(self, left_s: Callable[[], float], changes: Sequence[Change]) -> None:
        with _in_words(self.path), closing(self._writer.raw_connection()) as pooled:
            raw = _wait_at_most(pooled, left_s())
            raw.execute(_BEGIN)
            for change in changes:
                raw.execute(change.statement, change.values)
            crossings.cross("database.commit:before")
            raw.commit()
            crossings.cross("database.commit:after")

    @contextmanager
    def _turn(self, wait_s: float | None) -> Iterator[Callable[[], float]]:
        """Be the only writer of this process; gives how long others may be waited for then."""
        crossings.cross("database.unit:before")
        wait_s = self._busy_timeout_s if wait_s is None else wait_s
        deadline = time.monotonic() + wait_s
        # Writers of this process queue here: SQLite's own waiting is by chance and would starve some of them.
        if not self._writing.acquire(timeout=wait_s):
            raise BusyError
        try:
            yield lambda: deadline - time.monotonic()
        finally:
            self._writing.release()

    @contextmanager
    def read(self) -> Iterator[Unit]:
        """Read one state of everything, whoever writes meanwhile; writing in it fails."""
        crossings.cross("database.read:before")
        with _in_words(self.path), self._reader.connect() as connection:
            _wait_at_most(connection.connection, self._busy_timeout_s)
            with Session(connection, expire_on_commit=False) as session:
                yield Unit(session, self._clock, self._audit_key)
        crossings.cross("database.read:after")


def _engine(path: Path, *, begin: str, pragmas: tuple[str, ...], kept: int, most: int) -> Engine:
    uri = f"{path.absolute().as_uri()}?mode=rw"  # rw: a file that is not there is an error, not a new database

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(uri, uri=True, check_same_thread=False, isolation_level=None, timeout=30.0)
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
        return connection

    engine = create_engine(
        "sqlite://",
        creator=connect,
        poolclass=QueuePool,
        pool_size=kept,
        max_overflow=most - kept,
        pool_use_lifo=True,  # a few connections do nearly all the work, and only theirs grow a page cache
        hide_parameters=True,
    )

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _wait_at_most(pooled: PoolProxiedConnection, seconds: float) -> sqlite3.Connection:
    """Have it wait so long for other processes; gives the driver's own connection."""
    raw = cast(sqlite3.Connection, pooled.driver_connection)
    raw.execute(f"PRAGMA busy_timeout={max(0, round(seconds * 1000))}")
    return raw


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    """Turn what the driver says into an error for the person who must act; mistakes of ours pass as they are."""
    try:
        yield
    except exc.TimeoutError as error:
        raise BusyError from error
    except exc.DBAPIError as error:
        if isinstance(error.orig, sqlite3.Error):
            raise _worded(path, error.orig) or error from error
        raise
    except sqlite3.Error as error:
        raise _worded(path, error) or error from error


def _worded(path: Path, error: sqlite3.Error) -> OperatorError | None:
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return BusyError()
    if name.startswith("SQLITE_CANTOPEN"):
        return DatabaseError(f"The database {path} cannot be opened: look at its folder, its owner and its mode.")
    cure = next((cure for start, cure in _CURES.items() if name.startswith(start)), None)
    return DatabaseError(f"The database {path} cannot be used: {error}. {cure}") if cure else None
