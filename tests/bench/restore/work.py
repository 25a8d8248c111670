"""Cloudy's own part of a restore, as a process: it fetches one recovery point, as the bot does. It reads JOB.json.

The product's configuration, adapters, watchdog, retries, journal in SQLite, memory and settings; only the queue, the
engine, the VMstore and Slack are left out. It says when it could begin, begins when it is told to, and tells what it
needed.
"""

import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from bot import main as house
from bot import manifest
from bot.clock import SystemClock
from bot.config import load
from bot.errors import CloudyError
from bot.fetch import Fetched, FetchSettings, fetch
from bot.givingback import settle, share_pools
from bot.journal import DatabaseJournal
from bot.model import Actor, State, Transaction
from bot.placing import OURS
from bot.retry import LONG_CALLS, retrying
from bot.store import Database
from bot.systems import ConfiguredSystems
from bot.throttle import heedful
from bot.watchdog import Watchdog
from tests.bench.transfer.job import VMSTORE, Job
from tests.bench.transfer.measuring import held_bytes, peak_bytes
from tests.bench.transfer.profile import Profile
from tests.bench.transfer.work import read_bytes, tell, used_cpu


def _go_on() -> None:
    """Nobody asks for Stop."""


class _Work:
    """One restore that has got as far as "Download"."""

    def __init__(self, folder: Path, job: Job) -> None:
        settings = load(folder / "cloudy.toml")
        Database.migrate(settings.database.path)
        self._job = job
        self._db = Database.open(settings.database.path, audit_key=None, clock=SystemClock())
        systems, (name,) = ConfiguredSystems(settings), job.targets
        self._source = retrying(heedful(systems.target(name), _go_on), time.sleep, long=LONG_CALLS)
        share = systems.restore_share(VMSTORE)
        assert share is not None  # the configuration says one
        self._share = retrying(Watchdog().watch(share, _go_on), time.sleep)
        sending = house.sending(settings)(VMSTORE, job.targets)
        self._settings = FetchSettings(threads=sending.threads, arena=sending.arena, reads=sending.reads)
        self._record()

    def fetch(self) -> Fetched:
        """Fetch all files of the recovery point."""
        (point,) = self._job.bases.values()
        return fetch(
            manifest.decode(self._source.get(manifest.key(point))).files,
            source=self._source,
            share=self._share,
            directory=f"{OURS}{self._job.transaction}",
            journal=DatabaseJournal(self._db, SystemClock(), self._job.transaction),
            settings=self._settings,
            check=_go_on,
            on_progress=lambda _arrived: None,
        )

    def _record(self) -> None:
        transaction = Transaction(
            id=self._job.transaction,
            workflow="restore",
            vm="vm",
            targets=self._job.targets,
            actor=Actor(id="bench", name="bench", source="cli"),
            state=State.RUNNING,
            created_at=datetime.now(UTC),
            request_key=self._job.transaction,
        )
        with self._db.unit() as unit:
            unit.transactions.insert(transaction)


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
    outcome, why, told = "ok", "", {}
    try:
        moved = work.fetch().moved
        told = {"fetched": moved.fetched, "zero": moved.zero, "local": moved.local}
    except CloudyError as error:
        outcome, why = "failed", error.message
    wall, cpu, peak = time.monotonic() - began, used_cpu() - cpu, peak_bytes("self") - idle
    tell(
        {
            "outcome": outcome,
            "why": why,
            "failed": {},
            "lost": [],
            "told": told,
            "wall": wall,
            "cpu": cpu,
            "peak": peak,
            "read": read_bytes() - read_before,
            "profile": profile.stop() if profile is not None else [],
        }
    )
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
