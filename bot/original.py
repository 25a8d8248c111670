"""The VM that a restore is to overwrite: where it is, whether it is on, whether a recovery point can take its place.

It only looks; what is in the way is told in words, "" where nothing is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from posixpath import basename, dirname

from bot.errors import MissingError
from bot.manifest import Manifest
from bot.model import Disk, Vm, VmShape
from bot.ports import Hypervisor, VMstore
from bot.registrable import may_know

Pairs = tuple[tuple[str, str], ...]  # disks by name: in the snapshot, in the VM


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """As it is now."""

    vm: Vm
    folder: str  # of its files, relative to the export; "": they lie in several, or it has no disks
    vm_id: str = ""  # with the hypervisor; "": that does not know it, or there is none
    is_on: bool | None = None  # None: nobody tells
    shape: VmShape | None = None
    ambiguous: int = 0  # how many VMs the hypervisor has of its name, where that is more than one


def look(client: VMstore, host: Hypervisor | None, uuid: str) -> Original:
    """Ask for it. MissingError: it is not there any more."""
    vm = client.get_vm(uuid)
    found = Original(vm=vm, folder=_folder(vm.disks), is_on=vm.powered)
    if host is None or not may_know(host.kind, vm.hypervisor):
        return found
    try:
        shape = host.shape(vm)
    except MissingError:
        return found
    known = host.find(vm.name)
    if len(known) != 1:
        return Original(vm=vm, folder=found.folder, shape=shape, is_on=vm.powered, ambiguous=len(known))
    return Original(vm=vm, folder=found.folder, vm_id=known[0].id, is_on=known[0].is_on, shape=shape)


def _folder(disks: Sequence[Disk]) -> str:
    folders = {dirname(disk.path) for disk in disks}
    return folders.pop().strip("/") if len(folders) == 1 else ""


def misfit(original: Original, written: Manifest) -> str:
    """Why the files of a recovery point cannot take the place of the VM's own.

    A disk that came since, a hypervisor's snapshot above all, would be left on top of one that it does not fit.
    """
    name = original.vm.name
    now, then = _names(original.vm.disks), _names(written.vm.disks)
    if not original.folder or not then <= {file.name for file in written.files}:
        return f"The disks of {name} do not lie in one folder. Restore it beside the original, without “over original”."
    if now == then:
        return ""
    more, less = ", ".join(sorted(now - then)), ", ".join(sorted(then - now))
    told = [f"has {more} by now, which the recovery point has not" if more else "", f"has no {less}" if less else ""]
    return (
        f"{name} {' and '.join(filter(None, told))}: other disks than it had then. If that is a snapshot of the"
        " hypervisor, remove it there; else restore beside the original, without “over original”."
    )


def _names(disks: Sequence[Disk]) -> set[str]:
    return {basename(disk.path) for disk in disks}


def paired(original: Original, written: Manifest) -> Pairs | None:
    """The disks that a VMstore puts back alone: () all of the VM is. None: it lacks one that the recovery point has.

    By disk where it has others by now, which then stay as they are.
    """
    now = {disk.name: basename(disk.path) for disk in original.vm.disks}
    then = {disk.name: basename(disk.path) for disk in written.vm.disks}
    if now == then:
        return ()
    if not original.folder or not then or not then.items() <= now.items():
        return None
    return tuple((name, name) for name in then)


def objection(original: Original, *, is_off_allowed: bool) -> str:
    """Why it cannot be overwritten as it stands: it is on, or nobody tells."""
    name = original.vm.name
    if original.ambiguous:
        return f"The hypervisor has {original.ambiguous} VMs called {name}: which of them is meant, nobody can tell."
    if original.is_on is None:
        store = original.vm.vmstore
        return f"Nobody tells whether {name} is off: have its hypervisor configured (`hypervisor` of {store})."
    if not original.is_on:
        return ""
    if not is_off_allowed:
        return (
            f"{name} is on. Power it off first, or say that it may be: “power off” (at the command line --power-off)."
        )
    if not original.vm_id:
        return f"{name} is on, and there is no hypervisor that Cloudy could have it powered off by: do that by hand."
    return ""


def unsettled(name: str, transaction_id: str) -> str:
    """Why it is not overwritten again: an earlier restore has not put it back yet, and would do so over this one."""
    return (
        f"{name} is not put back yet, as {transaction_id} has left it: `cloudy orphans --remove` tries again; or let it"
        f" stay as it is now: `cloudy orphans --let-go {transaction_id}`."
    )


def differences(original: Original, written: Manifest) -> Iterator[str]:
    """What the VM stays, though it was made of something else then: its hypervisor keeps what it knows of it."""
    now, then = original.shape, written.vm.shape
    if now is None or then is None:
        return
    for what, here, there in (
        ("processors", now.cpus, then.cpus),
        ("MiB of memory", now.memory_mib, then.memory_mib),
        ("network cards", len(now.nics), len(then.nics)),
    ):
        if here != there:
            yield f"it keeps {here} {what}; in the recovery point it has {there}"
