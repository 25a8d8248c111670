"""`cloudy drill`: prove that a VM comes back; the same service and workflow as from Slack."""

import time
from typing import Annotated

import typer

from bot.cli.common import ConfigOption, JsonOption, me
from bot.cli.follow import YesOption, carry_out
from bot.errors import UsageError
from bot.model import DrillRequest
from bot.opinions import Question


def drill(
    what: Annotated[str, typer.Argument(help="A VM by name or uuid, or a recovery point by its transaction id.")] = "",
    is_next: Annotated[
        bool, typer.Option("--next", help="The one whose turn has come: not drilled for longest.")
    ] = False,
    to: Annotated[str, typer.Option("--to", help="VMstore; without it the one that the VM was on.")] = "",
    target: Annotated[str, typer.Option("--from", help="Target; without it the first that has it and is good.")] = "",
    yes: YesOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Restore, start, see that it lives, remove all of it, and keep the proof; exit status 0 only if it came to life.

    Beside a running bot this only asks it and follows. Ctrl-C asks it to stop; nothing of it stays either way.
    """
    if bool(what) == is_next:
        raise UsageError("Say which VM, or --next.", "cloudy drill <vm> [--to VMstore] [--from target], or --next")
    request = DrillRequest(what=what, vmstore=to, target=target)
    carry_out(
        config,
        Question(command="drill", vms=(what,) if what else (), targets=(target,) if target else ()),
        lambda service: (service.drills.drill(request, me(), request_key=f"cli:{time.time_ns()}"),),
        yes=yes,
        as_json=as_json,
    )
