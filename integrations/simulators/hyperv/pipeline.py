"""Runs a pipeline: what each cmdlet gives is piped into the next; errors are as PowerShell tells them."""

import re
from collections.abc import Sequence
from typing import Any

from psrpcore import Command, PowerShell, ServerPipeline
from psrpcore.types import ErrorCategory, ErrorCategoryInfo, ErrorRecord, NETException, PSInvocationState

from integrations.simulators.hyperv import general, importing, machines, parts
from integrations.simulators.hyperv.call import COMMON, Call, Cmdlet, Session
from integrations.simulators.hyperv.faults import Cut, Faults
from integrations.simulators.hyperv.host import Host, Refused
from integrations.simulators.hyperv.records import sent

CMDLETS: dict[str, Cmdlet] = {**general.CMDLETS, **machines.CMDLETS, **parts.CMDLETS, **importing.CMDLETS}
# The one thing that no cmdlet takes by itself: a drive as the value of a parameter.
_BOOT_SCRIPT = re.compile(
    r"param\(\s*\[guid\]\s*\$Id\s*,\s*\[int\]\s*\$Number\s*,\s*\[int\]\s*\$Location\s*\)"
    r"(?=.*Get-VM\b)(?=.*Get-VMHardDiskDrive\b)(?=.*Set-VMFirmware\b.*-FirstBootDevice\b).*",
    re.DOTALL,
)


def run(host: Host, session: Session, faults: Faults, script: PowerShell, pipeline: ServerPipeline) -> None:
    """Run it to its end, and leave what it gives in the pipeline's messages. Cut: nothing is to be answered."""
    try:
        piped: list[Any] = []
        for command in script.commands:
            piped = _command(host, session, faults, command, piped)
        for each in piped:
            pipeline.write_output(sent(each))
        pipeline.complete()
    except Refused as error:
        _fail(pipeline, error)


def _command(host: Host, session: Session, faults: Faults, command: Command, piped: Sequence[Any]) -> list[Any]:
    name = "Set-VMFirmware" if command.is_script else command.command_text
    _go_wrong(faults, name, is_after=False)
    with host.lock:
        if command.is_script:
            found = _boot_first(host, command)
        else:
            cmdlet, given = _bound(command)
            found = cmdlet.run(Call(host, session, name, given, piped))
    _go_wrong(faults, name, is_after=True)
    return found


def _bound(command: Command) -> tuple[Cmdlet, dict[str, Any]]:
    cmdlet = CMDLETS.get(command.command_text)
    if cmdlet is None:
        raise Refused(
            f"The term '{command.command_text}' is not recognized as the name of a cmdlet, function, script file, or"
            " operable program.",
            "CommandNotFoundException",
            "CommandNotFoundException",
        )
    given = {str(name or "").strip("-:").lower(): value for name, value in command.parameters}
    for name in given:
        if name not in cmdlet.parameters | COMMON:
            raise Refused(
                f"A parameter cannot be found that matches parameter name '{name}'.",
                "NamedParameterNotFound",
                "ParameterBindingException",
            )
    return cmdlet, given


def _boot_first(host: Host, command: Command) -> list[Any]:
    if not _BOOT_SCRIPT.fullmatch(command.command_text.strip()):
        raise Refused("Scripts are not allowed to run here.", "ScriptsNotAllowed", "ParseException")
    given = {str(name).lower(): value for name, value in command.parameters}
    vm = host.machines[given["id"]]
    place = (given["number"], given["location"])
    drive = next((each for each in vm.drives if (each.number, each.location) == place), None)
    if drive is None or vm.generation != 2:
        raise Refused("Cannot validate argument on parameter 'FirstBootDevice'.", "ParameterArgumentValidationError")
    vm.first_boot = drive.path
    host.save(vm)
    return []


def _go_wrong(faults: Faults, name: str, *, is_after: bool) -> None:
    what = faults.due(name, is_after=is_after)
    if what == "cut":
        raise Cut
    if what == "refuse":
        raise Refused(f"{name} failed on purpose (0x8007000E).", f"OperationFailed,{name}")
    if what == "stall":
        faults.wait()


def _fail(pipeline: ServerPipeline, error: Refused) -> None:
    """As with -ErrorAction Stop: the error ends the pipeline."""
    exception = NETException(Message=str(error), HResult=-2146233088)
    record = ErrorRecord(
        Exception=exception,
        CategoryInfo=ErrorCategoryInfo(Category=ErrorCategory.InvalidArgument, Reason=error.reason),
        FullyQualifiedErrorId=error.error_id,
    )
    pipeline._change_state(PSInvocationState.Failed, error=record)  # noqa: SLF001 - the library has no other way
