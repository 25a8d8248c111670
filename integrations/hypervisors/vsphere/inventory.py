"""Looks VMs, hosts, pools, folders and networks up in the inventory."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from pyVmomi import vim, vmodl

from bot.model import Registered
from integrations.hypervisors import specs
from integrations.hypervisors.vsphere import definition, words
from integrations.hypervisors.vsphere.connection import Session, id_of
from integrations.hypervisors.vsphere.datastore import Datastore

_ID = re.compile(r"[\w.-]{1,64}")
_TOLD = ("name", "runtime.powerState", "config.extraConfig", "config.files.vmPathName")
_CURE = (
    f"Take the configuration parameters {definition.LABEL} and {definition.PLACE} out of the wrong one in vSphere"
    " (Edit settings, Advanced parameters)."
)


class NotFound(ValueError):  # noqa: N818 - reads as what it says
    """Something that is wanted is not in the inventory; says what to do."""


def vm_of(session: Session, vm_id: str) -> Any:
    """The VM of that id, whether it is there or not; None: no id of vSphere's looks so."""
    return vim.VirtualMachine(vm_id, session.stub) if _ID.fullmatch(vm_id) else None


def told(session: Session, vm: Any) -> Registered:
    """What a VM is. ManagedObjectNotFound."""
    return _told(vm, session.one(vm, *_TOLD))


def by_name(session: Session, name: str) -> tuple[Registered, ...]:
    """All VMs of exactly that name."""
    everything = session.below(session.content.rootFolder, vim.VirtualMachine, "name")
    named = [vm for vm, found in everything if words.plain_name(str(found.get("name", ""))) == name]
    found = []
    for vm in sorted(named, key=id_of):
        with suppress(vmodl.fault.ManagedObjectNotFound):  # gone meanwhile
            found.append(told(session, vm))
    return tuple(found)


def on(session: Session, datastore: Datastore | None, *paths: str) -> Iterator[tuple[Any, dict[str, Any]]]:
    """VMs that have files on the datastore; without one, all."""
    if datastore is None:
        return session.below(session.content.rootFolder, vim.VirtualMachine, *paths)
    return session.of(datastore.store, "vm", vim.VirtualMachine, *paths)


def labelled(session: Session, system: str, datastore: Datastore | None, label: str) -> Registered | None:
    """What the label has registered, whether it was set right already or not. PermanentError: several VMs."""
    every = [_told(vm, found) for vm, found in on(session, datastore, *_TOLD)]
    return specs.only([each for each in every if label and each.label == label], label, system, _CURE)


def is_ready(session: Session, found: Registered) -> bool:
    """Whether the last step of registering a labelled VM was done."""
    return extra_of(session, vm_of(session, found.id)).get(definition.READY) == found.label


def extra_of(session: Session, vm: Any) -> dict[str, str]:
    """Settings of a VM that are none of vSphere's own."""
    return _extra(session.one(vm, "config.extraConfig"))


def groups_of(session: Session, center: Any) -> Mapping[str, str]:
    """Names of distributed port groups by key."""
    kind = vim.dvs.DistributedVirtualPortgroup
    found = session.of(center, "network", kind, "key", "name")
    return {str(group.get("key")): words.plain_name(str(group.get("name", ""))) for _, group in found}


def networks_of(session: Session, host: Any) -> Mapping[str, Any]:
    """What a host's VMs can be connected to, by name."""
    found = session.of(host, "network", vim.Network, "name")
    return {words.plain_name(str(network.get("name", ""))): each for each, network in found}


def place_for(session: Session, datastore: Datastore, options: Mapping[str, str]) -> tuple[Any, Any, Any]:
    """(folder, resource pool, host) where a VM of the datastore can be registered. NotFound.

    options: names; "folder", "resource_pool", "host".
    """
    hosts = _hosts(session, datastore)
    pool = _pool(session, datastore, options.get("resource_pool", ""))
    owner = session.property(pool, "owner") if pool is not None else None
    wanted = options.get("host", "")
    for name, host, parent in sorted(hosts, key=lambda each: each[0]):
        if wanted in ("", name) and (owner is None or owner == parent):
            own = pool if pool is not None else session.property(parent, "resourcePool")
            return _folder(session, datastore, options.get("folder", "")), own, host
    known = ", ".join(sorted(name for name, _, _ in hosts)) or "none"
    raise NotFound(
        f"no host that is connected, not in maintenance, has {datastore.name} and is as `host` and `resource_pool` say"
        f" (hosts with it: {known})"
    )


def _hosts(session: Session, datastore: Datastore) -> list[tuple[str, Any, Any]]:
    """(name, host, what it is part of) of those that can run a VM of the datastore."""
    paths = ("name", "parent", "datastore", "runtime.connectionState", "runtime.inMaintenanceMode")
    found = []
    for host, known in session.below(datastore.center, vim.HostSystem, *paths):
        is_ready = known.get("runtime.connectionState") == "connected" and not known.get("runtime.inMaintenanceMode")
        has_it = datastore.store in (known.get("datastore") or ())
        if is_ready and has_it and "parent" in known:
            found.append((str(known.get("name", "")), host, known["parent"]))
    return found


def _pool(session: Session, datastore: Datastore, name: str) -> Any:
    return _named(session, datastore, vim.ResourcePool, name, "resource_pool") if name else None


def _folder(session: Session, datastore: Datastore, name: str) -> Any:
    if name:
        return _named(session, datastore, vim.Folder, name, "folder")
    return session.property(datastore.center, "vmFolder")


def _named(session: Session, datastore: Datastore, kind: Any, name: str, setting: str) -> Any:
    paths = ("name", "childType") if kind is vim.Folder else ("name",)
    found = [
        each
        for each, known in session.below(datastore.center, kind, *paths)
        if words.plain_name(str(known.get("name", ""))) == name
        and (kind is not vim.Folder or "VirtualMachine" in (known.get("childType") or ()))
    ]
    if len(found) != 1:
        many = "several are" if found else "nothing is"
        raise NotFound(f"{many} called {name} (`{setting}`)")
    return found[0]


def _told(vm: Any, found: Mapping[str, Any]) -> Registered:
    extra = _extra(found)
    is_meant = extra.get(definition.PLACE) == found.get("config.files.vmPathName")
    return Registered(
        id=id_of(vm),
        name=words.plain_name(str(found.get("name", ""))),
        label=extra.get(definition.LABEL, "") if is_meant else "",
        is_on=found.get("runtime.powerState") == "poweredOn",
    )


def _extra(found: Mapping[str, Any]) -> dict[str, str]:
    return {str(each.key): str(each.value) for each in found.get("config.extraConfig") or ()}
