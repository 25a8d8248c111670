"""Registers a VM from restored files: imports its .vmcx as a copy, or makes it anew where there is none.

The new configuration lies in a folder of its own beside the restored files, named after the label: what was begun is
found by it, and what is removed again is that copy. The last step gives name and label at once; whatever is found
without them was not finished, and is made again.
"""

import re
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from bot.errors import PermanentError, RemoteError
from bot.model import Registered, RegisterSpec
from integrations.hypervisors import specs
from integrations.hypervisors.hyperv import creating, disks, importing, inventory, marks
from integrations.hypervisors.hyperv.cmdlets import SWITCH, cmdlet
from integrations.hypervisors.hyperv.connection import Session
from integrations.hypervisors.hyperv.definition import Definition, NoDefinition, read
from integrations.hypervisors.hyperv.failures import RIGHTS, CmdletError
from integrations.hypervisors.hyperv.paths import Paths, leaf
from integrations.hypervisors.hyperv.wanted import Made, Wanted

_NAME = re.compile(r"[^\x00-\x1f]{1,100}")


class Registering:
    """One attempt."""

    def __init__(self, session: Session, system: str, paths: Paths, label: str, spec: RegisterSpec) -> None:
        self._session = session
        self._system = system
        self._paths = paths
        self._label = label
        self._spec = spec

    def run(self) -> Registered:
        """The VM, registered by this or by an attempt before it. PermanentError, CmdletError: nothing is registered."""
        vms = inventory.everything(self._session)
        found = inventory.labelled(vms, self._label, self._system)
        if found is not None and inventory.noted(found):
            return inventory.registered(found)
        if found is not None:  # begun, and not finished
            remove(self._session, found["Id"])
        known = read(self._spec.shape)
        source = _source(self._spec, known)
        self._check(vms, known, source)
        wanted = Wanted(
            spec=self._spec,
            paths=self._paths,
            place=self._paths.full(f"{self._spec.directory}/{marks.place_name(self._label)}"),
            switches=inventory.switches(self._session),
        )
        made = importing.run(self._session, wanted, source) if source else creating.run(self._session, wanted, known)
        try:
            return self._finish(made, wanted)
        except (CmdletError, PermanentError):  # after anything else the next attempt finds it
            with suppress(CmdletError, RemoteError):
                remove(self._session, made.id)
            raise

    def _finish(self, made: Made, wanted: Wanted) -> Registered:
        made.go_on(self._session, wanted)
        vm = inventory.one(self._session, made.id)
        notes = marks.annotated(str(vm.get("Notes") or made.notes), self._label, str(vm["Id"]), str(vm["Path"]))
        self._session.run(inventory.by_id(made.id), cmdlet("Set-VM", NewVMName=self._spec.name, Notes=notes))
        vm = inventory.one(self._session, made.id)
        if inventory.noted(vm) != self._label or str(vm["Name"]) != self._spec.name:
            raise self._refused("the host did not keep the VM's name and notes")
        return replace(inventory.registered(vm), notes=tuple(made.told))

    def _check(self, vms: Sequence[Mapping[str, Any]], known: Definition | None, source: str) -> None:
        """See that nothing is in the way."""
        spec = self._spec
        if any(str(each["Name"]) == spec.name for each in vms):
            raise self._refused(f"there is a VM called {spec.name} already; choose another name")
        identity = inventory.id_of(leaf(source).rpartition(".")[0]) or (inventory.id_of(known.id) if known else None)
        if spec.keeps_identity and identity in [uuid.UUID(str(each["Id"])) for each in vms]:
            raise self._refused("the VM with that identity is still there; unregister it, or restore it as another one")
        missing = disks.missing(self._session, self._paths, spec.files)
        if missing:
            raise self._refused(
                f"the host does not see {', '.join(missing[:3])}. Is {self._paths.datastore} the VMstore's export?"
                f" {RIGHTS}"
            )

    def _refused(self, why: str) -> PermanentError:
        end = "" if why.endswith((".", ")")) else "."
        return PermanentError(f"{self._system}: {why}{end}", system=self._system, operation="registering a VM")


def _source(spec: RegisterSpec, known: Definition | None) -> str:
    """The .vmcx to import; "": it is to be made of what is known. NoDefinition: neither can be."""
    found = [file for file in spec.files if file.lower().endswith(".vmcx")]
    is_apart = any("snapshots" in file.lower().split("/")[:-1] for file in found) or bool(known and known.checkpoints)
    own = [file for file in found if known and leaf(file).lower() == f"{known.id}.vmcx".lower()] or found
    if is_apart and known is None:
        raise NoDefinition("the VM has checkpoints, and the recovery point holds no definition to make it without them")
    if is_apart or not found:
        if known is None:
            raise NoDefinition("the recovery point holds no definition for Hyper-V: no .vmcx, and no shape")
        return ""
    if len(own) > 1:
        raise NoDefinition(f"there are several definitions: {', '.join(own)}; leave one of them")
    return own[0]


def remove(session: Session, vm_id: object) -> None:
    """Stop it if it runs, and take it out of the host; its disks and restored files stay. CmdletError: it is gone."""
    stop(session, vm_id)
    session.run(inventory.by_id(vm_id), cmdlet("Remove-VM", Force=SWITCH, Confirm=False))


def stop(session: Session, vm_id: object) -> None:
    """At once; off already is fine. CmdletError: it is gone."""
    if inventory.is_on(inventory.one(session, vm_id)):
        session.run(inventory.by_id(vm_id), cmdlet("Stop-VM", TurnOff=SWITCH, Force=SWITCH, Confirm=False))


def check(spec: RegisterSpec, label: str) -> str:
    """What is wrong with a spec, whoever made it; "": nothing."""
    if wrong := specs.mistake_of(spec, '\\:*?"<>|'):
        return wrong
    if not marks.FIT.fullmatch(label):
        return f"{label!r} cannot be a label"
    return "" if _NAME.fullmatch(spec.name) else f"{spec.name!r} cannot be the name of a VM here"
