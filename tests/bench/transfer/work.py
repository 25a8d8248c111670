"""Cloudy's own part, as a process: the step "Upload" of one transaction, run as the bot runs it. It reads JOB.json.

The product's configuration, adapters, watchdog, retries, journal in SQLite, memory and settings; only the queue, the
engine and Slack are left out. It says when it could begin, begins when it is told to, and tells what it needed.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot import main as house
from bot.actions import ACTIONS
from bot.clock import SystemClock
from bot.codec import encode
from bot.config import Settings, load
from bot.givingback import settle, share_pools
from bot.model import Actor, Json, Snapshot, SourceFile, State, Transaction, Vm
from bot.ports import ObjectStore, Share
from bot.runner import Runner
from bot.store import Database
from bot.systems import ConfiguredSystems
from bot.workflow import StepSpec, Workflow, read
from bot.workflow import load as workflow_text
from tests.bench.transfer.job import EXPORT, VMSTORE, Job
from tests.bench.transfer.measuring import held_bytes, peak_bytes
from tests.bench.transfer.profile import Profile
from tests.bench.transfer.standins import NOTHING, huge, nothing, pool


class _Systems(ConfiguredSystems):
    """Those of the configuration, and what stands in."""

    def __init__(self, settings: Settings, job: Job) -> None:
        super().__init__(settings)
        self._job = job
        self._nothing = nothing()
        if job.huge:
            pool()

    def target(self, name: str) -> ObjectStore:
        return self._nothing if name == NOTHING else super().target(name)

    def share(self, vmstore: str) -> Share:
        found = super().share(vmstore)
        return huge(found, next(iter(self._job.files.values())), self._job.huge) if self._job.huge else found


class _Work:
    """One transaction that has got as far as "Upload"."""

    def __init__(self, folder: Path, job: Job) -> None:
        settings = load(folder / "cloudy.toml")
        Database.migrate(settings.database.path)
        self._job = job
        self._db = Database.open(settings.database.path, audit_key=None, clock=SystemClock())
        self._systems = _Systems(settings, job)
        self._workflow = read(workflow_text("protect"), ACTIONS)
        self._runner = Runner(
            self._db,
            self._systems,
            SystemClock(),
            installation="bench",
            version="bench",
            transfer_settings=house.sending(settings),
        )
        for name in job.targets:
            self._systems.target(name).capabilities()  # the bot has probed it long ago
        self._record(self._workflow)

    def upload(self) -> Json:
        """Send."""
        files = [
            SourceFile(path=path, name=path, key=f"{self._job.transaction}{EXPORT}/{path}", size=size)
            for path, size in self._job.files.items()
        ]
        return self._run("upload", {"vmstore": VMSTORE, "files": encode(files), "targets": list(self._job.targets)})

    def why(self) -> str:
        """What made a step fail; "": none did."""
        with self._db.read() as unit:
            return " ".join(step.failure.what for step in unit.steps.of(self._job.transaction) if step.failure)

    def verify(self, stored: Json) -> Json:
        """Make it a recovery point."""
        vm = Vm(uuid="vm", name="vm", vmstore=VMSTORE)
        taken = Snapshot(
            uuid="snap", vm_uuid="vm", vm_name="vm", description="", consistency="crash", taken_at=datetime.now(UTC)
        )
        return self._run("verify", {"stored": stored, "vm": encode(vm), "snapshot": encode(taken), "skipped": []})

    def _run(self, step_id: str, inputs: Json) -> Json:
        spec: StepSpec = next(step for step in self._workflow.steps if step.id == step_id)
        return self._runner.run(self._job.transaction, spec, inputs)

    def _record(self, workflow: Workflow) -> None:
        frozen = workflow.freeze()
        transaction = Transaction(
            id=self._job.transaction,
            workflow="protect",
            vm="vm",
            vm_uuid=self._job.transaction,  # one VM, one transaction at a time
            vmstore=VMSTORE,
            targets=self._job.targets,
            actor=Actor(id="bench", name="bench", source="cli"),
            state=State.RUNNING,
            created_at=datetime.now(UTC),
            request_key=self._job.transaction,
            frozen=frozen,
            plan={"bases": dict(self._job.bases)},
        )
        with self._db.unit() as unit:
            unit.transactions.insert(transaction)
            unit.steps.prepare(transaction.id, [(step["id"], step["title"]) for step in frozen["step"]])


def used_cpu() -> float:
    """Seconds that this process worked so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def read_bytes() -> int:
    """What all reading calls of this process gave, those of sockets not among them (rchar, proc(5))."""
    return int(Path("/proc/self/io").read_text().split()[1])


def tell(said: Mapping[str, Any]) -> None:
    """In a line of its own, to whoever began this process."""
    print(json.dumps(said), flush=True)


def main(folder: Path) -> int:
    """Get ready, say so, wait for a line, work, tell."""
    raw = json.loads((folder / "job.json").read_text())
    job = Job(**{**raw, "targets": tuple(raw["targets"])})
    sys.setswitchinterval(house.TURN_S)
    share_pools()
    work = _Work(folder, job)
    settle()
    tell({"start_cpu": used_cpu()})
    if not sys.stdin.readline():
        return 1  # whoever wanted it has gone
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far (proc(5))
    profile = Profile() if job.profile else None
    if profile is not None:
        profile.start()
    idle, cpu, read_before, began = held_bytes("self"), used_cpu(), read_bytes(), time.monotonic()
    done = work.upload()
    wall, cpu, peak = time.monotonic() - began, used_cpu() - cpu, peak_bytes("self") - idle
    read = read_bytes() - read_before
    places = profile.stop() if profile is not None else []
    outputs = done["outputs"]
    if job.commit and done["outcome"] == "ok":
        done = work.verify(outputs["stored"])
    tell(
        {
            "outcome": done["outcome"],
            "why": work.why(),
            "failed": outputs.get("failed", {}),
            "lost": outputs.get("lost", []),
            "told": outputs.get("moved", {}),
            "wall": wall,
            "cpu": cpu,
            "peak": peak,
            "read": read,
            "profile": places,
        }
    )
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
