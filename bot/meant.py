"""Which VMs the words of a schedule mean now, from the inventory; no VMstore is asked."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot import groups
from bot.errors import NotFound
from bot.model import SeenVm
from bot.store import Unit

_ALL = 1_000_000

Groups = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Meant:
    """VMs, and what was named without being there."""

    vms: tuple[SeenVm, ...]
    absent: tuple[str, ...] = ()  # sentences


def meant(unit: Unit, words: Sequence[str], known: Groups, now: datetime) -> Meant:
    """Those of live VMs that are meant, each once. A group that cloudy.toml does not have any more is told as absent.

    While no VMstore was ever listed, a whole name stands for itself.
    """
    is_blind = not any(look.well_at for look in unit.inventory.looks())
    found: dict[tuple[str, str], SeenVm] = {}
    absent: list[str] = []
    for word in words:
        try:
            chosen = unit.inventory.meant(pattern for pattern, _ in groups.spread([word], known))
        except NotFound as error:
            absent.append(error.message)
            continue
        if not chosen and is_blind and not groups.is_pattern(word):
            chosen = (SeenVm(uuid=word, name=word, vmstore="", seen_at=now),)
        found |= {(vm.vmstore, vm.uuid): vm for vm in chosen}
        absent += [] if chosen else [_absent(unit, word)]
    return Meant(tuple(found.values()), tuple(absent))


def typed(vms: Sequence[SeenVm], live: Sequence[SeenVm]) -> dict[tuple[str, str], str]:
    """What one would type to mean each of them and no other, by VMstore and uuid."""
    names, placed = Counter(vm.name for vm in live), Counter((vm.vmstore, vm.name) for vm in live)
    said = {}
    for vm in vms:
        is_unique = (names[vm.name] <= 1 and "/" not in vm.name) or not vm.vmstore
        name = vm.name if placed[vm.vmstore, vm.name] <= 1 else vm.uuid
        said[vm.vmstore, vm.uuid] = vm.name if is_unique else f"{vm.vmstore}/{name}"
    return said


def all_live(unit: Unit) -> tuple[SeenVm, ...]:
    """Every VM that was there at the last look."""
    return unit.inventory.search("", _ALL)


def _absent(unit: Unit, word: str) -> str:
    if groups.is_pattern(word):
        return f"{word}: it fits no VM now"
    gone = next((vm for vm in unit.inventory.named(word.rpartition("/")[2]) if vm.gone_at), None)
    if gone and gone.gone_at:
        return f"{gone.name}: not seen on {gone.vmstore} since {gone.gone_at:%Y-%m-%d %H:%M} UTC"
    return f"{word}: no VMstore has such a VM"
