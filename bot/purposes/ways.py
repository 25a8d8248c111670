"""Which way a restore takes, and what overwriting a VM comes to, in words. Pure."""

from collections.abc import Callable, Mapping, Sequence

from bot.model import Step, Transaction
from bot.purposes.purpose import Facts, outputs_of, step_of
from bot.words import files_text

_HOW = {
    ("snapshot", False): "a clone of its snapshot",
    ("snapshot", True): "SyncVM to its snapshot",
    ("target", False): "fetched from {target}",
    ("target", True): "fetched from {target} beside it, then its files are exchanged",
}


def is_over(transaction: Transaction) -> bool:
    """Whether the VM itself is put back in place."""
    return bool(transaction.request.get("is_over"))


def is_cloned(transaction: Transaction) -> bool:
    """Whether nothing is fetched, since the VMstore still has the snapshot."""
    return transaction.plan.get("way") == "snapshot"


def way(transaction: Transaction) -> str:
    """How, and why so; "": it is not planned yet, or was by an earlier Cloudy."""
    plan, settled = transaction.plan, transaction.settled
    how = _HOW.get((str(plan.get("way", "")), is_over(transaction)), "")
    disks = ", ".join(str(ours) for _, ours in settled.get("disks", ()))
    only = f", {disks} alone" if disks else ""
    return f"{how.format(target=settled.get('target', ''))}{only}, since {plan.get('why', '')}" if how else ""


def said(transaction: Transaction) -> str:
    """What asks for the same way again, as it is typed."""
    asked = transaction.request
    words = [f"via {asked['via']}"] if asked.get("via") else []
    words += [f'over original confirm "{asked.get("confirmed", "")}"'] if is_over(transaction) else []
    words += ["power off"] if asked.get("is_off_allowed") else []
    return "".join(f" {word}" for word in words)


def way_back(transaction: Transaction, steps: Sequence[Step]) -> str:
    """How to have the VM again as it was before it was overwritten."""
    taken = str(outputs_of(steps, "secure").get("description", ""))
    if not taken:
        return ""
    return (
        f"the snapshot “{taken}” of {transaction.vm} stays on {transaction.vmstore}. To go back: power it off, and put"
        " it back to that snapshot in the VMstore's UI (SyncVM). Delete it there when it is not needed any more"
    )


def whole(step: Step) -> str:
    """What was looked at after a way that moves no bytes."""
    files, read = step.outputs.get("files", 0), step.outputs.get("read_back", 0)
    return f"{files_text(files)} whole" + (f", {read} read back" if read else "")


def _off(step: Step) -> str:
    return "powered off" if step.outputs.get("was_on") else "was off"


def _exchanged(step: Step) -> str:
    placed, aside = step.outputs.get("placed", 0), step.outputs.get("aside", 0)
    return f"{files_text(placed)} in place, {aside} of its own moved aside"


NOTES: Mapping[str, Callable[[Step], str]] = {
    "original": lambda step: "on" if step.outputs.get("is_on") else "off",
    "snapshot": lambda step: str(step.outputs.get("description", "")),
    "clone": lambda step: f"/{step.outputs.get('directory', '')}",
    "take": lambda step: files_text(step.outputs.get("files", 0)),
    "whole": whole,
    "off": _off,
    "secure": lambda step: f"{step.outputs.get('description', '')}; it stays",
    "exchange": _exchanged,
    "sync": lambda _step: "put back by the VMstore",
}
MILESTONES: Mapping[str, Callable[[Step], str]] = {
    "take": lambda step: f"Cloned on the VMstore: {NOTES['take'](step)}, nothing fetched.",
    "whole": lambda step: f"Verified: {whole(step)}.",
    "off": lambda step: "Powered off." if step.outputs.get("was_on") else "",
    "secure": lambda step: f"Snapshot of the original taken, which stays: {step.outputs.get('description', '')}.",
    "exchange": lambda step: f"Exchanged: {_exchanged(step)}.",
    "sync": lambda _step: "Put back by the VMstore (SyncVM).",
}


def facts(transaction: Transaction, steps: Sequence[Step]) -> Facts:
    """Of the receipt, beside a restore's own."""
    path = outputs_of(steps, "exchange").get("path", "") or outputs_of(steps, "whole").get("path", "")
    return [
        ["Way", way(transaction)],
        ["Lies in", str(path)],
        ["Proof", whole(step_of(steps, "whole")) if outputs_of(steps, "whole") else ""],
        ["Before that", way_back(transaction, steps)],
    ]
