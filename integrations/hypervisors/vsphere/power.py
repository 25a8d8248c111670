"""Starts and stops VMs, and answers the one question that a restored VM asks."""

from contextlib import suppress
from typing import Any

from pyVmomi import vim, vmodl

from integrations.hypervisors.vsphere import definition, inventory
from integrations.hypervisors.vsphere.connection import Session
from integrations.hypervisors.vsphere.failures import RAISED

_GONE = vmodl.fault.ManagedObjectNotFound
_ASKED = ("msg.uuid.", "moved or copied")
_CANCEL = "cancel"
# By what is meant: in the words of the choices.
_ANSWERS = {"keep": ("move",), "create": ("copied", "copy"), _CANCEL: ("cancel", "abort")}


class Asks(ValueError):  # noqa: N818 - reads as what it says
    """A VM waits for an answer that a person must give."""


def start(session: Session, vm: Any) -> None:
    """On already is fine. Asks: it waits for somebody. Faults of vSphere's, and TimeoutError."""
    if session.one(vm, "runtime.powerState").get("runtime.powerState") == "poweredOn":
        return
    _answer(session, vm)  # of a start before this one
    try:
        session.result(vm.PowerOnVM_Task(), on_wait=lambda: _answer(session, vm))
    except vim.fault.InvalidPowerState as fault:
        if fault.existingState != "poweredOn":
            raise
    _settle(session, vm)


def stop(session: Session, vm: Any) -> None:
    """At once; off already, or gone, is fine. One that is ours does not wait for an answer any more."""
    try:
        _give_up(session, vm)
        if session.one(vm, "runtime.powerState").get("runtime.powerState") != "poweredOff":
            session.result(vm.PowerOffVM_Task())
    except vim.fault.InvalidPowerState as fault:
        if fault.existingState != "poweredOff":
            raise
    except _GONE:
        return


def forget(session: Session, vm: Any) -> None:
    """Stop and unregister it; gone already is fine. Its files stay."""
    stop(session, vm)
    with suppress(_GONE):
        vm.UnregisterVM()


def _answer(session: Session, vm: Any) -> None:
    """Say "moved" of the same VM and "copied" of another one, where a VM of ours asks for that."""
    asked = session.one(vm, "runtime.question").get("runtime.question")
    if asked is None:
        return
    said = " ".join([str(asked.text), *(f"{each.id} {each.text}" for each in asked.message or ())])
    extra = inventory.extra_of(session, vm)
    choice = _choice(asked, extra.get(definition.IDENTITY, ""))
    if not inventory.told(session, vm).label or choice is None or not any(each in said.lower() for each in _ASKED):
        raise Asks(str(asked.text).strip())
    with suppress(vim.fault.ConcurrentAccess, vmodl.fault.InvalidArgument):  # somebody else has answered
        vm.AnswerVM(asked.id, choice)


def _settle(session: Session, vm: Any) -> None:
    """Take the action back that was for its first start: later ones elsewhere would change its uuid each time."""
    extra = inventory.extra_of(session, vm)
    if extra.get(definition.ACTION) and inventory.told(session, vm).label:
        off = vim.option.OptionValue(key=definition.ACTION, value="")
        with suppress(*RAISED, TimeoutError):  # it runs, which is what was asked for
            session.result(vm.ReconfigVM_Task(vim.vm.ConfigSpec(extraConfig=[off])))


def _give_up(session: Session, vm: Any) -> None:
    asked = session.one(vm, "runtime.question").get("runtime.question")
    if asked is None:
        return
    choice = _choice(asked, _CANCEL)
    if choice is not None and inventory.told(session, vm).label:
        with suppress(vim.fault.ConcurrentAccess, vmodl.fault.InvalidArgument):
            vm.AnswerVM(asked.id, choice)


def _choice(asked: Any, meant: str) -> str | None:
    for each in asked.choice.choiceInfo:
        words = f"{each.label} {each.summary}".lower().replace("_", "")
        if any(answer in words for answer in _ANSWERS.get(meant, ())):
            return str(each.key)
    return None
