"""Acts at a moment of a run: before a step begins, or while a call of a share is under way."""

import time
from collections.abc import Callable

import pytest

from bot.model import Json
from bot.runner import Runner
from bot.workflow import StepSpec
from tests.bad_days.world import World


def before(world: World, step: str, act: Callable[[], object]) -> None:
    """Let the act happen just before the step of that id begins, once."""
    process, acts = world.process, {step: act}

    def watched() -> Runner:
        runner = process()
        run = runner.run

        def run_after(transaction_id: str, spec: StepSpec, inputs: Json) -> Json:
            acts.pop(spec.id, lambda: None)()
            return run(transaction_id, spec, inputs)

        runner.run = run_after  # type: ignore[method-assign]
        return runner

    world.process = watched  # type: ignore[method-assign]


def until(is_so: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            pytest.fail("it did not become so in time")
        time.sleep(0.02)


def outcome(told_audit: object) -> Json:
    """The body of the audit's row that says how it ended."""
    assert isinstance(told_audit, tuple)
    bodies: list[Json] = [row.body for row in told_audit if row.action in ("outcome", "plan")]
    return bodies[-1]
