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
from bot.model import RecoveryPoint, RestoreRequest, SeenVm, State
from bot.restoration import checked_name
from bot.store import Database, Unit

MOST_POINTS = 100  # of one VM, the newest
_MOST_NAMESAKES = 20
_MOST_ALIKE = 1_000
_UUID = 13  # characters of one in a label
_LABEL = re.compile(rf"(?P<name>.*?)(?: \((?P<uuid>[^()]{{1,{_UUID}}})\)|…)", re.DOTALL)
_MOST_RUNS = 1_000
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
    verified_at: datetime | None = None  # when its last verification found it whole


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
            found = _labelled([_kept(unit, point) for point in unit.points.newest_by_vm(text, limit)])
            said = _LABEL.fullmatch(text)
            if found or said is None:
                return found
            alike = _labelled([_kept(unit, point) for point in unit.points.newest_by_vm(said["name"], _MOST_ALIKE)])
            return tuple(vm for vm in alike if vm.uuid.startswith(said["uuid"] or ""))[:limit]

    def vm(self, uuid: str) -> KeptVm:
        """The VM of that uuid. NotFound: it has no recovery point, or none any more."""
        with self._db.read() as unit:
            return _kept(unit, _newest(unit, uuid))

    def points(self, uuid: str) -> tuple[KeptPoint, ...]:
        """The recovery points of a VM, newest first. NotFound: it has none, or none any more."""
        with self._db.read() as unit:
            _newest(unit, uuid)
            return _points(unit, unit.points.of_vm(uuid))

    def point(self, text: str) -> tuple[KeptVm, str]:
        """Whose recovery point that is, and its id; of a transaction that is about one, that one.

        NotFound, AmbiguousName, RequesterError: there is none.
        """
        with self._db.read() as unit:
            found = choosing.of_id(unit, text)[0]
            return _kept(unit, _newest(unit, found.vm_uuid)), found.transaction_id

    def namesakes(self, name: str) -> tuple[KeptVm, ...]:
        """The VMs that had a name when a recovery point was taken, newest first."""
        with self._db.read() as unit:
            last: dict[str, RecoveryPoint] = {}
            for point in unit.points.named(name):
                last.setdefault(point.vm_uuid, point)
            return tuple(_namesake(unit, point, name) for point in list(last.values())[:_MOST_NAMESAKES])

    def flaws(self, request: RestoreRequest) -> dict[str, str]:
        """What is wrong with a request as far as one can tell without asking anybody, by the field that it is about."""
        wrong: dict[str, str] = {}
        if request.vmstore and request.vmstore not in self.vmstores:
            wrong["vmstore"] = f"There is no VMstore called {request.vmstore}: choose again."
        with self._db.read() as unit:
            points = unit.points.containing(request.what) or unit.points.of_vm(request.what)
            there = tuple(dict.fromkeys(point.target for point in points))
            if request.target and there and request.target not in there:
                wrong["target"] = f"It is not in {request.target}, but in {' and '.join(there)}."
            if request.name:
                where = request.vmstore or (choosing.vmstore_of(unit, points[0]) if points else "")
                if why := _unfit_name(unit, request.name, where):
                    wrong["name"] = why
        return wrong


def _newest(unit: Unit, uuid: str) -> RecoveryPoint:
    points = unit.points.of_vm(uuid)
    if not points:
        raise NotFound("That VM has no recovery point any more. Choose again.")
    return points[0]


def _kept(unit: Unit, point: RecoveryPoint) -> KeptVm:
    seen = _seen(unit, point)
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
    newest, seen = _newest(unit, point.vm_uuid), _seen(unit, point)
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


def _seen(unit: Unit, point: RecoveryPoint) -> SeenVm | None:
    """As the inventory knows it; a live one first."""
    return next((vm for vm in unit.inventory.named(point.vm_uuid) if vm.uuid == point.vm_uuid), None)


def _points(unit: Unit, points: Sequence[RecoveryPoint]) -> tuple[KeptPoint, ...]:
    """points: of one VM, newest first."""
    names = {point.vm_name for point in points}
    flaws, verified = fitness.unfit(unit, points), _verified(unit, names)
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
                verified_at=verified.get(key),
            )
        )
    return tuple(kept[:MOST_POINTS])


def _verified(unit: Unit, names: set[str]) -> dict[str, datetime]:
    """By recovery point: when it was last found whole. names: all that the VM had."""
    found: dict[str, datetime] = {}
    for name in names:
        for run in unit.transactions.list(vm=name, workflows=("verify",), states=(State.SUCCEEDED,), limit=_MOST_RUNS):
            point = str(run.request.get("point", ""))
            if run.ended_at and point:
                found[point] = max(run.ended_at, found.get(point, run.ended_at))
    return found


def _unfit_name(unit: Unit, name: str, vmstore: str) -> str:
    """Why no VM can be restored under it there; "": one can, as far as the last look at the VMstore tells."""
    try:
        checked_name(name)
    except RequesterError as error:
        return error.message
    live = (vm for vm in unit.inventory.named(name) if vm.gone_at is None and vm.name == name)
    taken = any(vm.vmstore == vmstore for vm in live)
    return f"There is a VM called {name} on {vmstore} already: say another name." if taken else ""
