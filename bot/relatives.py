"""Which recovery points a protection copies from: the VM's own last one in each target, else those of its relatives.

Relatives are the VM that it was cloned from, other clones of that one, and clones of its own: as the VMstore names the
origin of a clone. That is a hint by name and nothing is believed of it; what is not the same is sent.
"""

from collections.abc import Sequence

from bot.model import RecoveryPoint, State, Transaction, Vm
from bot.store import Unit

RELATIVES = 3  # whose recovery points are taken in one target; each costs reading its digests for every disk


def bases(unit: Unit, vm_uuid: str, targets: Sequence[str]) -> dict[str, str]:
    """By target the newest recovery point of the VM that is not about to be deleted."""
    going = unit.transactions.going()
    newest_last = [point for point in reversed(unit.points.of_vm(vm_uuid)) if point.transaction_id not in going]
    newest = {point.target: point.transaction_id for point in newest_last}
    return {target: newest[target] for target in targets if target in newest}


def others(unit: Unit, vm: Vm, targets: Sequence[str]) -> dict[str, list[str]]:
    """By target the newest recovery points of relatives, one of each; of these targets, where there are any."""
    going = unit.transactions.going()
    points = [point for point in unit.points.related(vm.name, vm.origin) if point.transaction_id not in going]
    found = {target: _newest([point for point in points if point.target == target], vm.uuid) for target in targets}
    return {target: ids for target, ids in found.items() if ids}


def copies_from(transaction: Transaction, point: str) -> bool:
    """Whether it may be reading or copying from that recovery point now, so that it must not be deleted."""
    plan = transaction.plan
    if transaction.workflow in ("restore", "drill") and transaction.request.get("point") == point:
        return not transaction.state.is_final
    used = {*plan.get("bases", {}).values(), *(each for ids in plan.get("others", {}).values() for each in ids)}
    return transaction.state in (State.QUEUED, State.RUNNING, State.HELD) and point in used


def _newest(points: Sequence[RecoveryPoint], vm_uuid: str) -> list[str]:
    by_vm: dict[str, str] = {}
    for point in points:
        if point.vm_uuid != vm_uuid:
            by_vm.setdefault(point.vm_uuid, point.transaction_id)
    return list(by_vm.values())[:RELATIVES]
