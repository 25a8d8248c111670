"""Private answers about one transaction: how it stands, why it came to that, its audit rows."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from bot import story
from bot.asking import Audited
from bot.errors import CloudyError
from bot.model import AuditRow, State, Step, Transaction
from bot.service import Service
from handlers import answers
from handlers.cards import Card, of_view

_ROWS_A_LIST = 20
_HASH = 8  # hex digits of a row's hash that are shown
_LONGEST_VALUE = 60


def status(transaction: Transaction, steps: Sequence[Step]) -> Card:
    """How it stands now, step by step."""
    shown = answers.show(transaction, steps, ())
    lines = (story.line(transaction, steps),) if transaction.frozen else shown.lines
    return replace(shown, kind="status", lines=lines, facts=(), lists=())


def why(transaction: Transaction, steps: Sequence[Step]) -> Card:
    """The cause, what was undone, what is left and what to do next; of one that is under way, that nothing failed."""
    if transaction.state is State.HELD:
        return replace(of_view(story.held(transaction)), kind="why", more=())
    if not transaction.state.is_final:
        return replace(status(transaction, steps), kind="why", closing=("Nothing has failed so far.",))
    if not transaction.frozen:
        return replace(answers.show(transaction, steps, ()), kind="why", facts=())
    receipt = of_view(story.receipt(transaction, steps))
    lines = receipt.lines or (("It was stopped.",) if transaction.stop_asked_by else ("Nothing failed.",))
    failed = tuple(task for task in answers.show(transaction, steps, ()).tasks if task.state == "error")
    return replace(receipt, kind="why", lines=lines, facts=(), tasks=failed, more=())


def retried(transaction: Transaction) -> Card:
    """A Retry was recorded: of the same transaction, or of a new one, where nothing of the old one was left."""
    if transaction.run:
        return Card(
            kind="retried",
            title=f"Retry: {story.asked(transaction)}",
            lines=("It goes on with the step that failed. The thread tells how it ends.",),
            transaction=transaction.id,
        )
    card = answers.accepted([transaction])
    return replace(card, lines=("Of the old one nothing was left to go on with, so it begins anew.", *card.lines))


def audit_answer(service: Service, text: str) -> Card:
    """The audit of the transaction that is named, or why it cannot be told; for after the acknowledgement."""
    try:
        return audit(service.audit_of(text))
    except CloudyError as error:
        return answers.refused(error)


def audit(found: Audited) -> Card:
    """Who did what when, with the beginning of each row's hash, and whether the rows are as they were written."""
    said = [f"{row.at:%d %b %H:%M:%S} UTC · {row.actor_name} · {_what(row)} · {row.hash[:_HASH]}" for row in found.rows]
    lists = tuple((f"Rows {first} to {first + len(part) - 1}", part) for first, part in _parts(said))
    return Card(
        kind="audit",
        title=f"Audit: {story.asked(found.transaction)}",
        lists=lists,
        closing=(_verdict(found),),
        transaction=found.transaction.id,
    )


def _parts(said: list[str]) -> Iterator[tuple[int, tuple[str, ...]]]:
    for start in range(0, len(said), _ROWS_A_LIST):
        yield start + 1, tuple(said[start : start + _ROWS_A_LIST])


def _what(row: AuditRow) -> str:
    if row.action == "step":
        return f"{row.body.get('step', '')} {row.body.get('event', '')}"
    told = ", ".join(_told(row.body.items()))
    return f"{row.action}: {told}" if told else row.action


def _told(items: Iterable[tuple[str, object]]) -> Iterator[str]:
    for name, value in items:
        values = value if isinstance(value, list) else [value]
        text = ", ".join(str(each) for each in values if not isinstance(each, dict))
        if text:
            yield f"{name} {text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + '…'}"


def _verdict(found: Audited) -> str:
    verdict = found.verdict
    if not verdict.judged:
        return f"Whether these rows are as they were written could not be judged. {verdict.why}"
    if verdict.broken_at is not None:
        return f"The audit was tampered with. {verdict.why} Look with: cloudy audit verify"
    return f"Each of these {verdict.rows} rows is as it was written. Whether one is missing: cloudy audit verify"
