"""Verify: is a recovery point still what was read from the VMstore?"""

from collections.abc import Callable, Mapping, Sequence

from bot.model import State, Step, Transaction
from bot.purposes.purpose import Facts, Purpose, failed_step, outputs_of, step_of, stopped, took
from bot.words import size_text, typed


def _failed(transaction: Transaction) -> str:
    if transaction.failure and transaction.failure.kind == "IntegrityError":
        return f"The recovery point of {transaction.vm} is damaged"
    return f"The recovery point of {transaction.vm} is not verified: {failed_step(transaction)} failed"


def _manifests(step: Step) -> str:
    told = step.outputs.get("manifests", {}).items()
    return ", ".join(f"{name}: {each['objects']} objects, {size_text(each['bytes'])}" for name, each in told)


def _proof(step: Step) -> str:
    return ", ".join(f"{name}: {proof}" for name, proof in step.outputs.get("proof", {}).items())


def _read(step: Step) -> str:
    read = step.outputs.get("read", 0)
    if step.outputs.get("deep"):
        return f"{size_text(read)} read, every block as it was"
    return f"{size_text(read)} read" if read else "not needed: the store's checksums are proof"


_NOTES: Mapping[str, Callable[[Step], str]] = {"check": _manifests, "compare": _proof, "readback": _read}


def _facts(transaction: Transaction, steps: Sequence[Step]) -> Facts:
    manifests = outputs_of(steps, "check").get("manifests", {}).items()
    return [
        ["Recovery point", str(transaction.request.get("point", ""))],
        ["Good in", ", ".join(outputs_of(steps, "readback").get("good", []))],
        ["Objects", _manifests(step_of(steps, "check"))],
        ["Manifest's CRC-64/NVME", ", ".join(f"{name}: {each['crc64']}" for name, each in manifests)],
        ["Verified by", _proof(step_of(steps, "compare"))],
        ["Read back", _deeply(step_of(steps, "readback"))],
        ["Mind", "; ".join(map(str, outputs_of(steps, "readback").get("notes", [])))],
        ["Took", took(transaction)],
    ]


def _deeply(step: Step) -> str:
    return _read(step) if step.outputs.get("deep") else ""


def _point(transaction: Transaction) -> str:
    return f"the recovery point of {transaction.vm}"


def _is_deep(transaction: Transaction) -> bool:
    return bool(transaction.request.get("is_deep"))


PURPOSE = Purpose(
    being="verified",
    asked=lambda t: f"verify {t.vm} in {' and '.join(t.targets)}{', every byte of it' if _is_deep(t) else ''}",
    again=lambda t, _targets: f"/cloudy verify {t.request.get('point', '')}{' deep' if _is_deep(t) else ''}",
    after_damage=lambda t: (
        f"Do not restore from it, and have the target looked at. Protect the VM anew: /protect {typed(t.vm)}"
        f" to {' and '.join(t.targets)}"
    ),
    endings={
        State.SUCCEEDED: lambda t: f"The recovery point of {t.vm} is good in {' and '.join(t.targets)}",
        State.PARTIAL: lambda t: f"The recovery point of {t.vm} is good in some target; not in every one",
        State.FAILED: _failed,
        State.STOPPED: lambda t: f"{stopped(t)}; {_point(t)} is not verified by this run",
    },
    can_retry=True,
    rests="What was read and found good is not read again",
    notes=_NOTES,
    facts=_facts,
)
