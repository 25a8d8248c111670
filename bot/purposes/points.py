"""What restores and drills say alike: of the recovery point that they read, and of the systems they meet. Pure."""

from collections.abc import Callable, Mapping

from bot.model import Step, Transaction
from bot.words import files_text, size_text


def taken(transaction: Transaction) -> str:
    """When the recovery point was taken: "2026-11-26 03:20 UTC"."""
    return str(transaction.plan.get("taken_at", ""))[:16].replace("T", " ") + " UTC"


def point(transaction: Transaction) -> str:
    """Which recovery point it is."""
    return f"{transaction.request.get('point', '')} of {taken(transaction)}"


def files(step: Step) -> str:
    """What the recovery point has."""
    return f"{files_text(step.outputs.get('files', 0))}, {size_text(step.outputs.get('size', 0))}"


def _systems(step: Step) -> str:
    told = step.outputs
    product = f"{told.get('product', '')} {told.get('api_version', '')}".strip()
    return ", ".join(filter(None, (product, str(told.get("hypervisor", "")))))


NOTES: Mapping[str, Callable[[Step], str]] = {
    "check": _systems,
    "point": files,
    "cleanup": lambda step: f"{len(step.outputs.get('removed', []))} removed, nothing left behind",
}
