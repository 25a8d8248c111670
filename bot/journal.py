"""The database as the actions see it: clean-up ledger, part ledger, catalogue, each call a unit of its own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from threading import Lock
from typing import TypeVar

from bot import insist, proving
from bot.codec import decode, encode
from bot.errors import PermanentError
from bot.estimate import requests_of
from bot.losses import Loss, Losses
from bot.model import (
    AuditEvent,
    Carried,
    Json,
    PartDone,
    Proof,
    RecoveryPoint,
    Resource,
    ResourceKind,
    Sample,
    StoredFile,
    Upload,
)
from bot.original import unsettled
from bot.ports import Clock
from bot.store import Database, Unit, change
from bot.store.change import Change

T = TypeVar("T")


class _View:
    """The database for one transaction. A busy one is waited for: what is kept here must not be lost to it."""

    def __init__(self, db: Database, clock: Clock, transaction_id: str) -> None:
        self._db = db
        self._clock = clock
        self._id = transaction_id

    def _write(self, work: Callable[[Unit], T]) -> T:
        return insist.write(self._db, work, self._clock)

    def _keep(self, *changes: Change) -> None:
        insist.insist(lambda: self._db.keep(changes), self._clock)

    def _forget_parts(self, tx_id: str, target: str) -> None:
        """In slices, so that nobody has to wait long: a disk of 10 TiB has 650,000."""
        while self._write(lambda unit: unit.parts.forget_some(tx_id, target)):
            pass

    def _read(self, look: Callable[[Unit], T]) -> T:
        return insist.read(self._db, look, self._clock)


class DatabaseLedger(_View):
    """The clean-up ledger of one transaction (port: bot.actions.context.Ledger)."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        transaction_id: str,
        on_release: Callable[[Unit, Resource], None] = lambda _unit, _resource: None,
    ) -> None:
        """on_release: what else is written in the unit that notes that a thing is gone."""
        super().__init__(db, clock, transaction_id)
        self._on_release = on_release

    def register(self, kind: ResourceKind, system: str, name: str, **detail: object) -> bool:
        """See the port."""
        resource = Resource(transaction_id=self._id, kind=kind, system=system, name=name, detail=detail)

        def write(unit: Unit) -> bool:
            if kind is ResourceKind.ORIGINAL and (other := unit.ledger.unsettled(kind, system, name, but=self._id)):
                words = unsettled(str(detail.get("vm", name)), other)  # else what undoes that one would undo this
                raise PermanentError(words, system=system, operation="overwrite")
            return unit.ledger.register(resource)

        return self._write(write)

    def describe(self, kind: ResourceKind, system: str, name: str, **detail: object) -> None:
        """See the port."""
        self._write(lambda unit: unit.ledger.describe(self._id, kind, system, name, **detail))

    def overwriting(self, vmstore: str, vm_uuid: str) -> str:
        """See the port."""
        return self._read(lambda unit: unit.ledger.unsettled(ResourceKind.ORIGINAL, vmstore, vm_uuid, but=self._id))

    def open(self, kind: ResourceKind | None = None) -> tuple[Resource, ...]:
        """See the port."""
        found = self._read(lambda unit: unit.ledger.open(self._id))
        return tuple(resource for resource in found if kind is None or resource.kind is kind)

    def release(self, resource: Resource) -> None:
        """See the port."""

        def write(unit: Unit) -> None:
            unit.ledger.release(self._id, resource.kind, resource.system, resource.name)
            if resource.kind is ResourceKind.UPLOAD:
                unit.parts.forget(self._id, resource.system, resource.name)
            if resource.kind is ResourceKind.OBJECTS:
                unit.files.forget(resource.name, resource.system)
                unit.samples.forget(resource.name, resource.system)
            self._on_release(unit, resource)

        if resource.kind is ResourceKind.OBJECTS:
            self._forget_parts(resource.name, resource.system)
        self._forget_fetched(resource)
        self._write(write)

    def keep(self, resources: Sequence[Resource], what: Json) -> None:
        """See the port."""

        def write(unit: Unit) -> None:
            for resource in resources:
                unit.ledger.release(self._id, resource.kind, resource.system, resource.name)
            actor = unit.transactions.get(self._id).actor
            event = AuditEvent(
                key=f"{self._id}:kept", action="restore", actor=actor, transaction_id=self._id, body=what
            )
            unit.audit.append(event)

        for resource in resources:
            self._forget_fetched(resource)
        self._write(write)

    def keep_snapshots(self, vmstore: str, newest: int) -> tuple[Resource, ...]:
        """See the port."""

        def write(unit: Unit) -> tuple[Resource, ...]:
            made = unit.transactions.get(self._id)
            if not any(unit.points.get(self._id, name) for name in made.targets):
                return ()
            return unit.ledger.keep_snapshots(self._id, made.vm_uuid, vmstore, newest)

        return self._write(write)

    def _forget_fetched(self, resource: Resource) -> None:
        """What bot/landing.py noted of a folder's files."""
        if resource.kind is ResourceKind.FOLDER:
            self._forget_parts(self._id, f"restore:{resource.detail.get('source', '')}")


class DatabaseCatalogue(_View):
    """Recovery points of one transaction (port: bot.actions.context.Catalogue)."""

    def commit(self, point: RecoveryPoint, files: Sequence[StoredFile]) -> None:
        """See the port."""

        def write(unit: Unit) -> bool:
            unit.points.put(point)
            for file in files:
                unit.files.put(self._id, point.target, file)
            self._count(unit, point.target, files)
            unit.samples.replace(point)
            unit.ledger.release(self._id, ResourceKind.OBJECTS, point.target, self._id)
            return unit.parts.forget_some(self._id, point.target)

        if self._write(write):
            self._forget_parts(self._id, point.target)

    def _count(self, unit: Unit, target: str, files: Sequence[StoredFile]) -> None:
        """Keep how many requests it took, for the estimates of later runs; told again, the first count stays."""
        transaction = unit.transactions.find(self._id)
        counted: Json = transaction.plan.get("requests", {}) if transaction else {}
        if transaction is None or target in counted:
            return
        parts, objects, temporary = unit.parts.tally(self._id, target)
        digests = sum(bool(file.digests) for file in files)
        has_base = bool(transaction.plan.get("bases", {}).get(target))
        made = requests_of(parts, objects, len(files), digests, temporary=temporary, has_base=has_base)
        unit.transactions.update(self._id, plan=transaction.plan | {"requests": counted | {target: encode(made)}})

    def withdraw(self, point: str, target: str) -> None:
        """See the port."""

        def write(unit: Unit) -> None:
            unit.points.forget(point, target)
            unit.samples.forget(point, target)

        self._write(write)

    def locked(self, point: str, target: str, until: datetime | None) -> None:
        """See the port."""

        def write(unit: Unit) -> None:
            if known := unit.points.get(point, target):
                unit.points.put(replace(known, locked_until=until))

        self._write(write)

    def found(self, proof: Proof) -> None:
        """See the port."""
        self._write(lambda unit: proving.keep(unit, unit.transactions.get(self._id), proof))

    def stands(self, point: str, target: str) -> None:
        """See the port."""
        self._write(lambda unit: unit.ledger.release(self._id, ResourceKind.OBJECTS, target, point))


class DatabaseIndex(_View):
    """In which objects a grain lies (port: bot.bases.Index)."""

    def grain(self, target: str, size: int) -> int | None:
        """See the port."""
        return self._read(lambda unit: unit.samples.grain(target, size))

    def find(self, target: str, marks: Sequence[int]) -> tuple[Sample, ...]:
        """See the port."""
        return self._read(lambda unit: unit.samples.find(target, marks))

    def pin(self, target: str, point: str) -> bool:
        """Written into the plan: a run that goes on after a crash begins with what it copied from before."""

        def write(unit: Unit) -> bool:
            if point in unit.transactions.going():
                return False
            plan = unit.transactions.get(self._id).plan
            others = plan.get("others", {})
            known = others.get(target, [])
            if point not in known:
                unit.transactions.update(self._id, plan=plan | {"others": others | {target: [*known, point]}})
            return True

        return self._write(write)

    def unpin(self, target: str, point: str) -> None:
        """Taken out of the plan again."""

        def write(unit: Unit) -> None:
            plan = unit.transactions.get(self._id).plan
            others: Json = plan.get("others", {})
            left = others | {target: [each for each in others.get(target, ()) if each != point]}
            kept = {name: points for name, points in left.items() if points}
            rest = {name: said for name, said in plan.items() if name != "others"}
            unit.transactions.update(self._id, plan=rest | ({"others": kept} if kept else {}))

        self._write(write)


class DatabaseJournal(_View):
    """Which parts have arrived, so that a killed upload goes on where it was (port: bot.desk.Journal).

    One for each attempt of a step: what is asked for each file is read once, since nobody else changes it meanwhile.
    """

    def __init__(self, db: Database, clock: Clock, transaction_id: str) -> None:
        super().__init__(db, clock, transaction_id)
        self._files: dict[str, dict[str, StoredFile]] = {}  # by target and key
        self._uploads: set[tuple[str, str]] | None = None  # target and key of those that were promised
        self._lock = Lock()

    def opening(self, target: str, key: str, url: str) -> None:
        """Promise the abort, before the upload is begun."""
        kind = ResourceKind.UPLOAD
        resource = Resource(transaction_id=self._id, kind=kind, system=target, name=key, detail={"url": url})
        self._write(lambda unit: unit.ledger.register(resource))
        self._promised().add((target, key))

    def opened(self, target: str, key: str, upload: Upload) -> None:
        """Keep the id that the store gave."""
        kind, upload_id = ResourceKind.UPLOAD, upload.upload_id
        self._write(lambda unit: unit.ledger.describe(self._id, kind, target, key, upload_id=upload_id))

    def temporary(self, target: str, key: str, url: str) -> None:
        """Promise the removal, before the object is begun."""
        kind = ResourceKind.OBJECT
        resource = Resource(transaction_id=self._id, kind=kind, system=target, name=key, detail={"url": url})
        self._write(lambda unit: unit.ledger.register(resource))

    def removed(self, target: str, key: str) -> None:
        """Nothing of it is to be cleaned up any more. A large disk has thousands: no row of them stays."""
        kinds = (ResourceKind.UPLOAD, ResourceKind.OBJECT)
        self._keep(*(change.forgotten(self._id, kind, target, key) for kind in kinds))
        self._promised().discard((target, key))

    def may_be_open(self, target: str, key: str) -> bool:
        """Whether the promise of an upload stands, also of one whose id was never told."""
        return (target, key) in self._promised()

    def forget(self, target: str, key: str) -> None:
        """Its parts are not there any more."""
        self._write(lambda unit: unit.parts.forget(self._id, target, key))

    def upload(self, target: str, key: str) -> Upload | None:
        """The upload that was begun for this object, if its id is known."""
        resource = self._read(lambda unit: unit.ledger.get(self._id, ResourceKind.UPLOAD, target, key))
        upload_id = str(resource.detail.get("upload_id", "")) if resource else ""
        return Upload(key=key, upload_id=upload_id) if upload_id else None

    def parts(self, target: str, key: str) -> dict[int, PartDone]:
        """Parts that had arrived."""
        return self._read(lambda unit: unit.parts.of(self._id, target, key))

    def arrived(self, target: str) -> Carried:
        """The bytes of all parts that had arrived."""
        return self._read(lambda unit: unit.parts.arrived(self._id, target))

    def record(self, target: str, key: str, part: PartDone) -> None:
        """A part has arrived."""
        self._keep(change.part(self._id, target, key, part))

    def sampled(self, target: str, key: str, grain: int, samples: Sequence[tuple[int, int]]) -> None:
        """Known to the index from when the recovery point stands."""
        self._write(lambda unit: unit.samples.put(self._id, target, key, grain, samples))

    def stored(self, target: str, file: StoredFile) -> None:
        """The object is whole; its upload needs no abort any more."""
        promised, place = self._promised(), (target, file.key)
        self._keep(change.file(self._id, target, file), *([self._released(*place)] if place in promised else []))
        promised.discard(place)
        self._stored(target)[file.key] = file

    def settled(self, target: str, key: str) -> None:
        """The object is whole and belongs to no file of the transaction; its upload needs no abort any more."""
        self._keep(self._released(target, key))
        self._promised().discard((target, key))

    def _released(self, target: str, key: str) -> Change:
        return change.released(self._id, ResourceKind.UPLOAD, target, key, self._clock.now())

    def is_stored(self, target: str, key: str) -> StoredFile | None:
        """The object, if it was whole before."""
        return self._stored(target).get(key)

    def lost(self, target: str, key: str, loss: Loss) -> None:
        """Written into the plan, which a run that goes on later has."""
        self._write(lambda unit: self._keep_losses(unit, target, key, lambda known: known.plus(loss)))

    def turned(self, target: str, key: str, turn: int) -> None:
        """See the port."""

        def write(unit: Unit) -> None:
            unit.parts.forget(self._id, target, key)
            self._keep_losses(unit, target, key, lambda known: replace(known, begun=turn))

        self._write(write)

    def losses(self, target: str) -> Mapping[str, Losses]:
        """See the port."""
        found = self._read(lambda unit: unit.transactions.find(self._id))
        kept: Json = found.plan.get("losses", {}).get(target, {}) if found else {}
        return {key: decode(Losses, each) for key, each in kept.items()}

    def _keep_losses(self, unit: Unit, target: str, key: str, alter: Callable[[Losses], Losses]) -> None:
        plan = unit.transactions.get(self._id).plan
        everywhere: Json = plan.get("losses", {})
        here: Json = everywhere.get(target, {})
        known = decode(Losses, here.get(key, {}))
        if (changed := alter(known)) != known:
            everywhere = everywhere | {target: here | {key: encode(changed)}}
            unit.transactions.update(self._id, plan=plan | {"losses": everywhere})

    def _stored(self, target: str) -> dict[str, StoredFile]:
        with self._lock:
            if target not in self._files:
                found = self._read(lambda unit: unit.files.of(self._id, target))
                self._files[target] = {file.key: file for file in found}
            return self._files[target]

    def _promised(self) -> set[tuple[str, str]]:
        with self._lock:
            if self._uploads is None:
                found = self._read(lambda unit: unit.ledger.open(self._id))
                self._uploads = {(each.system, each.name) for each in found if each.kind is ResourceKind.UPLOAD}
            return self._uploads
