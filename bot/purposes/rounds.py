"""What rounds over the recovery points of a target say alike. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from bot.model import Json, State, Step, Transaction
from bot.purposes.purpose import failed_step, outputs_of, stopped

_MOST_TOLD = 5
_MOST_STUCK = 3


def count(number: int) -> str:
    """ "3 recovery points"."""
    return f"{number:,} recovery {'point' if number == 1 else 'points'}"


def of_vms(names: Iterable[str]) -> str:
    """ "of 2 VMs": so many different names."""
    vms = len(set(names))
    return f"of {vms:,} {'VM' if vms == 1 else 'VMs'}"


def endings(outcome: Callable[[Transaction], str]) -> Mapping[State, Callable[[Transaction], str]]:
    """How a round ends; outcome: what the catalogue says that it did, in lower case."""
    return {
        State.SUCCEEDED: lambda t: _capital(outcome(t)),
        State.PARTIAL: lambda t: f"Done in part: {outcome(t)}",
        State.FAILED: lambda t: f"{failed_step(t)} failed: {outcome(t)}",
        State.STOPPED: lambda t: f"{stopped(t)}: {outcome(t)}",
    }


def _capital(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}"


def passed(steps: Sequence[Step], names: Sequence[str]) -> str:
    """What these steps passed over, and why; a few of them by name."""
    told = {point: why for name in names for point, why in outputs_of(steps, name).get("passed", {}).items()}
    number = sum(int(outputs_of(steps, name).get("passed_over", 0)) for name in names)
    lines = [f"{point}: {why}" for point, why in [*told.items()][:_MOST_TOLD]]
    more = [f"and {number - len(lines)} more"] if number > len(lines) else []
    return "; ".join([*lines, *more])


def stuck(transaction: Transaction) -> str:
    """What it could not do, and why; "": nothing."""
    told: Json = transaction.plan.get("stuck", {})
    lines = [f"{point}: {why}" for point, why in [*told.items()][:_MOST_STUCK]]
    more = [f"and {len(told) - len(lines)} more"] if len(told) > len(lines) else []
    return "; ".join([*lines, *more, "the next round takes these last"]) if told else ""
