"""Puts the story of a transaction into the outbox, in the same unit as the fact that it tells."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from bot import petitions, story
from bot.model import CLOUDY, Approval, Json, Message, State, Step, Transaction
from bot.purposes import purpose_of
from bot.speed import Pace
from bot.store import Unit


def retell(unit: Unit, transaction_id: str, pace: Pace | None = None) -> None:
    """Bring root and plan message up to what the database says now. Repeating is harmless.

    pace: how the running step moves, where the caller knows.
    """
    transaction = unit.transactions.get(transaction_id)
    if not transaction.place.channel:
        return
    steps = unit.steps.of(transaction_id)
    waits_for = _ahead(unit, transaction)
    _say(unit, transaction, "root", _as_it_waits(unit, transaction, story.root(transaction, steps, waits_for)))
    _say(unit, transaction, "plan", story.plan(transaction, steps, waits_for, pace))


def tell(unit: Unit, transaction: Transaction, name: str, text: str, *, level: str = "ok") -> None:
    """Add a reply that stays; the same name again changes it."""
    if transaction.place.channel:
        _say(unit, transaction, f"milestone:{name}", story.reply(transaction, name, level, text))


def tell_first(unit: Unit, transaction: Transaction, name: str, text: str) -> None:
    """Add a reply of warning, unless one of that name stands there already."""
    if unit.outbox.get(f"{transaction.id}:milestone:{name}") is None:
        tell(unit, transaction, name, text, level="warning")


def tell_approval(unit: Unit, transaction: Transaction, approval: Approval) -> None:
    """Bring the copies of its card that approvers got up to date."""
    for key in unit.outbox.keys_under(copy_key(approval, "")):
        copy = unit.outbox.get(key)
        if copy is not None:
            unit.outbox.put(replace(copy, view=petitions.card(story.title(transaction), approval)))


def copy_key(approval: Approval, user: str) -> str:
    """The message with an approver's copy of the card."""
    return f"{approval.transaction_id}:approval:{approval.number}:{user}"


def tell_step(unit: Unit, transaction: Transaction, step: Step) -> None:
    """Add the reply that stays, where the step deserves one."""
    view = story.milestone(transaction, step)
    if view is not None and transaction.place.channel:
        _say(unit, transaction, f"milestone:{step.id}", view)


def tell_stopping(unit: Unit, transaction: Transaction) -> None:
    """Say in the thread that Stop was heard."""
    if transaction.place.channel:
        _say(unit, transaction, "milestone:stop", story.stopping(transaction))


def tell_waiting(unit: Unit, transaction: Transaction, why: str, at: datetime) -> None:
    """Say in the thread what is waited for, once an hour, though many threads wait for the same."""
    name = f"milestone:waiting:{at:%d%H}"
    if transaction.place.channel and unit.outbox.get(f"{transaction.id}:{name}") is None:
        _say(unit, transaction, name, story.waiting(transaction, why))


def tell_rest(unit: Unit, transaction: Transaction) -> None:
    """Say when it goes on, since its targets may not be sent to now."""
    retell(unit, transaction.id)
    if transaction.place.channel and transaction.rests_until:
        name = f"milestone:rest:{transaction.rests_until:%m%d%H%M}"
        _say(unit, transaction, name, story.resting(transaction, unit.steps.of(transaction.id)))


def tell_archive(unit: Unit, transaction: Transaction) -> None:
    """Say what is waited for; said anew each half day, and in between kept up to date."""
    if transaction.place.channel:
        name = f"milestone:archive:{story.half_days(transaction)}"
        _say(unit, transaction, name, story.archive(transaction))


def tell_end(unit: Unit, transaction_id: str) -> None:
    """Bring all messages to their end and add the receipt."""
    retell(unit, transaction_id)
    transaction = unit.transactions.get(transaction_id)
    if transaction.place.channel:
        _say(unit, transaction, "receipt", story.receipt(transaction, unit.steps.of(transaction_id)))


def tell_held(unit: Unit, transaction_id: str) -> None:
    """Say that it is held, or is being cleaned up, where the receipt will stand."""
    retell(unit, transaction_id)
    transaction = unit.transactions.get(transaction_id)
    if transaction.place.channel:
        _say(unit, transaction, "receipt", story.held(transaction))


def tell_retry(unit: Unit, transaction_id: str, by: str) -> None:
    """Say that it goes on, where its hold was told."""
    retell(unit, transaction_id)
    transaction = unit.transactions.get(transaction_id)
    if transaction.place.channel:
        _say(unit, transaction, "receipt", story.retrying(transaction, unit.steps.of(transaction_id), by))


def tell_removed_later(unit: Unit, transaction: Transaction, removed: Sequence[str]) -> None:
    """Say in the thread what the janitor removed after the end; one reply, edited when there is more."""
    if transaction.place.channel:
        is_all = not unit.ledger.open(transaction.id)
        _say(unit, transaction, "milestone:janitor", story.removed_later(transaction, removed, is_all=is_all))


def answer_privately(unit: Unit, transaction: Transaction, text: str) -> None:
    """Tell only the one who asked; where there is no thread yet. What a schedule asked for is told to everybody.

    That a round of Cloudy's own had nothing to do is told to nobody.
    """
    place, is_own = transaction.place, transaction.actor == CLOUDY
    if transaction.schedule:
        text = f"Schedule {transaction.schedule}: {story.asked(transaction)} has not begun. {text}"
    if place.channel and not (is_own and purpose_of(transaction).is_round):
        unit.outbox.put(
            Message(
                key=f"{transaction.id}:notice",
                channel=place.channel,
                thread_ts=place.thread,
                only_for="" if transaction.schedule or is_own else transaction.actor.id,
                view=story.notice(text),
            )
        )


def _as_it_waits(unit: Unit, transaction: Transaction, root: Json) -> Json:
    """The root message; while a decision is waited for, it is the card."""
    approval = unit.approvals.newest(transaction.id) if transaction.state is State.AWAITING_APPROVAL else None
    return petitions.on_root(root, approval) if approval else root


def _ahead(unit: Unit, transaction: Transaction) -> str:
    """Id of the transaction of the same VM that runs now, while this one waits."""
    if transaction.state is not State.QUEUED or not transaction.vm_uuid:
        return ""
    running = (other for other in unit.transactions.active() if other.state is State.RUNNING)
    return next((other.id for other in running if other.vm_uuid == transaction.vm_uuid), "")


def _say(unit: Unit, transaction: Transaction, name: str, view: dict[str, object]) -> None:
    unit.outbox.put(
        Message(
            key=f"{transaction.id}:{name}",
            channel=transaction.place.channel,
            thread_key="" if name == "root" else f"{transaction.id}:root",
            view=view,
        )
    )
