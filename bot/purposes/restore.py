"""Restore: a recovery point becomes a whole VM on a VMstore, or nothing of it stays there."""

from collections.abc import Callable, Mapping, Sequence

from bot.model import Bytes, State, Step, StepState, Transaction
from bot.purposes import points, ways
from bot.purposes.purpose import Facts, Purpose, failed_step, outputs_of, removed, step_of, stopped, took
from bot.words import duration_text, files_text, size_text

_NOT_CONNECTED = "network cards not connected"


def _name(transaction: Transaction) -> str:
    return str(transaction.settled.get("name", "") or transaction.request.get("as", ""))


def _asked(transaction: Transaction) -> str:
    """Says aloud which recovery point was chosen; an outline knows only the VM."""
    if not transaction.plan:
        return f"restore {transaction.vm}"
    what = f"restore {transaction.vm} of {points.taken(transaction)} ({transaction.request['point']})"
    if ways.is_over(transaction):
        return f"{what} over the original" + (f" on {transaction.vmstore}" if transaction.vmstore else "")
    to = transaction.vmstore or transaction.request.get("to", "") or "where it was"
    name = f" as {_name(transaction)}" if _name(transaction) else ""
    return f"{what} to {to}{name}"


def _again(transaction: Transaction, _targets: Sequence[str]) -> str:
    asked = transaction.request
    said = f"/restore {asked.get('point', '')}"
    for word, name in (("to", "to"), ("as", "as"), ("from", "from")):
        said += f' {word} "{asked[name]}"' if asked.get(name) else ""
    said += ways.said(transaction)
    return f"{said} power on" if asked.get("is_on") else said


def _restored(transaction: Transaction) -> str:
    if ways.is_over(transaction):
        return f"{transaction.vm} is restored in place on {transaction.vmstore}"
    return f"{transaction.vm} is restored to {transaction.vmstore} as {_name(transaction)}"


def _lost(transaction: Transaction, by: str = "") -> str:
    """What a restore that did not come to its end leaves of a VM that was to be overwritten."""
    if not ways.is_over(transaction):
        return f"{transaction.vm} is not restored{by}"
    if transaction.left_behind:
        return f"{transaction.vm} is not restored, and not put back yet"
    return f"{transaction.vm} is not restored, and is as it was"


def _reached(steps: Sequence[Step]) -> bool:
    """From then on nothing of it is removed."""
    return step_of(steps, "record").state is StepState.COMPLETE


def _fetched(step: Step) -> str:
    told = step.outputs
    return _moved(Bytes(read=told.get("fetched", 0), copied=told.get("local", 0), zero=told.get("zero", 0)))


def _checked(step: Step) -> str:
    files, read = step.outputs.get("files", 0), step.outputs.get("read_back", 0)
    return f"{files_text(files)} whole, each block checked as it came, {read} read back"


def _registered(step: Step) -> str:
    if by_hand := step.outputs.get("by_hand", ""):
        why = "; ".join(map(str, step.outputs.get("notes", []))) or "no hypervisor is configured"
        return f"left to you, {why}: register {by_hand}"
    return "; ".join(map(str, ["off", *(step.outputs.get("notes", []) or [_NOT_CONNECTED])]))


def _alive(step: Step) -> str:
    sign = step.outputs.get("sign", "")
    return f"alive, by its {sign}" if sign else "not asked for"


def _lives(step: Step) -> str:
    """What was seen of it, too: the end of its console, or what answered."""
    sign, seen = step.outputs.get("sign", ""), str(step.outputs.get("text", "")).strip()
    return f"It lives, by its {sign}.\n{seen}" if sign else ""


_NOTES: Mapping[str, Callable[[Step], str]] = {
    **points.NOTES,
    **ways.NOTES,
    "thaw": lambda step: str(step.outputs.get("brought_back", "")) or "nothing is archived",
    "download": _fetched,
    "verify": _checked,
    "place": lambda step: str(step.outputs.get("path", "")),
    "register": _registered,
    "start": lambda step: "on" if step.outputs.get("is_on") else "stays off",
    "alive": _alive,
}


def _heads(transaction: Transaction) -> Facts:
    """What the message in the channel says beside who asked."""
    plan, is_over = transaction.plan, ways.is_over(transaction)
    power = "on at the end" if transaction.request.get("is_on") else "stays off"
    return [
        ["VM", transaction.vm],
        ["Recovery point", points.point(transaction)],
        ["From", _from(transaction)],
        ["Way", ways.way(transaction)],
        ["To", f"{transaction.vmstore} {'over the original' if is_over else f'as {_name(transaction)}'}"],
        ["Power", power if is_over else f"{power}, {_NOT_CONNECTED}" if plan.get("hypervisor") else ""],
        ["Size", size_text(int(plan.get("bytes", 0)))],
        ["Estimate", "" if transaction.state.is_final else f"{plan.get('expected', '')}; {plan.get('time', '')}"],
    ]


def _from(transaction: Transaction) -> str:
    if ways.is_cloned(transaction):
        return f"its snapshot on {transaction.vmstore}"
    return str(transaction.settled.get("target", "")) or " or ".join(transaction.targets)


def _usable(transaction: Transaction, steps: Sequence[Step]) -> str:
    """From when it was asked for until the VM was there: alive where it was started, else registered or placed."""
    last = step_of(steps, "alive" if outputs_of(steps, "alive").get("sign") else "record")
    return duration_text((last.ended_at - transaction.created_at).total_seconds()) if last.ended_at else ""


def _moved(moved: Bytes) -> str:
    there = f"{size_text(moved.copied)} taken from older files of the VM on the VMstore" if moved.copied else ""
    zero = f"{size_text(moved.zero)} zeros never fetched" if moved.zero else ""
    return ", ".join(filter(None, (f"{size_text(moved.read)} fetched", there, zero)))


def _facts(transaction: Transaction, steps: Sequence[Step]) -> Facts:
    hand = outputs_of(steps, "register").get("by_hand", "")
    sign = outputs_of(steps, "alive")
    return [
        ["Recovery point", points.point(transaction)],
        ["Read from", _from(transaction)],
        ["Lies in", _place(steps)],
        *ways.facts(transaction, steps),
        ["Files", points.files(step_of(steps, "point"))],
        ["Back from the archive", str(outputs_of(steps, "thaw").get("brought_back", ""))],
        ["Moved", "" if ways.is_cloned(transaction) else _moved(transaction.bytes)],
        ["Proof", "" if ways.is_cloned(transaction) else _checked(step_of(steps, "verify"))],
        ["Mind", "; ".join(map(str, outputs_of(steps, "download").get("notes", [])))],
        ["Registered", "" if hand or ways.is_over(transaction) else _registered(step_of(steps, "register"))],
        ["Register by hand", hand],
        ["Power", _NOTES["start"](step_of(steps, "start"))],
        ["Sign of life", f"{sign.get('sign', '')}: {sign.get('text', '')}"[:300] if sign.get("sign") else ""],
        ["Cleaned up", "; ".join(removed(steps))],
        ["Took", took(transaction)],
        ["Usable after (RTO)", _usable(transaction, steps)],
    ]


def _place(steps: Sequence[Step]) -> str:
    return str(outputs_of(steps, "place").get("path", ""))


def _partial(transaction: Transaction) -> str:
    why = f"; {failed_step(transaction)} failed" if transaction.failure else ""
    return f"{_restored(transaction)}{why or ', and was stopped after that'}"


PURPOSE = Purpose(
    being="restored",
    asked=_asked,
    again=_again,
    after_damage=lambda t: (
        f"Nothing of it stays on {t.vmstore or 'the VMstore'}. Have the target looked at (/cloudy verify"
        f" {t.request.get('point', '')}), and restore from another: /recovery-points {t.vm}"
    ),
    stopping="Nothing new is begun; what was made is being removed, and an original put back as it was.",
    can_retry=True,
    endings={
        State.SUCCEEDED: _restored,
        State.PARTIAL: _partial,
        State.FAILED: lambda t: f"{_lost(t)}: {failed_step(t)} failed",
        State.STOPPED: lambda t: f"{stopped(t)}; {_lost(t, by=' by this run')}",
    },
    reached=_reached,
    heads=_heads,
    moved=_moved,
    kept="What was fetched is kept",
    not_again="What was fetched is not fetched again.",
    notes=_NOTES,
    milestones={
        **ways.MILESTONES,
        "thaw": lambda step: (
            f"Back from the archive: {told}." if (told := step.outputs.get("brought_back", "")) else ""
        ),
        "download": lambda step: f"Downloaded: {_fetched(step)}.",
        "verify": lambda step: f"Verified: {_checked(step)}.",
        "place": lambda step: f"Placed in {_NOTES['place'](step)}.",
        "register": lambda step: f"Registration: {_registered(step)}.",
        "alive": _lives,
    },
    facts=_facts,
)
