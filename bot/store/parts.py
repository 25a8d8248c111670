"""The part ledger: which parts of which object a store has, so that an upload goes on where it ended."""

from sqlalchemy import Integer, case, distinct, func, literal_column
from sqlmodel import Session, col, delete, select

from bot.ids import SEGMENTS
from bot.model import Carried, PartDone, PartSource
from bot.store.rows import PartRow

SLICE = 5_000  # rows that are removed at once: some 20 ms, and others may write in between


class Parts:
    """Parts by transaction, target, key and number."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def of(self, tx_id: str, target: str, key: str) -> dict[int, PartDone]:
        """Give the parts by number, in order."""
        rows = self._session.exec(
            select(PartRow)
            .where(PartRow.transaction_id == tx_id, PartRow.target == target, PartRow.key == key)
            .order_by(col(PartRow.number))
        )
        return {row.number: _part(row) for row in rows}

    def arrived(self, tx_id: str, target: str) -> Carried:
        """Sum the bytes up; a segment's count where they came from, not once more as the part that it became."""
        query = (
            select(PartRow.source, func.sum(PartRow.length))
            .where(PartRow.transaction_id == tx_id, PartRow.target == target)
            .group_by(col(PartRow.source))
        )
        by = {source: int(length) for source, length in self._session.exec(query)}
        sent, copied, zero = (by.get(each.value, 0) for each in (PartSource.UPLOAD, PartSource.COPY, PartSource.ZERO))
        return Carried(sent=sent, copied=copied, zero=zero)

    def tally(self, tx_id: str, target: str) -> tuple[int, int, int]:
        """Count the parts of a transaction in a target, the objects that they are of, and those that were temporary."""
        key = col(PartRow.key)
        temporary = case((key.startswith(SEGMENTS), key))
        query = select(func.count(), func.count(distinct(key)), func.count(distinct(temporary))).where(
            col(PartRow.transaction_id) == tx_id, col(PartRow.target) == target
        )
        parts, objects, those = self._session.execute(query).one()
        return int(parts), int(objects), int(those)

    def forget(self, tx_id: str, target: str, key: str) -> None:
        """Remove all parts of an object from the ledger; repeating is safe."""
        self._session.exec(
            delete(PartRow).where(
                col(PartRow.transaction_id) == tx_id, col(PartRow.target) == target, col(PartRow.key) == key
            )
        )

    def forget_some(self, tx_id: str, target: str) -> bool:
        """Remove as many of them as nobody has to wait for; True: there may be more. Repeating is safe."""
        some = (
            select(literal_column("rowid", Integer))
            .select_from(PartRow)
            .where(PartRow.transaction_id == tx_id, PartRow.target == target)
            .limit(SLICE)
        )
        gone = self._session.execute(delete(PartRow).where(literal_column("rowid").in_(some)))
        return int(getattr(gone, "rowcount", 0)) == SLICE


def _part(row: PartRow) -> PartDone:
    return PartDone(
        number=row.number,
        offset=row.offset,
        length=row.length,
        etag=row.etag,
        crc64=int(row.crc64, 16),
        source=PartSource(row.source),
    )
