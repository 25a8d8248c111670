"""Drill: a recovery point is restored, started and seen to live; the proof stays, and nothing else."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from bot.model import Bytes, Proof, ProofKind, Rto, State, Step, StepState, Transaction
from bot.purposes import points
from bot.purposes.purpose import Facts, Purpose, failed_step, outputs_of, removed, step_of, stopped, took
from bot.words import duration_text, files_text, rough_text, size_text

_PARTS = {  # of the RTO: words -> the step that it begins with, and the one that it ends with
    "thaw": ("thaw", "thaw"),
    "fetch": ("download", "verify"),
    "register": ("register", "register"),
    "boot": ("start", "prove"),
}
_REST = "plan and wait"
_READS = ("point", "download")


def _asked(transaction: Transaction) -> str:
    """Says aloud which recovery point was chosen; an outline knows only the VM."""
    if not transaction.plan:
        return f"drill {transaction.vm}"
    on = transaction.vmstore or transaction.request.get("to", "")
    where = f" on {on}" if on else ""
    return f"drill {transaction.vm} of {points.taken(transaction)} ({transaction.request['point']}){where}"


def _again(transaction: Transaction, _targets: Sequence[str]) -> str:
    asked = transaction.request
    said = f"/drill {asked.get('point', '')}"
    for word in ("to", "from"):
        said += f' {word} "{asked[word]}"' if asked.get(word) else ""
    return said


def _reached(steps: Sequence[Step]) -> bool:
    """It lives; what becomes of the removal changes nothing in that."""
    return step_of(steps, "prove").state is StepState.COMPLETE


def rto_of(steps: Sequence[Step]) -> Rto:
    """From the wish to the sign of life, and what of it was spent on what."""
    seconds = float(outputs_of(steps, "prove").get("seconds", 0.0))
    parts = {name: _between(steps, *ends) for name, ends in _PARTS.items()}
    known = {name: value for name, value in parts.items() if value is not None}
    return Rto(seconds=seconds, parts={_REST: max(0.0, seconds - sum(known.values())), **known})


def _between(steps: Sequence[Step], first: str, last: str) -> float | None:
    begin, end = step_of(steps, first).started_at, step_of(steps, last).ended_at
    return (end - begin).total_seconds() if begin and end else None


def rto_text(rto: Rto) -> str:
    """ "41 s: 2 s to plan and wait, 12 s to fetch, ..."."""
    parts = ", ".join(f"{duration_text(value)} to {name}" for name, value in rto.parts.items())
    return f"{duration_text(rto.seconds)}: {parts}" if parts else duration_text(rto.seconds)


def _proof(transaction: Transaction, steps: Sequence[Step], now: datetime) -> Proof | None:
    """What it says of the recovery point; None: it was stopped, or ended before it was known where to read from."""
    if not transaction.settled or not (_reached(steps) or transaction.state is State.FAILED):
        return None
    told, failure = outputs_of(steps, "prove"), transaction.failure
    why = "" if _reached(steps) or failure is None else f"{failure.step}: {failure.what}"
    return Proof(
        point=str(transaction.request.get("point", "")),
        target=str(transaction.settled.get("target", "")),
        run=transaction.id,
        kind=ProofKind.DRILL,
        at=now,
        is_good=_reached(steps),
        is_damaged=bool(why and failure and failure.kind == "IntegrityError" and _is_of_the_target(steps)),
        vm_uuid=str(transaction.plan.get("vm_uuid", "")),
        vm=transaction.vm,
        why=why,
        rto=rto_of(steps) if _reached(steps) else None,
        sign=str(told.get("sign", "")),
        text=str(told.get("console", "") or told.get("text", "")).strip(),
        vmstore=transaction.vmstore,
    )


def _is_of_the_target(steps: Sequence[Step]) -> bool:
    """Whether it failed where it read from the target, and not over what it had written to the VMstore."""
    return any(step.id in _READS and step.state is StepState.FAILED for step in steps)


def _moved(moved: Bytes) -> str:
    return f"{size_text(moved.read)} fetched" + (f", {size_text(moved.zero)} zeros never fetched" if moved.zero else "")


def _fetched(step: Step) -> str:
    return _moved(Bytes(read=step.outputs.get("fetched", 0), zero=step.outputs.get("zero", 0)))


def _registered(step: Step) -> str:
    return "; ".join(map(str, step.outputs.get("notes", []) or ["network cards not connected"]))


def _lives(step: Step) -> str:
    told = step.outputs
    after = duration_text(float(told.get("seconds", 0.0)))
    said = f"It lives, by its {told.get('sign', '')}, {after} after it was asked for."
    console = str(told.get("console", "")).strip()
    return f"{said}\n{console}" if console else said


_NOTES: Mapping[str, Callable[[Step], str]] = {
    **points.NOTES,
    "download": _fetched,
    "verify": lambda step: f"{files_text(step.outputs.get('files', 0))} whole, each block checked as it came",
    "register": _registered,
    "start": lambda _step: "on",
    "prove": lambda step: f"alive, by its {step.outputs.get('sign', '')}",
}


def _heads(transaction: Transaction) -> Facts:
    """What the message in the channel says beside who asked."""
    plan, settled = transaction.plan, transaction.settled
    return [
        ["VM", transaction.vm],
        ["Recovery point", points.point(transaction)],
        ["From", str(settled.get("target", "")) or " or ".join(transaction.targets)],
        [
            "On",
            f"{transaction.vmstore}, network cards not connected; nothing of it stays" if transaction.vmstore else "",
        ],
        ["Sign of life", _wanted(transaction)],
        ["Size", size_text(int(plan.get("bytes", 0)))],
        ["Estimate", "" if transaction.state.is_final else f"{plan.get('expected', '')}; {plan.get('time', '')}"],
    ]


def _wanted(transaction: Transaction) -> str:
    pattern = str(transaction.request.get("pattern", ""))
    within = rough_text(float(transaction.request.get("alive_s", 0)))
    what = f"“{pattern}” on its console, or what runs in the guest" if pattern else "what runs in the guest"
    return f"{what}, within {within}"


def _facts(transaction: Transaction, steps: Sequence[Step]) -> Facts:
    sign = outputs_of(steps, "prove")
    return [
        ["Proven", f"recovery point {points.point(transaction)}"],
        ["RTO", rto_text(rto_of(steps))],
        ["Sign of life", f"{sign.get('sign', '')}: {sign.get('text', '')}"[:300]],
        ["Read from", str(transaction.settled.get("target", ""))],
        ["Files", points.files(step_of(steps, "point"))],
        ["Moved", _moved(transaction.bytes)],
        ["Mind", "; ".join(map(str, outputs_of(steps, "download").get("notes", [])))],
        ["Registered", _registered(step_of(steps, "register"))],
        ["Removed", "; ".join(removed(steps))],
        ["Took", took(transaction)],
    ]


def _proven(transaction: Transaction) -> str:
    """The RTO stands in the plan once it is over."""
    seconds = transaction.plan.get("rto_s")
    after = f" after {duration_text(float(seconds))}" if seconds is not None else ""
    return f"{transaction.vm} lives{after}: its recovery point of {points.taken(transaction)} is proven"


def _partial(transaction: Transaction) -> str:
    if transaction.failure:
        return f"{_proven(transaction)}; {failed_step(transaction)} failed"
    return f"{_proven(transaction)}, and the drill was stopped after that"


PURPOSE = Purpose(
    being="drilled",
    asked=_asked,
    again=_again,
    after_damage=lambda t: (
        f"Nothing of it stays on {t.vmstore or 'the VMstore'}. Have the target looked at (/cloudy verify"
        f" {t.request.get('point', '')} deep), and drill another: /recovery-points {t.vm}"
    ),
    stopping="Nothing new is begun; what was fetched, registered and started is being removed.",
    can_retry=True,
    endings={
        State.SUCCEEDED: _proven,
        State.PARTIAL: _partial,
        State.FAILED: lambda t: f"{t.vm} did not come to life: {failed_step(t)} failed",
        State.STOPPED: lambda t: f"{stopped(t)}; this drill of {t.vm} proves nothing",
    },
    reached=_reached,
    proves=_proof,
    heads=_heads,
    moved=_moved,
    notes=_NOTES,
    milestones={
        "download": lambda step: f"Downloaded: {_fetched(step)}.",
        "register": lambda step: f"Registered: off; {_registered(step)}.",
        "prove": _lives,
    },
    facts=_facts,
)
