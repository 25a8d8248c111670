"""How long one protect of a 4 MiB VM takes when nothing else is to be done: `python -m tests.bench.alone [--times N]`.

From the command in Slack to its receipt there, by the demo's world with the real bot; then where the time goes, step by
step. It judges nothing.
"""

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median

from bot.config import load
from bot.opening import open_database
from integrations.simulators.demo.world import World
from integrations.simulators.vmstore import sample_vms
from tests.e2e.waiting import until

DISK_BYTES, DATA_BYTES = 4 << 20, 1 << 20
REST_S = 20.0  # so that Slack's pace, which the last one has used up, is whole again
Spans = dict[str, list[float]]


def measure(folder: Path, times: int) -> Spans:
    """Seconds by what they were needed for."""
    sample_vms.create_vm(folder / "vmstore" / "export", "small", DISK_BYTES, DATA_BYTES)
    world, spans = World(folder), defaultdict[str, list[float]](list)
    try:
        world.start()
        world.vmstores["vmstore"].options.clone_seconds = 0.1
        for number in range(1, times + 1):
            began = time.monotonic()
            assert world.slack.command("alice", "ops", "/protect small to s3").ok
            spans["command to acknowledgement"].append(time.monotonic() - began)
            until(partial(_has, world, number), "a receipt", 60)
            spans["command to receipt"].append(time.monotonic() - began)
            time.sleep(REST_S if number < times else 0)
        _add_steps(folder, spans)
        return spans
    finally:
        world.stop()


def _has(world: World, receipts: int) -> bool:
    said = [change for change in world.slack.conversation("ops") if change.thread_ts]
    return sum("manifest.json" in change.text for change in said) >= receipts


def _add_steps(folder: Path, spans: Spans) -> None:
    db = open_database(load(folder / "cloudy.toml"))
    with db.read() as unit:
        for transaction in unit.transactions.list():
            if transaction.started_at is None or transaction.ended_at is None:
                continue
            spans["asked to planned"].append((transaction.started_at - transaction.created_at).total_seconds())
            took = (transaction.ended_at - transaction.started_at).total_seconds()
            steps = [s for s in unit.steps.of(transaction.id) if s.ended_at and s.started_at]
            for step in steps:
                if step.ended_at and step.started_at:
                    spans[f"step {step.id}"].append((step.ended_at - step.started_at).total_seconds())
                    took -= spans[f"step {step.id}"][-1]
            spans["engine, between steps and before the first"].append(took)
    db.close()


def table(spans: Spans) -> str:
    """Medians as Markdown."""
    rows = [f"| {name} | {median(values) * 1000:.0f} |" for name, values in spans.items()]
    return "\n".join(["| what | median ms |", "|---|---|", *rows])


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and tell."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--times", type=int, default=5)
    chosen = options.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="cloudy-alone-", ignore_cleanup_errors=True) as made:
        print(table(measure(Path(made), chosen.times)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
