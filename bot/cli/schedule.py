"""`cloudy schedule | schedules`: what starts by itself, made, changed and listed; its words are those of Slack."""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from bot.cli.common import ConfigOption, JsonOption, console, me, print_json, reading
from bot.model import Fire, ScheduleLine
from bot.opening import service_for

if TYPE_CHECKING:
    from handlers.schedulelists import Listing

Words = Annotated[
    list[str],
    typer.Argument(
        help="As behind /schedule: protect vm01 to s3 every day at 02:00 | verify ... | drill next ... |"
        " pause <id> [until 2026-12-24|for 3d] | resume|skip|unskip|run|show|delete <id> | edit <id> ..."
    ),
]


def schedule(words: Words, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Make a schedule, or change one. A running bot does what it says; without one its times are caught up with later.

    Quote patterns (web*) so that the shell leaves them alone; the whole may be one quoted argument.
    """
    # The handlers bring Bolt along, which no other command waits for.
    from handlers.origin import Origin
    from handlers.parse import schedule as read
    from handlers.scheduleorders import carry_out

    order = read(_joined(words))
    with reading(config) as (settings, db):
        origin = Origin(actor=me(), channel="", key=f"cli:schedule:{time.time_ns()}")
        done = carry_out(service_for(settings, db), order, origin)
    if as_json:
        print_json({"title": done.title, "said": list(done.said), "schedules": [_told(line) for line in done.lines]})
    else:
        _print(done)


def schedules(
    text: Annotated[str, typer.Argument(help="A part of an id, owner, VM, target or phrase.")] = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
    limit: Annotated[int, typer.Option(min=1, help="How many rows.")] = 100,
    offset: Annotated[int, typer.Option(min=0, help="From which row on; the first is 0.")] = 0,
) -> None:
    """What starts by itself, when next by this machine's clock, and how it went."""
    with reading(config) as (settings, db):
        page = service_for(settings, db).schedules.page(text, offset, limit)
    if as_json:
        print_json({"total": page.total, "schedules": [_told(line) for line in page.rows]})
        return
    _print_lines(page.rows)
    if page.end < page.total:
        console().print(f"{len(page.rows)} of {page.total} rows; --offset {page.end} goes on", markup=False)


def _joined(words: Sequence[str]) -> str:
    """As it would be typed in Slack: what the shell has taken quotes from gets them back."""
    if len(words) == 1:
        return words[0]
    return " ".join(f'"{word}"' if " " in word else word for word in words)


def _print(done: "Listing") -> None:
    out = console()
    for line in (done.title, *done.said):
        out.print(line, markup=False, soft_wrap=True)
    if done.lines:
        _print_lines(done.lines)


def _print_lines(lines: Sequence[ScheduleLine]) -> None:
    from handlers.schedulelists import came, what

    table = Table("schedule", "starts", "when", "state", "next", "last", "owner")
    for line in lines:
        kept, last = line.schedule, line.last
        until = f" until {_time(kept.until)}" if kept.until else ""
        state = f"{kept.state}{until}{f': {kept.why}' if kept.why else ''}"
        past = f"{_time(last.at)} {came(last, line)}" if last else ""
        coming = ", ".join(_time(at) for at in line.next[:1])
        cells = (kept.id, what(line), kept.asked.recurrence, state, coming, past, kept.owner.name)
        table.add_row(*map(Text, cells))
    console().print(table)


def _told(line: ScheduleLine) -> dict[str, Any]:
    from handlers.scheduling import written

    kept, asked = line.schedule, line.schedule.asked
    return {
        "id": kept.id,
        "typed": written(asked),
        "starts": asked.workflow,
        "vms": list(asked.vms),
        "targets": list(asked.targets),
        "options": dict(asked.options),
        "recurrence": asked.recurrence,
        "catch_up": asked.catch_up.value if asked.catch_up else None,
        "grace_s": asked.grace.total_seconds() if asked.grace else None,
        "owner": kept.owner.name,
        "state": kept.state.value,
        "until": kept.until.isoformat() if kept.until else None,
        "why": kept.why,
        "next": [at.isoformat() for at in line.next],
        "skips": [at.isoformat() for at in line.skips],
        "last": _fire(line.last) if line.last else None,
        "results": {state.value: count for state, count in line.results.items()},
        "waiting": line.waiting,
    }


def _fire(fire: Fire) -> dict[str, Any]:
    return {
        "at": fire.at.isoformat(),
        "state": fire.state.value,
        "started": fire.started,
        "why": fire.why,
        "passed": list(fire.passed),
    }


def _time(at: datetime) -> str:
    return f"{at.astimezone():%Y-%m-%d %H:%M %z}"
