"""`cloudy restore`: a VM back from a recovery point; the same service and workflow as from Slack."""

import time
from typing import Annotated

import typer

from bot.cli.common import ConfigOption, JsonOption, me
from bot.cli.follow import YesOption, carry_out
from bot.model import RestoreRequest
from bot.opinions import Question

ViaOption = Annotated[
    str, typer.Option(help="snapshot: the one that the VMstore still has; target; without it what fits, with why.")
]
OverOption = Annotated[bool, typer.Option("--over-original", help="Put the VM itself back in place; needs --confirm.")]
ConfirmOption = Annotated[str, typer.Option(help="The VM's name, for --over-original.")]
PowerOffOption = Annotated[bool, typer.Option("--power-off", help="Over the original: it may be powered off for it.")]


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
    yes: YesOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Restore a VM under a new name, or in place, and follow to the end; exit status 0 only if it is there.

    Beside a running bot this only asks it and follows. Ctrl-C asks it to stop; then nothing of it stays.
    """
    request = RestoreRequest(
        what=what,
        vmstore=to,
        name=name,
        target=target,
        at=at,
        is_on=power_on,
        is_over_original=over_original,
        confirmed=confirm,
        is_off_allowed=power_off,
        via=via,
    )
    carry_out(
        config,
        Question(command="restore", vms=(what,), targets=(target,) if target else (), is_over_original=over_original),
        lambda service: (service.restores.restore(request, me(), request_key=f"cli:{time.time_ns()}"),),
        yes=yes,
        as_json=as_json,
    )
