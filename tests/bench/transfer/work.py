"""Cloudy's own part, as a process: the step "Upload" of one transaction, run as the bot runs it.

The product's configuration, adapters, watchdog, retries, journal in SQLite, memory and settings; only the queue, the
engine and Slack are left out.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path

from bot import main as house
from bot.actions import ACTIONS
from bot.clock import SystemClock
from bot.codec import encode
from bot.config import Settings
from bot.limits import Limits
from bot.model import Json, Snapshot, SourceFile, Vm
from bot.ports import ObjectStore, Share
from bot.runner import Runner
from bot.systems import ConfiguredSystems
from bot.workflow import StepSpec, Workflow, read
from bot.workflow import load as workflow_text
from tests.bench import process
from tests.bench.transfer.job import EXPORT, VMSTORE, Job
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
        settings, self._db = process.opened(folder)
        self._job = job
        self._done: Json = {}
        self._systems = _Systems(settings, job)
        self._workflow = read(workflow_text("protect"), ACTIONS)
        self._runner = Runner(
            self._db,
            self._systems,
            SystemClock(),
            Limits(transfer_settings=house.sending(settings)),
            installation="bench",
            version="bench",
        )
        for name in job.targets:
            self._systems.target(name).capabilities()  # the bot has probed it long ago
        self._record(self._workflow)

    def work(self) -> None:
        """Send."""
        files = [
            SourceFile(path=path, name=path, key=f"{self._job.transaction}{EXPORT}/{path}", size=size)
            for path, size in self._job.files.items()
        ]
        self._done = self._run(
            "upload", {"vmstore": VMSTORE, "files": encode(files), "targets": list(self._job.targets)}
        )

    def said(self) -> Json:
        """Make it a recovery point first, where it is to be one."""
        done, outputs = self._done, self._done["outputs"]
        if self._job.commit and done["outcome"] == "ok":
            done = self._verify(outputs["stored"])
        return {
            "outcome": done["outcome"],
            "why": self._why(),
            "failed": outputs.get("failed", {}),
            "lost": outputs.get("lost", []),
            "told": outputs.get("moved", {}),
        }

    def _why(self) -> str:
        """What made a step fail; "": none did."""
        with self._db.read() as unit:
            return " ".join(step.failure.what for step in unit.steps.of(self._job.transaction) if step.failure)

    def _verify(self, stored: Json) -> Json:
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
        transaction = process.transaction(
            self._job,
            "protect",
            vm_uuid=self._job.transaction,  # one VM, one transaction at a time
            vmstore=VMSTORE,
            frozen=frozen,
            plan={"bases": dict(self._job.bases)},
        )
        with self._db.unit() as unit:
            unit.transactions.insert(transaction)
            unit.steps.prepare(transaction.id, [(step["id"], step["title"]) for step in frozen["step"]])


if __name__ == "__main__":
    sys.exit(process.main(Path(sys.argv[1]), _Work))
