"""VMs to choose from while somebody types, from the inventory; no VMstore is asked."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bot.errors import NotFound
from bot.model import SeenVm
from bot.store import Unit

_LONGEST = 255  # of what is looked for; no VM's name is longer
_MOST = 1000
_UUID = 13  # characters of one in a label
_LABEL = re.compile(rf"(?:(?P<vmstore>[^/]*)/)?(?P<name>.*?)(?: \((?P<uuid>[\w-]{{1,{_UUID}}})\)|…)?", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class VmChoice:
    """One VM in a menu: what a person reads, and what comes back when it is chosen."""

    label: str
    value: str


def suggest(unit: Unit, text: str, limit: int) -> tuple[VmChoice, ...]:
    """Live VMs that may be meant, best first: the same name, then beginnings, then parts, in any case.

    Where two have the same name, the VMstore is said, and where that is not enough the uuid's beginning; what a label
    says finds it again.
    """
    text = text[:_LONGEST]
    found = unit.inventory.search(text, limit + 1)  # one more, so that the last one's twin is seen
    chosen = found[:limit]
    said = _LABEL.fullmatch(text)
    if not found and said and said["name"] != text:
        found = unit.inventory.search(said["name"], _MOST)
        chosen = tuple(vm for vm in found if _fits(vm, said))[:limit]
    return tuple(VmChoice(label=_label(vm, found), value=f"{vm.vmstore}/{vm.uuid}") for vm in chosen)


def typed(unit: Unit, value: str) -> str:
    """What one would type to mean the VM of a choice. NotFound: it is not there any more."""
    vmstore, _, uuid = value.rpartition("/")
    vm = next((one for one in unit.inventory.named(uuid) if (one.vmstore, one.gone_at) == (vmstore, None)), None)
    if vm is None:
        raise NotFound("There is no such VM any more. Choose again.")
    twins = [one for one in unit.inventory.named(vm.name) if one.gone_at is None and one.name == vm.name]
    if len([one for one in twins if one.vmstore == vmstore]) > 1:
        return f"{vmstore}/{vm.uuid}"
    return f"{vmstore}/{vm.name}" if len(twins) > 1 or "/" in vm.name else vm.name


def _fits(vm: SeenVm, said: re.Match[str]) -> bool:
    return vm.vmstore.startswith(said["vmstore"] or "") and vm.uuid.startswith(said["uuid"] or "")


def _label(vm: SeenVm, among: Sequence[SeenVm]) -> str:
    stores = Counter(other.vmstore for other in among if other.name == vm.name)
    if stores[vm.vmstore] > 1:
        return f"{vm.vmstore}/{vm.name} ({vm.uuid[:_UUID]})"
    return f"{vm.vmstore}/{vm.name}" if len(stores) > 1 else vm.name
