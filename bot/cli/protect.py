"""`cloudy protect`: the same service and workflow as from Slack, with progress bars."""

import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from bot import keeping, story
from bot.cli.common import ConfigOption, JsonOption, me, print_json, settings_of, summary
from bot.errors import BusyError, RequesterError, UsageError
from bot.model import ProtectRequest, State, Step, StepState, Transaction
from bot.store import Database

if TYPE_CHECKING:
    from bot.main import Hand

POLL_S = 0.25


def protect(
    vms: Annotated[list[str], typer.Argument(help="VM names.")],
    to: Annotated[list[str], typer.Option("--to", help="Target; more than one may be given.")],
    consistency: Annotated[str, typer.Option(help="crash or vm")] = "crash",
    note: Annotated[str, typer.Option(help="Why; it is kept with the recovery point.")] = "",
    keep_for: Annotated[str, typer.Option(help="30d, 12w, 1y or forever.")] = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Protect VMs and follow to the end; exit status 0 only if every recovery point exists.

    Beside a running bot this only asks it and follows. Ctrl-C asks what was begun to stop.
    """
    from bot.main import hand, leave  # adapters and engine are loaded only by commands that work

    try:
        wishes = {"note": keeping.note(note), "keep_for": keeping.parse(keep_for) if keep_for else ""}
    except ValueError as error:
        raise UsageError(str(error)) from error
    request = ProtectRequest(vms=tuple(vms), targets=tuple(to), consistency=consistency, **wishes)
    with hand(settings_of(config)) as house:
        asked = house.service.protect(request, me(), request_key=f"cli:{time.time_ns()}")
        ended = _follow(house, [transaction.id for transaction in asked], quiet=as_json)
    if as_json:
        print_json({"transactions": [summary(transaction) for transaction in ended]})
    else:
        _tell(ended)
    leave(0 if all(t.state is State.SUCCEEDED for t in ended) else 1)


def _follow(house: "Hand", ids: list[str], *, quiet: bool) -> list[Transaction]:
    """Show the transactions until all have ended; one that joined another is followed there."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"), TimeElapsedColumn())
    asked_to_stop = False
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as bars:
        tasks = {tid: bars.add_task(tid, total=100, note="") for tid in ids}
        while True:
            try:
                house.tend()
                seen = [_seen(house.db, tid) for tid in ids]
                for tid, (transaction, steps) in zip(ids, seen, strict=True):
                    _draw(bars, tasks[tid], transaction, steps)
                if all(transaction.state.is_final for transaction, _ in seen):
                    return [transaction for transaction, _ in seen]
                time.sleep(POLL_S)
            except BusyError:
                time.sleep(POLL_S)
            except KeyboardInterrupt:
                if asked_to_stop:
                    raise
                asked_to_stop = True
                _stop_all(house, ids)


def _seen(db: Database, transaction_id: str) -> tuple[Transaction, tuple[Step, ...]]:
    with db.read() as unit:
        transaction = unit.transactions.get(transaction_id)
        joined = str(transaction.plan.get("joined", ""))
        if joined:
            transaction = unit.transactions.get(joined)
        return transaction, unit.steps.of(transaction.id)


def _draw(bars: Progress, task: TaskID, transaction: Transaction, steps: tuple[Step, ...]) -> None:
    over = (StepState.COMPLETE, StepState.SKIPPED, StepState.FAILED, StepState.STOPPED)
    done = sum(1.0 for step in steps if step.state in over)
    done += sum(step.done / step.total for step in steps if step.state is StepState.RUNNING and step.total)
    bars.update(
        task,
        completed=done * 100 / len(steps) if steps else 0,
        description=f"{transaction.vm} {transaction.id}",
        note=story.line(transaction, steps),
    )


def _stop_all(house: "Hand", ids: list[str]) -> None:
    for tid in ids:
        while True:
            try:
                house.service.stop(tid, me(), request_key=f"cli:stop:{time.time_ns()}")
            except RequesterError:
                pass  # too late: it has ended, or its recovery point exists; it is followed to its end
            except BusyError:
                continue  # it has waited for the database already
            break


def _tell(ended: list[Transaction]) -> None:
    for transaction in ended:
        print(f"{transaction.id}: {story.line(transaction, ())}")
        for warning in transaction.plan.get("warnings", []):
            print(f"  mind: {warning}")
        if transaction.failure and transaction.state is not State.REFUSED:  # then the line says it
            print(f"  {transaction.failure.what}")
        if transaction.failure and transaction.failure.next:
            print(f"  {transaction.failure.next}")
        for thing in transaction.left_behind:
            print(f"  left behind: {thing}")
