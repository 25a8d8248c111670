"""Cloudy's own part of a benchmark, as a process: it reads job.json, says when it could begin, begins when told to.

What it needed is told at the end, in one line of JSON; begun by tests/bench/transfer/cloudy.py.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from bot import main as house
from bot.clock import SystemClock
from bot.config import Settings, load
from bot.givingback import settle, share_pools
from bot.model import Actor, Json, State, Transaction
from bot.store import Database
from tests.bench.transfer.job import Job
from tests.bench.transfer.measuring import held_bytes, peak_bytes
from tests.bench.transfer.profile import Profile


class Work(Protocol):
    """One transaction that has got as far as what is measured."""

    def work(self) -> None:
        """What is measured."""

    def said(self) -> Json:
        """What came of it: outcome, why, failed, lost, told."""


def opened(folder: Path) -> tuple[Settings, Database]:
    """The installation that lies there."""
    settings = load(folder / "cloudy.toml")
    Database.migrate(settings.database.path)
    return settings, Database.open(settings.database.path, audit_key=None, clock=SystemClock())


def transaction(job: Job, workflow: str, **more: Any) -> Transaction:
    """As somebody had asked for it."""
    return Transaction(
        id=job.transaction,
        workflow=workflow,
        vm="vm",
        targets=job.targets,
        actor=Actor(id="bench", name="bench", source="cli"),
        state=State.RUNNING,
        created_at=datetime.now(UTC),
        request_key=job.transaction,
        **more,
    )


def main(folder: Path, prepared: Callable[[Path, Job], Work]) -> int:
    """Get ready, say so, wait for a line, work, tell."""
    raw = json.loads((folder / "job.json").read_text())
    job = Job(**{**raw, "targets": tuple(raw["targets"])})
    sys.setswitchinterval(house.TURN_S)
    share_pools()
    work = prepared(folder, job)
    settle()
    _tell({"start_cpu": _used_cpu()})
    if not sys.stdin.readline():
        return 1  # whoever wanted it has gone
    needed = _measured(work, Profile() if job.profile else None)
    _tell({**work.said(), **needed})
    sys.stdout.flush()
    os._exit(0)


def _measured(work: Work, profile: Profile | None) -> Json:
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far (proc(5))
    if profile is not None:
        profile.start()
    idle, cpu, read, began = held_bytes("self"), _used_cpu(), _read_bytes(), time.monotonic()
    work.work()
    return {
        "wall": time.monotonic() - began,
        "cpu": _used_cpu() - cpu,
        "peak": peak_bytes("self") - idle,
        "read": _read_bytes() - read,
        "profile": profile.stop() if profile is not None else [],
    }


def _used_cpu() -> float:
    """Seconds that this process worked so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _read_bytes() -> int:
    """What all reading calls of this process gave, those of sockets not among them (rchar, proc(5))."""
    return int(Path("/proc/self/io").read_text().split()[1])


def _tell(said: Mapping[str, Any]) -> None:
    """In a line of its own, to whoever began this process."""
    print(json.dumps(said), flush=True)
