"""Asks for transactions and follows them to their end, with progress bars; what waits for a word is heeded."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from bot import story
from bot.cli.common import me, print_json, settings_of, summary
from bot.cli.consent import Consent
from bot.errors import BusyError, RequesterError
from bot.model import State, Step, StepState, Transaction
from bot.opinions import Question
from bot.service import Service
from bot.store import Database

if TYPE_CHECKING:
    from bot.main import Hand

POLL_S = 0.25

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Confirm what the policy wants confirmed, for scripts.")]
Ask = Callable[[Service], Sequence[Transaction]]


def carry_out(
    config: Path | None, question: Question, ask: Ask, *, reason: str = "", yes: bool, as_json: bool
) -> NoReturn:
    """Ask for it and follow it to the end; exit status 0 only if all of it has succeeded.

    Beside a running bot this only asks it and follows. Ctrl-C asks what was begun to stop.
    """
    from bot.main import hand, leave  # adapters and engine are loaded only by commands that work

    settings = settings_of(config)
    with hand(settings) as house:
        consent = Consent(house, settings, yes=yes)
        consent.demand(question, reason)
        ended = follow(house, [transaction.id for transaction in ask(house.service)], consent, quiet=as_json)
    if as_json:
        print_json({"transactions": [summary(transaction) for transaction in ended]})
    else:
        tell(ended)
    leave(0 if all(t.state is State.SUCCEEDED for t in ended) else 1)


def follow(house: "Hand", ids: list[str], consent: Consent, *, quiet: bool) -> list[Transaction]:
    """Show the transactions until all have ended; one that joined another is followed there.

    One that is held waits for a person, who is not waited for here.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"), TimeElapsedColumn())
    asked_to_stop = False
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as bars:
        tasks = {tid: bars.add_task(tid, total=100, note="") for tid in ids}
        while True:
            try:
                seen = [_seen(house.db, tid) for tid in ids]
                for tid, (transaction, steps) in zip(ids, seen, strict=True):
                    _draw(bars, tasks[tid], transaction, steps)
                if all(transaction.state.is_final or transaction.state is State.HELD for transaction, _ in seen):
                    return [transaction for transaction, _ in seen]
                _go_on(house, [transaction for transaction, _ in seen], consent, bars)
                time.sleep(POLL_S)
            except BusyError:
                time.sleep(POLL_S)
            except KeyboardInterrupt:
                if asked_to_stop:
                    raise
                asked_to_stop = True
                stop_all(house, ids)


def _go_on(house: "Hand", seen: Sequence[Transaction], consent: Consent, bars: Progress) -> None:
    """Heed what waits for a word. While nothing else is to be done no lock is taken: a bot may be on its way."""
    waiting = [each for each in seen if each.state is State.AWAITING_APPROVAL and not each.stop_asked_by]
    if len(waiting) < len([each for each in seen if not each.state.is_final]):
        house.tend()
    for transaction in waiting:
        with house.db.read() as unit:
            approval = unit.approvals.newest(transaction.id)
        if approval is not None and consent.is_new(approval):
            bars.stop()
            try:
                consent.heed(transaction, approval)
            finally:
                bars.start()


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


def stop_all(house: "Hand", ids: list[str]) -> None:
    """Ask each to stop, also while the database is busy."""
    for tid in ids:
        while True:
            try:
                house.service.stop(tid, me(), request_key=f"cli:stop:{time.time_ns()}")
            except RequesterError:
                pass  # too late: it has ended, or its recovery point exists; it is followed to its end
            except BusyError:
                continue  # it has waited for the database already
            break


def tell(ended: Sequence[Transaction]) -> None:
    """How each ended, and what is left to do."""
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
