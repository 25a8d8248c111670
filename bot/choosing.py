"""Which recovery point a restore is of: the one that is named, or a VM's newest good one. Part of other units."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from itertools import takewhile

from bot import asking, durations, fitness
from bot.errors import AmbiguousName, NotFound, RequesterError, UsageError
from bot.model import RecoveryPoint, RestoreRequest
from bot.store import Unit

LAST = "last"
_SHORTEST_PART = 4  # characters of an id that may stand for it
_CLOCK = re.compile(r"[0-9]{2}(?P<minute>:?[0-9]{2}(?P<second>:?[0-9]{2}(?P<part>[.,][0-9]+)?)?)?")
_UNKNOWN = "a VMstore that this database does not know"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """One recovery point, and why it is that one."""

    point: str
    vm: str
    vm_uuid: str
    vmstore: str  # that it was made on; "": not known before its manifest is read
    targets: tuple[str, ...]  # that have it
    taken_at: datetime
    passed: tuple[str, ...] = ()  # newer ones that are not good, in words


def choose(unit: Unit, request: RestoreRequest, now: datetime) -> Chosen:
    """Find it in the catalogue. A VM of that name goes before a part of an id.

    NotFound, AmbiguousName: which one? RequesterError: there is none, or none so old.
    """
    points = () if request.what.casefold() == LAST else unit.points.named(request.what)
    if points:
        return _newest(unit, points, request, _end(request.at, now))
    if request.at:
        raise NotFound(f"There is no recovery point of a VM called {request.what}.", _near(unit, request.what))
    found = of_id(unit, request.what)
    there = [point for point in found if request.target in ("", point.target)]
    if not there:
        raise _elsewhere(found[0].transaction_id, request.target, found)
    flawed = fitness.flaws(unit, there)
    whole = [point for point in there if (point.transaction_id, point.target) not in flawed]
    return _chosen(unit, whole or there, tuple(flawed.values()) if whole else ())


def _end(text: str, now: datetime) -> datetime | None:
    """The time before which a recovery point has to be taken; of a day, an hour or a minute its end. RequesterError."""
    if not text:
        return None
    try:
        at = _moment(text, now)
    except (ValueError, OverflowError):
        raise RequesterError(f"“{text}” is no time: say 7d, 24h, 2026-11-01 or 2026-11-01 14:30 (UTC).") from None
    return at


def _moment(text: str, now: datetime) -> datetime:
    if " " in text or "T" in text:
        at = datetime.fromisoformat(text) + _span(re.split("[ T]", text)[1])
        return at.replace(tzinfo=now.tzinfo) if at.tzinfo is None else at
    at = durations.since(text, now)
    return at + (timedelta(days=1) if text[:4].isdigit() and "-" in text else timedelta(microseconds=1))


def _span(clock: str) -> timedelta:
    """How long the time of day lasts that was written: 14:30 is all of that minute, as times are shown."""
    found = _CLOCK.match(clock)
    if found is None or found["part"]:
        return timedelta(microseconds=1)
    if found["second"]:
        return timedelta(seconds=1)
    return timedelta(minutes=1) if found["minute"] else timedelta(hours=1)


def _newest(unit: Unit, points: Sequence[RecoveryPoint], request: RestoreRequest, end: datetime | None) -> Chosen:
    _demand_one_vm(unit, points, request.what)
    here = [point for point in points if request.target in ("", point.target)]
    if not here:
        raise _elsewhere(request.what, request.target, points)
    in_time = [point for point in here if end is None or point.taken_at < end]
    if not in_time:
        oldest = here[-1]
        raise RequesterError(
            f"{request.what} has no recovery point so old: the oldest is of {_at(oldest)} ({oldest.transaction_id})."
        )
    flawed = fitness.flaws(unit, in_time)
    good = [point for point in in_time if (point.transaction_id, point.target) not in flawed]
    if not good:
        raise RequesterError(f"No recovery point of {request.what} is good: {'; '.join(_once(flawed.values()))}.")
    newest = good[0].transaction_id
    until = {point.transaction_id for point in _until(in_time, newest)} | {newest}
    newer = _once(why for (point, _target), why in flawed.items() if point in until)
    return _chosen(unit, [point for point in good if point.transaction_id == newest], newer)


def _once(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))


def _until(points: Iterable[RecoveryPoint], transaction_id: str) -> Iterable[RecoveryPoint]:
    """Those that stand before that one."""
    return takewhile(lambda point: point.transaction_id != transaction_id, points)


def _demand_one_vm(unit: Unit, points: Sequence[RecoveryPoint], name: str) -> None:
    """AmbiguousName: the name was that of several VMs; each is told by its uuid."""
    by_uuid: dict[str, RecoveryPoint] = {}
    for point in points:
        by_uuid.setdefault(point.vm_uuid, point)
    if len(by_uuid) > 1:
        ways = [
            f"{uuid} (newest of {_at(point)}, {point.transaction_id}, on {vmstore_of(unit, point) or _UNKNOWN})"
            for uuid, point in by_uuid.items()
        ]
        raise AmbiguousName(
            f"{name} was the name of {len(ways)} VMs. Say which, by its uuid or a transaction id: {'; '.join(ways)}",
            ways,
        )


def of_id(unit: Unit, text: str) -> Sequence[RecoveryPoint]:
    """The recovery point of that id, in all targets. NotFound, AmbiguousName, RequesterError: it has none."""
    found = unit.points.containing(text) if len(text) >= _SHORTEST_PART and text.casefold() != LAST else ()
    ids = tuple(dict.fromkeys(point.transaction_id for point in found))
    if len(ids) > 1:
        raise AmbiguousName(f"“{text}” fits several recovery points; give more of the id.", ids[:10])
    if ids:
        return found
    try:
        transaction = asking.meant(unit, text)
    except (NotFound, UsageError) as error:  # the latter: too short for a part of an id
        names = _near(unit, text)
        hint = f" Did you mean {', '.join(names)}?" if names else ""
        raise NotFound(f"There is no recovery point “{text}”, and none of a VM called so.{hint}", names) from error
    made = str(transaction.request.get("point", "")) or transaction.id
    there = tuple(point for point in unit.points.containing(made) if point.transaction_id == made)
    if not there:
        raise RequesterError(f"{transaction.id} has no recovery point: {transaction.state}.")
    return there


def _chosen(unit: Unit, points: Sequence[RecoveryPoint], passed: tuple[str, ...] = ()) -> Chosen:
    """points: one recovery point, in each target that has it."""
    one, maker = points[0], unit.transactions.find(points[0].transaction_id)
    order = {name: position for position, name in enumerate(maker.targets if maker else ())}
    return Chosen(
        point=one.transaction_id,
        vm=one.vm_name,
        vm_uuid=one.vm_uuid,
        vmstore=vmstore_of(unit, one),
        targets=tuple(sorted((point.target for point in points), key=lambda name: (order.get(name, len(order)), name))),
        taken_at=one.taken_at,
        passed=passed,
    )


def vmstore_of(unit: Unit, point: RecoveryPoint) -> str:
    """The VMstore that it was made on; "": not known before its manifest is read."""
    maker = unit.transactions.find(point.transaction_id)
    return maker.vmstore if maker else point.vmstore


def names_of(unit: Unit, vm_uuid: str, vm_name: str) -> tuple[str, ...]:
    """What a VM may be called now: first as it was seen last, then vm_name, as it was called in a recovery point."""
    seen = (vm.name for vm in unit.inventory.named(vm_uuid) if vm.uuid == vm_uuid)
    return tuple(dict.fromkeys((*seen, vm_name)))


def _elsewhere(what: str, target: str, points: Sequence[RecoveryPoint]) -> RequesterError:
    there = tuple(dict.fromkeys(point.target for point in points))
    return NotFound(f"{target} has no recovery point of {what}; it is in {' and '.join(there)}.", there)


def _near(unit: Unit, text: str) -> tuple[str, ...]:
    return tuple(get_close_matches(text, unit.points.names(), n=3))


def _at(point: RecoveryPoint) -> str:
    return f"{point.taken_at:%Y-%m-%d %H:%M} UTC"
