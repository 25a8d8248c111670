"""What outside carries Cloudy's label, whose it is, and whether it may go. Pure.

A label alone proves nothing: a folder or an object may be called like a transaction by chance or by a person. What is
removed says itself, by its description or metadata, that this installation made it, or this database knows of it.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from bot.ids import begun_at, drill_name
from bot.model import Entry, ObjectInfo, Registered, ResourceKind, Snapshot, Upload
from bot.placing import OURS

SNAPSHOT_WORDS = " Cloudy "  # what every description of ours contains
IDS_BEGIN = "2"  # every transaction id, until the year 3000: so that a large bucket is not listed whole
HELPERS = ".cloudy/"
DRILL = drill_name("")  # begins the name of every VM of a drill
SHARE_PROBE = ".cloudy-doctor-"
_TIME = "%Y%m%dT%H%M%SZ"
OLD_ENOUGH = timedelta(hours=24)
PROBE_OLD_ENOUGH = timedelta(hours=1)  # a probe takes seconds, and nothing tells whose it is

_DESCRIPTION = re.compile(r"(\S+) Cloudy (\S+)")
_PROBE = re.compile(r"(\.cloudy/(?:probe|doctor)-[0-9a-f]{16})/.+")
_SEGMENT = re.compile(r"\.cloudy/segment/([^/]+)/[^/]+/[0-9]+")
_SHARE_PROBE = re.compile(re.escape(SHARE_PROBE) + "([0-9]{8}T[0-9]{6}Z)-[0-9a-f]{16}")
_AGAIN = re.compile("[2-9]|[1-9][0-9]+")  # of a clone directory: see bot.ids.clone_directory


class Kind(StrEnum):
    """What it is."""

    UPLOAD = "unfinished upload"
    OBJECTS = "objects without a manifest"
    CLONE = "clone"
    SNAPSHOT = "snapshot"
    TEMPORARY = "temporary object"
    PROBE = "probe objects"
    SHARE_PROBE = "probe directory"
    FOLDER = "folder of a restore"
    REGISTRATION = "registration of a drill"
    STRAY = "objects that no manifest names"


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphan:
    """One thing outside that carries our label. name: what a person finds it by there."""

    kind: Kind
    system: str
    name: str
    transaction_id: str = ""  # empty: a probe's
    installation: str = ""  # what it says of who made it; empty: nothing
    made_at: datetime | None = None  # the newest of it, where the system tells
    size: int = 0
    snapshot_uuid: str = ""
    keys: tuple[str, ...] = ()
    uploads: tuple[Upload, ...] = ()
    is_beside_manifest: bool = False  # under the prefix of a recovery point, which is never touched


class Fate(StrEnum):
    """What becomes of it."""

    OURS = "ours"  # may be removed
    YOUNG = "too young"
    FOREIGN = "another installation's"
    UNKNOWN = "to be judged by a person"  # whose it is, nothing tells; or it lies in a recovery point


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What this database knows, read after what is outside was listed: so nothing of a run begun since is an orphan.

    installations: ours, and those of lost databases that a person called ours. used: directories of living VMs, as
    (VMstore, directory). promised: what stands in the ledger; the janitor removes that itself.
    """

    installations: frozenset[str]
    known: frozenset[str] = frozenset()  # transactions
    living: frozenset[str] = frozenset()  # those that have not ended
    made: frozenset[tuple[str, str]] = frozenset()  # (VMstore, directory) of all that ever stood in the ledger
    promised: frozenset[tuple[ResourceKind, str, str]] = frozenset()  # (kind, system, name)
    stays: frozenset[tuple[str, str]] = frozenset()  # (VMstore, transaction) of snapshots that are kept for a restore
    used: frozenset[tuple[str, str]] = frozenset()
    points: frozenset[tuple[str, str]] = frozenset()  # (target, transaction) of recovery points in the catalogue
    registered: frozenset[tuple[str, str]] = frozenset()  # (VMstore, transaction) of all that the ledger ever promised


_IN_LEDGER = {
    Kind.UPLOAD: ResourceKind.UPLOAD,
    Kind.OBJECTS: ResourceKind.OBJECTS,
    Kind.TEMPORARY: ResourceKind.OBJECT,
    Kind.CLONE: ResourceKind.CLONE,
    Kind.SNAPSHOT: ResourceKind.SNAPSHOT,
    Kind.FOLDER: ResourceKind.FOLDER,
    Kind.REGISTRATION: ResourceKind.REGISTRATION,
}


def share_probe(at: datetime, entropy: int) -> str:
    """The name of a directory that the doctor makes on an export; it tells when, since entries there do not."""
    return f"{SHARE_PROBE}{at.astimezone(UTC):{_TIME}}-{entropy & (1 << 64) - 1:016x}"


def _time(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, _TIME).replace(tzinfo=UTC)
    except ValueError:
        return None


def is_orphan(orphan: Orphan, house: House) -> bool:
    """Whether it is an orphan at all: not of a living transaction, not a VM's folder, not in the ledger, not kept."""
    if orphan.transaction_id in house.living:
        return False
    if orphan.kind in (Kind.CLONE, Kind.FOLDER) and (orphan.system, orphan.name) in house.used:
        return False
    if orphan.kind is Kind.SNAPSHOT and (orphan.system, orphan.name) in house.stays:
        return False
    promised = _IN_LEDGER.get(orphan.kind)
    name = orphan.transaction_id if orphan.kind is Kind.REGISTRATION else orphan.name
    return promised is None or (promised, orphan.system, name) not in house.promised


def fate(orphan: Orphan, house: House, *, now: datetime, older_than: timedelta = OLD_ENOUGH) -> Fate:
    """Whether it may go. A thing that says of another installation that it made it is never ours, whatever we know."""
    if orphan.kind in (Kind.PROBE, Kind.SHARE_PROBE):
        return _by_age(orphan, now, max(older_than, PROBE_OLD_ENOUGH))
    if orphan.is_beside_manifest or lost_manifest(orphan, house):
        return Fate.UNKNOWN
    if orphan.installation:
        is_ours = orphan.installation in house.installations
        return _by_age(orphan, now, older_than) if is_ours else Fate.FOREIGN
    if _is_known(orphan, house):
        return _by_age(orphan, now, older_than)
    return Fate.UNKNOWN


def lost_manifest(orphan: Orphan, house: House) -> bool:
    """Whether these are of a recovery point whose manifest somebody else removed: they may be all that there is."""
    return orphan.kind is Kind.OBJECTS and (orphan.system, orphan.transaction_id) in house.points


def age(orphan: Orphan, now: datetime) -> timedelta | None:
    """How old it is at least; None: nothing tells."""
    times = [time for time in (orphan.made_at, begun_at(orphan.transaction_id)) if time is not None]
    return now - max(times) if times else None


def _is_known(orphan: Orphan, house: House) -> bool:
    if orphan.kind is Kind.REGISTRATION:
        return (orphan.system, orphan.transaction_id) in house.registered
    if orphan.kind in (Kind.CLONE, Kind.FOLDER):  # a folder of that name may also be a person's
        return (orphan.system, orphan.name) in house.made
    return orphan.kind in (Kind.UPLOAD, Kind.TEMPORARY) and orphan.transaction_id in house.known


def _by_age(orphan: Orphan, now: datetime, older_than: timedelta) -> Fate:
    known = age(orphan, now)
    return Fate.YOUNG if known is None or known < older_than else Fate.OURS


# --- what carries our label ---


def of_snapshots(vmstore: str, snapshots: Sequence[Snapshot]) -> tuple[Orphan, ...]:
    """Snapshots whose whole description is "<transaction id> Cloudy <installation>"."""
    read = [(snapshot, _DESCRIPTION.fullmatch(snapshot.description)) for snapshot in snapshots]
    return tuple(
        Orphan(
            kind=Kind.SNAPSHOT,
            system=vmstore,
            name=found[1],
            transaction_id=found[1],
            installation=found[2],
            made_at=snapshot.taken_at,
            snapshot_uuid=snapshot.uuid,
        )
        for snapshot, found in read
        if found and begun_at(found[1])
    )


def of_directories(vmstore: str, entries: Sequence[Entry], snapshots: Sequence[Orphan]) -> tuple[Orphan, ...]:
    """Directories of the export named as clones are, and as files are that are being restored.

    Of a clone a snapshot of the same transaction tells who made it.
    """
    makers = {one.transaction_id: one.installation for one in snapshots}
    found = []
    for entry in entries:
        of = clone_of(entry.path)
        if entry.is_dir and of:
            installation = makers.get(of, "")
            one = Orphan(kind=Kind.CLONE, system=vmstore, name=entry.path, transaction_id=of, installation=installation)
            found.append(one)
        elif entry.is_dir and (probe := _SHARE_PROBE.fullmatch(entry.path)):
            one = Orphan(kind=Kind.SHARE_PROBE, system=vmstore, name=entry.path, made_at=_time(probe[1]))
            found.append(one)
        elif entry.is_dir and entry.path.startswith(OURS) and begun_at(of := entry.path.removeprefix(OURS)):
            found.append(Orphan(kind=Kind.FOLDER, system=vmstore, name=entry.path, transaction_id=of))
    return tuple(found)


def drill_of(name: str) -> str:
    """The drill whose VM would be called so; "": none's."""
    label = name.removeprefix(DRILL)
    return label if label != name and begun_at(label) else ""


def of_registrations(vmstore: str, vms: Iterable[Registered]) -> tuple[Orphan, ...]:
    """VMs that say themselves that a drill registered them. One of that name alone is a person's; a restored VM is too.

    vms: as the hypervisor found them by the label.
    """
    return tuple(
        Orphan(kind=Kind.REGISTRATION, system=vmstore, name=vm.name, transaction_id=vm.label)
        for vm in vms
        if vm.label and drill_of(vm.name) == vm.label
    )


def clone_of(directory: str) -> str:
    """The transaction whose clone a directory of that name would be; "": none's."""
    head, dot, tail = directory.partition(".")
    return head if begun_at(head) and (not dot or _AGAIN.fullmatch(tail)) else ""


def prefix_of(key: str) -> str:
    """The transaction under whose prefix a key lies; "": none's."""
    head, slash, rest = key.partition("/")
    return head if slash and rest and begun_at(head) else ""


def probe_of(key: str) -> str:
    """The probe whose object that is; "": none's."""
    found = _PROBE.fullmatch(key)
    return found[1] if found else ""


def segment_of(key: str) -> str:
    """The transaction whose temporary object that is; "": none's."""
    found = _SEGMENT.fullmatch(key)
    return found[1] if found and begun_at(found[1]) else ""


def by_prefix(objects: Iterable[ObjectInfo]) -> dict[str, list[ObjectInfo]]:
    """Objects by the transaction under whose prefix they lie."""
    found: dict[str, list[ObjectInfo]] = {}
    for each in objects:
        if prefix := prefix_of(each.key):
            found.setdefault(prefix, []).append(each)
    return found


def of_objects(target: str, prefix: str, objects: Sequence[ObjectInfo], makers: Collection[str]) -> Orphan:
    """All under one prefix. makers: what each object says of who made it; unless all say the same, nobody did."""
    return Orphan(
        kind=Kind.OBJECTS,
        system=target,
        name=prefix,
        transaction_id=prefix,
        installation=next(iter(makers)) if len(set(makers)) == 1 else "",
        made_at=_newest([each.modified_at for each in objects]),
        size=sum(each.size for each in objects),
        keys=tuple(each.key for each in objects),
    )


def of_strays(target: str, prefix: str, objects: Sequence[ObjectInfo], named: Collection[str]) -> Orphan | None:
    """What lies beside a manifest and is not of the recovery point; None: nothing. It is told, and never removed.

    named: keys of all that is of it.
    """
    strays = [each for each in objects if each.key not in named]
    if not strays:
        return None
    found = of_objects(target, prefix, strays, ())
    name = strays[0].key if len(strays) == 1 else prefix
    return replace(found, kind=Kind.STRAY, name=name, installation="", is_beside_manifest=True)


def of_uploads(
    target: str, uploads: Sequence[Upload], objects: Sequence[Orphan], whole: Collection[str]
) -> tuple[Orphan, ...]:
    """Unfinished uploads under the prefix of a transaction; the objects beside them tell who made them.

    whole: prefixes with a manifest.
    """
    makers = {one.transaction_id: one.installation for one in objects}
    return tuple(
        Orphan(
            kind=Kind.UPLOAD,
            system=target,
            name=upload.key,
            transaction_id=prefix_of(upload.key),
            installation=makers.get(prefix_of(upload.key), ""),
            made_at=upload.begun_at,
            uploads=(upload,),
            is_beside_manifest=prefix_of(upload.key) in whole,
        )
        for upload in uploads
        if prefix_of(upload.key)
    )


def of_segments(
    target: str, objects: Sequence[ObjectInfo], uploads: Sequence[Upload], makers: Mapping[str, str]
) -> tuple[Orphan, ...]:
    """Temporary objects (bot/segments.py), made or in the making, each for itself. makers: who made it, by its key."""
    made = {each.key: each for each in objects if segment_of(each.key)}
    opened: dict[str, list[Upload]] = {}
    for each in uploads:
        if segment_of(each.key):
            opened.setdefault(each.key, []).append(each)
    return tuple(
        Orphan(
            kind=Kind.TEMPORARY,
            system=target,
            name=key,
            transaction_id=segment_of(key),
            installation=makers.get(key, ""),
            made_at=_newest(
                [*([made[key].modified_at] if key in made else []), *(each.begun_at for each in opened.get(key, ()))]
            ),
            size=made[key].size if key in made else 0,
            keys=(key,) if key in made else (),
            uploads=tuple(opened.get(key, ())),
        )
        for key in sorted({*made, *opened})
    )


def of_probes(target: str, objects: Sequence[ObjectInfo], uploads: Sequence[Upload]) -> tuple[Orphan, ...]:
    """What probes that were killed left; the shared helpers beside them are none."""
    keys = [*(each.key for each in objects), *(each.key for each in uploads)]
    names = {probe_of(key) for key in keys} - {""}
    return tuple(_probe(target, name, objects, uploads) for name in sorted(names))


def _probe(target: str, name: str, objects: Sequence[ObjectInfo], uploads: Sequence[Upload]) -> Orphan:
    own = [each for each in objects if probe_of(each.key) == name]
    opened = [each for each in uploads if probe_of(each.key) == name]
    return Orphan(
        kind=Kind.PROBE,
        system=target,
        name=name,
        made_at=_newest([each.modified_at for each in own] + [each.begun_at for each in opened]),
        size=sum(each.size for each in own),
        keys=tuple(each.key for each in own),
        uploads=tuple(opened),
    )


def _newest(times: Sequence[datetime | None]) -> datetime | None:
    return max((time for time in times if time is not None), default=None)
