"""Changes that need nothing read: each a statement of its own, prepared once, and safe to repeat.

They go to the driver as they are. By way of the library each would cost twice the CPU, commit and all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ClauseElement, bindparam, delete, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import insert

from bot.model import PartDone, ResourceKind, StoredFile
from bot.store.rows import FileRow, PartRow, ResourceRow, Table


@dataclass(frozen=True, slots=True)
class Change:
    """A statement in SQL, and what goes into it by name."""

    statement: str
    values: Mapping[str, Any]


def part(tx_id: str, target: str, key: str, part: PartDone) -> Change:
    """A store has this part; one of that number is replaced."""
    return Change(
        _PART,
        {
            "transaction_id": tx_id,
            "target": target,
            "key": key,
            "number": part.number,
            "offset": part.offset,
            "length": part.length,
            "etag": part.etag,
            "crc64": f"{part.crc64:016x}",
            "source": part.source.value,
        },
    )


def file(tx_id: str, target: str, file: StoredFile) -> Change:
    """A store has this file; one of that key is replaced."""
    return Change(
        _FILE,
        {
            "transaction_id": tx_id,
            "target": target,
            "key": file.key,
            "path": file.path,
            "name": file.name,
            "size": file.size,
            "crc64": f"{file.crc64:016x}",
            "etag": file.etag,
            "digests": file.digests,
        },
    )


def released(tx_id: str, kind: ResourceKind, system: str, name: str, at: datetime) -> Change:
    """A thing is gone or is to stay, if it was promised to be cleaned up."""
    return Change(_RELEASED, {"of": tx_id, "a": kind.value, "on": system, "named": name, "at": _written(at)})


def forgotten(tx_id: str, kind: ResourceKind, system: str, name: str) -> Change:
    """A thing of which there are many is gone, and nobody will ask for it: the ledger needs no row of it."""
    return Change(_FORGOTTEN, {"of": tx_id, "a": kind.value, "on": system, "named": name})


def _put(row: type[Table]) -> str:
    """Keep a row; one of that primary key is replaced."""
    table = Table.metadata.tables[str(row.__tablename__)]
    new = insert(table)
    others = {column.name: new.excluded[column.name] for column in table.columns if not column.primary_key}
    return _sql(new.on_conflict_do_update(index_elements=list(table.primary_key), set_=others))


def _sql(statement: ClauseElement) -> str:
    return str(statement.compile(dialect=_DIALECT))


def _written(at: datetime) -> str:
    """As SQLAlchemy writes a time into SQLite, since it reads it again."""
    return f"{at:%Y-%m-%d %H:%M:%S.%f}"


_DIALECT = sqlite.dialect(paramstyle="named")
_PART, _FILE = _put(PartRow), _put(FileRow)
_RESOURCES = Table.metadata.tables[str(ResourceRow.__tablename__)].c
_OF_ONE = (
    _RESOURCES.transaction_id == bindparam("of"),
    _RESOURCES.kind == bindparam("a"),
    _RESOURCES.system == bindparam("on"),
    _RESOURCES.name == bindparam("named"),
)
_RELEASED = _sql(
    update(_RESOURCES.name.table).where(*_OF_ONE, _RESOURCES.released_at.is_(None)).values(released_at=bindparam("at"))
)
_FORGOTTEN = _sql(delete(_RESOURCES.name.table).where(*_OF_ONE))
