"""A drill: what a restore does, in a folder that never gets a VM's name; started, looked at, and removed again."""

from bot.actions import hypervisor
from bot.actions.context import Context
from bot.actions.hypervisor import POLL_S, host_of, same_host
from bot.actions.restoring import folder_of
from bot.errors import CloudyError, PermanentError, Stopped
from bot.model import Alive, Json
from bot.ports import Hypervisor
from bot.words import rough_text

# The end of what a console has shown: to a hypervisor it is a pattern like any other, and found in one pass.
_TAIL = r"(?s)(?:.{1500}|\A.{1,1500})\Z"


def register(context: Context, inputs: Json) -> Json:
    """Register the VM where its files were fetched to, with a new identity and no network. Repeat: safe.

    PermanentError: the VMstore has no hypervisor any more, or not the one that the VM was made for.
    """
    host = host_of(context, inputs["vmstore"])
    told = hypervisor.register(context, inputs | {"directory": folder_of(context.id)})
    if not told["vm_id"]:
        raise PermanentError(
            f"{host.name} cannot register it: {'; '.join(told['notes'])}.", system=host.name, operation="register"
        )
    return told


def prove(context: Context, inputs: Json) -> Json:
    """Wait for a sign of life, and keep what was seen. Repeat: safe; the VM is started again.

    pattern: what its console must show; "": the guest must answer. alive_s: seconds that it may take. PermanentError:
    no sign in that time, with the end of what its console has shown.
    """
    host, vm_id = same_host(context, inputs["vmstore"]), inputs["vm_id"]
    alive = host.alive(vm_id, inputs["pattern"])
    if alive is None and context.attempt > 1:  # what its console showed to a process that is dead nobody has
        host.power_off(vm_id)
        host.power_on(vm_id)
    alive = alive or _awaited(context, host, inputs)
    seconds = (context.clock.now() - context.transaction.created_at).total_seconds()
    console = alive.text if alive.sign == "console" else _console(host, vm_id)
    return {"sign": alive.sign, "text": alive.text, "console": console, "seconds": seconds}


def _awaited(context: Context, host: Hypervisor, inputs: Json) -> Alive:
    waited_s, most_s = 0.0, float(inputs["alive_s"])  # counted, not measured: the clock may be set meanwhile
    while waited_s < most_s:
        context.progress(int(waited_s), int(most_s))
        context.pause(POLL_S)
        waited_s += POLL_S
        if (alive := host.alive(inputs["vm_id"], inputs["pattern"])) is not None:
            return alive
    raise _lifeless(host, inputs)


def _lifeless(host: Hypervisor, inputs: Json) -> PermanentError:
    pattern, within = inputs["pattern"], rough_text(float(inputs["alive_s"]))
    console = _console(host, inputs["vm_id"])
    missed = (
        f"its console never showed “{pattern}”"
        if pattern
        else f"nothing in the guest answered {host.name}, and the configuration (drills.patterns) names nothing that"
        " its console would show"
    )
    said = f" The last lines of its console were:\n{console}" if console else " Its console shows nothing, or has none."
    return PermanentError(
        f"No sign of life within {within}: {missed}.{said}", system=host.name, operation="look for a sign of life"
    )


def _console(host: Hypervisor, vm_id: str) -> str:
    """The end of what its console has shown; "": nothing, or there is none to read."""
    try:
        seen = host.alive(vm_id, _TAIL)
    except Stopped:
        raise
    except CloudyError:
        return ""
    return seen.text.strip() if seen and seen.sign == "console" else ""
