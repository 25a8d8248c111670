"""Private answers to commands, as cards: help, status, runs, show, accepted, stopping, and words for errors."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache

from bot import estimated, keeping, petitions
from bot.errors import AmbiguousName, CloudyError, NotAllowed, NotFound, UsageError
from bot.model import Approval, Choice, Failure, State, Step, StepState, StoredFile, Transaction
from bot.opinions import Opinion
from bot.purposes import purpose_of
from bot.speed import Pace, progress_text
from bot.status import Status
from bot.story import asked as asked_for
from bot.story import size_text, stands
from handlers.cards import SKIPPED, STATE_MARKS, WAITING, Card, TaskLine
from handlers.origin import is_direct
from handlers.usages import USAGES

_TASK_STATES = {
    StepState.PENDING: "pending",
    StepState.RUNNING: "in_progress",
    StepState.COMPLETE: "complete",
    StepState.FAILED: "error",
    StepState.STOPPED: "error",
    StepState.SKIPPED: "pending",
}
_YES, _NO = "✅", "🚫"
_ALONE = "what does not work is told to you alone."
_ROOM = 2400  # of a section, for the usages that help lists
_MENTIONS = ("status", "show", "why", "stop", "retry", "verify", "help")


def help_card(commands: Collection[str]) -> Card:
    """What can be typed by whoever may use these commands."""
    usages = tuple(usage.replace("   ", " · ") for command, usage in USAGES.items() if command in commands)
    mentions = ", ".join(f"@cloudy {command}" for command in _MENTIONS if command in commands)
    forms = " or ".join(f"/{command}" for command in ("protect", "restore", "schedule") if command in commands)
    form = f"{forms} alone opens a form. " if forms else ""
    closing = (f"In a thread of a transaction: {mentions}. {form}What you write to Cloudy alone needs no @cloudy.",)
    return Card(kind="help", title="What Cloudy understands", lists=tuple(_packed(usages)), closing=closing)


def sweeping(*, removes: bool) -> Card:
    """Somebody looks; that takes as long as the slowest system."""
    what = "What is this installation's and old enough is being removed" if removes else "Cloudy looks everywhere"
    return Card(kind="sweeping", mark="🧹", title=f"{what}; the list comes here.")


def _packed(usages: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Lists that a section takes whole each."""
    heading, pack, room = "You may ask", list[str](), _ROOM
    for usage in usages:
        if pack and len(usage) > room:
            yield heading, tuple(pack)
            heading, pack, room = "And", [], _ROOM
        pack.append(usage)
        room -= len(usage) + 3
    yield heading, tuple(pack)


def may_i(opinions: Iterable[Opinion]) -> Card:
    """Whether somebody may, and why."""
    each = tuple(opinions)
    if len(each) == 1:
        verdict = each[0].verdict
        return Card(
            kind="may-i",
            mark=_YES if verdict.allowed else _NO,
            title=f"{'Yes' if verdict.allowed else 'No'}: {each[0].asked}",
            lines=verdict.why,
            people=verdict.who,
        )
    may = sum(opinion.verdict.allowed for opinion in each)
    return Card(
        kind="may-i",
        mark=_YES if may == len(each) else _NO,
        title=f"Yes to {may} of {len(each)}; a request goes ahead as a whole or not at all",
        lists=tuple((f"{'Yes' if one.verdict.allowed else 'No'}: {one.asked}", one.verdict.why) for one in each),
    )


def accepted(transactions: Iterable[Transaction]) -> Card:
    """A request was recorded; nothing was looked up yet."""
    asked = tuple(transactions)
    if len(asked) == 1:
        said = f"Its progress comes {where(asked[0].place.channel)}; {_ALONE}"
        return Card(kind="accepted", title=f"Asked for: {_what(asked[0])}", lines=(said,), transaction=asked[0].id)
    rows = tuple(f"{t.id}: {_what(t)}" for t in asked)
    lines = tuple(f"Each comes {where(t.place.channel)}; {_ALONE}" for t in asked[:1])
    title = f"Asked for {len(asked)} transactions"
    return Card(kind="accepted", title=title, lines=lines, lists=(("Transactions", rows),))


def where(channel: str) -> str:
    """Where a thread begins that was asked for there."""
    return "in your conversation with Cloudy" if is_direct(channel) else "as a thread in this channel"


def stopping(transaction: Transaction) -> Card:
    """A Stop was recorded, or had nothing left to do."""
    if transaction.state.is_final:
        return Card(
            kind="stopping", mark=_mark(transaction), title=f"{_what(transaction)}: {transaction.state}",
            transaction=transaction.id,
        )  # fmt: skip
    return Card(
        kind="stopping",
        title=f"Stopping: {_what(transaction)}",
        lines=("Nothing new is begun; what was made is removed. The thread says when that is done.",),
        transaction=transaction.id,
    )


def decided(decided: Sequence[Approval], choice: Choice) -> Card:
    """A word that counted, and what follows of it."""
    said = "Your veto counts" if choice is Choice.VETO else "Your approval counts"
    approval = decided[0]
    if len(decided) > 1:
        return Card(kind="decided", title=f"{said} for {len(decided)} plans: {petitions.line(approval)}")
    return Card(kind="decided", title=f"{said}: {petitions.line(approval)}", transaction=approval.transaction_id)


@lru_cache(maxsize=2)
def status(status: Status) -> Card:
    """What is going on. Drawn once for all who share the look."""
    lists = (
        ("Active", _rows(status.active, status.at)),
        ("Waiting for their moment", _rows(status.waiting, status.at)),
        ("Ended lately", _rows((t for t in status.recent if t.state.is_final), status.at)),
    )
    active = f"{len(status.active)} active" if status.active else "Nothing is active"
    return Card(
        kind="status",
        title=f"{active}, {waiting_for_moments(len(status.waiting))}" if status.waiting else active,
        facts=(("VMstores", ", ".join(status.vmstores)), ("Targets", ", ".join(status.targets))),
        lists=tuple(listed for listed in lists if listed[1]),
    )


def waiting_for_moments(number: int) -> str:
    """So many of a start window."""
    return "1 waiting for its moment" if number == 1 else f"{number} waiting for their moment"


def runs(transactions: Iterable[Transaction], now: datetime) -> Card:
    """Transactions, newest first."""
    rows = _rows(transactions, now)
    if not rows:
        return Card(kind="runs", title="No transaction yet", lines=("/protect <vm> to <target> starts one.",))
    return Card(kind="runs", title="Transactions", lists=(("Newest first", rows),))


def show(transaction: Transaction, steps: Iterable[Step], files: Iterable[StoredFile]) -> Card:
    """One transaction: facts, steps, what is stored, why it failed, what is left behind."""
    stored = tuple(f"{file.key} · {size_text(file.size)} · CRC-64/NVME {file.crc64:016x}" for file in files)
    removes = tuple(map(str, transaction.plan.get("removes", ())))
    lists = (("Removes all under", removes), ("Stored", stored), ("Left behind", transaction.left_behind))
    return Card(
        kind="show",
        mark=_mark(transaction),
        title=f"{_what(transaction)}: {transaction.state}",
        lines=_why(transaction.failure),
        facts=_facts(transaction),
        tasks=tuple(_task(step) for step in steps),
        lists=tuple(listed for listed in lists if listed[1]),
        transaction=transaction.id,
    )


def refused(error: CloudyError) -> Card:
    """An error for the person who asked: its words, near names, and how it is typed."""
    near: tuple[str, ...] = ()
    heading = ""
    if isinstance(error, NotFound):
        near, heading = error.suggestions, "There is"
    elif isinstance(error, AmbiguousName):
        near, heading = error.candidates, "It could be"
    if all(name in error.message for name in near):
        near = ()  # the words have them already
    usage = (f"Usage: {error.usage}",) if isinstance(error, UsageError) and error.usage else ()
    who = error.who if isinstance(error, NotAllowed) else ()
    lists = ((heading, near),) if near else ()
    return Card(kind="refused", lines=(error.message, *usage), lists=lists, people=who)


def broken(reference: str) -> Card:
    """Something that nobody expected; the log has the rest under the same reference."""
    return Card(
        kind="refused",
        lines=(
            "That did not work, and it is not your fault. Nothing was started unless a thread says so.",
            f"Give this reference to whoever runs Cloudy: {reference}",
        ),
    )


def _rows(transactions: Iterable[Transaction], now: datetime) -> tuple[str, ...]:
    return tuple(
        f"{WAITING if t.awaits(now) else _mark(t)} {t.id}: {_what(t)}, {stands(t, now)} · {t.actor.name}"
        f" · {t.created_at:%d %b %H:%M} UTC"
        for t in transactions
    )


def _facts(transaction: Transaction) -> tuple[tuple[str, str], ...]:
    moved, foreseen = transaction.bytes, estimated.of(transaction)
    moment = transaction.not_before if transaction.state is State.PLANNING else None
    facts = (
        ("VM", f"{transaction.vm} on {transaction.vmstore}" if transaction.vmstore else transaction.vm),
        ("Targets", ", ".join(transaction.targets)),
        ("Asked by", transaction.asked_by),
        ("Consistency asked for", transaction.consistency if transaction.workflow == "protect" else ""),
        ("Keep for", keeping.said(transaction.keep_for)),
        ("Note", transaction.note),
        ("Asked at", f"{transaction.created_at:%Y-%m-%d %H:%M:%S} UTC"),
        ("Begins", f"not before {moment:%Y-%m-%d %H:%M} UTC" if moment else ""),
        ("Ended at", f"{transaction.ended_at:%Y-%m-%d %H:%M:%S} UTC" if transaction.ended_at else ""),
        ("Moved", purpose_of(transaction).moved(moved) if moved.read else ""),
        ("Estimate", estimated.moves(foreseen) if foreseen else ""),
        ("Price", estimated.price(foreseen) if foreseen else ""),
        ("Stop asked by", transaction.stop_asked_by),
    )
    return tuple(fact for fact in facts if fact[1])


def _task(step: Step) -> TaskLine:
    note = step.failure.what if step.failure else ""
    if step.state is StepState.SKIPPED:
        note = SKIPPED
    elif step.state is StepState.STOPPED:
        note = note or "stopped"
    elif step.state is StepState.RUNNING:
        note = progress_text(step.done, step.total, Pace())
    elif step.started_at and step.ended_at:
        took = f"{step.started_at:%H:%M:%S} UTC, {(step.ended_at - step.started_at).total_seconds():.1f} s"
        note = f"{took} · {note}" if note else took
    return TaskLine(id=step.id, title=step.title, state=_TASK_STATES[step.state], note=note)


def _why(failure: Failure | None) -> tuple[str, ...]:
    if failure is None:
        return ()
    what = f"{failure.step}: {failure.what}" if failure.step else failure.what
    return (what, f"Next: {failure.next}") if failure.next else (what,)


def _what(transaction: Transaction) -> str:
    return asked_for(transaction)


def _mark(transaction: Transaction) -> str:
    return STATE_MARKS[transaction.state]
