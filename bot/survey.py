"""Looks on every VMstore, share and target for what carries Cloudy's label, and removes what is told to it.

What may be removed is decided elsewhere (bot/orphans.py); here it is only looked at again, so that nothing goes that
has become a recovery point or is being written.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from bot import manifest, orphans
from bot.errors import CloudyError, DeniedError, LockedError, MissingError, PermanentError, Stopped, TransientError
from bot.exchange import ASIDE
from bot.folders import used
from bot.lenient import is_there
from bot.model import ObjectInfo, StoredFile
from bot.mounted import check_mounted
from bot.orphans import Kind, Orphan
from bot.ports import Hypervisor, ObjectStore, Share, Systems, VMstore
from bot.retry import Patience, retrying
from bot.undoing import erase
from bot.watchdog import Watchdog

_MOST_NAMED = 3
PATIENCE = Patience(tries=3)  # who waits here is a person, or comes again in an hour


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is outside."""

    orphans: tuple[Orphan, ...] = ()
    used: frozenset[tuple[str, str]] = frozenset()  # directories of living VMs, as (VMstore, directory)
    beside: tuple[tuple[str, str, tuple[ObjectInfo, ...]], ...] = ()  # (target, prefix, objects) with a manifest
    unseen: tuple[tuple[str, str], ...] = ()  # systems that could not be looked at, with the reason


class Survey:
    """Everything that is configured. pause: waits between tries; it and check may raise Stopped."""

    def __init__(self, systems: Systems, pause: Callable[[float], None], check: Callable[[], None]) -> None:
        self._systems = systems
        self._pause = pause
        self._check = check
        self._watchdogs = {name: Watchdog() for name in systems.vmstore_names}

    def look(self) -> Seen:
        """Look at all; a system that does not answer does not keep the others from it."""
        found: list[Orphan] = []
        used: set[tuple[str, str]] = set()
        beside: list[tuple[str, str, tuple[ObjectInfo, ...]]] = []
        unseen: list[tuple[str, str]] = []
        for name, look in [
            *((name, self._vmstore) for name in self._systems.vmstore_names),
            *((name, self._registrations) for name in self._systems.vmstore_names),
            *((name, self._target) for name in self._systems.target_names),
        ]:
            try:
                seen = look(name)
            except Stopped:
                raise
            except CloudyError as error:
                unseen += [(name, error.message)] if (name, error.message) not in unseen else []
                continue
            found += seen.orphans
            used |= seen.used
            beside += seen.beside
        return Seen(orphans=tuple(found), used=frozenset(used), beside=tuple(beside), unseen=tuple(unseen))

    def _vmstore(self, name: str) -> Seen:
        share = self.share(name)
        with self._session(name) as session:
            snapshots = orphans.of_snapshots(name, session.list_snapshots(orphans.SNAPSHOT_WORDS))
            check_mounted(share, name, "share")
            entries = share.list("")
            directories = orphans.of_directories(name, entries, snapshots)
            living = frozenset((name, folder) for folder in used(session)) if directories else frozenset()
        sized = tuple(replace(each, size=_size(share, each.name)) for each in directories)
        return Seen(orphans=(*sized, *snapshots), used=living)

    def _registrations(self, name: str) -> Seen:
        """By name from the VMstore's list, and then by what the hypervisor says of each."""
        host = self.hypervisor(name)
        if host is None:
            return Seen()
        with self._session(name) as session:
            labels = {label for vm in session.list_vms() if (label := orphans.drill_of(vm.name))}
        found = [vm for label in sorted(labels) if (vm := host.registered(label)) is not None]
        return Seen(orphans=orphans.of_registrations(name, found))

    def _target(self, name: str) -> Seen:
        store = self._store(name)
        groups = orphans.by_prefix(store.list(orphans.IDS_BEGIN))
        whole = {prefix for prefix, group in groups.items() if manifest.key(prefix) in {each.key for each in group}}
        loose = tuple(
            orphans.of_objects(name, prefix, group, _makers(store, group))
            for prefix, group in groups.items()
            if prefix not in whole
        )
        uploads = orphans.of_uploads(name, store.list_uploads(orphans.IDS_BEGIN), loose, whole)
        helpers, opened = list(store.list(orphans.HELPERS)), store.list_uploads(orphans.HELPERS)
        makers = {each.key: _maker(store, each.key) for each in helpers if orphans.segment_of(each.key)}
        segments = orphans.of_segments(name, helpers, opened, makers)
        beside = tuple((name, prefix, tuple(groups[prefix])) for prefix in sorted(whole))
        return Seen(orphans=(*uploads, *loose, *segments, *orphans.of_probes(name, helpers, opened)), beside=beside)

    def named(self, target: str, point: str) -> frozenset[str] | None:
        """Keys of all that is of a recovery point, by its manifest; None: that cannot be read here."""
        try:
            written = manifest.decode(self._store(target).get(manifest.key(point)))
        except Stopped:
            raise
        except CloudyError:  # gone since, damaged, or of a newer format
            return None
        return frozenset({manifest.key(point), *keys_of(written.files)})

    def remove(self, orphan: Orphan) -> None:
        """Remove it; gone already is fine. PermanentError: it is to stay, for the reason told."""
        _REMOVE[orphan.kind](self, orphan)

    def _remove_snapshot(self, orphan: Orphan) -> None:
        with self._session(orphan.system) as session:
            session.delete_snapshot(orphan.snapshot_uuid)

    def _remove_directory(self, orphan: Orphan) -> None:
        is_restored = orphan.kind is Kind.FOLDER
        share = (self.restore_share if is_restored else self.cleanup_share)(orphan.system)
        if share is None and orphan.kind is Kind.SHARE_PROBE:  # that may have been made through the other one
            share = self.restore_share(orphan.system)
        if share is None and is_restored:
            raise _stays(orphan, "this VMstore has neither `restore_share` nor `cleanup_share`, a writable way to it")
        if share is None:
            raise _stays(orphan, 'this VMstore is configured with cleanup = "manual"')
        if orphan.kind in (Kind.CLONE, Kind.FOLDER):
            with self._session(orphan.system) as session:
                _check_unused(orphan, session)
        if not share.exists(orphan.name) and self.share(orphan.system).exists(orphan.name):
            way = self._systems.restore_setting(orphan.system) if is_restored else "cleanup_share"
            raise _stays(orphan, f"`{way}` does not show it, and `share` does: is the export mounted at both?")
        share.remove_tree(orphan.name)

    def _remove_objects(self, orphan: Orphan) -> None:
        store = self._store(orphan.system)
        if orphan.kind not in (Kind.PROBE, Kind.TEMPORARY) and is_there(store, manifest.key(orphan.transaction_id)):
            raise _stays(orphan, "a manifest stands there by now: it is a recovery point")
        for upload in orphan.uploads:
            store.abort_upload(upload)
        if orphan.kind is Kind.OBJECTS:
            _remove_versions(store, orphan)
            return
        remove = partial(erase, store) if orphan.kind is Kind.TEMPORARY else store.delete  # that one with its versions
        for key in orphan.keys:
            remove(key)

    def _remove_registration(self, orphan: Orphan) -> None:
        host = self.hypervisor(orphan.system)
        if host is None:
            raise _stays(orphan, "the configuration names no hypervisor for that VMstore any more")
        found = host.registered(orphan.transaction_id)
        if found is not None and found.name != orphan.name:
            raise _stays(orphan, f"the VM is called {found.name} by now")
        if found is not None:
            host.unregister(found.id)

    def by_hand(self, orphan: Orphan) -> str:
        """The way to remove it without Cloudy."""
        if orphan.kind is Kind.SNAPSHOT:
            return f"delete the snapshot {orphan.snapshot_uuid} in the VMstore's UI"
        if orphan.kind is Kind.REGISTRATION:
            return f"power the VM {orphan.name} off, and remove it from the hypervisor's list"
        if orphan.kind in (Kind.CLONE, Kind.SHARE_PROBE, Kind.FOLDER):
            export = self._systems.share(orphan.system).export.rstrip("/")
            aside = f", unless a VM's own files lie in it, in {ASIDE}" if orphan.kind is Kind.FOLDER else ""
            return f"rm -r '{export}/{orphan.name}' on a client that mounts the export writable{aside}"
        where = f"{self._systems.target(orphan.system).url}/{orphan.name}"
        if orphan.uploads and not orphan.keys and orphan.kind is not Kind.PROBE:
            return self._systems.target(orphan.system).by_hand(orphan.uploads[0], where)
        if orphan.kind is Kind.STRAY and len(orphan.keys) > 1:
            return f"look at {', '.join(orphan.keys[:_MOST_NAMED])} and others in {where}/; delete what nobody needs"
        if orphan.kind in (Kind.TEMPORARY, Kind.STRAY):
            return f"delete {where} with any tool for that store"
        return f"delete what lies under {where}/ with any tool for that store"

    @contextmanager
    def _session(self, name: str) -> Iterator[VMstore]:
        session = retrying(self._systems.open_vmstore(name), self._pause, PATIENCE)
        session.login()
        try:
            yield session
        finally:
            _log_out(session)

    def share(self, name: str) -> Share:
        """The share of a VMstore; a call that hangs ends in time, so that one frozen mount holds nothing else."""
        return self._watched(self._systems.share(name), name)

    def cleanup_share(self, name: str) -> Share | None:
        """The writable one, likewise."""
        share = self._systems.cleanup_share(name)
        return None if share is None else self._watched(share, name)

    def restore_share(self, name: str) -> Share | None:
        """The one that restores write through, likewise."""
        share = self._systems.restore_share(name)
        return None if share is None else self._watched(share, name)

    def hypervisor(self, name: str) -> Hypervisor | None:
        """What runs a VMstore's VMs."""
        found = self._systems.hypervisor_of(name)
        return None if found is None else retrying(found, self._pause, PATIENCE)

    def _watched(self, share: Share, vmstore: str) -> Share:
        return retrying(self._watchdogs[vmstore].watch(share, self._check), self._pause, PATIENCE)

    def _store(self, name: str) -> ObjectStore:
        return retrying(self._systems.target(name), self._pause, PATIENCE)


_REMOVE: dict[Kind, Callable[[Survey, Orphan], None]] = {
    Kind.UPLOAD: Survey._remove_objects,  # noqa: SLF001 - our own
    Kind.OBJECTS: Survey._remove_objects,  # noqa: SLF001
    Kind.TEMPORARY: Survey._remove_objects,  # noqa: SLF001
    Kind.PROBE: Survey._remove_objects,  # noqa: SLF001
    Kind.CLONE: Survey._remove_directory,  # noqa: SLF001
    Kind.SHARE_PROBE: Survey._remove_directory,  # noqa: SLF001
    Kind.FOLDER: Survey._remove_directory,  # noqa: SLF001
    Kind.REGISTRATION: Survey._remove_registration,  # noqa: SLF001
    Kind.SNAPSHOT: Survey._remove_snapshot,  # noqa: SLF001
}


def _check_unused(orphan: Orphan, session: VMstore) -> None:
    if session.open_clone_tasks():
        raise TransientError(
            f"{orphan.system} is making clones just now, perhaps into {orphan.name}; ask again when it has ended.",
            system=orphan.system,
            operation="remove clone",
        )
    if orphan.name in set(used(session)):
        raise _stays(orphan, "a living VM has its files there by now")


def _remove_versions(store: ObjectStore, orphan: Orphan) -> None:
    """Each object with every version. PermanentError: one is locked, until when; the others go all the same."""
    locked: list[LockedError] = []
    for key in orphan.keys:
        for version in [each for each in store.list_versions(key) if each.key == key]:
            try:
                store.erase(version)
            except LockedError as error:
                locked.append(error)
            except DeniedError:  # who may not remove versions hides them: the bucket's own rules remove them
                store.delete(key)
                break
    if locked:
        more = f" And {len(locked) - 1} more." if len(locked) > 1 else ""
        raise _stays(orphan, f"{locked[0].message.rstrip('.')}{more}")


def keys_of(files: Iterable[StoredFile]) -> Iterator[str]:
    """Of the objects of a recovery point, but for its manifest."""
    for file in files:
        yield file.key
        if file.digests:
            yield file.digests


def _makers(store: ObjectStore, group: list[ObjectInfo]) -> list[str]:
    return [_maker(store, each.key) for each in group]


def _maker(store: ObjectStore, key: str) -> str:
    try:
        return store.head(key).metadata.get("cloudy-installation", "")
    except MissingError:  # gone since it was listed
        return ""


def _size(share: Share, directory: str) -> int:
    try:
        return sum(entry.size for entry in share.walk(directory))
    except MissingError:
        return 0


def _log_out(session: VMstore) -> None:
    try:
        session.logout()
    except CloudyError:  # the session will expire
        return


def _stays(orphan: Orphan, why: str) -> PermanentError:
    return PermanentError(f"{why}.", system=orphan.system, operation=f"remove {orphan.kind}")
