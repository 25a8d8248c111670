"""Walks the steps of a frozen workflow; only kept results decide, so that a replay takes the same way. Pure."""

from collections.abc import Callable
from typing import Protocol

from bot.model import Json
from bot.workflow import StepSpec, resolve, thaw


class StepRunner(Protocol):
    """What the walk calls; see bot/runner.py."""

    def run(self, transaction_id: str, spec: StepSpec, inputs: Json) -> Json:
        """{"outcome": "ok|stopped|failed", "outputs": {...}}; never raises for a business outcome."""

    def end(self, transaction_id: str, verdict: str) -> Json:
        """Close the transaction: {"state": ...}."""


# name, function without arguments -> its result, kept under the name: given again, not run again, in a replay.
Keep = Callable[[str, Callable[[], Json]], Json]


def walk(argument: Json, runner: StepRunner, keep: Keep) -> str:
    """Run {"id", "workflow", "request"} to its end and return the state that it ended in.

    After the first step that is not ok only `always` steps run.
    """
    transaction_id = str(argument["id"])
    known: dict[str, Json] = {"request": argument["request"]}
    verdict = "ok"
    for spec in thaw(argument["workflow"]).steps:
        if verdict != "ok" and not spec.always:
            continue
        result = _step(transaction_id, spec, resolve(spec.inputs, known), runner, keep)
        known[spec.id] = result["outputs"]
        if verdict == "ok":
            verdict = str(result["outcome"])
    return str(keep("end", lambda: runner.end(transaction_id, verdict))["state"])


def _step(transaction_id: str, spec: StepSpec, inputs: Json, runner: StepRunner, keep: Keep) -> Json:
    return keep(spec.id, lambda: runner.run(transaction_id, spec, inputs))
