"""Gathers what an estimate rests on: the runs before, the recovery points, the targets, their prices."""

from collections.abc import Mapping

from bot import relatives
from bot.errors import AmbiguousName, NotFound
from bot.estimate import Destination, Sizes, estimate
from bot.model import Estimate, PartLimits, SeenVm, Vm
from bot.prices import Prices
from bot.store import Unit


def foresee(
    unit: Unit,
    vm_uuid: str,
    sizes: Sizes,
    *,
    bases: Mapping[str, object],
    others: Mapping[str, object],
    limits: Mapping[str, PartLimits],
    prices: Prices,
) -> Estimate:
    """What a protection of this VM is expected to come to.

    bases, others: by target, where it has a base, or relatives; limits: of each target that it goes to.
    """
    kept = dict.fromkeys(limits, 0)
    for point in unit.points.of_vm(vm_uuid):
        if point.target in kept:
            kept[point.target] += point.size
    destinations = [
        Destination(
            name=name,
            has_base=bool(bases.get(name)),
            has_relatives=bool(others.get(name)),
            limits=each,
            price=prices.of(name),
            kept=kept[name],
        )
        for name, each in limits.items()
    ]
    return estimate(sizes, destinations, unit.past.of_vm(vm_uuid), unit.past.to(list(limits)))


def foresee_seen(unit: Unit, text: str, limits: Mapping[str, PartLimits], prices: Prices) -> tuple[SeenVm, Estimate]:
    """The same of a VM as the inventory knows it, asking no VMstore. NotFound, AmbiguousName: which VM?"""
    vm = _seen(unit, text)
    bases = relatives.bases(unit, vm.uuid, list(limits))
    as_vm = Vm(uuid=vm.uuid, name=vm.name, vmstore=vm.vmstore)
    others = relatives.others(unit, as_vm, [name for name in limits if name not in bases])
    sizes = Sizes(used=vm.used_bytes, provisioned=vm.provisioned_bytes)
    return vm, foresee(unit, vm.uuid, sizes, bases=bases, others=others, limits=limits, prices=prices)


def _seen(unit: Unit, text: str) -> SeenVm:
    store, _, name = text.partition("/")
    found = [vm for vm in unit.inventory.named(text) if vm.gone_at is None]
    if not found and name:
        found = [vm for vm in unit.inventory.named(name) if vm.gone_at is None and vm.vmstore == store]
    if not found:
        near = unit.inventory.near(text)
        hint = f" Did you mean {', '.join(near)}?" if near else " `cloudy serve` keeps that list."
        raise NotFound(f"The list of VMs has none called {text}.{hint}", near)
    if len(found) > 1:
        ways = tuple(f"{vm.vmstore}/{vm.name} ({vm.uuid})" for vm in found)
        raise AmbiguousName(f"{text} is more than one VM. Say VMstore/name, or its uuid: {'; '.join(ways)}", ways)
    return found[0]
