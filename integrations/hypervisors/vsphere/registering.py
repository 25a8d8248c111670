"""Registers a VM from restored files: looks at them, adapts the .vmx on the datastore, registers it, sets it right.

The label is in the .vmx before the VM is registered, so that one label registers one VM, whenever Cloudy was stopped;
what says that the VM is finished comes with the last step. A registration that takes longer than Cloudy waits is
waited for by whoever comes next.
"""

import posixpath
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pyVmomi import vim, vmodl

from bot.errors import PermanentError, TransientError
from bot.model import Registered, RegisterSpec
from integrations.hypervisors import specs
from integrations.hypervisors.vsphere import definition, descriptors, inventory, power, vmx, words
from integrations.hypervisors.vsphere.connection import Session, id_of
from integrations.hypervisors.vsphere.datastore import Datastore
from integrations.hypervisors.vsphere.failures import is_passing

_NAME = re.compile(r"[^\x00-\x1f]{1,80}")  # https://kb.vmware.com/s/article/1004088: no longer ones are registered
_REGISTERS = "Folder.registerVm"  # how tasks of RegisterVM_Task describe themselves: TaskDescription.methodInfo


class Registering:
    """One attempt."""

    def __init__(
        self, session: Session, system: str, datastore: Datastore, label: str, spec: RegisterSpec, **options: str
    ) -> None:
        self._session = session
        self._system = system
        self._store = datastore
        self._label = label
        self._spec = spec
        self._options = options

    def run(self) -> Registered:
        """The VM, registered by this or by an attempt before it. PermanentError: nothing is registered."""
        await_others(self._session, self._system)
        found = inventory.labelled(self._session, self._system, self._store, self._label)
        if found is not None and inventory.is_ready(self._session, found):
            return found
        source, file = self._source()
        path = self._store.path(file)
        notes: tuple[str, ...] = ()
        vm = self._at(path)
        if vm is not None and (source.get(definition.LABEL), source.get(definition.PLACE)) != (self._label, path):
            raise self.refused(f"{path} is registered already, as {inventory.told(self._session, vm).name}")
        folder, pool, host = inventory.place_for(self._session, self._store, self._options)
        networks = inventory.networks_of(self._session, host)
        wanted = self._wanted(file)
        self._check_networks(source, wanted, networks)
        if vm is None:
            notes = self._adapt(source, file, wanted)
            vm = self._register(path, folder, pool, host)
        return self._set_right(vm, source, wanted, networks, notes)

    def _register(self, path: str, folder: Any, pool: Any, host: Any) -> Any:
        try:
            return self._session.result(folder.RegisterVM_Task(path, self._spec.name, False, pool, host))
        except vim.fault.AlreadyExists:  # by an attempt with the same label, since the .vmx is ours
            vm = self._at(path)
            if vm is None:
                raise
            return vm

    def _source(self) -> tuple[vmx.Vmx, str]:
        """What the VM is made of, and where on the datastore the .vmx is or will be."""
        if missing := self._store.missing(self._spec.directory, self._spec.files):
            raise self.refused(
                f"the host does not see {', '.join(missing[:3])}. Is {self._store.name} the VMstore's export"
            )
        own = sorted(file for file in self._spec.files if file.lower().endswith((".vmx", ".vmtx")))
        shape = self._spec.shape
        if len(own) > 1:
            raise self.refused(f"there are several definitions: {', '.join(own)}; leave one of them")
        if own:
            return vmx.parse(self._text(own[0])), f"{posixpath.splitext(own[0])[0]}.vmx"
        if shape is None or shape.kind != "vsphere" or not shape.definition:
            raise definition.NoDefinition("the recovery point holds no definition for vSphere")
        file = f"{self._spec.directory}/{posixpath.basename(self._spec.directory)}.vmx"
        return vmx.parse(shape.definition), file

    def _text(self, file: str) -> str:
        data = self._store.read(file)
        try:
            return vmx.decode(data)
        except vmx.UnknownEncoding as error:
            raise definition.NoDefinition(f"{posixpath.basename(file)}: {error}") from error

    def _wanted(self, file: str) -> definition.Wanted:
        shape, folder = self._spec.shape, posixpath.dirname(file)
        below = [file.removeprefix(f"{folder}/") for file in self._spec.files if file.startswith(f"{folder}/")]
        return definition.Wanted(
            label=self._label,
            name=self._spec.name,
            path=self._store.path(file),
            here=frozenset(below),
            cards=shape.nics if shape is not None and shape.kind == "vsphere" else (),
            networks=self._spec.networks,
            is_connected=self._spec.is_connected,
            keeps_identity=self._spec.keeps_identity,
        )

    def _adapt(self, source: vmx.Vmx, file: str, wanted: definition.Wanted) -> tuple[str, ...]:
        """See that nothing is in the way, and write the .vmx and the disks' descriptors."""
        if inventory.by_name(self._session, self._spec.name):
            raise self.refused(f"there is a VM called {self._spec.name} already; choose another name")
        own = definition.own_uuid(source)
        index = self._session.content.searchIndex
        if wanted.keeps_identity and own and index.FindByUuid(None, own, True, False) is not None:
            raise self.refused("the VM with that identity is still there; unregister it, or restore it as another one")
        made, notes = definition.adapted(source, wanted)
        for _, disk in made.disks():
            self._look_at(disk, posixpath.dirname(file), wanted.here)
        if dict(made) != dict(source):
            self._store.write(file, made.text().encode())
        return notes

    def _look_at(self, disk: str, folder: str, here: frozenset[str]) -> None:
        """See that a disk and those below it are made of files of their own folder that were restored."""
        seen: set[str] = set()
        while disk and disk not in seen:
            seen.add(disk)
            beside, text = posixpath.dirname(disk), self._text(f"{folder}/{disk}")
            try:
                read = descriptors.read(text)
                for name in filter(None, (*read.extents, read.parent)):
                    definition.place_of(posixpath.join(beside, name), here)
            except (descriptors.BadDisk, definition.NoDefinition) as error:
                raise definition.NoDefinition(f"{disk}: {error}") from error
            if read.text != text:
                self._store.overwrite(f"{folder}/{disk}", read.text.encode())
            disk = posixpath.join(beside, read.parent) if read.parent else ""

    def _check_networks(self, source: vmx.Vmx, wanted: definition.Wanted, networks: Mapping[str, Any]) -> None:
        for number in range(len(source.cards()) if wanted.is_connected else 0):
            name = definition.network_of(source, number, wanted)
            if name not in networks:
                known = ", ".join(sorted(networks)) or "none"
                raise self.refused(f"the host has no network {name} (it has: {known}); map it to another one")

    def _set_right(
        self, vm: Any, source: vmx.Vmx, wanted: definition.Wanted, networks: Mapping[str, Any], notes: tuple[str, ...]
    ) -> Registered:
        """Name, label, identity and network cards, where they are not right by the .vmx alone."""
        known = self._session.one(vm, "name", "config.uuid", "config.annotation", "config.hardware.device")
        change = vim.vm.ConfigSpec(deviceChange=self._cards(known, wanted, networks))
        extra = inventory.extra_of(self._session, vm)
        mine = {definition.LABEL: self._label, definition.PLACE: wanted.path, definition.READY: self._label}
        mine[definition.IDENTITY] = "keep" if wanted.keeps_identity else "create"
        change.extraConfig = [
            vim.option.OptionValue(key=key, value=value) for key, value in mine.items() if extra.get(key) != value
        ]
        change.annotation = definition.annotated(str(known.get("config.annotation") or ""), self._label)
        if words.plain_name(str(known.get("name", ""))) != self._spec.name:
            change.name = self._spec.name
        own = definition.own_uuid(source) if wanted.keeps_identity else ""
        if own and known.get("config.uuid") != own:
            change.uuid = own
        try:
            self._session.result(vm.ReconfigVM_Task(change))
        except vmodl.MethodFault as fault:
            if not is_passing(fault):  # else the next try finishes it
                power.forget(self._session, vm)  # what was promised: nothing is registered
            raise
        return replace(inventory.told(self._session, vm), notes=notes)

    def _cards(self, known: Mapping[str, Any], wanted: definition.Wanted, networks: Mapping[str, Any]) -> list[Any]:
        changes = []
        for number, card in enumerate(words.cards_of(known.get("config.hardware.device") or ())):
            former = wanted.cards[number].network if number < len(wanted.cards) else words.network_of(card, {})
            network = networks.get(wanted.networks.get(former, former))
            if network is not None:
                card.backing = self._backing(network)
            card.connectable = card.connectable or vim.vm.device.VirtualDevice.ConnectInfo(connected=False)
            card.connectable.startConnected = card.connectable.allowGuestControl = wanted.is_connected
            operation = vim.vm.device.VirtualDeviceSpec.Operation.edit
            changes.append(vim.vm.device.VirtualDeviceSpec(operation=operation, device=card))
        return changes

    def _backing(self, network: Any) -> Any:
        kinds = vim.vm.device.VirtualEthernetCard
        if isinstance(network, vim.dvs.DistributedVirtualPortgroup):
            switch = self._session.property(network, "config.distributedVirtualSwitch")
            port = vim.dvs.PortConnection(
                portgroupKey=self._session.property(network, "key"), switchUuid=self._session.property(switch, "uuid")
            )
            return kinds.DistributedVirtualPortBackingInfo(port=port)
        if isinstance(network, vim.OpaqueNetwork):
            told = self._session.property(network, "summary")
            return kinds.OpaqueNetworkBackingInfo(
                opaqueNetworkId=told.opaqueNetworkId, opaqueNetworkType=told.opaqueNetworkType
            )
        name = self._session.property(network, "name")
        return kinds.NetworkBackingInfo(deviceName=words.plain_name(name), network=network)

    def _at(self, path: str) -> Any:
        return self._session.content.searchIndex.FindByDatastorePath(self._store.center, path)

    def refused(self, why: str) -> PermanentError:
        """Our error, with the reason."""
        return PermanentError(f"{self._system}: {why}.", system=self._system, operation="registering a VM")


def check(spec: RegisterSpec) -> str:
    """What is wrong with a spec, whoever made it; "": nothing."""
    wrong = specs.mistake_of(spec)
    return wrong or ("" if _NAME.fullmatch(spec.name) else f"{spec.name!r} cannot be the name of a VM here")


def await_others(session: Session, system: str) -> None:
    """Wait for all registrations that are under way: one of them may be ours, given up before it had ended.

    Only afterwards it can be said what a label has registered. TransientError: one takes too long.
    """
    tasks = session.of(session.content.taskManager, "recentTask", vim.Task, "info.state", "info.descriptionId")
    for task, told in tasks:
        if told.get("info.descriptionId") != _REGISTERS or told.get("info.state") not in ("queued", "running"):
            continue
        try:
            session.result(task)
        except vmodl.MethodFault:  # whoever began it is told
            continue
        except TimeoutError:
            raise TransientError(
                f"{system} is still registering a VM (task {id_of(task)}), maybe the one that was asked for; which it"
                " is shows when that has ended. Look at the task in vSphere if it never does.",
                system=system,
                operation="registering a VM",
            ) from None
