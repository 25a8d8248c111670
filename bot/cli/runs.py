"""`cloudy runs | show | stop | watch`: transactions, told."""

import json
import time
from typing import Annotated, Any

import typer
from rich.table import Table

from bot import estimated, story
from bot.cli.common import ConfigOption, JsonOption, console, me, print_json, reading, summary
from bot.clock import SystemClock
from bot.errors import BusyError
from bot.model import State, Step, StoredFile, Transaction
from bot.opening import service_for
from bot.store import Database

POLL_S = 0.1
HEARTBEAT_S = 0.5
_CLOCK = SystemClock()


def runs(
    config: ConfigOption = None,
    as_json: JsonOption = False,
    limit: Annotated[int, typer.Option(help="How many, newest first.")] = 20,
) -> None:
    """The newest transactions."""
    with reading(config) as (settings, db):
        found = service_for(settings, db).runs(limit)
    if as_json:
        print_json({"transactions": [summary(transaction) for transaction in found]})
        return
    table, now = Table("transaction", "VM", "targets", "state", "started", "moved"), _CLOCK.now()
    for transaction in found:
        started = f"{transaction.started_at:%Y-%m-%d %H:%M:%S}Z" if transaction.started_at else ""
        table.add_row(
            transaction.id,
            transaction.vm,
            ", ".join(transaction.targets),
            story.stands(transaction, now),
            started,
            story.moved_text(transaction.bytes),
        )
    console().print(table)


def show(transaction_id: str, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """One transaction: its steps with times, its files with size, CRC and key."""
    with reading(config) as (settings, db):
        transaction, steps, files = service_for(settings, db).show(transaction_id)
    if as_json:
        print_json(shown(transaction, steps, files))
        return
    _print_transaction(transaction, steps, files)


def shown(transaction: Transaction, steps: tuple[Step, ...], files: tuple[StoredFile, ...]) -> dict[str, Any]:
    """One transaction whole, as `--json` gives it."""
    removes = transaction.plan.get("removes")
    told: dict[str, Any] = {"steps": [_step(step) for step in steps], "files": [_file(file) for file in files]}
    return summary(transaction) | told | ({"removes": removes} if removes else {})


def _step(step: Step) -> dict[str, Any]:
    return {
        "id": step.id,
        "title": step.title,
        "state": step.state.value,
        "attempts": step.attempt,
        "started": step.started_at.isoformat() if step.started_at else None,
        "ended": step.ended_at.isoformat() if step.ended_at else None,
        "why": step.failure.what if step.failure else None,
    }


def _file(file: StoredFile) -> dict[str, Any]:
    return {"path": file.path, "size": file.size, "crc64nvme": f"{file.crc64:016x}", "key": file.key}


def _print_transaction(transaction: Transaction, steps: tuple[Step, ...], files: tuple[StoredFile, ...]) -> None:
    out = console()
    out.print(f"{transaction.id}  {story.title(transaction)}", markup=False)
    out.print(story.line(transaction, steps), markup=False)
    if transaction.failure:
        out.print(f"{transaction.failure.step}: {transaction.failure.what}", markup=False)
        out.print(transaction.failure.next, markup=False)
    if foreseen := estimated.of(transaction):
        out.print(f"estimate: {estimated.moves(foreseen)}", markup=False, soft_wrap=True)
        out.print(f"price: {estimated.price(foreseen)}", markup=False, soft_wrap=True)
    for place in transaction.plan.get("removes", ()):
        out.print(f"removes all under: {place}", markup=False, soft_wrap=True)
    for thing in transaction.left_behind:
        out.print(f"left behind: {thing}", markup=False)
    table = Table("step", "state", "started", "took")
    for step in steps:
        took = (step.ended_at - step.started_at).total_seconds() if step.ended_at and step.started_at else None
        table.add_row(
            step.title,
            step.state.value,
            f"{step.started_at:%H:%M:%S}Z" if step.started_at else "",
            story.duration_text(took) if took is not None else "",
        )
    out.print(table)
    listing = Table("size", "CRC-64/NVME", "key")
    for file in files:
        listing.add_row(str(file.size), f"{file.crc64:016x}", file.key)
    if files:
        out.print(listing)


def stop(transaction_id: str, config: ConfigOption = None) -> None:
    """Ask a transaction to stop; what it made is removed."""
    with reading(config) as (settings, db):
        key = f"cli:stop:{time.time_ns()}"
        stopped = service_for(settings, db).stop(transaction_id, me(), request_key=key)
    print(f"stopping {stopped.id}")


def watch(
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """One line whenever something changes, and twice a second besides: for scripts that wait for Cloudy."""
    with reading(config) as (_settings, db):
        last, told_at = "", 0.0
        while True:
            now = time.time()  # before the look: a line never claims to know more than it has seen
            try:
                view = _view(db)
            except BusyError:
                time.sleep(POLL_S)
                continue
            text = json.dumps(view)
            if text != last or now - told_at >= HEARTBEAT_S:
                print(json.dumps({"at": now} | view) if as_json else _line(view), flush=True)
                last, told_at = text, now
            time.sleep(POLL_S)


def _view(db: Database) -> dict[str, Any]:
    with db.read() as unit:
        # a request that joined a running transaction is no transaction of its own to wait for
        newest = next((found for found in unit.transactions.list() if not found.plan.get("joined")), None)
        return {
            # one that is held waits for a person, or for its time to be over; others for their moments
            "active": sum(found.state is not State.HELD for found in unit.transactions.active(at=_CLOCK.now()))
            + len(unit.fires.asked()),
            "outbox": len(unit.outbox.pending()),
            "newest": newest
            and {
                "id": newest.id,
                "state": newest.state.value,
                "steps": {step.id: step.state.value for step in unit.steps.of(newest.id)},
            },
        }


def _line(view: dict[str, Any]) -> str:
    newest = view["newest"]
    about = f"{newest['id']} {newest['state']}" if newest else "no transaction yet"
    return f"{view['active']} active, {view['outbox']} messages to send, newest: {about}"
