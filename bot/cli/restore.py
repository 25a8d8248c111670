"""`cloudy restore`: a VM back from a recovery point; the same service and workflow as from Slack."""

import shlex
import time
from dataclasses import replace
from functools import partial
from typing import Annotated

import typer

from bot.cli.common import ConfigOption, JsonOption, me
from bot.cli.follow import YesOption, carry_out
from bot.errors import AmbiguousName
from bot.model import RestoreRequest, Transaction
from bot.opinions import Question
from bot.recoverable import told
from bot.service import Service

ViaOption = Annotated[
    str, typer.Option(help="snapshot: the one that the VMstore still has; target; without it what fits, with why.")
]
OverOption = Annotated[bool, typer.Option("--over-original", help="Put the VM itself back in place; needs --confirm.")]
ConfirmOption = Annotated[str, typer.Option(help="The VM's name, for --over-original.")]
PowerOffOption = Annotated[bool, typer.Option("--power-off", help="Over the original: it may be powered off for it.")]

BecauseOption = Annotated[str, typer.Option(help="Why; the policy may demand it, and approvers see it.")]


def restore(  # noqa: PLR0913 - each is an option
    what: Annotated[str, typer.Argument(help="A VM by name or uuid, or a recovery point by its transaction id.")],
    to: Annotated[str, typer.Option("--to", help="VMstore; without it the one that the VM was on.")] = "",
    name: Annotated[str, typer.Option("--as", help="Its new name; without it <vm>-restored.")] = "",
    target: Annotated[str, typer.Option("--from", help="Target; without it the first that has it and is good.")] = "",
    at: Annotated[str, typer.Option(help="Of a VM the newest before: 7d, 24h, 2026-11-01, 2026-11-01 14:30.")] = "",
    power_on: Annotated[bool, typer.Option("--power-on", help="Start it at the end, and see that it lives.")] = False,
    via: ViaOption = "",
    over_original: OverOption = False,
    confirm: ConfirmOption = "",
    power_off: PowerOffOption = False,
    because: BecauseOption = "",
    yes: YesOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Restore a VM under a new name, or in place, and follow to the end; exit status 0 only if it is there.

    Beside a running bot this only asks it and follows. Ctrl-C asks it to stop; then nothing of it stays.
    """
    asked = RestoreRequest(what=what, vmstore=to, name=name, target=target, at=at, is_on=power_on, via=via)
    asked = replace(asked, is_over_original=over_original, confirmed=confirm, is_off_allowed=power_off)
    request = replace(asked, reason=" ".join(because.split()))
    carry_out(
        config,
        Question(command="restore", vms=(what,), targets=(target,) if target else (), is_over_original=over_original),
        partial(ask, request),
        reason=request.reason,
        yes=yes,
        as_json=as_json,
    )


def ask(request: RestoreRequest, service: Service) -> tuple[Transaction, ...]:
    """AmbiguousName: the name was that of several VMs; each with how to say it."""
    try:
        return (service.restores.restore(request, me(), request_key=f"cli:{time.time_ns()}"),)
    except AmbiguousName:
        vms = service.recoverable.namesakes(request.what)
        if len(vms) < 2:  # a part of several ids
            raise
    each = [f"  {vm.name}\n" + "".join(f"    {line}\n" for line in (*told(vm), _typed(request, vm.uuid))) for vm in vms]
    heading = f"{request.what} was the name of {len(vms)} VMs. Say which, by its uuid:"
    raise AmbiguousName(f"{heading}\n{''.join(each)}".rstrip(), [vm.uuid for vm in vms])


def _typed(request: RestoreRequest, uuid: str) -> str:
    """The same order, of that VM."""
    options = {
        "--to": request.vmstore, "--as": request.name, "--from": request.target, "--at": request.at,
        "--via": request.via, "--confirm": request.confirmed,
    }  # fmt: skip
    said = [part for name, value in options.items() if value for part in (name, value)]
    flags = {
        "--power-on": request.is_on, "--over-original": request.is_over_original, "--power-off": request.is_off_allowed
    }  # fmt: skip
    return shlex.join(["cloudy", "restore", uuid, *said, *(name for name, is_said in flags.items() if is_said)])
