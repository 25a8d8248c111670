"""What the host has: VMs, virtual switches, and the shares that it sees as folders."""

import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from integrations.simulators.hyperv.machine import Machine


class Refused(Exception):  # noqa: N818 - reads as what it says
    """A cmdlet ended with an error: its message, and how PowerShell sorts it."""

    def __init__(
        self, message: str, error_id: str = "OperationFailed", reason: str = "VirtualizationException"
    ) -> None:
        super().__init__(message)
        self.error_id = error_id
        self.reason = reason


class Host:
    """One, with all that outlives its clients. Who changes it holds its lock."""

    def __init__(
        self,
        shares: Mapping[str, Path],
        switches: tuple[str, ...] = ("Production",),
        guest: Callable[[Sequence[Path]], str] = lambda _disks: "NoContact",
    ) -> None:
        """shares: folders by what the host calls them, like \\\\vmstore\\share.

        guest: what is on the disks of a VM that starts; gives the heartbeat that it shows from then on.
        """
        self.guest = guest
        self._shares = {name.rstrip("\\").lower(): folder for name, folder in shares.items()}
        self.name = "HYPERV1"
        self.switches = list(switches)
        self.machines: dict[uuid.UUID, Machine] = {}
        self.parents: dict[str, str] = {}  # of differencing disks: child -> parent, full paths
        self.lock = threading.RLock()

    def place(self, path: str) -> Path | None:
        """The file that a path of the host's means; None: on no share that it reaches."""
        for name, folder in self._shares.items():
            if path.lower() == name:
                return folder
            if path.lower().startswith(f"{name}\\"):
                parts = path[len(name) + 1 :].split("\\")
                return None if {"", ".", ".."} & set(parts) else folder.joinpath(*parts)
        return None

    def is_file(self, path: str) -> bool:
        """Whether there is a file of that path."""
        place = self.place(path)
        return place is not None and place.is_file()

    def keep(self, machine: Machine) -> Machine:
        """Register a VM, and write its configuration."""
        machine.is_planned = False
        self.machines[machine.id] = machine
        self.save(machine)
        return machine

    def save(self, machine: Machine) -> None:
        """Write its configuration; of one that is only planned nothing is written."""
        place = None if machine.is_planned else self.place(machine.configuration)
        if place is not None:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(machine.text())

    def forget(self, machine: Machine) -> None:
        """Take a VM out, with its configuration; its disks stay. Source: Remove-VM, Microsoft."""
        if machine.is_planned:
            return
        self.machines.pop(machine.id, None)
        place = self.place(machine.configuration)
        if place is not None:
            place.unlink(missing_ok=True)

    def named(self, name: str) -> Machine:
        """The one VM of a name. KeyError."""
        return {each.name: each for each in self.machines.values()}[name]
