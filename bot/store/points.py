"""The catalogue: recovery points, a cache of the manifests."""

from collections.abc import Collection, Iterator
from heapq import nsmallest

from sqlalchemy import func, not_, or_
from sqlmodel import Session, col, delete, select

from bot.model import RecoveryPoint, Tier
from bot.store.rows import InventoryRow, PointRow, TransactionRow

_MOST_RELATED = 1000


class Points:
    """Recovery points by transaction and target."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def put(self, point: RecoveryPoint) -> None:
        """Keep a recovery point; one of that transaction and target is replaced."""
        self._session.merge(
            PointRow(
                transaction_id=point.transaction_id,
                target=point.target,
                vm_uuid=point.vm_uuid,
                vm_name=point.vm_name,
                manifest_key=point.manifest_key,
                taken_at=point.taken_at,
                consistency=point.consistency,
                size=point.size,
                origin=point.origin,
                vmstore=point.vmstore,
                installation=point.installation,
                locked_until=point.locked_until,
                keep_for=point.keep_for,
                tier=point.tier or "",
            )
        )
        self._session.flush()

    def get(self, tx_id: str, target: str) -> RecoveryPoint | None:
        """Give the recovery point, None if the catalogue has none."""
        row = self._session.get(PointRow, (tx_id, target))
        return point_of(row) if row else None

    def of_vm(self, vm_uuid: str) -> tuple[RecoveryPoint, ...]:
        """Give the recovery points of a VM, newest first."""
        rows = self._session.exec(
            select(PointRow)
            .where(PointRow.vm_uuid == vm_uuid)
            .order_by(col(PointRow.taken_at).desc(), col(PointRow.transaction_id).desc(), col(PointRow.target))
        )
        return tuple(point_of(row) for row in rows)

    def named(self, text: str) -> tuple[RecoveryPoint, ...]:
        """Give those of all VMs of exactly that name or uuid, newest first."""
        rows = self._session.exec(
            select(PointRow)
            .where((col(PointRow.vm_name) == text) | (col(PointRow.vm_uuid) == text))
            .order_by(col(PointRow.taken_at).desc(), col(PointRow.transaction_id).desc(), col(PointRow.target))
        )
        return tuple(point_of(row) for row in rows)

    def containing(self, part: str) -> tuple[RecoveryPoint, ...]:
        """Give those whose transaction id has that part, in any case, newest first; a whole id is looked up at once."""
        if whole := self._session.exec(select(PointRow).where(PointRow.transaction_id == part)).all():
            return tuple(point_of(row) for row in sorted(whole, key=lambda row: row.target))
        rows = self._session.exec(
            select(PointRow)
            .where(func.lower(PointRow.transaction_id).contains(part.lower(), autoescape=True))
            .order_by(col(PointRow.transaction_id).desc(), col(PointRow.target))
            .limit(_MOST_RELATED)
        )
        return tuple(point_of(row) for row in rows)

    def of_target(self, target: str) -> tuple[RecoveryPoint, ...]:
        """Give those in a target, oldest first."""
        rows = self._session.exec(
            select(PointRow).where(PointRow.target == target).order_by(col(PointRow.transaction_id))
        )
        return tuple(point_of(row) for row in rows)

    def all(self) -> tuple[RecoveryPoint, ...]:
        """Give all, oldest first."""
        rows = self._session.exec(select(PointRow).order_by(col(PointRow.taken_at), col(PointRow.transaction_id)))
        return tuple(point_of(row) for row in rows)

    def count(self, uuids: Collection[str] | None = None) -> int:
        """Count those of these VMs; None: of all."""
        query = select(func.count()).select_from(PointRow)
        if uuids is not None:
            query = query.where(col(PointRow.vm_uuid).in_(uuids))
        return self._session.exec(query).one()

    def count_in(self, target: str) -> int:
        """Count those in a target."""
        return self._session.exec(select(func.count()).select_from(PointRow).where(PointRow.target == target)).one()

    def places(self) -> frozenset[tuple[str, str]]:
        """Give all by target and transaction."""
        rows = self._session.execute(select(PointRow.target, PointRow.transaction_id))
        return frozenset((target, tx_id) for target, tx_id in rows)

    def foreign(self, installation: str) -> frozenset[tuple[str, str]]:
        """Give those that another installation made, by transaction and target.

        One that does not say who made it is this installation's only if its transaction is.
        """
        made = col(PointRow.installation)
        is_known = col(PointRow.transaction_id).in_(select(TransactionRow.id))
        rows = self._session.exec(
            select(PointRow.transaction_id, PointRow.target).where(
                made != installation, or_(made != "", not_(is_known))
            )
        )
        return frozenset((tx_id, target) for tx_id, target in rows)

    def names(self) -> tuple[str, ...]:
        """Give the names of all VMs that have any."""
        return tuple(self._session.exec(select(PointRow.vm_name).distinct().order_by(col(PointRow.vm_name))))

    def newest_by_vm(self, text: str, limit: int) -> tuple[RecoveryPoint, ...]:
        """Give the newest one of each VM that has the text in its name, or had, in any case.

        The same name first, then beginnings, then parts; a point that is in several targets is given once.
        """
        wanted = text.strip().casefold()
        best: dict[str, tuple[int, str]] = {}
        for uuid, name in self._called(wanted):
            place = (_rank(name, wanted), name)
            best[uuid] = min(best.get(uuid, place), place)
        found = nsmallest(limit, best, key=lambda uuid: (best[uuid], uuid))
        newest = self._newest(found)
        return tuple(newest[uuid] for uuid in found)

    def _called(self, wanted: str) -> Iterator[tuple[str, str]]:
        """VMs by uuid, and each of their names that has the text, in lower case; read from an index alone."""
        had = self._session.execute(
            select(PointRow.vm_uuid, PointRow.vm_name).group_by(col(PointRow.vm_name), col(PointRow.vm_uuid))
        ).all()
        yield from ((uuid, name.casefold()) for uuid, name in had if wanted in name.casefold())
        kept = {uuid for uuid, _ in had}
        folded = col(InventoryRow.folded)
        have = self._session.execute(
            select(InventoryRow.vm_uuid, folded).where(folded.contains(wanted, autoescape=True))
        )
        yield from ((uuid, name) for uuid, name in have if uuid in kept)

    def _newest(self, uuids: Collection[str]) -> dict[str, RecoveryPoint]:
        """By VM."""
        order = (col(PointRow.taken_at).desc(), col(PointRow.transaction_id).desc(), col(PointRow.target))
        number = func.row_number().over(partition_by=col(PointRow.vm_uuid), order_by=order).label("number")
        one = (
            select(PointRow.transaction_id, PointRow.target, number).where(col(PointRow.vm_uuid).in_(uuids)).subquery()
        )
        rows = self._session.exec(
            select(PointRow)
            .join(one, (col(PointRow.transaction_id) == one.c.transaction_id) & (col(PointRow.target) == one.c.target))
            .where(one.c.number == 1)
        )
        return {row.vm_uuid: point_of(row) for row in rows}

    def vms(self) -> tuple[tuple[str, str], ...]:
        """Give all VMs that have any, by uuid and the name that each had last."""
        rows = self._session.execute(
            select(PointRow.vm_uuid, PointRow.vm_name, func.max(PointRow.taken_at)).group_by(PointRow.vm_uuid)
        )
        return tuple((uuid, name) for uuid, name, _at in rows)

    def related(self, vm_name: str, origin: str) -> tuple[RecoveryPoint, ...]:
        """Give those of the VM that one was cloned from, then of other clones of it and of its own, newest first."""
        names = [name for name in (vm_name, origin) if name]
        rows = self._session.exec(
            select(PointRow)
            .where((col(PointRow.vm_name) == origin) | col(PointRow.origin).in_(names))
            .order_by(col(PointRow.vm_name) != origin, col(PointRow.taken_at).desc())
            .limit(_MOST_RELATED)
        )
        return tuple(point_of(row) for row in rows)

    def forget(self, tx_id: str, target: str) -> None:
        """Remove it from the catalogue; repeating is safe."""
        self._session.exec(
            delete(PointRow).where(col(PointRow.transaction_id) == tx_id, col(PointRow.target) == target)
        )


def _rank(name: str, wanted: str) -> int:
    return 0 if name == wanted else 1 if name.startswith(wanted) else 2


def point_of(row: PointRow) -> RecoveryPoint:
    """A row as a noun."""
    return RecoveryPoint(
        transaction_id=row.transaction_id,
        target=row.target,
        vm_uuid=row.vm_uuid,
        vm_name=row.vm_name,
        manifest_key=row.manifest_key,
        taken_at=row.taken_at,
        consistency=row.consistency,
        size=row.size,
        origin=row.origin,
        vmstore=row.vmstore,
        installation=row.installation,
        locked_until=row.locked_until,
        keep_for=row.keep_for,
        tier=Tier(row.tier) if row.tier else None,
    )
