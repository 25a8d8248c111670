"""The files of each transaction as they lie in a target."""

from collections.abc import Iterator

from sqlmodel import Session, col, delete, select

from bot.model import StoredFile
from bot.store import change
from bot.store.rows import FileRow


class Files:
    """Files by transaction, target and key."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def put(self, tx_id: str, target: str, file: StoredFile) -> None:
        """Keep a file; one of that key is replaced."""
        put = change.file(tx_id, target, file)
        self._session.connection().exec_driver_sql(put.statement, put.values)

    def of(self, tx_id: str, target: str) -> tuple[StoredFile, ...]:
        """Give the files in order of path."""
        rows = self._session.exec(
            select(FileRow).where(FileRow.transaction_id == tx_id, FileRow.target == target).order_by(col(FileRow.path))
        )
        return tuple(file_of(row) for row in rows)

    def every(self) -> Iterator[tuple[str, str, str, str]]:
        """Give (transaction, target, key, key of its digests or "") of all files of all transactions."""
        found = select(FileRow.transaction_id, FileRow.target, FileRow.key, FileRow.digests)
        return iter(self._session.exec(found))

    def forget(self, tx_id: str, target: str) -> None:
        """Remove all files of a transaction in a target; repeating is safe."""
        self._session.exec(delete(FileRow).where(col(FileRow.transaction_id) == tx_id, col(FileRow.target) == target))


def file_of(row: FileRow) -> StoredFile:
    """A row as a noun."""
    return StoredFile(
        path=row.path,
        name=row.name,
        key=row.key,
        size=row.size,
        crc64=int(row.crc64, 16),
        etag=row.etag,
        digests=row.digests,
    )
