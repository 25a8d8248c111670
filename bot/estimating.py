"""Gathers what an estimate rests on: the runs before, the recovery points, the targets, their prices."""

from collections.abc import Mapping

from bot.estimate import Destination, Sizes, estimate
from bot.model import Estimate, PartLimits
from bot.prices import Prices
from bot.store import Unit


def foresee(
    unit: Unit,
    vm_uuid: str,
    sizes: Sizes,
    *,
    bases: Mapping[str, object],
    limits: Mapping[str, PartLimits],
    prices: Prices,
) -> Estimate:
    """What a protection of this VM is expected to come to. bases: by target; limits: of each target that it goes to."""
    kept = dict.fromkeys(limits, 0)
    for point in unit.points.of_vm(vm_uuid):
        if point.target in kept:
            kept[point.target] += point.size
    destinations = [
        Destination(name=name, has_base=bool(bases.get(name)), limits=each, price=prices.of(name), kept=kept[name])
        for name, each in limits.items()
    ]
    return estimate(sizes, destinations, unit.past.of_vm(vm_uuid), unit.past.to(list(limits)))
