"""The clean-up ledger: each thing that a transaction may leave behind, written down before it is made."""

from sqlmodel import Session, col, select

from bot.errors import MissingError
from bot.model import Resource, ResourceKind
from bot.ports import Clock
from bot.store.rows import ResourceRow, TransactionRow

_STAYS = "stays"  # of a snapshot that is kept for a restore


class Ledger:
    """Resources by transaction, kind, system and name."""

    def __init__(self, session: Session, clock: Clock) -> None:
        self._session = session
        self._clock = clock

    def register(self, resource: Resource) -> bool:
        """Promise to clean up; True if the ledger never held it.

        An open one keeps what was described of it. A released one is opened again, with the detail given now.
        """
        row = self._row(resource.transaction_id, resource.kind, resource.system, resource.name)
        if row is None:
            self._save(_row(resource, self._clock))
            return True
        known = {} if row.released_at else row.detail
        row.detail = {**resource.detail, **known}
        row.released_at = None
        self._save(row)
        return False

    def describe(self, tx_id: str, kind: ResourceKind, system: str, name: str, **detail: object) -> None:
        """Add to the detail; same names are replaced. MissingError: it was never registered."""
        row = self._row(tx_id, kind, system, name)
        if row is None:
            raise MissingError(
                f"The clean-up ledger has no {kind.value} {name} of {tx_id}.", system="database", operation="describe"
            )
        row.detail = {**row.detail, **detail}
        self._save(row)

    def open(self, tx_id: str | None = None) -> tuple[Resource, ...]:
        """Give what is not released, of one transaction or of all, in order of registration."""
        query = select(ResourceRow).where(col(ResourceRow.released_at).is_(None)).order_by(col(ResourceRow.number))
        if tx_id is not None:
            query = query.where(ResourceRow.transaction_id == tx_id)
        return tuple(_resource(row) for row in self._session.exec(query))

    def unsettled(self, kind: ResourceKind, system: str, name: str, *, but: str) -> str:
        """Give the transaction that still has that thing open, other than `but`; "": none has."""
        found = (each for each in self.open() if (each.kind, each.system, each.name) == (kind, system, name))
        return next((each.transaction_id for each in found if each.transaction_id != but), "")

    def ever(self, kind: ResourceKind) -> frozenset[tuple[str, str]]:
        """Give (system, name) of all of a kind that were ever registered, released ones too."""
        query = select(ResourceRow.system, ResourceRow.name).where(ResourceRow.kind == kind.value)
        return frozenset((system, name) for system, name in self._session.exec(query))

    def get(self, tx_id: str, kind: ResourceKind, system: str, name: str) -> Resource | None:
        """Give it; None if it is not there or released."""
        row = self._row(tx_id, kind, system, name)
        return _resource(row) if row and row.released_at is None else None

    def release(self, tx_id: str, kind: ResourceKind, system: str, name: str) -> None:
        """Say that the thing is gone or is to stay; repeating is safe."""
        row = self._row(tx_id, kind, system, name)
        if row and row.released_at is None:
            row.released_at = self._clock.now()
            self._save(row)

    def keep_snapshots(self, tx_id: str, vm_uuid: str, system: str, newest: int) -> tuple[Resource, ...]:
        """Let this transaction's snapshots stay, if any do; of those that stayed of the VM only the newest do so still.

        The others are open again. Gives those of this transaction. Repeating is safe.
        """
        of_vm = select(TransactionRow.id).where(TransactionRow.vm_uuid == vm_uuid)
        query = (
            select(ResourceRow)
            .where(ResourceRow.kind == ResourceKind.SNAPSHOT.value, ResourceRow.system == system)
            .where(col(ResourceRow.transaction_id).in_(of_vm))
            .order_by(col(ResourceRow.number).desc())
        )
        own = [row for row in self._session.exec(query) if row.transaction_id == tx_id and row.released_at is None]
        for row in own if newest else ():
            row.detail, row.released_at = {**row.detail, _STAYS: True}, self._clock.now()
            self._save(row)
        for row in [row for row in self._session.exec(query) if row.released_at and row.detail.get(_STAYS)][newest:]:
            row.detail, row.released_at = {**row.detail, _STAYS: False}, None
            self._save(row)
        return tuple(_resource(row) for row in own if row.released_at)

    def stays(self) -> frozenset[tuple[str, str]]:
        """Give (system, name) of the snapshots that stay on purpose."""
        query = select(ResourceRow).where(
            ResourceRow.kind == ResourceKind.SNAPSHOT.value, col(ResourceRow.released_at).is_not(None)
        )
        return frozenset((row.system, row.name) for row in self._session.exec(query) if row.detail.get(_STAYS))

    def _row(self, tx_id: str, kind: ResourceKind, system: str, name: str) -> ResourceRow | None:
        return self._session.exec(
            select(ResourceRow).where(
                ResourceRow.transaction_id == tx_id,
                ResourceRow.kind == kind.value,
                ResourceRow.system == system,
                ResourceRow.name == name,
            )
        ).one_or_none()

    def _save(self, row: ResourceRow) -> None:
        self._session.add(row)
        self._session.flush()


def _row(resource: Resource, clock: Clock) -> ResourceRow:
    return ResourceRow(
        transaction_id=resource.transaction_id,
        kind=resource.kind.value,
        system=resource.system,
        name=resource.name,
        detail=dict(resource.detail),
        registered_at=clock.now(),
    )


def _resource(row: ResourceRow) -> Resource:
    return Resource(
        transaction_id=row.transaction_id,
        kind=ResourceKind(row.kind),
        system=row.system,
        name=row.name,
        detail=row.detail,
    )
