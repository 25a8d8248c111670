"""Looks at a SQLite file as it is, without opening it as Cloudy's or the engine's; a reader beside whoever writes."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from bot.errors import OperatorError

_MOST = 3  # flaws that are told


def integrity_of(path: Path) -> str:
    """What SQLite finds wrong with the whole file, or "ok". OperatorError: it cannot be read at all."""
    with _looking(path) as connection:
        found = connection.execute(f"PRAGMA integrity_check({_MOST})").fetchall()
    return "; ".join(str(row[0]) for row in found)


def journal_of(path: Path) -> str:
    """The file's journal mode, "wal" or another. OperatorError."""
    with _looking(path) as connection:
        return str(connection.execute("PRAGMA journal_mode").fetchone()[0])


@contextmanager
def _looking(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=5.0)) as connection:
            connection.execute("PRAGMA query_only=ON")
            yield connection
    except sqlite3.Error as error:
        raise OperatorError(f"{path} cannot be read: {error}.") from error
