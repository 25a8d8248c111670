"""`cloudy protect`: the same service and workflow as from Slack."""

import time
from typing import Annotated

import typer

from bot import keeping
from bot.cli.common import ConfigOption, JsonOption, me
from bot.cli.follow import YesOption, carry_out
from bot.errors import UsageError
from bot.model import ProtectRequest, Transaction
from bot.opinions import Question
from bot.service import Service


def protect(  # noqa: PLR0913 - each is an option
    vms: Annotated[list[str], typer.Argument(help="VM names.")],
    to: Annotated[list[str], typer.Option("--to", help="Target; more than one may be given.")],
    consistency: Annotated[str, typer.Option(help="crash or vm")] = "crash",
    note: Annotated[str, typer.Option(help="Why; it is kept with the recovery point.")] = "",
    keep_for: Annotated[str, typer.Option(help="30d, 12w, 1y or forever.")] = "",
    yes: YesOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Protect VMs and follow to the end; exit status 0 only if every recovery point exists.

    Beside a running bot this only asks it and follows. Ctrl-C asks what was begun to stop.
    """
    try:
        wishes = {"note": keeping.note(note), "keep_for": keeping.parse(keep_for) if keep_for else ""}
    except ValueError as error:
        raise UsageError(str(error)) from error
    request = ProtectRequest(vms=tuple(vms), targets=tuple(to), consistency=consistency, **wishes)

    def ask(service: Service) -> tuple[Transaction, ...]:
        return service.protect(request, me(), request_key=f"cli:{time.time_ns()}")

    question = Question(command="protect", vms=request.vms, targets=request.targets)
    carry_out(config, question, ask, yes=yes, as_json=as_json)
