"""`cloudy orphans`: what was left behind anywhere, and its removal."""

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from bot import asking, story
from bot import orphans as rules
from bot.cli.common import ConfigOption, JsonOption, console, me, print_json, reading, settings_of
from bot.errors import UsageError
from bot.ids import begun_at
from bot.logs import setup
from bot.model import Resource
from bot.orphans import Fate

if TYPE_CHECKING:
    from bot.janitor import Findings, Janitor, Judged

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LEDGER = "in the ledger: the janitor removes it"


def orphans(
    config: ConfigOption = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove what is ours and old enough.")] = False,
    older_than: Annotated[str, typer.Option(help="How old it must be: 90s, 30m, 24h, 7d.")] = "24h",
    installation: Annotated[
        list[str] | None,
        typer.Option(help="An installation that is no more (its database was lost): what it left is ours."),
    ] = None,
    let_go: Annotated[
        str, typer.Option(help="A restore over the original that could not put its VM back: that stays as it is now.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """What was left behind on VMstores, shares and targets. Exit status 1: something could not be seen or removed.

    Nothing of a recovery point, of a living transaction or of another installation is ever removed.
    """
    from bot.main import janitor_for  # adapters are loaded only by commands that work

    least = _duration(older_than)
    settings = settings_of(config)
    setup("WARNING", settings.secrets())  # what is waited for is seen: a system away, a full disk
    with reading(config) as (settings, db):
        janitor = janitor_for(settings, db, me())
        if let_go:
            with db.read() as unit:
                meant = asking.meant(unit, let_go).id
            janitor.let_go(meant)
        left = [line for cleared in janitor.clear_ledger() for line in cleared.left] if remove else []
        found = janitor.look(older_than=least, also=installation or ())
        removed, kept = _removed(janitor, found) if remove else ([], [])
    if as_json:
        print_json(_document(found, removed, [*left, *kept]))
    else:
        _print(found, removed, [*left, *kept])
    raise typer.Exit(1 if found.unseen or left or kept else 0)


def _duration(text: str) -> timedelta:
    found = re.fullmatch("([0-9]{1,6})([smhd])", text)
    if not found:
        raise UsageError(f"--older-than {text}: write a number and s, m, h or d, like 24h.")
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


def _removed(janitor: "Janitor", found: "Findings") -> tuple[list["Judged"], list[str]]:
    removed: list[Judged] = []
    kept: list[str] = []
    for judged in found.judged:
        if judged.fate is Fate.OURS:
            why = janitor.remove(judged.orphan)
            if why:
                kept.append(f"{judged.orphan.kind} {judged.orphan.name} on {judged.orphan.system}: {why}")
            else:
                removed.append(judged)
    return removed, kept


def _document(found: "Findings", removed: list["Judged"], left: list[str]) -> dict[str, Any]:
    return {
        "ledger": [_promised(resource) for resource in found.promised],
        "orphans": [_judged(judged) for judged in found.judged if judged not in removed],
        "removed": [_judged(judged) for judged in removed],
        "not_removed": left,
        "not_seen": [{"system": system, "why": why} for system, why in found.unseen],
    }


def _promised(resource: Resource) -> dict[str, Any]:
    return {
        "kind": resource.kind.value,
        "system": resource.system,
        "name": resource.name,
        "transaction": resource.transaction_id,
    }


def _judged(judged: "Judged") -> dict[str, Any]:
    orphan = judged.orphan
    age = rules.age(orphan, datetime.now(UTC))
    return {
        "kind": orphan.kind.value,
        "system": orphan.system,
        "name": orphan.name,
        "transaction": orphan.transaction_id,
        "installation": orphan.installation or None,
        "age_s": round(age.total_seconds()) if age is not None else None,
        "size": orphan.size,
        "fate": judged.fate.value,
        "by_hand": judged.by_hand,
    }


def _print(found: "Findings", removed: list["Judged"], left: list[str]) -> None:
    out = console()
    table = Table("what", "where", "name", "age", "size", "installation", "")
    for resource in found.promised:
        begun = begun_at(resource.transaction_id)
        age = _age(datetime.now(UTC) - begun if begun else None)
        table.add_row(resource.kind.value, resource.system, resource.name, age, "", "this one", _LEDGER)
    for judged in found.judged:
        orphan = judged.orphan
        fate = "removed" if judged in removed else _FATES[judged.fate]
        age = _age(rules.age(orphan, datetime.now(UTC)))
        size = story.size_text(orphan.size) if orphan.size else ""
        table.add_row(orphan.kind.value, orphan.system, orphan.name, age, size, orphan.installation or "?", fate)
    if table.row_count:
        out.print(table)
    else:
        out.print("Nothing is left behind." if not found.unseen else "Nothing was found where Cloudy could look.")
    for judged in found.judged:
        if judged.fate is Fate.UNKNOWN:
            out.print(f"{judged.orphan.name}: whose it is, nothing tells. By hand: {judged.by_hand}.", markup=False)
    for line in left:
        out.print(f"not removed: {line}", markup=False)
    for system, why in found.unseen:
        out.print(f"not looked at: {system}: {why}", markup=False)


_FATES = {
    Fate.OURS: "ours: cloudy orphans --remove",
    Fate.YOUNG: "too young to be removed",
    Fate.FOREIGN: "another installation's: not touched",
    Fate.UNKNOWN: "not touched: see below",
}


def _age(age: timedelta | None) -> str:
    if age is None:
        return "?"
    return f"{age.days} d" if age.days else story.duration_text(age.total_seconds())
