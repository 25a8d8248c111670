"""`cloudy sla`: what is promised for which VMs, and how one stands by it, from the local database alone."""

from datetime import datetime
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from bot import durations, sla_words
from bot.cli.common import ConfigOption, JsonOption, console, print_json, reading
from bot.model import Sla, SlaTally, Standing
from bot.opening import service_for


def sla(
    vm: Annotated[str, typer.Argument(help="Its name, VMstore/name or uuid; without it all SLAs.")] = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """What is promised for which VMs; with a VM: which SLA it has and why, how it stands, and its next run."""
    with reading(config) as (settings, db):
        questions = service_for(settings, db).questions
        standings = questions.standings(vm) if vm else ()
        tallies = () if vm else questions.tallies()
    if as_json:
        print_json({"vms": [_standing(each) for each in standings]} if vm else {"slas": [_tally(e) for e in tallies]})
    elif vm:
        for each in standings:
            _print(each)
    else:
        _print_all(tallies)


def _print_all(tallies: tuple[SlaTally, ...]) -> None:
    table = Table("SLA", "VMs", "promise", "protected", "late", "never", "which")
    for each in tallies:
        counts = (each.tally.protected, each.tally.late, each.tally.never)
        told = [""] * len(counts) if each.sla.is_exempt else map(str, counts)
        patterns = ", ".join(each.sla.vms) or "all others"
        row = (each.sla.name, str(each.tally.total), sla_words.promise(each.sla), *told, patterns)
        table.add_row(*map(Text, row))
    console().print(table)


def _print(standing: Standing) -> None:
    lines = [
        f"{standing.vm.name} on {standing.vm.vmstore}: {sla_words.state(standing)}",
        f"  SLA {standing.sla.name} ({sla_words.why(standing)}): {sla_words.promise(standing.sla)}",
        *(f"  {sla_words.place(each)}" for each in standing.targets),
        *([] if standing.sla.is_exempt else [f"  next run: {sla_words.next_text(standing)}"]),
        *(f"  needs a look: {sla_words.trouble(each, standing)}" for each in standing.troubles),
    ]
    for line in lines:
        console().print(Text(line))


def _tally(each: SlaTally) -> dict[str, Any]:
    tally = each.tally
    counts = {"protected": tally.protected, "late": tally.late, "never": tally.never, "exempt": tally.exempt}
    return _sla(each.sla) | {"vms": list(each.sla.vms), "counts": counts}


def _sla(each: Sla) -> dict[str, Any]:
    return {
        "sla": each.name,
        "exempt": each.is_exempt,
        "rpo": durations.said(each.rpo),
        "targets": list(each.targets),
        "drill_every": durations.said(each.drill_every) if each.drill_every else None,
        "channel": each.channel,
    }


def _standing(standing: Standing) -> dict[str, Any]:
    return {
        "vm": standing.vm.name,
        "vmstore": standing.vm.vmstore,
        "uuid": standing.vm.uuid,
        **_sla(standing.sla),
        "pattern": standing.fit.pattern,
        "group": standing.fit.group,
        "state": standing.protection.value,
        "newest": _time(standing.newest),
        "in": [
            {
                "target": each.target,
                "newest": _time(each.newest),
                "due": _time(each.due),
                "late": each.is_late,
                "late_by_s": each.late_by.total_seconds() if each.late_by is not None else None,
                "failed_in_a_row": each.failed,
                "ready_by": _time(each.ready_by),
            }
            for each in standing.targets
        ],
        "troubles": [each.value for each in standing.troubles],
        "proven": _time(standing.proven_at),
        "takes_s": standing.takes.total_seconds() if standing.takes else None,
        "next": [
            {"at": fire.at.isoformat(), "schedule": fire.schedule, "targets": list(fire.targets)}
            for fire in standing.fires
        ],
    }


def _time(time: datetime | None) -> str | None:
    return time.isoformat() if time else None
