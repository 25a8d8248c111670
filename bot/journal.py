"""The database as the actions see it: clean-up ledger, part ledger, catalogue, each call a unit of its own."""

from collections.abc import Sequence

from bot.model import PartDone, RecoveryPoint, Resource, ResourceKind, StoredFile, Upload
from bot.store import Database


class DatabaseLedger:
    """The clean-up ledger of one transaction (port: bot.actions.context.Ledger)."""

    def __init__(self, db: Database, transaction_id: str) -> None:
        self._db = db
        self._id = transaction_id

    def register(self, kind: ResourceKind, system: str, name: str) -> bool:
        """See the port."""
        with self._db.unit() as unit:
            return unit.ledger.register(Resource(transaction_id=self._id, kind=kind, system=system, name=name))

    def describe(self, kind: ResourceKind, system: str, name: str, **detail: object) -> None:
        """See the port."""
        with self._db.unit() as unit:
            unit.ledger.describe(self._id, kind, system, name, **detail)

    def open(self, kind: ResourceKind | None = None) -> tuple[Resource, ...]:
        """See the port."""
        with self._db.read() as unit:
            found = unit.ledger.open(self._id)
        return tuple(resource for resource in found if kind is None or resource.kind is kind)

    def release(self, resource: Resource) -> None:
        """See the port."""
        with self._db.unit() as unit:
            unit.ledger.release(self._id, resource.kind, resource.system, resource.name)


class DatabaseCatalogue:
    """Recovery points of one transaction (port: bot.actions.context.Catalogue)."""

    def __init__(self, db: Database, transaction_id: str) -> None:
        self._db = db
        self._id = transaction_id

    def commit(self, point: RecoveryPoint, files: Sequence[StoredFile]) -> None:
        """See the port."""
        with self._db.unit() as unit:
            unit.points.put(point)
            for file in files:
                unit.files.put(self._id, point.target, file)
            unit.ledger.release(self._id, ResourceKind.OBJECTS, point.target, self._id)


class DatabaseJournal:
    """Which parts have arrived, so that a killed upload goes on where it was (port: bot.transfer.Journal)."""

    def __init__(self, db: Database, transaction_id: str) -> None:
        self._db = db
        self._id = transaction_id

    def opening(self, target: str, key: str) -> None:
        """Promise the abort, before the upload is begun."""
        with self._db.unit() as unit:
            unit.ledger.register(Resource(transaction_id=self._id, kind=ResourceKind.UPLOAD, system=target, name=key))

    def opened(self, target: str, key: str, upload: Upload) -> None:
        """Keep the id that the store gave."""
        with self._db.unit() as unit:
            unit.ledger.describe(self._id, ResourceKind.UPLOAD, target, key, upload_id=upload.upload_id)

    def upload(self, target: str, key: str) -> Upload | None:
        """The upload that was begun for this object, if its id is known."""
        with self._db.read() as unit:
            resource = unit.ledger.get(self._id, ResourceKind.UPLOAD, target, key)
        upload_id = str(resource.detail.get("upload_id", "")) if resource else ""
        return Upload(key=key, upload_id=upload_id) if upload_id else None

    def parts(self, target: str, key: str) -> dict[int, PartDone]:
        """Parts that had arrived."""
        with self._db.read() as unit:
            return unit.parts.of(self._id, target, key)

    def record(self, target: str, key: str, part: PartDone) -> None:
        """A part has arrived."""
        with self._db.unit() as unit:
            unit.parts.put(self._id, target, key, part)

    def stored(self, target: str, file: StoredFile) -> None:
        """The object is whole; its upload needs no abort any more."""
        with self._db.unit() as unit:
            unit.files.put(self._id, target, file)
            unit.parts.forget(self._id, target, file.key)
            unit.ledger.release(self._id, ResourceKind.UPLOAD, target, file.key)

    def is_stored(self, target: str, key: str) -> StoredFile | None:
        """The object, if it was whole before."""
        with self._db.read() as unit:
            return next((file for file in unit.files.of(self._id, target) if file.key == key), None)
