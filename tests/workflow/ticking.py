"""Small processes that keep time: the real timekeeper, APScheduler, and a real database. They are there to be killed.

`python -m tests.workflow.ticking DATABASE LOCK` forks one for each line that it reads: "alone" (it holds the worker
lock, as the bot does) or "beside", then where it is to die by itself (bot/crossings.py). It answers with its pid.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count, takewhile
from pathlib import Path

from bot import crossings
from bot.clock import SystemClock
from bot.firing import Firer
from bot.lock import WorkerLock
from bot.model import Schedule
from bot.recurrence import Recurrence, parse
from bot.service import Service
from bot.store import Database
from bot.timekeeper import Timekeeper

EVERY_S = 1


class EverySecond(Recurrence):
    """Fires at each second: more often than any phrase can say."""

    def after(self, moment_: datetime) -> Iterator[datetime]:
        begin = moment_.astimezone(UTC).replace(microsecond=0)
        return (begin + timedelta(seconds=EVERY_S * number) for number in count(1))

    def between(self, after: datetime, until: datetime) -> Iterator[datetime]:
        return takewhile(lambda at: at <= until, self.after(after))

    def next(self, after: datetime) -> datetime | None:
        return next(self.after(after))


class QuickFirer(Firer):
    """Whatever the phrase says."""

    def recurrence(self, schedule: Schedule) -> Recurrence:
        said = parse(schedule.asked.recurrence)
        return EverySecond(rule=said.rule, zone=said.zone)


def quick(service: Service) -> Service:
    """Its schedules fire each second."""
    firer = service.schedules.accounts.firer
    service.schedules.accounts.firer = QuickFirer(firer._rights, firer.table, firer.rules, firer._targets)
    return service


def keep_time(path: Path, lock: Path | None) -> None:
    """Keep time until killed."""
    if lock is not None:
        WorkerLock(lock).acquire(wait_s=60.0)
    db = Database.open(path, audit_key=b"k" * 32)
    service = quick(Service(db, SystemClock(), vmstores=("vmstore",), targets=("s3",)))
    keeper = Timekeeper(db, SystemClock(), service.schedules.accounts)
    print(os.getpid(), flush=True)
    keeper.run(threading.Event())


def main(path: Path, lock: Path) -> None:
    """Fork a process for each line, so that none of them has to begin with reading Cloudy's code."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        kind, _, deaths = line.strip().partition(" ")
        if os.fork() == 0:
            crossings.arm(deaths)
            keep_time(path, lock if kind == "alone" else None)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
