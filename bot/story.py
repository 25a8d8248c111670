"""What a person is told of a transaction: views, before anybody knows of Slack. Pure; all text is raw.

A view is a dictionary with a `kind`: root (one message in the channel), plan (the checklist in its thread, edited in
place), milestone (a reply that stays), receipt (the last reply), notice (a private answer).
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from bot import estimated, immutable, keeping
from bot.losses import said
from bot.model import Failure, Json, State, Step, StepState, Transaction
from bot.purposes import purpose_of
from bot.purposes.purpose import failed_step, refusal
from bot.purposes.purpose import removed as removed_in
from bot.speed import Pace, progress_text
from bot.speed import percent as percent_of
from bot.words import duration_text, moved_text, size_text

__all__ = [
    "archive", "asked", "buttons_of", "duration_text", "ending", "half_days", "held", "line", "milestone", "moved_text",
    "notice", "plan",
    "receipt", "removed_later", "reply", "resting", "retrying", "root", "size_text", "stands", "stopping", "title",
    "waiting",
]  # fmt: skip

_TASK_STATES = {
    StepState.PENDING: "pending",
    StepState.RUNNING: "in_progress",
    StepState.COMPLETE: "complete",
    StepState.FAILED: "error",
    StepState.STOPPED: "error",
    StepState.SKIPPED: "pending",
}
_HALF_DAY = timedelta(hours=12)
_LEVELS = {State.SUCCEEDED: "ok", State.PARTIAL: "warning"}


def title(transaction: Transaction) -> str:
    """ "Protect vm01 to s3"."""
    form = str(transaction.frozen.get("title", "{vm} to {targets}"))
    targets = " and ".join(transaction.targets)
    what = asked(transaction) if "{asked}" in form else ""
    words = {
        "{asked}": what[:1].upper() + what[1:],
        "{vm}": transaction.vm,
        "{targets}": targets,
        "{point}": str(transaction.request.get("point", "")),
        "{vmstore}": transaction.vmstore,
        "{name}": str(transaction.settled.get("name", "")),
    }
    return re.sub(r"\{\w+\}", lambda found: words.get(found[0], found[0]), form)


def asked(transaction: Transaction) -> str:
    """ "protect vm01 to s3": what was asked for, also of an outline."""
    return purpose_of(transaction).asked(transaction)


def ending(transaction: Transaction) -> str:
    """ "vm01 is protected in s3": how it ended."""
    return purpose_of(transaction).endings.get(transaction.state, refusal)(transaction)


def root(transaction: Transaction, steps: Sequence[Step], waits_for: str = "") -> Json:
    """The message in the channel: one line of state, facts, buttons."""
    facts = [*_heads(transaction), ["Asked by", transaction.asked_by]]
    size = int(transaction.plan.get("provisioned_bytes", 0))
    if size:
        facts.append(["Provisioned", size_text(size)])
    foreseen = None if transaction.state.is_final else estimated.of(transaction)
    if foreseen and (said := estimated.line(foreseen)):
        facts.append(["Estimate", said])
    lock = immutable.said(transaction.plan)
    wishes = [["Locked", lock], ["Keep for", keeping.said(transaction.keep_for)], ["Note", transaction.note]]
    facts += [wish for wish in wishes if wish[1]]
    facts += [["Mind", warning] for warning in transaction.plan.get("warnings", [])]
    return {
        "kind": "root",
        "transaction": transaction.id,
        "title": title(transaction),
        "state": transaction.state.value,
        "line": line(transaction, steps, waits_for, percent=False),  # an edit for each step, not for each part
        "facts": facts,
        "by": transaction.actor.id,
        "buttons": buttons_of(transaction),
    }


def _heads(transaction: Transaction) -> list[list[str]]:
    if heads := purpose_of(transaction).heads:
        return [fact for fact in heads(transaction) if fact[1]]
    vm = f"{transaction.vm} on {transaction.vmstore}" if transaction.vmstore else transaction.vm
    return [["VM", vm], ["Target", ", ".join(transaction.targets)]]


def buttons_of(transaction: Transaction) -> list[str]:
    """What can be done with it as a whole: "stop", "details", and of a held one "retry" and "cleanup"."""
    if transaction.state is State.HELD:
        return ["details", *_held_buttons(transaction)]
    return ["details"] if transaction.state.is_final or transaction.stop_asked_by else ["stop", "details"]


def stands(transaction: Transaction, now: datetime) -> str:
    """Its state as a list shows it: "running", or "waits until 02:17 UTC" of one whose moment is still to come."""
    moment = transaction.awaits(now)
    if moment is None:
        return transaction.state.value
    return f"waits until {moment:%H:%M UTC}{'' if moment.date() == now.date() else f' on {moment:%d %b}'}"


def line(transaction: Transaction, steps: Sequence[Step], waits_for: str = "", *, percent: bool = True) -> str:
    """The whole state in one line."""
    if transaction.state is State.QUEUED and _waits_for_archive(steps):
        return f"Waiting for the archive, until {_archive_due(transaction)} at the latest"
    if transaction.state is State.QUEUED:
        turn = f"Waiting until {_rests_until(transaction)}" if _rests_until(transaction) else "Waiting for its turn"
        return f"Waiting behind {waits_for}" if waits_for else turn
    if transaction.state is State.AWAITING_APPROVAL:
        return "Waiting for a decision"
    if transaction.state.is_final:
        return ending(transaction)
    if transaction.state is State.HELD:
        return _held_line(transaction)
    if all(step.state is StepState.PENDING for step in steps):
        return "Waiting for its turn"
    prefix = "Stopping: " if transaction.stop_asked_by else ""
    step = _current(steps)
    share = f", {percent_of(step.done, step.total)} %" if step.total and percent else ""
    return f"{prefix}{step.position + 1}/{len(steps)} {step.title}{share}"


def _current(steps: Sequence[Step]) -> Step:
    """The step that runs; between two, the one that ended last."""
    running = [step for step in steps if step.state is StepState.RUNNING]
    return running[0] if running else [step for step in steps if step.state is not StepState.PENDING][-1]


def plan(transaction: Transaction, steps: Sequence[Step], waits_for: str = "", pace: Pace | None = None) -> Json:
    """The checklist: one task per step. pace: how the running one moves, where somebody knows."""
    return {
        "kind": "plan",
        "transaction": transaction.id,
        "title": title(transaction),
        "tasks": [_task(transaction, step, pace) for step in steps],
        "line": line(transaction, steps, waits_for),
    }


def _task(transaction: Transaction, step: Step, pace: Pace | None) -> Json:
    note = _note(transaction, step, pace)
    return {"id": step.id, "title": step.title, "state": _TASK_STATES[step.state], "note": note}


def _note(transaction: Transaction, step: Step, pace: Pace | None) -> str:
    if step.state is StepState.SKIPPED:
        return "skipped"
    if step.state is StepState.STOPPED:
        return "stopped"
    if step.failure is not None:
        return step.failure.what
    if step.state is StepState.RUNNING:
        return progress_text(step.done, step.total, pace or Pace(), is_stopping=bool(transaction.stop_asked_by))
    teller = purpose_of(transaction).notes.get(step.id)
    return teller(step) if teller and step.state is StepState.COMPLETE else ""


def milestone(transaction: Transaction, step: Step) -> Json | None:
    """The reply that stays when a step is complete; None: the plan's tick says enough."""
    teller = purpose_of(transaction).milestones.get(step.id)
    text = teller(step) if teller and step.state is StepState.COMPLETE else ""
    return reply(transaction, step.id, "ok", text) if text else None


def stopping(transaction: Transaction) -> Json:
    """The reply to a Stop: no new part or call begins from now on."""
    text = f"Stopping, asked by {transaction.stop_asked_by}. {purpose_of(transaction).stopping}"
    return reply(transaction, "stop", "warning", text)


def waiting(transaction: Transaction, why: str) -> Json:
    """The reply that says why it stands still: a call is tried again and again."""
    text = f"Waiting: {why} It is tried again, for some minutes; /cloudy stop {transaction.id} ends it."
    return reply(transaction, "waiting", "warning", text)


def resting(transaction: Transaction, steps: Sequence[Step]) -> Json:
    """The reply that says when it goes on: the targets have hours in which they may be sent to."""
    text = f"Waiting until {_rests_until(transaction)}: the upload window of {' and '.join(transaction.targets)}."
    if all(step.state is StepState.PENDING for step in steps):
        text += " Nothing was made on the VMstore yet."
    else:
        text += f" {purpose_of(transaction).rests}."
    return reply(transaction, "rest", "warning", f"{text} /cloudy stop {transaction.id} ends it.")


def _rests_until(transaction: Transaction) -> str:
    return f"{transaction.rests_until:%H:%M UTC on %d %b}" if transaction.rests_until else ""


def archive(transaction: Transaction) -> Json:
    """The reply that says what comes back from an archive, and by when."""
    told = transaction.plan["archive"]
    due, looks_at = _archive_due(transaction), datetime.fromisoformat(told["looks_at"])
    if looks_at > datetime.fromisoformat(told["due"]):
        text = f"The archive of {told['from']} is late: {told['left']} were to be back by {due}, and are not."
    elif half_days(transaction):
        text = f"Still waiting for the archive of {told['from']}: {told['left']} come back by {due} at the latest."
    else:
        text = f"Waiting for the archive of {told['from']}: {told['left']} were asked for, and are back by {due}."
    text += " It is looked at every half hour and goes on by itself; nothing is held meanwhile."
    text += f" /cloudy stop {transaction.id} ends the wait; what was asked for comes back, and costs, all the same."
    return reply(transaction, "archive", "warning", text)


def half_days(transaction: Transaction) -> int:
    """For how many half days an archive has been waited for."""
    told = transaction.plan["archive"]
    waited = datetime.fromisoformat(told["looks_at"]) - datetime.fromisoformat(told["since"])
    return int(waited / _HALF_DAY)


def _waits_for_archive(steps: Sequence[Step]) -> bool:
    return any("looks_at" in step.outputs for step in steps if step.state is StepState.PENDING)


def _archive_due(transaction: Transaction) -> str:
    return f"{datetime.fromisoformat(transaction.plan['archive']['due']):%H:%M UTC on %d %b}"


def removed_later(transaction: Transaction, removed: Sequence[str], *, is_all: bool) -> Json:
    """The reply when the janitor removed what was left behind."""
    end = " Nothing is left behind any more." if is_all else ""
    return reply(transaction, "janitor", "ok", f"Removed later by the janitor: {'; '.join(removed)}.{end}")


def reply(transaction: Transaction, step: str, level: str, text: str) -> Json:
    """A reply that stays; level: "ok", "warning" or "error"."""
    return {"kind": "milestone", "transaction": transaction.id, "step": step, "level": level, "text": text}


def _is_being_removed(transaction: Transaction) -> bool:
    return bool(transaction.stop_asked_by or transaction.run == "cleanup")


def _held_until(transaction: Transaction) -> str:
    return f"{transaction.held_until:%H:%M UTC on %d %b}" if transaction.held_until else ""


def _held_line(transaction: Transaction) -> str:
    if _is_being_removed(transaction):
        return f"Cleaning up: {failed_step(transaction)} failed"
    return f"Held until {_held_until(transaction)}: {failed_step(transaction)} failed"


def _held_buttons(transaction: Transaction) -> list[str]:
    return [] if _is_being_removed(transaction) else ["retry", "cleanup"]


def held(transaction: Transaction) -> Json:
    """Where the receipt will stand, while a failed transaction is held: why, until when, and the two ways on."""
    failure = transaction.failure or Failure(what="A step failed.")
    step, again = failed_step(transaction), purpose_of(transaction).again(transaction, transaction.targets)
    text = f"{purpose_of(transaction).kept} until {_held_until(transaction)}, then removed."
    return {
        "kind": "receipt",
        "transaction": transaction.id,
        "state": transaction.state.value,
        "level": "warning",
        "headline": purpose_of(transaction).endings[State.FAILED](transaction),
        "facts": [],
        "why": f"{failure.step}: {failure.what}",
        "undone": [],
        "left_behind": [],
        "held": "What was kept is being removed." if _is_being_removed(transaction) else text,
        "next": "" if _is_being_removed(transaction) else _with_retry(failure.next, again, step),
        "buttons": [*_held_buttons(transaction), "audit"],
    }


def _with_retry(following: str, again: str, step: str) -> str:
    """The next step, with Retry in the place of asking anew."""
    said = f"press Retry: it goes on with {step}"
    return following.replace(f"ask again: {again}", said) if again in following else f"{following} Or {said}."


def retrying(transaction: Transaction, steps: Sequence[Step], by: str) -> Json:
    """Where the hold was told: it goes on."""
    failed = next((step.title for step in steps if step.state is StepState.FAILED), "the step that failed")
    text = f"Retry, asked by {by}: it goes on with {failed}. {purpose_of(transaction).not_again}"
    return reply(transaction, "retry", "warning", text)


def notice(text: str) -> Json:
    """A private answer."""
    return {"kind": "notice", "text": text}


def receipt(transaction: Transaction, steps: Sequence[Step]) -> Json:
    """The last reply: what was reached, what was undone, what is left, what to do next."""
    reached = transaction.state in (State.SUCCEEDED, State.PARTIAL)
    failure = transaction.failure
    return {
        "kind": "receipt",
        "transaction": transaction.id,
        "state": transaction.state.value,
        "level": _LEVELS.get(transaction.state, "error"),
        "headline": ending(transaction),
        "facts": _facts(transaction, steps) if reached else _losses(transaction),
        "why": f"{failure.step}: {failure.what}" if failure else "",
        "undone": [] if reached or purpose_of(transaction).removes_a_point else removed_in(steps),
        "left_behind": list(transaction.left_behind),
        "next": failure.next if failure else "",
        "buttons": [*_receipt_buttons(transaction), "audit"],
    }


def _receipt_buttons(transaction: Transaction) -> tuple[str, ...]:
    purpose = purpose_of(transaction)
    if transaction.state in (State.SUCCEEDED, State.PARTIAL):
        return purpose.buttons
    is_over = bool(transaction.plan) and bool(transaction.request.get("is_over"))  # that wants a name to be typed
    return ("retry",) if transaction.state is State.FAILED and purpose.can_retry and not is_over else ()


def _losses(transaction: Transaction) -> list[list[str]]:
    """What was found to be damaged or gone is told whatever became of the run."""
    lost = said(transaction.plan)
    return [["Not copied", lost]] if lost else []


def _facts(transaction: Transaction, steps: Sequence[Step]) -> list[list[str]]:
    return [fact for fact in purpose_of(transaction).facts(transaction, steps) if fact[1]]
