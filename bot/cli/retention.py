"""`cloudy retention ...`, `cloudy expire` and `cloudy tier`: what is kept of recovery points, what goes, what moves."""

import time
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from bot.cli.common import ConfigOption, JsonOption, console, me, print_json, reading
from bot.cli.follow import YesOption, carry_out
from bot.clock import SystemClock
from bot.errors import UsageError
from bot.model import Hold, InForce, Preview, PreviewRequest, RetentionTable, Transaction, Verdict
from bot.opening import service_for
from bot.opinions import Question
from bot.previewing import moves_text, summary
from bot.retention_text import ends, parse, said, why
from bot.service import Service
from bot.words import size_text

app = typer.Typer(help="Which recovery points are kept, and why.", invoke_without_command=True)
_MOST_SHOWN = 50
RulesArgument = Annotated[str, typer.Argument(help='As in "keep 7 last, 14 daily, at least 2 days".')]
ForOption = Annotated[str, typer.Option("--for", help="An SLA, a VM, a pattern or @group.")]
ReasonOption = Annotated[str, typer.Option("--because", help="Why; the audit keeps it.")]


@app.callback()
def retention(context: typer.Context, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """What is in force by SLA, and what is held."""
    if context.invoked_subcommand is not None:
        return
    with reading(config) as (settings, db):
        table = service_for(settings, db).retaining.table()
    if as_json:
        print_json(_table(table))
    else:
        _print_table(table)


@app.command()
def preview(
    rules: RulesArgument = "",
    subject: ForOption = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Exactly which recovery points rules would remove, what that saves, and why the others stay. Changes nothing."""
    request = PreviewRequest(rules=parse_rules(rules) if rules else None, subject=subject)
    with reading(config) as (settings, db):
        found = service_for(settings, db).retaining.preview(request)
    if as_json:
        print_json(_preview(found))
    else:
        _print_preview(found)


@app.command("set")
def set_rules(
    rules: RulesArgument,
    subject: Annotated[str, typer.Option("--for", help="The SLA.")] = "",
    because: ReasonOption = "",
    yes: YesOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring rules into force for an SLA: at once where nothing could ever be kept less, else by approval."""
    wanted = parse_rules(rules)

    def ask(service: Service) -> Sequence[Transaction]:
        found = service.retaining.set(subject, wanted, me(), request_key=_key(), reason=because)
        if isinstance(found, InForce):
            typer.echo(f"In force for {found.sla}: {said(found.retention)}", err=as_json)
            return ()
        return (found,)

    carry_out(config, Question(command="retention"), ask, reason=because, yes=yes, as_json=as_json)


@app.command()
def hold(
    what: Annotated[str, typer.Argument(help="A VM by name or uuid, or a recovery point by its transaction id.")],
    because: Annotated[str, typer.Option("--because", help="Why; whoever finds the hold wants to know.")],
    until: Annotated[str, typer.Option(help="A day like 2027-01-31, which is part of it, or a time like 90d.")] = "",
    config: ConfigOption = None,
) -> None:
    """Keep all recovery points of a VM, those to come too, or one recovery point, whatever the rules say."""
    try:
        end = ends(until, SystemClock().now())
    except ValueError as error:
        raise UsageError(str(error), "cloudy retention hold <vm> --until 2027-01-31 --because <reason>") from None
    with reading(config) as (settings, db):
        held = service_for(settings, db).retaining.hold(what, because, me(), request_key=_key(), until=end)
    console().print(Text(f"Held: {_of(held)}, {_until(held)} ({held.id})"))


@app.command()
def release(
    what: Annotated[str, typer.Argument(help="What is held, or the id of the hold.")],
    because: ReasonOption = "",
    yes: YesOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a hold end; by approval, since what it held may go then."""
    carry_out(
        config,
        Question(command="retention"),
        lambda service: (service.retaining.release(what, me(), request_key=_key(), reason=because),),
        reason=because,
        yes=yes,
        as_json=as_json,
    )


def expire(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would go.")] = False,
    yes: YesOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove now what the retention in force does not keep; each day this happens by itself.

    A target of which nothing is to go says so and is left out. Exit status 0 only if all that began has succeeded.
    """
    with reading(config) as (settings, db):
        found = service_for(settings, db).retaining.preview(PreviewRequest())
    if dry_run and as_json:
        print_json(_preview(found))
        return
    if dry_run or not found.goes:
        _print_preview(found)
        return
    targets = {verdict.point.target for verdict in found.goes}

    def ask(service: Service) -> Sequence[Transaction]:
        return service.retaining.expire(me(), request_key=_key(), targets=targets)

    carry_out(config, Question(command="retention"), ask, yes=yes, as_json=as_json)


def tier(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would move.")] = False,
    yes: YesOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Move now what has grown old enough to its tier (cold_after, archive_after); each day this happens by itself.

    A target in which nothing is to move is left out. Exit status 0 only if all that began has succeeded.
    """
    with reading(config) as (settings, db):
        found = service_for(settings, db).retaining.preview(PreviewRequest())
    moving = [turn for turn in found.turns if not turn.stays]
    if dry_run and as_json:
        print_json(_moves(found))
        return
    if dry_run or not moving:
        _print_moves(found)
        return
    targets = {turn.point.target for turn in moving}

    def ask(service: Service) -> Sequence[Transaction]:
        return service.retaining.tier(me(), request_key=_key(), targets=targets)

    carry_out(config, Question(command="retention"), ask, yes=yes, as_json=as_json)


def parse_rules(text: str) -> Any:
    """Rules as they are typed. UsageError."""
    try:
        return parse(text)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _key() -> str:
    return f"cli:{time.time_ns()}"


def _print_table(table: RetentionTable) -> None:
    rows = Table("SLA", "in force", "VMs", "since", "by", "")
    for line in table.lines:
        force = line.force
        behind = f"{line.behind} VMs are kept by what they had before" if line.behind else ""
        waits = f"{line.waits} waits for an approval" if line.waits else ""
        since = f"{force.since:%Y-%m-%d %H:%M}" if force.by else "not yet"
        note = "; ".join(filter(None, (behind, waits)))
        rows.add_row(*map(Text, (force.sla, said(force.retention), str(line.vms), since, force.by, note)))
    console().print(rows)
    for held in table.holds:
        console().print(Text(f"{held.id}: {_of(held)} is held {_until(held)} by {held.by}: {held.reason}"))


def _of(held: Hold) -> str:
    return f"recovery point {held.point} of {held.vm}" if held.point else f"all of {held.vm}"


def _until(held: Hold) -> str:
    return f"until {held.until:%Y-%m-%d %H:%M} UTC" if held.until else "until it is released"


def _print_preview(found: Preview) -> None:
    out = console()
    for line in summary(found):
        out.print(Text(line))
    if not found.goes:
        return
    rows = Table("would go", "target", "VM", "taken at (UTC)", "size")
    for verdict in found.goes[:_MOST_SHOWN]:
        point = verdict.point
        taken = f"{point.taken_at:%Y-%m-%d %H:%M}"
        rows.add_row(*map(Text, (point.transaction_id, point.target, point.vm_name, taken, size_text(point.size))))
    out.print(rows)
    if len(found.goes) > _MOST_SHOWN:
        out.print(f"and {len(found.goes) - _MOST_SHOWN:,} more; --json has all")


def _print_moves(found: Preview) -> None:
    out = console()
    if not found.has_tiers:
        out.print(Text("No SLA says from which age on recovery points move: cold_after, archive_after."))
        return
    out.print(Text(f"Moves: {moves_text(found)}"))
    rows = Table("old enough", "target", "VM", "taken at (UTC)", "size", "to", "stays, since")
    for turn in found.turns[:_MOST_SHOWN]:
        point, taken = turn.point, f"{turn.point.taken_at:%Y-%m-%d %H:%M}"
        cells = (point.transaction_id, point.target, point.vm_name, taken, size_text(point.size), turn.tier, turn.stays)
        rows.add_row(*map(Text, cells))
    if found.turns:
        out.print(rows)
    if len(found.turns) > _MOST_SHOWN:
        out.print(f"and {len(found.turns) - _MOST_SHOWN:,} more; --json has all")


def _table(table: RetentionTable) -> dict[str, Any]:
    return {
        "slas": [
            {
                "sla": line.force.sla,
                "rules": said(line.force.retention),
                "since": line.force.since.isoformat(),
                "by": line.force.by,
                "vms": line.vms,
                "vms_kept_by_more": line.behind,
                "waits": line.waits or None,
            }
            for line in table.lines
        ],
        "holds": [
            {
                "id": held.id,
                "vm": held.vm,
                "point": held.point or None,
                "until": held.until.isoformat() if held.until else None,
                "by": held.by,
                "reason": held.reason,
            }
            for held in table.holds
        ],
    }


def _preview(found: Preview) -> dict[str, Any]:
    return {
        "goes": [_verdict(each) for each in found.goes],
        "stays": [_verdict(each) for each in found.stays],
        "go_in_any_case": found.due,
        "stay_only_by_these_rules": found.spared,
        "bytes_freed": sum(each.point.size for each in found.goes),
        "saves": found.saves or None,
        "costs": found.costs or None,
        "needs_approval": found.is_shorter,
    } | (_moves(found) if found.has_tiers else {})


def _moves(found: Preview) -> dict[str, Any]:
    moves = [
        _verdict(Verdict(point=turn.point)) | {"tier": turn.tier.value, "why": [turn.stays] if turn.stays else []}
        for turn in found.turns
    ]
    return {
        "moves": [each for each in moves if not each["why"]],
        "old_enough_and_stays": [each for each in moves if each["why"]],
        "moves_save": found.moves_save or None,
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    point = verdict.point
    return {
        "point": point.transaction_id,
        "target": point.target,
        "vm": point.vm_name,
        "vm_uuid": point.vm_uuid,
        "taken_at": point.taken_at.isoformat(),
        "bytes": point.size,
        "why": [why(keep) for keep in verdict.keeps],
    }
