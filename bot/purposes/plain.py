"""Any workflow that has no words of its own."""

from bot.model import State, Transaction
from bot.purposes.purpose import Purpose, failed_step, stopped, took


def _asked(transaction: Transaction) -> str:
    about = " ".join(filter(None, (transaction.workflow, transaction.vm)))
    return f"{about} in {' and '.join(transaction.targets)}" if transaction.targets else about


PURPOSE = Purpose(
    being="worked on",
    asked=_asked,
    again=lambda t, _targets: _asked(t),
    endings={
        State.SUCCEEDED: lambda t: f"Done: {_asked(t)}",
        State.PARTIAL: lambda t: f"Done in part: {_asked(t)}",
        State.FAILED: lambda t: f"Failed at {failed_step(t)}: {_asked(t)}",
        State.STOPPED: lambda t: f"{stopped(t)}: {_asked(t)}",
    },
    facts=lambda t, _steps: [["Took", took(t)]],
)
