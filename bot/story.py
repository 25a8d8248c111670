"""What a person is told of a transaction: views, before anybody knows of Slack. Pure; all text is raw.

A view is a dictionary with a `kind`: root (one message in the channel), plan (the checklist in its thread, edited in
place), milestone (a reply that stays), receipt (the last reply), notice (a private answer).
"""

from collections.abc import Callable, Sequence

from bot.model import Bytes, Json, State, Step, StepState, Transaction

_TASK_STATES = {
    StepState.PENDING: "pending",
    StepState.RUNNING: "in_progress",
    StepState.COMPLETE: "complete",
    StepState.FAILED: "error",
    StepState.STOPPED: "error",
    StepState.SKIPPED: "pending",
}
_LEVELS = {State.SUCCEEDED: "ok", State.PARTIAL: "warning"}


def size_text(size: int) -> str:
    """Bytes for people: "412 MiB", "1.0 GiB"."""
    value, unit = float(size), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            break
        value /= 1024
    digits = 1 if value < 10 and unit not in ("B", "KiB", "MiB") else 0
    return f"{value:.{digits}f} {unit}"


def duration_text(seconds: float) -> str:
    """Seconds for people: "48 s", "3 min 20 s", "2 h 5 min"."""
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def title(transaction: Transaction) -> str:
    """ "Protect vm01 to s3"."""
    form = str(transaction.frozen.get("title", "{vm} to {targets}"))
    targets = " and ".join(transaction.targets)
    return form.replace("{vm}", transaction.vm).replace("{targets}", targets)


def root(transaction: Transaction, steps: Sequence[Step], waits_for: str = "") -> Json:
    """The message in the channel: one line of state, facts, buttons."""
    facts = [
        ["VM", f"{transaction.vm} on {transaction.vmstore}"],
        ["Target", ", ".join(transaction.targets)],
        ["Asked by", transaction.actor.name],
    ]
    size = int(transaction.plan.get("provisioned_bytes", 0))
    if size:
        facts.append(["Provisioned", size_text(size)])
    facts += [["Mind", warning] for warning in transaction.plan.get("warnings", [])]
    return {
        "kind": "root",
        "transaction": transaction.id,
        "title": title(transaction),
        "state": transaction.state.value,
        "line": line(transaction, steps, waits_for, percent=False),  # an edit for each step, not for each part
        "facts": facts,
        "by": transaction.actor.id,
        "buttons": ["details"] if transaction.state.is_final or transaction.stop_asked_by else ["stop", "details"],
    }


def line(transaction: Transaction, steps: Sequence[Step], waits_for: str = "", *, percent: bool = True) -> str:
    """The whole state in one line."""
    if transaction.state is State.QUEUED:
        return f"Waiting behind {waits_for}" if waits_for else "Waiting for its turn"
    if transaction.state.is_final:
        return _ENDINGS[transaction.state](transaction)
    if all(step.state is StepState.PENDING for step in steps):
        return "Waiting for its turn"
    prefix = "Stopping: " if transaction.stop_asked_by else ""
    step = _current(steps)
    share = f", {_percent(step)} %" if step.total and percent else ""
    return f"{prefix}{step.position + 1}/{len(steps)} {step.title}{share}"


def _current(steps: Sequence[Step]) -> Step:
    """The step that runs; between two, the one that ended last."""
    running = [step for step in steps if step.state is StepState.RUNNING]
    return running[0] if running else [step for step in steps if step.state is not StepState.PENDING][-1]


def plan(transaction: Transaction, steps: Sequence[Step], waits_for: str = "") -> Json:
    """The checklist: one task per step."""
    return {
        "kind": "plan",
        "transaction": transaction.id,
        "title": title(transaction),
        "tasks": [
            {"id": step.id, "title": step.title, "state": _TASK_STATES[step.state], "note": _note(step)}
            for step in steps
        ],
        "line": line(transaction, steps, waits_for),
    }


def _percent(step: Step) -> int:
    return min(100, step.done * 100 // step.total) if step.total else 0


def _note(step: Step) -> str:
    if step.state is StepState.SKIPPED:
        return "skipped"
    if step.state is StepState.STOPPED:
        return "stopped"
    if step.failure is not None:
        return step.failure.what
    if step.state is StepState.RUNNING and step.total:
        amount = f" · {size_text(step.done)} of {size_text(step.total)}" if step.total > 10_000 else ""
        return f"{_percent(step)} %{amount}"
    teller = _DONE.get(step.id)
    return teller(step) if teller and step.state is StepState.COMPLETE else ""


def _consistency(step: Step) -> str:
    """What was really got, and why it is not what was asked for."""
    got = f"{step.outputs.get('snapshot', {}).get('consistency', '')}-consistent"
    instead = step.outputs.get("instead", "")
    return f"{got} only: {instead}" if instead else got


# What a finished step came to, from its outputs; a step that is not here is told by its title alone.
_DONE: dict[str, Callable[[Step], str]] = {
    "check": lambda step: f"{step.outputs.get('product', '')} {step.outputs.get('api_version', '')}".strip(),
    "snapshot": _consistency,
    "clone": lambda step: f"/{step.outputs.get('directory', '')}",
    "open": lambda step: f"{len(step.outputs.get('files', []))} files, {size_text(step.outputs.get('size', 0))}",
    "upload": lambda step: f"{size_text(step.outputs.get('moved', {}).get('sent', 0))} sent",
    "verify": lambda step: ", ".join(f"{name}: {proof}" for name, proof in step.outputs.get("proof", {}).items()),
    "cleanup": lambda step: f"{len(step.outputs.get('removed', []))} removed, nothing left behind",
}


_MILESTONES: dict[str, Callable[[Step], str]] = {
    "snapshot": lambda step: f"Snapshot taken, {_DONE['snapshot'](step).rstrip('.')}.",
    "clone": lambda step: f"Clone ready in {_DONE['clone'](step)}.",
    "upload": lambda step: f"Uploaded: {_DONE['upload'](step)}.",
    "verify": lambda step: f"Verified ({_DONE['verify'](step)}). The recovery point exists.",
}


def milestone(transaction: Transaction, step: Step) -> Json | None:
    """The reply that stays when a step is complete; None: the plan's tick says enough."""
    teller = _MILESTONES.get(step.id)
    if teller is None or step.state is not StepState.COMPLETE:
        return None
    return _reply(transaction, step.id, "ok", teller(step))


def stopping(transaction: Transaction) -> Json:
    """The reply to a Stop: no new part or call begins from now on."""
    text = f"Stopping, asked by {transaction.stop_asked_by}. Nothing new is begun; what was made is being removed."
    return _reply(transaction, "stop", "warning", text)


def waiting(transaction: Transaction, why: str) -> Json:
    """The reply that says why it stands still: a call is tried again and again."""
    text = f"Waiting: {why} It is tried again, for some minutes; /cloudy stop {transaction.id} ends it."
    return _reply(transaction, "waiting", "warning", text)


def removed_later(transaction: Transaction, removed: Sequence[str], *, is_all: bool) -> Json:
    """The reply when the janitor removed what was left behind."""
    end = " Nothing is left behind any more." if is_all else ""
    return _reply(transaction, "janitor", "ok", f"Removed later by the janitor: {'; '.join(removed)}.{end}")


def _reply(transaction: Transaction, step: str, level: str, text: str) -> Json:
    return {"kind": "milestone", "transaction": transaction.id, "step": step, "level": level, "text": text}


def notice(text: str) -> Json:
    """A private answer."""
    return {"kind": "notice", "text": text}


def _protected(transaction: Transaction) -> str:
    where = " and ".join(transaction.plan.get("protected_in", transaction.targets))
    return f"{transaction.vm} is protected in {where}"


_ENDINGS: dict[State, Callable[[Transaction], str]] = {
    State.SUCCEEDED: _protected,
    State.PARTIAL: lambda t: f"{_protected(t)} only; not in every target",
    State.FAILED: lambda t: f"{t.vm} is not protected: {t.failure.step if t.failure else 'a step'} failed",
    State.STOPPED: lambda t: f"Stopped by {t.stop_asked_by or 'request'}; {t.vm} is not protected by this run",
    State.REFUSED: lambda t: t.failure.what if t.failure else "Refused",
}


def receipt(transaction: Transaction, steps: Sequence[Step]) -> Json:
    """The last reply: what was reached, what was undone, what is left, what to do next."""
    reached = transaction.state in (State.SUCCEEDED, State.PARTIAL)
    failure = transaction.failure
    return {
        "kind": "receipt",
        "transaction": transaction.id,
        "state": transaction.state.value,
        "level": _LEVELS.get(transaction.state, "error"),
        "headline": _ENDINGS[transaction.state](transaction),
        "facts": _facts(transaction, steps) if reached else [],
        "why": f"{failure.step}: {failure.what}" if failure else "",
        "undone": [] if reached else _removed(steps),
        "left_behind": list(transaction.left_behind),
        "next": failure.next if failure else "",
    }


def _removed(steps: Sequence[Step]) -> list[str]:
    return list(_outputs(steps, "cleanup").get("removed", []))


def _outputs(steps: Sequence[Step], step_id: str) -> Json:
    return next((step.outputs for step in steps if step.id == step_id), {})


def _facts(transaction: Transaction, steps: Sequence[Step]) -> list[list[str]]:
    points = _outputs(steps, "verify").get("points", [])
    opened = _outputs(steps, "open")
    facts = [["Manifest", ", ".join(f"{point['target']}: {point['manifest_key']}" for point in points)]]
    if opened:
        facts.append(["Files", f"{len(opened.get('files', []))}, {size_text(opened.get('size', 0))}"])
    facts += [
        ["Moved", moved_text(transaction.bytes)],
        ["Verified by", _DONE["verify"](_step(steps, "verify"))],
        ["Consistency", _consistency(_step(steps, "snapshot"))],
    ]
    if _removed(steps):
        facts.append(["Cleaned up", "; ".join(_removed(steps))])
    if transaction.started_at and transaction.ended_at:
        facts.append(["Took", duration_text((transaction.ended_at - transaction.started_at).total_seconds())])
    return [fact for fact in facts if fact[1]]


def _step(steps: Sequence[Step], step_id: str) -> Step:
    empty = Step(id=step_id, title=step_id, position=0)
    return next((step for step in steps if step.id == step_id), empty)


def moved_text(moved: Bytes) -> str:
    """ "1.0 GiB read, 412 MiB sent", and what was copied or never sent, where there was any."""
    parts = [f"{size_text(moved.read)} read", f"{size_text(moved.sent)} sent"]
    if moved.copied:
        parts.append(f"{size_text(moved.copied)} copied in the store")
    if moved.zero:
        parts.append(f"{size_text(moved.zero)} zeros never sent")
    return ", ".join(parts)
