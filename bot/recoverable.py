"""What can be restored, for somebody who chooses: VMs that have recovery points, live or gone, and the points of one.

All of it is read from the local database; no other system is asked.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby

from bot import choosing, fitness
from bot.errors import NotFound, RequesterError
from bot.model import Proof, RecoveryPoint, RestoreRequest, SeenVm, Tier
from bot.proofs import standings
from bot.restoration import checked_name
from bot.store import Database, Unit
from bot.tiering import soonest
from bot.ways import SNAPSHOT

MOST_POINTS = 100  # of one VM
_MOST_NAMESAKES = 20
_MOST_ALIKE = 1_000
_UUID = 13  # characters of one in a label
_LABEL = re.compile(rf"(?P<name>.*?)(?: \((?P<uuid>[^()]{{1,{_UUID}}})\)|…)", re.DOTALL)
_LONGEST = 255  # of what is looked for


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptVm:
    """A VM that has recovery points."""

    uuid: str
    name: str  # as it is called now, else as it was when the newest one was taken
    vmstore: str  # "": not known before a manifest is read
    newest: datetime
    point: str  # transaction id of the newest one
    is_gone: bool  # on no VMstore any more, as far as was seen
    called_until: datetime | None = None  # of a namesake: when it was last seen to have that name; None: it has it now
    label: str = ""  # the name; where another one in the same list has it, with the beginning of its uuid


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPoint:
    """One recovery point, wherever it lies."""

    id: str
    vm_uuid: str
    taken_at: datetime
    size: int
    consistency: str
    targets: tuple[str, ...]
    flaw: str = ""  # why it is not to be restored from
    verified_at: datetime | None = None  # when it was found whole last, in any of its targets
    proven_at: datetime | None = None  # when it was restored and lived last, likewise
    locked_until: datetime | None = None  # the latest lock of any of its targets, as far as it was seen
    tier: Tier | None = None  # the one that is read soonest, of all its targets


class Recoverable:
    """Changes nothing."""

    def __init__(self, db: Database, *, vmstores: tuple[str, ...], targets: tuple[str, ...]) -> None:
        self._db = db
        self.vmstores = vmstores
        self.targets = targets

    def vms(self, text: str = "", limit: int = 100) -> tuple[KeptVm, ...]:
        """VMs that may be meant by what somebody types, best first: by a name that they have or had, or by a label."""
        text = text[:_LONGEST]
        with self._db.read() as unit:
            found = _labelled(_kept(unit, unit.points.newest_by_vm(text, limit)))
            said = _LABEL.fullmatch(text)
            if found or said is None:
                return found
            alike = _labelled(_kept(unit, unit.points.newest_by_vm(said["name"], _MOST_ALIKE)))
            return tuple(vm for vm in alike if vm.uuid.startswith(said["uuid"] or ""))[:limit]

    def vm(self, uuid: str) -> KeptVm:
        """The VM of that uuid. NotFound: it has no recovery point, or none any more."""
        with self._db.read() as unit:
            return _kept(unit, [_newest(unit, uuid)])[0]

    def points(self, uuid: str, wanted: str = "") -> tuple[KeptPoint, ...]:
        """The newest MOST_POINTS recovery points of a VM, newest first. NotFound: it has none, or none any more.

        wanted: id of one that is among them however old it is.
        """
        with self._db.read() as unit:
            _newest(unit, uuid)
            kept = _points(unit, unit.points.of_vm(uuid))
        newest, older = kept[:MOST_POINTS], [point for point in kept[MOST_POINTS:] if point.id == wanted]
        return (*newest[: MOST_POINTS - len(older)], *older)

    def point(self, text: str) -> tuple[KeptVm, str]:
        """Whose recovery point that is, and its id; of a transaction that is about one, that one.

        NotFound, AmbiguousName, RequesterError: there is none.
        """
        with self._db.read() as unit:
            found = choosing.of_id(unit, text)[0]
            return _kept(unit, [_newest(unit, found.vm_uuid)])[0], found.transaction_id

    def namesakes(self, name: str) -> tuple[KeptVm, ...]:
        """The VMs that had a name when a recovery point was taken, newest first."""
        with self._db.read() as unit:
            last: dict[str, RecoveryPoint] = {}
            for point in unit.points.named(name):
                last.setdefault(point.vm_uuid, point)
            return tuple(_namesake(unit, point, name) for point in list(last.values())[:_MOST_NAMESAKES])

    def flaws(self, request: RestoreRequest) -> dict[str, str]:
        """What is wrong with a request as far as one can tell without asking anybody, by the field that it is about."""
        with self._db.read() as unit:
            points = unit.points.containing(request.what) or unit.points.of_vm(request.what)
            wrong = {
                "vmstore": _unknown("VMstore", request.vmstore, self.vmstores),
                "target": _elsewhere(request, points),
                "name": _unfit_name(unit, request, points),
                "confirmed": _unconfirmed(unit, request, points),
            }
        return {field: why for field, why in wrong.items() if why}


def _newest(unit: Unit, uuid: str) -> RecoveryPoint:
    points = unit.points.of_vm(uuid)
    if not points:
        raise NotFound("That VM has no recovery point any more. Choose again.")
    return points[0]


def _kept(unit: Unit, points: Sequence[RecoveryPoint]) -> list[KeptVm]:
    """points: the newest one of each VM."""
    seen = unit.inventory.of({point.vm_uuid for point in points})
    return [_kept_vm(unit, point, seen.get(point.vm_uuid)) for point in points]


def _kept_vm(unit: Unit, point: RecoveryPoint, seen: SeenVm | None) -> KeptVm:
    return KeptVm(
        uuid=point.vm_uuid,
        name=seen.name if seen else point.vm_name,
        vmstore=seen.vmstore if seen else choosing.vmstore_of(unit, point),
        newest=point.taken_at,
        point=point.transaction_id,
        is_gone=seen is None or seen.gone_at is not None,
    )


def _labelled(vms: Sequence[KeptVm]) -> tuple[KeptVm, ...]:
    names = Counter(vm.name for vm in vms)
    labels = (vm.name if names[vm.name] == 1 else f"{vm.name} ({vm.uuid[:_UUID]})" for vm in vms)
    return tuple(replace(vm, label=label) for vm, label in zip(vms, labels, strict=True))


def _namesake(unit: Unit, point: RecoveryPoint, name: str) -> KeptVm:
    """point: the newest one that it had under that name."""
    newest, seen = _newest(unit, point.vm_uuid), unit.inventory.of([point.vm_uuid]).get(point.vm_uuid)
    has_it = seen is not None and seen.name == name
    return KeptVm(
        uuid=point.vm_uuid,
        name=seen.name if seen else newest.vm_name,
        vmstore=seen.vmstore if seen else choosing.vmstore_of(unit, point),
        newest=newest.taken_at,
        point=newest.transaction_id,
        is_gone=seen is None or seen.gone_at is not None,
        called_until=None if has_it and seen and not seen.gone_at else _last(point, seen if has_it else None),
    )


def _last(point: RecoveryPoint, seen: SeenVm | None) -> datetime:
    return max(point.taken_at, seen.seen_at) if seen else point.taken_at


def _points(unit: Unit, points: Sequence[RecoveryPoint]) -> tuple[KeptPoint, ...]:
    """points: of one VM, newest first."""
    flaws, looked = fitness.unfit(unit, points), _looked(unit, points)
    kept = []
    for key, group in groupby(points, key=lambda point: point.transaction_id):
        there = list(group)
        kept.append(
            KeptPoint(
                id=key,
                vm_uuid=there[0].vm_uuid,
                taken_at=there[0].taken_at,
                size=there[0].size,
                consistency=there[0].consistency,
                targets=tuple(point.target for point in there),
                flaw=flaws.get(key, ""),
                locked_until=max((point.locked_until for point in there if point.locked_until), default=None),
                tier=soonest(point.tier for point in there),
                verified_at=looked.get(key, _Looked()).verified_at,
                proven_at=looked.get(key, _Looked()).proven_at,
            )
        )
    return tuple(kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looked:
    """When a recovery point was found good last."""

    verified_at: datetime | None = None
    proven_at: datetime | None = None


def _looked(unit: Unit, points: Sequence[RecoveryPoint]) -> dict[str, _Looked]:
    """By recovery point, over all its targets."""
    found: dict[str, _Looked] = {}
    for (point, _target), each in standings(unit.proofs.of({point.transaction_id for point in points})).items():
        before = found.get(point, _Looked())
        found[point] = _Looked(
            verified_at=_later(before.verified_at, each.verified),
            proven_at=_later(before.proven_at, each.proven),
        )
    return found


def _later(at: datetime | None, proof: Proof | None) -> datetime | None:
    if proof is None or not proof.is_good:
        return at
    return max(at, proof.at) if at else proof.at


def told(vm: KeptVm) -> tuple[str, str]:
    """What tells a VM from others that had its name, in two lines."""
    known = f"on {vm.vmstore}" if vm.vmstore else "on a VMstore that this database does not know"
    where = f"gone, was {known}" if vm.is_gone else known
    named = "has the name now" if vm.called_until is None else f"last seen with the name {_at(vm.called_until)}"
    return f"{vm.uuid} · {where}", f"newest recovery point {_at(vm.newest)} ({vm.point}) · {named}"


def _at(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"


def _unknown(what: str, name: str, known: Sequence[str]) -> str:
    return f"There is no {what} called {name} any more: choose again." if name and name not in known else ""


def _elsewhere(request: RestoreRequest, points: Sequence[RecoveryPoint]) -> str:
    there = tuple(dict.fromkeys(point.target for point in points))
    if request.target and request.via == SNAPSHOT:
        return "By the snapshot nothing is fetched from a target: leave this empty, or choose another way."
    if request.target and there and request.target not in there:
        return f"It is not in {request.target}, but in {' and '.join(there)}."
    return ""


def _unconfirmed(unit: Unit, request: RestoreRequest, points: Sequence[RecoveryPoint]) -> str:
    if not request.is_over_original:
        return "Only for “over the original”: empty this, or choose that." if request.confirmed else ""
    names = choosing.names_of(unit, points[0].vm_uuid, points[0].vm_name) if points else ()
    if not names or request.confirmed in names:
        return ""
    return f"This overwrites {names[0]} as it is now. If that is meant, type its name here."


def _unfit_name(unit: Unit, request: RestoreRequest, points: Sequence[RecoveryPoint]) -> str:
    """Why no VM can be restored under it there; "": one can, as far as the last look at the VMstore tells."""
    name = request.name
    if not name:
        return ""
    if request.is_over_original:
        return "Over the original it keeps its name: leave this empty."
    try:
        checked_name(name)
    except RequesterError as error:
        return error.message
    where = request.vmstore or (choosing.vmstore_of(unit, points[0]) if points else "")
    live = (vm for vm in unit.inventory.named(name) if vm.gone_at is None and vm.name == name)
    taken = any(vm.vmstore == where for vm in live)
    return f"There is a VM called {name} on {where} already: say another name." if taken else ""
