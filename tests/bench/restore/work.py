"""Cloudy's own part of a restore, as a process: it fetches one recovery point, as the bot does.

The product's configuration, adapters, watchdog, retries, journal in SQLite, memory and settings; only the queue, the
engine, the VMstore and Slack are left out.
"""

import sys
import time
from pathlib import Path

from bot import main as house
from bot import manifest
from bot.clock import SystemClock
from bot.errors import CloudyError
from bot.fetch import FetchSettings, fetch
from bot.journal import DatabaseJournal
from bot.model import Json
from bot.placing import OURS
from bot.retry import LONG_CALLS, retrying
from bot.systems import ConfiguredSystems
from bot.throttle import heedful
from bot.watchdog import Watchdog
from tests.bench import process
from tests.bench.transfer.job import VMSTORE, Job


def _go_on() -> None:
    """Nobody asks for Stop."""


class _Work:
    """One restore that has got as far as "Download"."""

    def __init__(self, folder: Path, job: Job) -> None:
        settings, self._db = process.opened(folder)
        self._job = job
        self._outcome, self._why, self._told = "ok", "", dict[str, int]()
        systems, (name,) = ConfiguredSystems(settings), job.targets
        self._source = retrying(heedful(systems.target(name), _go_on), time.sleep, long=LONG_CALLS)
        share = systems.restore_share(VMSTORE)
        assert share is not None  # the configuration says one
        self._share = retrying(Watchdog().watch(share, _go_on), time.sleep)
        sending = house.sending(settings)(VMSTORE, job.targets)
        self._settings = FetchSettings(threads=sending.threads, arena=sending.arena, reads=sending.reads)
        with self._db.unit() as unit:
            unit.transactions.insert(process.transaction(job, "restore"))

    def work(self) -> None:
        """Fetch all files of the recovery point."""
        (point,) = self._job.bases.values()
        try:
            moved = fetch(
                manifest.decode(self._source.get(manifest.key(point))).files,
                source=self._source,
                share=self._share,
                directory=f"{OURS}{self._job.transaction}",
                journal=DatabaseJournal(self._db, SystemClock(), self._job.transaction),
                settings=self._settings,
                check=_go_on,
                on_progress=lambda _arrived: None,
            ).moved
            self._told = {"fetched": moved.fetched, "zero": moved.zero, "local": moved.local}
        except CloudyError as error:
            self._outcome, self._why = "failed", error.message

    def said(self) -> Json:
        """What came of it."""
        return {"outcome": self._outcome, "why": self._why, "failed": {}, "lost": [], "told": self._told}


if __name__ == "__main__":
    sys.exit(process.main(Path(sys.argv[1]), _Work))
