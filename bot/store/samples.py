"""The index of grains: in which objects of a target a grain lies, for a choice of the grains of the newest objects."""

from collections import Counter
from collections.abc import Collection, Sequence

from sqlalchemy import insert, text
from sqlmodel import Session, col, delete, select

from bot.model import RecoveryPoint, Sample, StoredFile
from bot.store.files import file_of
from bot.store.rows import FileRow, PointRow, SampledRow, SampleRow

_MOST_HITS, _MOST_OBJECTS = 1024, 16  # of one answer
_IN_TARGET = text("+sampled_objects.target = :asked")  # the plus: no index, else all of the target were looked through

_OF_FILE = (
    (col(FileRow.transaction_id) == col(SampledRow.transaction_id))
    & (col(FileRow.target) == col(SampledRow.target))
    & (col(FileRow.key) == col(SampledRow.key))
)
_OF_POINT = (col(PointRow.transaction_id) == col(SampledRow.transaction_id)) & (
    col(PointRow.target) == col(SampledRow.target)
)


class Samples:
    """Samples by target and object. Only objects of recovery points are found."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def put(self, tx_id: str, target: str, key: str, grain: int, samples: Collection[tuple[int, int]]) -> None:
        """Keep the samples of an object, as marks and positions; those that it had are replaced."""
        self._forget(SampledRow.transaction_id == tx_id, SampledRow.target == target, SampledRow.key == key)
        row = SampledRow(transaction_id=tx_id, target=target, key=key, grain=grain)
        self._session.add(row)
        self._session.flush()
        kept = {mark: position for mark, position in reversed(list(samples))}  # of grains that are alike the first one
        if kept:  # none of a file of zeros, and an insert of no rows would be one of an empty row
            self._session.execute(
                insert(SampleRow),
                [{"mark": mark, "object": row.id, "position": position} for mark, position in kept.items()],
            )

    def grain(self, target: str, size: int) -> int | None:
        """Give the grain of the newest object of that size, 0 where there is none; None: the target has no object."""
        if self._session.exec(select(SampledRow.id).where(SampledRow.target == target).limit(1)).first() is None:
            return None
        found = self._session.exec(
            select(SampledRow.grain)
            .join(FileRow, _OF_FILE)
            .where(SampledRow.target == target, FileRow.size == size)
            .order_by(col(SampledRow.id).desc())
            .limit(1)
        ).first()
        return found or 0

    def find(self, target: str, marks: Sequence[int]) -> tuple[Sample, ...]:
        """Where grains with these marks lie; the object that has the most of them first, the newest among equals."""
        hits = self._session.exec(
            select(SampleRow.object, SampleRow.mark, SampleRow.position)
            .join(SampledRow, col(SampledRow.id) == col(SampleRow.object))
            .join(PointRow, _OF_POINT)
            .where(col(SampleRow.mark).in_(marks), _IN_TARGET.bindparams(asked=target))
            .order_by(col(SampleRow.object).desc())
            .limit(_MOST_HITS)
        ).all()
        count = Counter(number for number, _, _ in hits)
        files = self._files([number for number, _ in count.most_common(_MOST_OBJECTS)])
        return tuple(
            Sample(point=files[number][0], file=files[number][1], mark=mark, position=position)
            for number, _ in count.most_common(_MOST_OBJECTS)
            if number in files
            for at, mark, position in hits
            if at == number
        )

    def _files(self, numbers: Sequence[int]) -> dict[int | None, tuple[str, StoredFile]]:
        """Transaction and file of these."""
        if not numbers:
            return {}
        rows = self._session.exec(
            select(SampledRow, FileRow)
            .join(FileRow, _OF_FILE)
            .where(col(SampledRow.id).in_(numbers), FileRow.digests != "")
        )
        return {row.id: (row.transaction_id, file_of(file)) for row, file in rows}

    def replace(self, point: RecoveryPoint) -> None:
        """Only the newest recovery point of a VM in a target is in the index: forget its others."""
        others = select(PointRow.transaction_id).where(
            PointRow.vm_uuid == point.vm_uuid, PointRow.transaction_id != point.transaction_id
        )
        self._forget(SampledRow.target == point.target, col(SampledRow.transaction_id).in_(others))

    def forget(self, tx_id: str, target: str) -> None:
        """Remove all of a transaction in a target; repeating is safe."""
        self._forget(SampledRow.transaction_id == tx_id, SampledRow.target == target)

    def _forget(self, *where: object) -> None:
        ids = select(SampledRow.id).where(*where)  # type: ignore[arg-type]
        self._session.exec(delete(SampleRow).where(col(SampleRow.object).in_(ids)))
        self._session.exec(delete(SampledRow).where(*where))  # type: ignore[arg-type]
