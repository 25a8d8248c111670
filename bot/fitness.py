"""Which recovery points are not to be restored from: what looks at them found, and what is about to go.

Part of other units.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from bot import retained
from bot.model import RecoveryPoint, ResourceKind, State, Transaction
from bot.proofs import standings
from bot.store import Unit

Place = tuple[str, str]  # transaction id of a recovery point, and target

_ABOUT = ("verify", "delete")  # workflows that tell whether a recovery point is good
_MOST_RUNS = 5_000  # verifications and deletions of a VM, that are looked through for what they found


def flaws(unit: Unit, points: Sequence[RecoveryPoint]) -> dict[Place, str]:
    """Those that are not to be restored from, with the reason. points: of one VM."""
    several = _several(points)
    proofs = unit.proofs.of({point.transaction_id for point in points})
    found: dict[Place, str] = dict(_begun(unit))
    found |= {place: retained.moving_text(*place, by) for place, by in retained.moving(unit).items()}
    for (point, target), standing in standings(proofs).items():
        if standing.damage:
            where = f" in {target}" if point in several else ""
            found[point, target] = f"{point} is damaged{where}, as {standing.damage.run} found"
    told = {proof.run for proof in proofs}
    for place, why in _by_runs(unit, {point.vm_name for point in points}, told):
        found.setdefault(place, why)
    places = {(point.transaction_id, point.target) for point in points}
    return {place: why for place, why in found.items() if place in places}


def unfit(unit: Unit, points: Sequence[RecoveryPoint]) -> dict[str, str]:
    """Those that no target has as they should be, by transaction id, with the reason. points: of one VM."""
    flawed = flaws(unit, points)
    good = {point.transaction_id for point in points if (point.transaction_id, point.target) not in flawed}
    return {point: why for (point, _target), why in flawed.items() if point not in good}


def _several(points: Iterable[RecoveryPoint]) -> set[str]:
    """Recovery points that more than one target has."""
    counted = Counter(point.transaction_id for point in points)
    return {point for point, targets in counted.items() if targets > 1}


def _by_runs(unit: Unit, names: Iterable[str], told: set[str]) -> Iterator[tuple[Place, str]]:
    """What is about to be deleted, and what was verified before proofs were kept.

    names: all that the VM had; a run keeps the one that it had then. told: runs that proofs are of.
    """
    looked: set[str] = set()
    about = (unit.transactions.list(vm=name, workflows=_ABOUT, limit=_MOST_RUNS) for name in names)
    for run in chain.from_iterable(about):
        point = str(run.request.get("point", ""))
        if run.workflow == "delete" and not run.state.is_final:
            yield from (((point, name), f"{point} is about to be deleted by {run.id}") for name in run.targets)
        if run.workflow == "verify" and run.state.is_final and point not in looked:
            looked.add(point)
            if run.id not in told and _found_damage(run):
                yield from (((point, name), f"{point} is damaged, as {run.id} found") for name in run.targets)


def _begun(unit: Unit) -> Iterator[tuple[Place, str]]:
    """What a run has begun to remove: its manifest may be gone, whether that run still goes on or has failed since."""
    for each in unit.ledger.open():
        if each.kind is ResourceKind.OBJECTS and each.name != each.transaction_id:
            yield (each.name, each.system), f"{each.name} is being removed by {each.transaction_id}"


def _found_damage(run: Transaction) -> bool:
    return run.state is State.FAILED and run.failure is not None and run.failure.kind == "IntegrityError"
