"""The world of the hypervisor in memory, so that it keeps the same promises as those that it stands for."""

import secrets
from dataclasses import replace
from pathlib import Path

from bot.model import Disk, RegisterSpec, Vm
from bot.ports import Hypervisor
from tests.memory import MemoryShare
from tests.memory_hypervisor import Host, MemoryHypervisor


class MemoryWorld:
    """A host in memory over a share in memory."""

    secret = "hunter22"
    has_console = True

    def __init__(self, folder: Path) -> None:
        self.marker = secrets.token_hex(8)
        self.host = Host(MemoryShare({}))

    def open(self) -> Hypervisor:
        return MemoryHypervisor(self.host)

    def original(self, name: str) -> Vm:
        disk = f"{name}/{name}.raw"
        if not MemoryHypervisor(self.host).find(name):
            self.host.share.files[disk] = self.marker.encode()
            self.host.keep(name, (disk,), is_on=False)
        return Vm(uuid=f"u-{name}", name=name, vmstore="vmstore", disks=(Disk(uuid="d", name="vda", path=disk),))

    def copied(self, name: str, new: str) -> RegisterSpec:
        vm = self.original(name)
        self.host.share.files[f"{new}/{name}.raw"] = self.host.share.files[vm.disks[0].path]
        shape = self.open().shape(vm)
        return RegisterSpec(name=new, directory=new, files=(f"{new}/{name}.raw",), shape=shape)

    def clone(self, vm_id: str, name: str, *, is_forged: bool = False) -> None:
        original = self.host.machines[vm_id]
        made = self.host.keep(name, original.shape.disks, is_on=False)
        made.told = replace(made.told, label=original.told.label if is_forged else "")

    def lose(self, files: tuple[str, ...]) -> None:
        for file in files:
            del self.host.share.files[file]

    def there(self, files: tuple[str, ...]) -> bool:
        return all(file in self.host.share.files for file in files)

    def cannot_start(self, spec: RegisterSpec) -> None:
        self.host.refuses_to_start = "no room"

    def boots(self, vm_id: str) -> None:
        return

    def identity(self, vm_id: str) -> str:
        return self.host.machines[vm_id].identity

    def is_connected(self, vm_id: str) -> bool:
        return "network cards are not connected" not in self.host.machines[vm_id].told.notes

    def close(self) -> None:
        return
