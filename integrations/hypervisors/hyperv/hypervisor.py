"""Microsoft Hyper-V by PowerShell remoting (port: bot.ports.Hypervisor). One host.

A VM that Cloudy registered says so in its notes, with its id and the folder of its configuration.
"""

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TypeVar

from bot.errors import DeniedError, MissingError, PermanentError
from bot.model import Alive, HypervisorInfo, Registered, RegisterSpec, Vm, VmShape
from integrations.hypervisors.hyperv import inventory, registering
from integrations.hypervisors.hyperv.cmdlets import cmdlet, pick
from integrations.hypervisors.hyperv.connection import Connection, Session
from integrations.hypervisors.hyperv.definition import NoDefinition
from integrations.hypervisors.hyperv.failures import RIGHTS
from integrations.hypervisors.hyperv.paths import Paths
from integrations.hypervisors.hyperv.settings import way

T = TypeVar("T")
_LONG = 10  # registering, starting and stopping may take as many times the time-out


def open_hyperv(name: str, url: str, datastore: str, settings: Mapping[str, object]) -> "HypervHypervisor":
    """Open one. ConfigError: an address, a login or a share that cannot be. It asks nothing yet."""
    return HypervHypervisor(name, Connection(name, way(name, url, settings)), Paths(datastore))


class HypervHypervisor:
    """One host."""

    kind = "hyperv"

    def __init__(self, name: str, line: Connection, paths: Paths) -> None:
        self.name = name
        self._line = line
        self._paths = paths
        self._registering = threading.Lock()

    def info(self) -> HypervisorInfo:
        """See the port. DeniedError: the host does not reach the VMstore's share, either."""

        def asked(session: Session) -> HypervisorInfo:
            (host,) = session.run(cmdlet("Get-VMHost"), pick("Name"))
            (system,) = session.run(
                cmdlet("Get-CimInstance", ClassName="Win32_OperatingSystem"), pick("Caption", "Version")
            )
            share = self._paths.datastore
            if share and session.run(cmdlet("Test-Path", LiteralPath=[share])) != [True]:
                raise DeniedError(
                    f"{self.name}: {host['Name']} does not reach {share} (`datastore`). {RIGHTS}",
                    system=self.name,
                    operation="asking what it is",
                )
            return HypervisorInfo(product=f"Hyper-V, {system['Caption']}", version=str(system["Version"]))

        return self._line.ask("asking what it is", asked)

    def shape(self, vm: Vm) -> VmShape:
        """See the port."""
        found = self._line.ask(
            "asking for a VM's shape", lambda session: inventory.shape(session, self._paths, vm), factor=3
        )
        if found is None:
            raise self._missing(vm.name, "asking for a VM's shape")
        return found

    def find(self, name: str) -> tuple[Registered, ...]:
        """See the port."""

        def asked(session: Session) -> tuple[Registered, ...]:
            found = (each for each in inventory.everything(session) if str(each["Name"]) == name)
            return tuple(sorted(map(inventory.registered, found), key=lambda each: each.id))

        return self._line.ask("finding a VM", asked) if name else ()

    def registered(self, label: str) -> Registered | None:
        """See the port. One that was begun and not finished, too: it is to be found to be taken back."""

        def asked(session: Session) -> Registered | None:
            found = inventory.labelled(inventory.everything(session), label, self.name)
            return None if found is None else inventory.registered(found)

        return self._line.ask("finding what was registered", asked)

    def register_vm(self, label: str, spec: RegisterSpec) -> Registered:
        """See the port. Notes are told by the call that really registers it."""
        if not self._paths.datastore:
            raise self._refused("it sees no VMstore's files: `datastore` is not set.")
        if why := registering.check(spec, label):
            raise self._refused(f"{why}.")

        def asked(session: Session) -> Registered:
            return registering.Registering(session, self.name, self._paths, label, spec).run()

        with self._registering:
            try:
                return self._line.ask("registering a VM", asked, factor=_LONG)
            except NoDefinition as error:
                raise self._refused(f"{error}; nothing was registered.") from error

    def power_on(self, vm_id: str) -> None:
        """See the port."""

        def asked(session: Session, own: object) -> None:
            state = str(inventory.one(session, own)["State"])
            if state != "Running":
                session.run(inventory.by_id(own), cmdlet("Resume-VM" if state == "Paused" else "Start-VM"))

        self._of("starting a VM", vm_id, asked, factor=_LONG)

    def power_off(self, vm_id: str) -> None:
        """See the port."""
        with suppress(MissingError):
            self._of("stopping a VM", vm_id, registering.stop, factor=_LONG)

    def alive(self, vm_id: str, pattern: str = "") -> Alive | None:  # noqa: ARG002 - Hyper-V gives no console to read
        """See the port. By heartbeat."""
        return self._of("looking whether a VM lives", vm_id, inventory.alive)

    def unregister(self, vm_id: str) -> None:
        """See the port. The configuration goes that was made when it was registered; restored files stay."""
        with suppress(MissingError):
            self._of("forgetting a VM", vm_id, registering.remove, factor=_LONG)

    def close(self) -> None:
        """See the port."""
        self._line.close()

    def _of(self, operation: str, vm_id: str, work: Callable[[Session, object], T], factor: float = 1) -> T:
        own = inventory.id_of(vm_id)
        if own is None:
            raise self._missing(vm_id, operation)
        return self._line.ask(operation, lambda session: work(session, own), factor)

    def _missing(self, what: str, operation: str) -> MissingError:
        return MissingError(f"{self.name} knows no VM {what}.", system=self.name, operation=operation)

    def _refused(self, why: str) -> PermanentError:
        return PermanentError(f"{self.name}: {why}", system=self.name, operation="registering a VM")
