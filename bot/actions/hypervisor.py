"""What is asked of the hypervisor of a VMstore: register a restored VM, start it, see that it lives, take it back."""

from bot.actions.context import Context
from bot.actions.restoring import folder_of, manifest_of, share_of
from bot.errors import CloudyError, PermanentError, Stopped
from bot.folders import check_place
from bot.model import Json, RegisterSpec, Resource, ResourceKind, Vm, VmShape
from bot.ports import Hypervisor
from bot.registrable import can_register, may_know

ALIVE_S = 300.0  # how long a VM may take from its start to the first sign of life
POLL_S = 2.0


def shape_of(context: Context, vmstore: str, vm: Vm) -> tuple[VmShape | None, str]:
    """What a VM is made of, by its hypervisor; None, with the reason, where that cannot be had. Stopped passes.

    A VM that the VMstore says is of another kind of hypervisor is not asked for.
    """
    host = context.hypervisor(vmstore)
    if host is None or not may_know(host.kind, vm.hypervisor):
        return None, ""
    try:
        return host.shape(vm), ""
    except Stopped:
        raise
    except CloudyError as error:
        return None, error.message


def register(context: Context, inputs: Json) -> Json:
    """Register the VM from its files; it is off, and its network cards are not connected.

    Repeat: safe, the label is the transaction's. Without a hypervisor, or where it is a VM of another kind of
    hypervisor: what somebody is to register by hand, and why. directory: of the files, where it has not the VM's name.
    """
    store, name = inputs["vmstore"], inputs["name"]
    directory = inputs.get("directory") or name
    written = manifest_of(context, inputs)
    files = tuple(f"{directory}/{file.name}" for file in written.files)
    host, address = context.hypervisor(store), context.hypervisor_address(store)
    _check_same(context, store)
    if host is None or not can_register(host.kind, written.vm.shape, files):
        export = share_of(context, store).export.rstrip("/")
        notes = [f"{host.name} finds no definition of it in its own words"] if host else []
        return {"vm_id": "", "by_hand": f"{export}/{_definition(name, files)}", "notes": notes}
    context.check()
    context.ledger.register(ResourceKind.REGISTRATION, store, context.id, address=address)
    context.ledger.describe(ResourceKind.FOLDER, store, folder_of(context.id), is_registered=True)
    spec = RegisterSpec(name=name, directory=directory, files=files, shape=written.vm.shape)
    made = host.register_vm(context.id, spec)
    context.ledger.describe(ResourceKind.REGISTRATION, store, context.id, vm_id=made.id)
    return {"vm_id": made.id, "by_hand": "", "notes": list(made.notes)}


def _definition(directory: str, files: tuple[str, ...]) -> str:
    """What one registers by hand: the .vmx or .vmcx; where there is none the folder."""
    return next((path for path in files if path.lower().endswith((".vmx", ".vmcx"))), directory)


def power_on(context: Context, inputs: Json) -> Json:
    """Start it, where that was asked for. Repeat: safe; see `_is_begun_anew`."""
    if not inputs["is_on"] or not inputs["vm_id"]:
        return {"is_on": False}
    host = same_host(context, inputs["vmstore"])
    if _is_begun_anew(context):
        host.power_off(inputs["vm_id"])
    host.power_on(inputs["vm_id"])
    return {"is_on": True}


def _is_begun_anew(context: Context) -> bool:
    """Whether a VM is started once more, so that its console is read from its first word.

    What it showed to a process that died meanwhile nobody has. A VM that is the original is left alone: people may use
    it by now.
    """
    asked = context.transaction.request
    return context.attempt > 1 and bool(asked.get("pattern")) and not asked.get("is_over")


def prove_alive(context: Context, inputs: Json) -> Json:
    """Wait for a sign of life of one that was started. PermanentError: none in that time. Repeat: safe.

    pattern: what its console must show; without it the guest must answer; see `_is_begun_anew`. alive_s: seconds that
    it may take.
    """
    if not inputs["is_on"]:
        return {"sign": "", "text": ""}
    pattern, most_s = inputs["pattern"] or "", inputs["alive_s"] or ALIVE_S
    host, vm_id, waited_s = same_host(context, inputs["vmstore"]), inputs["vm_id"], 0.0
    alive = host.alive(vm_id, pattern)
    if alive is None and _is_begun_anew(context):
        host.power_off(vm_id)
        host.power_on(vm_id)
    while alive is None:
        if waited_s >= most_s:
            raise _lifeless(host, pattern, most_s)
        context.progress(int(waited_s), int(most_s))
        context.pause(POLL_S)
        waited_s += POLL_S  # counted, not measured: the clock may be set meanwhile
        alive = host.alive(vm_id, pattern)
    return {"sign": alive.sign, "text": alive.text}


def _lifeless(host: Hypervisor, pattern: str, within_s: float) -> PermanentError:
    wanted = f"is there something in the guest that answers {host.name}"
    if pattern:
        wanted = f"does its console show “{pattern}”"
    return PermanentError(
        f"It is on, and showed no sign of life within {within_s / 60:g} minutes: {wanted}? Look at its console.",
        system=host.name,
        operation="prove alive",
    )


def unregister(context: Context, resource: Resource) -> bool:
    """Take back the registration of this transaction; the files stay.

    PermanentError: there is no hypervisor to ask, or another one by now, which would not know the VM.
    """
    if resource.name != context.id:
        raise PermanentError(
            f"{resource.name} is no registration of transaction {context.id}.",
            system=resource.system,
            operation="unregister",
        )
    address = context.hypervisor_address(resource.system)
    check_place(resource.detail.get("address"), address, "the hypervisor", resource)
    host = host_of(context, resource.system)
    if (found := host.registered(context.id)) is not None:
        host.unregister(found.id)
    return True


def host_of(context: Context, vmstore: str) -> Hypervisor:
    """The hypervisor of a VMstore. PermanentError: there is none in the configuration any more."""
    host = context.hypervisor(vmstore)
    if host is None:
        raise PermanentError(
            f"{vmstore} has no hypervisor in the configuration any more.",
            system=vmstore,
            operation="ask the hypervisor",
        )
    return host


def same_host(context: Context, vmstore: str) -> Hypervisor:
    """The hypervisor, as long as it is the one that the VM was registered with: another may know another VM by that id.

    PermanentError.
    """
    _check_same(context, vmstore)
    return host_of(context, vmstore)


def _check_same(context: Context, vmstore: str) -> None:
    address = context.hypervisor_address(vmstore)
    for begun in context.ledger.open(ResourceKind.REGISTRATION):
        check_place(begun.detail.get("address"), address, "the hypervisor", begun)
