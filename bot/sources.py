"""Where the files of a restore come from: the snapshot that the VMstore still has, or a target that has all of them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from bot import lenient, ways
from bot.actions.points import read_manifest
from bot.cold import Cold, cold
from bot.errors import (
    ArchivedError,
    CloudyError,
    IntegrityError,
    PermanentError,
    RequesterError,
    TransientError,
)
from bot.manifest import Manifest
from bot.model import ObjectInfo, Transaction
from bot.placing import safe_places
from bot.ports import ObjectStore, Systems, VMstore
from bot.recall import look, recall
from bot.retry import Patience, retrying
from bot.settling import zeros_of
from bot.ways import SNAPSHOT, TARGET, Way, Wish

_WINDOW = 64 << 20  # bytes: no grain is longer
_MOST_DIGESTS = 512 << 30  # bytes of a VM whose digests are looked through; of a larger one its size is told
_SMALL = 4 << 20  # bytes of a file: what of it is zeros makes no difference
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What has all of it."""

    target: str  # that its manifest is read from
    written: Manifest
    way: Way
    data: int = 0  # bytes to fetch: that are no zeros, as far as is known
    is_exact: bool = True
    locked_until: datetime | None = None
    passed: tuple[str, ...] = ()  # why another target was not taken
    older: tuple[str, ...] = ()  # paths of files on the VMstore that may have some of it
    cold: Cold | None = None  # what must be brought back from an archive first


class Sources:
    """Reads only."""

    def __init__(self, systems: Systems, pause: Callable[[float], None], patience: Patience) -> None:
        self._systems = systems
        self._pause = pause
        self._patience = patience

    def manifest(self, transaction: Transaction) -> tuple[str, Manifest]:
        """The first target that gives it, and it. Raises the worst of what they said."""
        found, _passed = self._first(transaction, lambda name: self._manifest(name, transaction))
        return found

    def choose(self, transaction: Transaction, client: VMstore, vmstore: str, first: tuple[str, Manifest]) -> Source:
        """By what was asked for and what is there. first: as `manifest` gave it; client: logged in there.

        RequesterError: it cannot be via the snapshot. Else the worst of what the targets said.
        """
        target, written = first
        way = self._way(transaction, client, vmstore, written)
        if transaction.request.get("via") == SNAPSHOT and way.how != SNAPSHOT:
            raise RequesterError(f"It cannot be via the snapshot: {way.why}. Leave “via snapshot” out.")
        if way.how == SNAPSHOT:
            safe_places([file.name for file in written.files], is_for_windows=False)
            return Source(target=target, written=written, way=way)
        found, passed = self._first(
            transaction, lambda name: self._whole(name, transaction, way), lambda source: source.cold is not None
        )
        return replace(found, passed=passed)

    def _way(self, transaction: Transaction, client: VMstore, vmstore: str, written: Manifest) -> Way:
        if transaction.workflow != "restore":
            return Way(how=TARGET, why="what is in the target is to be proven")
        asked = transaction.request
        wish = Wish(via=asked.get("via", ""), target=asked.get("from", ""), vmstore=asked.get("to", ""))
        if chosen := ways.at_once(wish, written.vm.vmstore):
            return chosen
        taken = client.find_snapshots(written.transaction_id)
        is_there = any((one.uuid, one.vm_uuid) == (written.snapshot_uuid, written.vm.uuid) for one in taken)
        return ways.by_snapshot(vmstore, is_there=is_there)

    def _first(
        self, transaction: Transaction, ask: Callable[[str], T], is_late: Callable[[T], bool] = lambda _found: False
    ) -> tuple[T, tuple[str, ...]]:
        """What the first target gives that gives it, and why those before it did not. Raises the worst of it.

        is_late: whether another target goes before that one, wherever it stands.
        """
        passed: dict[str, CloudyError] = {}
        late: dict[str, T] = {}
        for name in transaction.targets:
            try:
                found = ask(name)
            except CloudyError as error:
                passed[name] = error
                continue
            if not is_late(found):
                return found, (*_told(passed), *(f"{other} is not taken: it lies in an archive" for other in late))
            late[name] = found
        for found in late.values():
            return found, _told(passed)
        kinds = (IntegrityError, ArchivedError, PermanentError, TransientError, CloudyError)
        raise next(error for kind in kinds for error in passed.values() if isinstance(error, kind))

    def _target(self, name: str) -> ObjectStore:
        return retrying(self._systems.target(name), self._pause, self._patience)

    def _manifest(self, name: str, transaction: Transaction) -> tuple[str, Manifest]:
        return name, read_manifest(self._target(name), str(transaction.request["point"]))[0]

    def _whole(self, name: str, transaction: Transaction, way: Way) -> Source:
        store, (_name, written) = self._target(name), self._manifest(name, transaction)
        safe_places([file.name for file in written.files], is_for_windows=False)  # where it goes is judged later
        may_be_archived = transaction.workflow == "restore"
        infos = [look(store, file, may_be_archived=may_be_archived) for file in written.files]
        locks = [info.locked_until for info in infos if info.locked_until]
        known = [_data(store, written, position) for position in range(len(written.files))]
        return Source(
            target=name,
            written=written,
            way=way,
            data=sum(data for data, _ in known),
            is_exact=all(is_exact for _, is_exact in known),
            locked_until=max(locks, default=None),
            cold=cold((*infos, *_digests(store, written))) if cold(infos) else None,
        )


def _digests(store: ObjectStore, written: Manifest) -> Iterator[ObjectInfo]:
    for file in written.files:
        if file.digests and (info := lenient.found(store, file.digests)):
            yield info


def _told(passed: Mapping[str, CloudyError]) -> tuple[str, ...]:
    return tuple(f"{target} is not taken: {error.message}" for target, error in passed.items())


def _data(store: ObjectStore, written: Manifest, position: int) -> tuple[int, bool]:
    """Bytes of a file that are no zeros; its size where nothing tells, or the telling would take long."""
    file = written.files[position]
    if not file.digests or written.size > _MOST_DIGESTS:
        return file.size, file.size <= _SMALL
    known, _why = recall(store, file, _WINDOW)
    if known is None:
        return file.size, False
    return sum(known.length(at) for at in range(len(known)) if not zeros_of(known, at)), True
