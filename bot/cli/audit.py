"""`cloudy audit list | show | verify | export`."""

import sys
from typing import Annotated, Any

import typer
from rich.table import Table

from bot.cli import export as files
from bot.cli.common import ConfigOption, JsonOption, console, moment, print_json, reading
from bot.model import AuditRow
from bot.opening import service_for

app = typer.Typer(help="Who did what, when; append-only and hash-chained.", no_args_is_help=True)


@app.command("list")
def list_(
    what: Annotated[str, typer.Argument(help="A transaction id or a part of it, a VM, or a user.")] = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
    limit: Annotated[int, typer.Option(help="How many of the newest rows.")] = 100,
    since: Annotated[str, typer.Option(help="7d, 24h or 2026-11-01.", show_default=False)] = "",
) -> None:
    """The newest rows, oldest first: all, or what is about one thing."""
    begins = moment(since)
    with reading(config) as (settings, db):
        _subject, _name, page = service_for(settings, db).questions.audit(what, begins, limit=limit)
    _print(tuple(reversed(page.rows)), as_json)
    if page.total > len(page.rows):
        print(f"the newest {len(page.rows)} of {page.total}; --limit gives more", file=sys.stderr)


@app.command()
def show(transaction_id: str, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """All rows of one transaction."""
    with reading(config) as (settings, db):
        transaction, _steps, _files = service_for(settings, db).show(transaction_id)
        with db.read() as unit:
            _print(unit.audit.list(transaction_id=transaction.id, limit=10_000), as_json)


@app.command()
def verify(config: ConfigOption = None) -> None:
    """Check the chain; exit status 1 if a row was changed, removed or reordered, 2 if it cannot be judged."""
    with reading(config) as (_settings, db), db.read() as unit:
        verdict = unit.audit.verify()
    print(verdict.why)
    if not verdict.judged:
        raise typer.Exit(2)
    raise typer.Exit(0 if verdict.broken_at is None else 1)


@app.command()
def export(
    config: ConfigOption = None,
    form: Annotated[
        files.Format, typer.Option("--format", help="csv for spreadsheets, jsonl for programs.")
    ] = files.Format.JSONL,
) -> None:
    """Every row, oldest first, to standard output; as it stood when this began, whoever writes meanwhile."""
    with reading(config) as (_settings, db), db.read() as unit:
        files.to_stdout((_whole_row(row) for row in unit.audit.every()), form)


def _print(rows: tuple[AuditRow, ...], as_json: bool) -> None:
    if as_json:
        print_json({"audit": [_row(row) for row in rows]})
        return
    table = Table("seq", "at", "who", "action", "transaction", "what")
    for row in rows:
        what = ", ".join(f"{name}={value}" for name, value in row.body.items())
        who = f"{row.actor_name} ({row.source})"
        table.add_row(str(row.seq), f"{row.at:%Y-%m-%d %H:%M:%S}Z", who, row.action, row.transaction_id, what)
    console().print(table)


def _row(row: AuditRow) -> dict[str, Any]:
    return {
        "seq": row.seq,
        "at": row.at.isoformat(),
        "actor": row.actor_name,
        "actor_id": row.actor_id,
        "source": row.source,
        "action": row.action,
        "transaction": row.transaction_id,
        "body": row.body,
        "hash": row.hash,
    }


def _whole_row(row: AuditRow) -> dict[str, Any]:
    """With what `verify` needs, so that the chain can be checked outside too."""
    return _row(row) | {"key": row.key, "prev": row.prev}
