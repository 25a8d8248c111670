"""Walks the steps of a frozen workflow; only kept results decide, so that a replay takes the same way. Pure."""

from collections.abc import Callable
from functools import partial
from typing import Protocol

from bot.model import Json
from bot.workflow import StepSpec, resolve, thaw


class StepRunner(Protocol):
    """What the walk calls; see bot/runner.py."""

    def run(self, transaction_id: str, spec: StepSpec, inputs: Json) -> Json:
        """{"outcome": "ok|stopped|failed|paused", "outputs": {...}}; never raises for a business outcome."""

    def hold(self, transaction_id: str, run: str, step_id: str) -> Json:
        """Keep what was made, since that step failed: {"held": whether it is kept}."""

    def pause(self, transaction_id: str, run: str) -> Json:
        """Put it back, since it is not the hour for a step of that run: {"state": ...}. A further run goes on."""

    def end(self, transaction_id: str, verdict: str) -> Json:
        """Close the transaction: {"state": ...}."""


# name, function without arguments -> its result, kept under the name: given again, not run again, in a replay.
Keep = Callable[[str, Callable[[], Json]], Json]


def walk(argument: Json, runner: StepRunner, keep: Keep) -> str:
    """Run {"id", "workflow", "request"} to its end and return the state that it ended in, or "held" or "queued".

    After the first step that is not ok only `always` steps run; if that one may hold, not before it is asked.
    A further run of the same transaction has {"resume": {"run", "known", "verdict"}}: steps that are known do not run
    again, and the verdict is where it begins.
    """
    transaction_id, resume = str(argument["id"]), argument.get("resume") or {}
    known: dict[str, Json] = {**resume.get("known", {}), "request": argument["request"]}
    verdict, failed = str(resume.get("verdict", "ok")), ""
    for spec in thaw(argument["workflow"]).steps:
        if spec.id in known or (verdict != "ok" and not spec.always):
            continue
        if failed:
            hold = partial(runner.hold, transaction_id, str(resume.get("run", "")), failed)
            if keep("hold", hold)["held"]:
                return "held"
            failed = ""
        result = _step(transaction_id, spec, resolve(spec.inputs, known), runner, keep)
        if result["outcome"] == "paused":
            return str(keep("pause", partial(runner.pause, transaction_id, str(resume.get("run", ""))))["state"])
        known[spec.id] = result["outputs"]
        if verdict == "ok":
            verdict = str(result["outcome"])
            failed = spec.id if verdict == "failed" and spec.hold else ""
    return str(keep("end", lambda: runner.end(transaction_id, verdict))["state"])


def _step(transaction_id: str, spec: StepSpec, inputs: Json, runner: StepRunner, keep: Keep) -> Json:
    return keep(spec.id, lambda: runner.run(transaction_id, spec, inputs))
