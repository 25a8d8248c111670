"""The catalogue made again from a target alone: every manifest there is a recovery point, whoever made it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from bot import manifest
from bot.errors import IntegrityError, MissingError, OperatorError, TransientError
from bot.lenient import is_there
from bot.manifest import Manifest
from bot.model import RecoveryPoint
from bot.orphans import IDS_BEGIN, prefix_of
from bot.ports import ObjectStore
from bot.store import Database, Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """What a target has, and what became of it."""

    target: str
    added: tuple[RecoveryPoint, ...] = ()  # the catalogue did not have them
    known: tuple[RecoveryPoint, ...] = ()
    unread: tuple[tuple[str, str], ...] = ()  # (transaction id, why): damaged, of a later format, denied, archived
    lost: tuple[str, ...] = ()  # transaction ids that the catalogue has there, and the target has not
    going: tuple[str, ...] = ()  # transaction ids that are being deleted, or went meanwhile: they are not put back

    def foreign(self, installation: str) -> tuple[RecoveryPoint, ...]:
        """Those that another installation made."""
        return tuple(each for each in (*self.added, *self.known) if each.installation not in ("", installation))


def rebuild(db: Database, store: ObjectStore, on_found: Callable[[int], None] = lambda _count: None) -> Rebuilt:
    """Read every manifest of a target and keep it in the catalogue. Nothing is removed there. Repeating is safe.

    on_found: told how many manifests were read. TransientError: the target does not answer. PermanentError: it
    cannot be listed.
    """
    added: list[RecoveryPoint] = []
    known: list[RecoveryPoint] = []
    unread: list[tuple[str, str]] = []
    going: list[str] = []
    for count, prefix in enumerate(_prefixes(store), 1):
        try:
            point = _point(store.name, written := _read(store, prefix))
        except MissingError:  # deleted since it was listed
            continue
        except TransientError:
            raise
        except (IntegrityError, OperatorError) as error:
            unread.append((prefix, error.message))
            continue
        kept = _keep(db, store, point, written)
        if kept is None:
            going.append(prefix)
        else:
            (known if kept else added).append(point)
        on_found(count)
    there = {point.transaction_id for point in (*added, *known)} | {prefix for prefix, _ in unread}
    with db.read() as unit:
        lost = [each.transaction_id for each in unit.points.of_target(store.name) if each.transaction_id not in there]
    return Rebuilt(
        target=store.name,
        added=tuple(added),
        known=tuple(known),
        unread=tuple(unread),
        lost=tuple(sorted(lost)),
        going=tuple(going),
    )


def _prefixes(store: ObjectStore) -> Iterator[str]:
    for found in store.list(IDS_BEGIN):
        prefix = prefix_of(found.key)
        if prefix and found.key == manifest.key(prefix):
            yield prefix


def _read(store: ObjectStore, prefix: str) -> Manifest:
    written = manifest.decode(store.get(manifest.key(prefix)))
    if written.transaction_id != prefix:
        raise IntegrityError(f"It is the manifest of {written.transaction_id}.")
    return written


def _point(target: str, written: Manifest) -> RecoveryPoint:
    return RecoveryPoint(
        transaction_id=written.transaction_id,
        target=target,
        vm_uuid=written.vm.uuid,
        vm_name=written.vm.name,
        manifest_key=manifest.key(written.transaction_id),
        taken_at=written.taken_at,
        consistency=written.consistency,
        size=written.size,
        origin=written.vm.origin,
        vmstore=written.vm.vmstore,
        installation=written.installation,
        keep_for=written.keep_for,
    )


def _keep(db: Database, store: ObjectStore, point: RecoveryPoint, written: Manifest) -> bool | None:
    """Whether it was known before; None: it is being deleted, and is not put back.

    A delete may come between the reading and the keeping, also another installation's. So what is new is looked for
    once more when it is kept: a delete that begins after that finds it in the catalogue.
    """
    with db.unit() as unit:
        known = unit.points.get(point.transaction_id, point.target)
        is_known = known is not None
        if not is_known and point.transaction_id in unit.transactions.going():
            return None
        seen = replace(point, locked_until=known.locked_until, tier=known.tier) if known else point
        _put(unit, seen, written)
    if is_known:
        return True
    is_kept = False
    try:
        is_kept = is_there(store, point.manifest_key)
    finally:  # also where it could not be looked for: the next rebuild finds it
        if not is_kept:
            with db.unit() as unit:
                unit.points.forget(point.transaction_id, point.target)
                unit.files.forget(point.transaction_id, point.target)
    return False if is_kept else None


def _put(unit: Unit, point: RecoveryPoint, written: Manifest) -> None:
    unit.points.put(point)
    for file in written.files:
        unit.files.put(point.transaction_id, point.target, file)
