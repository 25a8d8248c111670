"""VMware vSphere by vCenter, or by a single ESXi host (port: bot.ports.Hypervisor).

A VM that Cloudy registered has its label in its .vmx, as `cloudy.label`, beside the path of that .vmx, for which it was
written: a clone takes both along and has another path. vSphere shows them as settings of the VM.
"""

import posixpath
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from pyVmomi import vmodl

from bot.errors import ConfigError, MissingError, PermanentError, RemoteError
from bot.model import Alive, HypervisorInfo, Registered, RegisterSpec, Vm, VmShape
from integrations.hypervisors.vsphere import definition, inventory, power, registering, vmx, words
from integrations.hypervisors.vsphere.connection import Connection, Session
from integrations.hypervisors.vsphere.datastore import Datastore

T = TypeVar("T")
_OPTIONS = ("resource_pool", "host", "folder")


def open_vsphere(name: str, url: str, datastore: str, settings: Mapping[str, object]) -> "VsphereHypervisor":
    """Open one. ConfigError: an address that it cannot use, no user or no password. It asks nothing yet."""
    user, password = str(settings.get("user", "")), str(settings.get("password", ""))
    if not user or not password:
        raise ConfigError([f"hypervisors.{name}: vsphere needs `user` and `password`"])
    timeout_s = float(str(settings.get("timeout_s", 30.0)))
    line = Connection(name, url, (user, password), str(settings.get("ca", "")), timeout_s)
    options = {key: str(settings[key]) for key in _OPTIONS if settings.get(key)}
    return VsphereHypervisor(name, line, datastore, options)


class VsphereHypervisor:
    """One vCenter. datastore: what it calls the export."""

    kind = "vsphere"

    def __init__(self, name: str, line: Connection, datastore: str, options: Mapping[str, str]) -> None:
        self.name = name
        self._line = line
        self._datastore = datastore
        self._options = options
        self._registering = threading.Lock()

    def info(self) -> HypervisorInfo:
        """See the port."""

        def asked(session: Session) -> HypervisorInfo:
            about = session.content.about
            return HypervisorInfo(product=str(about.name), version=str(about.version))

        return self._ask("asking what it is", asked)

    def shape(self, vm: Vm) -> VmShape:
        """See the port. Where its .vmx may not be read, one is made of what is told."""

        def asked(session: Session) -> VmShape | None:
            store = self._store(session)
            known = self._known(session, store, vm)
            if known is None:
                return None
            groups = inventory.groups_of(session, store.center)
            return words.shape_of(known, self._definition(store, known), store.inside, groups)

        found = self._ask("asking for a VM's shape", asked)
        if found is None:
            raise self._missing(vm.name, "asking for a VM's shape")
        return found

    def find(self, name: str) -> tuple[Registered, ...]:
        """See the port."""
        return self._ask("finding a VM", lambda session: inventory.by_name(session, name)) if name else ()

    def registered(self, label: str) -> Registered | None:
        """See the port."""

        def asked(session: Session) -> Registered | None:
            store = self._store(session) if self._datastore else None
            registering.await_others(session, self.name)
            return inventory.labelled(session, self.name, store, label)

        return self._ask("finding what was registered", asked)

    def register_vm(self, label: str, spec: RegisterSpec) -> Registered:
        """See the port. The .vmx on the export is replaced by one that is made for the new place.

        Notes are told by the call that really registers it.
        """
        if why := registering.check(spec):
            raise self._refused(f"{why}.", "registering a VM")

        def asked(session: Session) -> Registered:
            store = self._store(session)
            return registering.Registering(session, self.name, store, label, spec, **self._options).run()

        with self._registering:
            try:
                return self._ask("registering a VM", asked)
            except (definition.NoDefinition, inventory.NotFound) as error:
                raise self._refused(f"{error}; nothing was registered.", "registering a VM") from error

    def power_on(self, vm_id: str) -> None:
        """See the port. "Moved or copied?" is answered for VMs that Cloudy registered; other questions are told."""
        try:
            self._ask("starting a VM", lambda session: power.start(session, self._vm(session, vm_id)))
        except power.Asks as error:
            raise self._refused(f"the VM waits for an answer, give it in vSphere: {error}", "starting a VM") from error

    def power_off(self, vm_id: str) -> None:
        """See the port."""
        with suppress(MissingError):
            self._ask("stopping a VM", lambda session: power.stop(session, self._vm(session, vm_id)))

    def alive(self, vm_id: str, pattern: str = "") -> Alive | None:  # noqa: ARG002 - vSphere gives no console to read
        """See the port. By heartbeat and VMware Tools."""
        return self._ask(
            "looking whether a VM lives",
            lambda session: words.alive(session.one(self._vm(session, vm_id), *words.LIFE)),
        )

    def unregister(self, vm_id: str) -> None:
        """See the port."""
        with suppress(MissingError):
            self._ask("forgetting a VM", lambda session: power.forget(session, self._vm(session, vm_id)))

    def close(self) -> None:
        """See the port."""
        self._line.close()

    def _ask(self, operation: str, work: Callable[[Session], T]) -> T:
        return self._line.ask(operation, work)

    def _store(self, session: Session) -> Datastore:
        if not self._datastore:
            raise self._refused("it sees no VMstore's files: `datastore` is not set.", "find the datastore")
        return Datastore(session, self.name, self._datastore)

    def _vm(self, session: Session, vm_id: str) -> Any:
        vm = inventory.vm_of(session, vm_id)
        if vm is None:
            raise self._missing(vm_id, "looking a VM up")
        return vm

    def _known(self, session: Session, store: Datastore, vm: Vm) -> dict[str, Any] | None:
        """What is told of the VM whose disks are the given ones; by the name alone where no disk of it is known.

        Looked at are those of its name, and those whose .vmx lies beside one of the disks.
        """
        disks = {disk.path for disk in vm.disks}
        folders = {posixpath.dirname(path) for path in disks}
        near = []
        for each, told in inventory.on(session, store, "name", "config.files.vmPathName"):
            folder = posixpath.dirname(store.inside(str(told.get("config.files.vmPathName", ""))))
            if words.plain_name(str(told.get("name", ""))) == vm.name or folder in folders:
                near.append(each)
        for each in near:
            with suppress(vmodl.fault.ManagedObjectNotFound):  # gone meanwhile
                known = session.one(each, *words.SHAPE)
                if self._is_of(known, disks, store, vm.name):
                    return known
        return None

    def _is_of(self, known: Mapping[str, Any], disks: set[str], store: Datastore, name: str) -> bool:
        if not disks:
            return words.plain_name(str(known.get("name", ""))) == name
        devices = known.get("config.hardware.device") or ()
        return any(store.inside(file) in disks for disk in words.disks_of(devices) for file in words.files_of(disk))

    def _definition(self, store: Datastore, known: Mapping[str, Any]) -> str:
        file = store.inside(str(known.get("config.files.vmPathName") or ""))
        try:
            return vmx.decode(store.read(file)) if file else ""
        except (RemoteError, vmx.UnknownEncoding):  # no right to it, or no such way here
            return ""

    def _missing(self, what: str, operation: str) -> MissingError:
        return MissingError(f"{self.name} knows no VM {what}.", system=self.name, operation=operation)

    def _refused(self, why: str, operation: str) -> PermanentError:
        return PermanentError(f"{self.name}: {why}", system=self.name, operation=operation)
