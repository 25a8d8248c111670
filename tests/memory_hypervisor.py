"""A hypervisor in memory that keeps the promises of the port; its guests say what their first disk holds."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from threading import Lock

from bot.errors import MissingError, PermanentError
from bot.model import LONGEST_SIGN, Alive, HypervisorInfo, Nic, Registered, RegisterSpec, Vm, VmShape
from tests.memory import MemoryShare, Watch, unwatched

LOOKS = 2  # at a guest that was started until it lives


@dataclass
class Machine:
    """One VM that the host knows."""

    told: Registered
    shape: VmShape
    identity: str
    looks: int = 0


@dataclass
class Host:
    """What outlives any client: VMs, and the export that holds their disks."""

    share: MemoryShare
    name: str = "host"
    watch: Watch = unwatched
    machines: dict[str, Machine] = field(default_factory=dict)
    refuses_to_start: str = ""
    never_lives: bool = False
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    lock: Lock = field(default_factory=Lock)

    def keep(self, name: str, disks: tuple[str, ...], *, is_on: bool = True) -> Machine:
        """Let a VM be there that Cloudy did not register."""
        identity = f"uuid-{next(self.numbers)}"
        shape = VmShape(
            kind="libvirt",
            cpus=2,
            memory_mib=1024,
            firmware="bios",
            nics=(Nic(mac="52:54:00:00:00:01", network="default", model="virtio"),),
            disks=disks,
            guest="",
            definition=f"{identity} {' '.join(disks)}",
        )
        made = Machine(Registered(id=identity, name=name, label="", is_on=is_on), shape, identity)
        self.machines[made.told.id] = made
        return made


class MemoryHypervisor:
    """One client."""

    kind = "libvirt"

    def __init__(self, host: Host) -> None:
        self._host = host
        self.name = host.name

    def info(self) -> HypervisorInfo:
        self._tell("info")
        return HypervisorInfo(product="Memory hypervisor", version="1")

    def shape(self, vm: Vm) -> VmShape:
        self._tell("shape")
        disks = {disk.path for disk in vm.disks}
        for machine in self._host.machines.values():
            if machine.told.name == vm.name and (not disks or disks & set(machine.shape.disks)):
                return machine.shape
        raise MissingError(f"{self.name} does not know {vm.name}", system=self.name)

    def find(self, name: str) -> tuple[Registered, ...]:
        self._tell("find")
        return tuple(machine.told for machine in self._host.machines.values() if machine.told.name == name)

    def registered(self, label: str) -> Registered | None:
        self._tell("registered")
        return self._labelled(label)

    def register_vm(self, label: str, spec: RegisterSpec) -> Registered:
        self._tell("register_vm")
        with self._host.lock:
            found = self._labelled(label)
            if found is None:
                machine = self._machine(label, spec)
                found = machine.told
                self._host.machines[found.id] = machine
        self._tell("register_vm done")
        return found

    def power_on(self, vm_id: str) -> None:
        self._tell("power_on")
        machine = self._machine_of(vm_id)
        missing = [disk for disk in machine.shape.disks if not self._host.share.exists(disk)]
        if self._host.refuses_to_start or missing:
            raise PermanentError(self._host.refuses_to_start or f"{missing} are not there", system=self.name)
        self._turn(machine, is_on=True)
        self._tell("power_on done")

    def power_off(self, vm_id: str) -> None:
        self._tell("power_off")
        machine = self._host.machines.get(vm_id)
        if machine:
            self._turn(machine, is_on=False)
        self._tell("power_off done")

    def alive(self, vm_id: str, pattern: str = "") -> Alive | None:
        self._tell("alive")
        machine = self._machine_of(vm_id)
        machine.looks += 1
        if not machine.told.is_on or machine.looks < LOOKS or self._host.never_lives:
            return None
        first = self._host.share.files[machine.shape.disks[0]] if machine.shape.disks else b""
        text = f"MARKER {first[:64].decode('latin-1')}"
        if not pattern:
            return Alive(sign="agent", text="the guest's agent answers")
        return Alive(sign="console", text=text[-LONGEST_SIGN:]) if re.search(pattern, text) else None

    def unregister(self, vm_id: str) -> None:
        self._tell("unregister")
        self._host.machines.pop(vm_id, None)
        self._tell("unregister done")

    def close(self) -> None:
        self._tell("close")

    def _labelled(self, label: str) -> Registered | None:
        found = [each.told for each in self._host.machines.values() if each.told.label == label]
        if len(found) > 1:
            raise PermanentError(f"{', '.join(each.name for each in found)} have one label", system=self.name)
        return found[0] if found else None

    def _machine_of(self, vm_id: str) -> Machine:
        try:
            return self._host.machines[vm_id]
        except KeyError:
            raise MissingError(f"{vm_id} is gone", system=self.name) from None

    def _turn(self, machine: Machine, *, is_on: bool) -> None:
        if machine.told.is_on != is_on:
            machine.looks = 0
        machine.told = replace(machine.told, is_on=is_on)

    def _machine(self, label: str, spec: RegisterSpec) -> Machine:
        """PermanentError: anything that a real one would refuse."""
        identity = self._identity(spec)
        parts = spec.directory.split("/")
        outside = [path for path in spec.files if ".." in path or not path.startswith(f"{spec.directory}/")]
        outside += [spec.directory] if {"", ".", ".."} & set(parts) else []
        missing = [path for path in spec.files if not self._host.share.exists(path)]
        if outside or missing:
            raise PermanentError(f"outside: {outside}, not there: {missing}", system=self.name)
        if spec.shape is None:
            raise PermanentError("there is no definition", system=self.name)
        here = {path.rsplit("/", 1)[-1]: path for path in spec.files}
        lost = [disk for disk in spec.shape.disks if disk.rsplit("/", 1)[-1] not in here]
        if lost:
            raise PermanentError(f"no file is there of {lost}", system=self.name)
        disks = tuple(here[disk.rsplit("/", 1)[-1]] for disk in spec.shape.disks)
        notes = () if spec.is_connected else ("network cards are not connected",)
        told = Registered(id=identity, name=spec.name, label=label, is_on=False, notes=notes)
        return Machine(told, replace(spec.shape, disks=disks), identity)

    def _identity(self, spec: RegisterSpec) -> str:
        taken = {machine.told.name: machine for machine in self._host.machines.values()}
        kept = spec.shape.definition.split()[0] if spec.shape and spec.keeps_identity else ""
        if spec.name in taken or kept in self._host.machines:
            raise PermanentError(f"{spec.name} or its identity is taken", system=self.name)
        return kept or f"uuid-{next(self._host.numbers)}"

    def _tell(self, call: str) -> None:
        self._host.watch(f"hypervisor.{call}")
