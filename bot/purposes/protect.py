"""Protect: a recovery point of a VM in every target."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from bot import estimated, keeping
from bot.losses import said
from bot.model import Json, State, Step, Transaction
from bot.purposes.purpose import Facts, Purpose, failed_step, outputs_of, removed, step_of, stopped, took
from bot.words import files_text, moved_text, size_text, typed


def _protected(transaction: Transaction) -> str:
    where = " and ".join(transaction.plan.get("protected_in", transaction.targets))
    return f"{transaction.vm} is protected in {where}"


def _consistency(step: Step) -> str:
    """What was really got, and why it is not what was asked for."""
    got = f"{step.outputs.get('snapshot', {}).get('consistency', '')}-consistent"
    instead = step.outputs.get("instead", "")
    return f"{got} only: {instead}" if instead else got


_DISKS = (".vmdk", ".vhd", ".vhdx", ".avhdx", ".qcow2", ".img", ".raw")  # how files of disks end
_MOST_DISKS = 3  # whose checksums are told one by one


def _shape(step: Step) -> str:
    """What is not known of the VM, and would help to restore it."""
    missed = str(step.outputs.get("missed", ""))
    return f"its hypervisor did not tell what it is made of: {missed}" if missed else ""


_NOTES: Mapping[str, Callable[[Step], str]] = {
    "check": lambda step: f"{step.outputs.get('product', '')} {step.outputs.get('api_version', '')}".strip(),
    "find": _shape,
    "snapshot": _consistency,
    "clone": lambda step: f"/{step.outputs.get('directory', '')}",
    "open": lambda step: f"{files_text(len(step.outputs.get('files', [])))}, {size_text(step.outputs.get('size', 0))}",
    "upload": lambda step: ", ".join(_sent(step)),
    "verify": lambda step: ", ".join(f"{name}: {proof}" for name, proof in step.outputs.get("proof", {}).items()),
    "cleanup": lambda step: f"{len(step.outputs.get('removed', []))} removed, nothing left behind",
}


def _sent(step: Step) -> Iterator[str]:
    """What travelled, what the store copied, what are zeros; and why something was sent that need not be."""
    moved = step.outputs.get("moved", {})
    yield f"{size_text(moved.get('sent', 0))} sent"
    for name, words in (("copied", "unchanged, copied in the store"), ("zero", "zeros never sent")):
        if moved.get(name):
            yield f"{size_text(moved[name])} {words}"
    for lost in step.outputs.get("lost", ()):
        yield f"more was sent, since this could not be copied: {lost.rstrip('.')}"


def _checksums(steps: Sequence[Step]) -> Facts:
    """The CRC of each disk, or, where they are many, of the manifest, which has all."""
    stored: list[Json] = next(iter(outputs_of(steps, "upload").get("stored", {}).values()), [])
    disks = {file["name"]: file for file in stored if file["name"].lower().endswith(_DISKS)}
    told = [f"{name} {int(file['crc64']):016x}" for name, file in disks.items() if not _is_described(name, disks)]
    if 0 < len(told) <= _MOST_DISKS:
        return [["CRC-64/NVME", ", ".join(told)]]
    manifests = outputs_of(steps, "verify").get("manifests", {}).items()
    return [["Manifest's CRC-64/NVME", ", ".join(f"{name}: {crc}" for name, crc in manifests)]]


def _is_described(name: str, disks: Mapping[str, object]) -> bool:
    """Whether this only describes a disk whose data has a file of its own."""
    stem = name.rpartition(".")[0]
    return any(other.startswith(f"{stem}-") for other in disks)


def _locked(points: Sequence[Json]) -> str:
    """As the targets themselves said when they were asked."""
    until = {
        point["target"]: datetime.fromisoformat(point["locked_until"]) for point in points if point.get("locked_until")
    }
    return ", ".join(f"{target}: {at:%Y-%m-%d %H:%M} UTC" for target, at in until.items())


def _facts(transaction: Transaction, steps: Sequence[Step]) -> Facts:
    points = outputs_of(steps, "verify").get("points", [])
    opened = outputs_of(steps, "open")
    facts = [
        ["Manifest", ", ".join(f"{point['target']}: {point['manifest_key']}" for point in points)],
        ["Prefix", f"{transaction.id}/"],
    ]
    if opened:
        facts.append(["Files", f"{len(opened.get('files', []))}, {size_text(opened.get('size', 0))}"])
    return [
        *facts,
        *_checksums(steps),
        ["Moved", moved_text(transaction.bytes)],
        ["Not copied", said(transaction.plan)],
        ["Estimated", estimated.beside_fact(transaction)],
        ["Costs", estimated.costs(transaction)],
        ["Verified by", _NOTES["verify"](step_of(steps, "verify"))],
        ["Consistency", _consistency(step_of(steps, "snapshot"))],
        ["Locked until", _locked(points)],
        ["Keep for", keeping.said(transaction.keep_for)],
        ["Kept", "; ".join(outputs_of(steps, "cleanup").get("kept", []))],
        ["Cleaned up", "; ".join(removed(steps))],
        ["Took", took(transaction)],
    ]


PURPOSE = Purpose(
    being="protected",
    asked=lambda t: f"protect {t.vm} to {' and '.join(t.targets)}",
    again=lambda t, targets: f"/protect {typed(t.vm)} to {' and '.join(targets)}",
    stopping="Nothing new is begun; what was made is being removed.",
    buttons=("verify", "restore"),
    can_retry=True,
    is_judged_by_points=True,
    endings={
        State.SUCCEEDED: _protected,
        State.PARTIAL: lambda t: f"{_protected(t)} only; not in every target",
        State.FAILED: lambda t: f"{t.vm} is not protected: {failed_step(t)} failed",
        State.STOPPED: lambda t: f"{stopped(t)}; {t.vm} is not protected by this run",
    },
    notes=_NOTES,
    milestones={
        "snapshot": lambda step: f"Snapshot taken, {_consistency(step).rstrip('.')}.",
        "clone": lambda step: f"Clone ready in {_NOTES['clone'](step)}.",
        "upload": lambda step: f"Uploaded: {_NOTES['upload'](step)}.",
        "verify": lambda step: f"Verified ({_NOTES['verify'](step)}). The recovery point exists.",
    },
    facts=_facts,
)
